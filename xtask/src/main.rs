//! The chores: `cargo xtask <chore>`. One file a chore; links nothing heavy, so that it is there in seconds.

mod chores;
mod checks;
mod util;

use std::process::ExitCode;

use crate::chores::{bench, check, goldens, interop, libtorch, product, test};

const HELP: &str = "\
cargo xtask <chore>

  train-gtzan [ARGS]   fine-tune DistilHuBERT on GTZAN; ARGS go to `earmark train`
                         --sample          ten synthesised genres instead: no download, minutes
                         --data DIR        any folder with a sub-folder per class
                         --help            everything else
  eval [RUN] [ARGS]    score the newest run, or RUN, on its held-out clips; ARGS go to `earmark eval`
  run ARGS             any other `earmark` command

  test                 every test; what CI runs
  check [NAME..]       spelling, format, circles, layers, dependencies, packages, lints, docs, features
                         --all             each library by itself too: as much to compile again
                         --bless           list the public API of each crate anew
  goldens [NAME..]     make the committed reference values anew (needs the Python reference stack)
  interop              check the finished binary against the Python reference stack
  bench [ARGS]         measure beside PyTorch and ONNX Runtime; writes docs/performance.md
                         --only NAME       some rows; --list names them
                         --python PATH     an interpreter with bench/requirements.txt
  libtorch [--pip]     find libtorch 2.9.0, or make it, for --device libtorch and libtorch:cuda
";

fn main() -> ExitCode {
    if let Some(done) = checks::docs::rustdoc() {
        return done;
    }
    let mut args = std::env::args().skip(1);
    let chore = args.next().unwrap_or_default();
    let args: Vec<String> = args.collect();
    let done = match chore.as_str() {
        // The product's own exit codes mean something; they are passed on.
        "train-gtzan" => return product::run("train", &args),
        "eval" => return product::run("eval", &args),
        "run" => return product::run("", &args),
        "test" => test::run(&args),
        "check" => check::run(&args),
        "goldens" => goldens::run(&args),
        "interop" => interop::run(&args),
        "bench" => bench::run(&args),
        "libtorch" => libtorch::run(&args),
        "" | "help" | "-h" | "--help" => {
            print!("{HELP}");
            Ok(())
        }
        unknown => {
            eprintln!("error: there is no chore `{unknown}`\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
