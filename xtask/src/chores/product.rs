//! `cargo xtask train|train-gtzan|eval|serve|run`: builds the `earmark` command and hands over to it.

use std::process::{Command, ExitCode};
use std::{env, fs};

use crate::util::cargo::root;
use crate::util::libtorch::Libtorch;

/// Runs `earmark COMMAND ARGS` where the person is, with data and runs kept in the repository.
pub(crate) fn run(command: &str, args: &[String]) -> ExitCode {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["run", "--release", "--package", "earmark-cli", "--manifest-path"])
        .arg(root().join("Cargo.toml"));
    match device(args).and_then(|device| device.split(':').next()) {
        Some("libtorch") => match Libtorch::find(None) {
            Ok(libtorch) => {
                libtorch.tell(&mut cargo);
                cargo.args(["--features", "libtorch"]);
            }
            Err(error) => {
                eprintln!("error: {error:#}");
                return ExitCode::FAILURE;
            }
        },
        Some(feature @ ("cuda" | "wgpu")) => {
            cargo.args(["--features", feature]);
        }
        _ => {}
    }
    // The build says what it does, for the first one takes minutes; the binary's own name is noise.
    // What the product tells people to type next, they type here.
    cargo.env("EARMARK_COMMAND", "cargo xtask run");
    cargo.arg("--").args((!command.is_empty()).then_some(command)).args(args);
    for (variable, folder) in [("EARMARK_DATA", "data"), ("EARMARK_RUNS", "runs")] {
        if env::var_os(variable).is_none() {
            cargo.env(variable, root().join(folder));
        }
    }
    hand_over(&mut cargo)
}

/// Runs `earmark train` by a recipe of `presets/`.
pub(crate) fn train(args: &[String]) -> ExitCode {
    let known = presets();
    let (name, rest) = match args.split_first() {
        Some((name, rest)) if known.contains(name) => (name, rest),
        given => {
            let problem = match given {
                Some((name, _)) if !name.starts_with('-') => format!("no recipe `{name}`"),
                _ => "which recipe?".to_owned(),
            };
            eprintln!("error: {problem}: `cargo xtask train` takes one of {}", known.join(", "));
            return ExitCode::from(2);
        }
    };
    let recipe = root().join("presets").join(name).with_extension("toml");
    let recipe = ["--recipe".to_owned(), recipe.display().to_string()];
    run("train", &[&recipe, rest].concat())
}

/// The names of the recipes.
fn presets() -> Vec<String> {
    let files = fs::read_dir(root().join("presets")).into_iter().flatten().flatten().map(|it| it.path());
    let recipes = files.filter(|file| file.extension().is_some_and(|it| it == "toml"));
    let mut names: Vec<String> =
        recipes.filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

/// What `--device` says.
fn device(args: &[String]) -> Option<&str> {
    let at = args.iter().position(|arg| arg == "--device" || arg.starts_with("--device="))?;
    args[at].strip_prefix("--device=").or_else(|| args.get(at + 1).map(String::as_str))
}

/// Becomes the product: a Ctrl-C is then its alone, and the prompt comes back when it has saved.
#[cfg(unix)]
fn hand_over(cargo: &mut Command) -> ExitCode {
    use std::os::unix::process::CommandExt as _;
    failed(&cargo.exec())
}

#[cfg(not(unix))]
fn hand_over(cargo: &mut Command) -> ExitCode {
    match cargo.status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(130)),
        Err(error) => failed(&error),
    }
}

fn failed(error: &std::io::Error) -> ExitCode {
    eprintln!("error: cannot start cargo: {error}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::presets;

    #[test]
    fn the_help_names_every_recipe() {
        let words: Vec<&str> = crate::HELP.split([' ', ',', '\n']).collect();
        for name in presets() {
            assert!(words.contains(&name.as_str()), "{name}");
        }
        assert!(presets().len() >= 6);
    }
}
