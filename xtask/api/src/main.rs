//! `list-api JSON..`: for each rustdoc JSON a file with the ending `txt` beside it, one public item a line.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    for path in std::env::args_os().skip(1).map(PathBuf::from) {
        // What a type derives is part of its API; what the compiler or a blanket adds by itself is noise.
        let api = public_api::Builder::from_rustdoc_json(&path)
            .omit_blanket_impls(true)
            .omit_auto_trait_impls(true)
            .omit_auto_derived_impls(true)
            .build()
            .map_err(|error| format!("{}: {error}", path.display()))?;
        std::fs::write(path.with_extension("txt"), api.to_string())?;
    }
    Ok(())
}
