//! The finished programs of `xtask/tools.txt`, in a virtual environment under `target/`.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::util::cargo::{root, run, target};

const LIST: &str = "xtask/tools.txt";

/// A command that runs `name`, which `LIST` has, in the root of the repository; `None` where the programs cannot be had, as on a
/// train, but never in CI.
pub(crate) fn tool(name: &str) -> Result<Option<Command>> {
    let folder = match environment() {
        Ok(folder) => folder,
        Err(error) if env::var_os("CI").is_none() => {
            eprintln!("`{name}` is not available: {error:#}");
            return Ok(None);
        }
        Err(error) => return Err(error.context(format!("`{name}` is one of the programs of {LIST}"))),
    };
    let mut command = Command::new(folder.join(BIN).join(name));
    command.current_dir(root());
    Ok(Some(command))
}

const BIN: &str = if cfg!(windows) { "Scripts" } else { "bin" };

/// The environment, made anew when the list has changed since.
fn environment() -> Result<PathBuf> {
    let folder = target()?.join("tools");
    let list = fs::read_to_string(root().join(LIST)).with_context(|| format!("failed to read `{LIST}`"))?;
    // Written last: an installation that was cut off is taken up again.
    let installed = folder.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == list) {
        return Ok(folder);
    }
    eprintln!("installing the programs of {LIST} into {}", folder.display());
    let python = if cfg!(windows) { "python" } else { "python3" };
    run(Command::new(python).args(["-m", "venv"]).arg(&folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"];
    run(Command::new(folder.join(BIN).join("python")).args(pip).args(["--requirement", LIST]))?;
    fs::write(&installed, list).with_context(|| format!("failed to write `{}`", installed.display()))?;
    Ok(folder)
}
