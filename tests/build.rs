//! Makes tests of the code in `docs/rust.md`: around each block it puts what its reader has anyway, a folder with the files that
//! the code opens, and a function in which `?` works.

use std::path::PathBuf;
use std::{env, fs};

const GUIDE: &str = "../docs/rust.md";

fn main() {
    println!("cargo::rerun-if-changed={GUIDE}");
    let guide = fs::read_to_string(GUIDE).expect("the guide is in the repository");
    let mut tested = String::new();
    let mut in_code = false;
    for line in guide.lines() {
        let fence = line.starts_with("```");
        if fence && in_code {
            tested += "# Ok::<(), Box<dyn std::error::Error>>(())\n";
        }
        tested += line;
        tested.push('\n');
        let opens = fence && !in_code && line.starts_with("```rust");
        if opens {
            tested += "# let _folder = earmark_tests::GuideFolder::enter()?;\n";
        }
        in_code = if fence { opens } else { in_code };
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("rust.md"), tested).expect("OUT_DIR can be written to");
}
