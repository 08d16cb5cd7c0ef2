//! The Python that makes goldens and runs the checks of `interop/`: the pinned packages, or none.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::util::cargo::{root, run, target};

/// An interpreter that has every package of tests/golden/requirements.txt at its pinned version.
pub(crate) struct Python {
    interpreter: PathBuf,
}

impl Python {
    /// The interpreter `named` on the command line, or else by `EARMARK_PYTHON`, or else that of a virtual environment
    /// under `target/`, which is made if need be.
    pub(crate) fn choose(named: Option<String>) -> Result<Self> {
        let python = match named.map(OsString::from).or_else(|| env::var_os("EARMARK_PYTHON")) {
            Some(path) => Self { interpreter: path.into() },
            None => Self::in_virtual_environment()?,
        };
        python.check_pins()?;
        Ok(python)
    }

    /// A command that runs `script`, a path from the root of the repository, in that root.
    pub(crate) fn script(&self, script: &Path) -> Command {
        let mut command = Command::new(&self.interpreter);
        // What the scripts load lies in the repository or in a folder they made: a request would be a mistake.
        command.arg(script).current_dir(root()).env("HF_HUB_OFFLINE", "1");
        // The progress bars of a check are noise, and bytecode beside the scripts is litter.
        command.env("HF_HUB_DISABLE_PROGRESS_BARS", "1").env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    fn in_virtual_environment() -> Result<Self> {
        let folder = target()?.join("interop-venv");
        let bin = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
        let python = Self { interpreter: folder.join(bin) };
        // An installation that was cut off leaves an interpreter without its packages: pip then takes it up again.
        if python.interpreter.is_file() && python.check_pins().is_ok() {
            return Ok(python);
        }
        eprintln!("installing the Python reference into {}: about 7 GB", folder.display());
        eprintln!("(to use an interpreter that has it, pass --python PATH or set EARMARK_PYTHON)");
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(&python.interpreter).args(["-m", "pip", "install", "--requirement", REQUIREMENTS]))?;
        Ok(python)
    }

    fn check_pins(&self) -> Result<()> {
        let name = self.interpreter.display();
        let output = self
            .script(Path::new("interop/pins.py"))
            .arg(REQUIREMENTS)
            .output()
            .with_context(|| format!("failed to start `{name}`"))?;
        if !output.status.success() {
            let wrong = String::from_utf8_lossy(&output.stdout).replace('\n', "\n  ");
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`{name}` does not have the packages of {REQUIREMENTS}:\n  {}{said}", wrong.trim_end());
        }
        Ok(())
    }
}

/// Takes `--python PATH` out of `args`.
pub(crate) fn take_option(args: &mut Vec<String>) -> Result<Option<String>> {
    match args.iter().position(|arg| arg == "--python") {
        Some(at) if at + 1 < args.len() => Ok(args.drain(at..at + 2).next_back()),
        Some(_) => bail!("`--python` needs the path of an interpreter"),
        None => Ok(None),
    }
}

const REQUIREMENTS: &str = "tests/golden/requirements.txt";
