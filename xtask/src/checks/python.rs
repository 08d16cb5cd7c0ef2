//! The Python package: its types, and its tests on a wheel in an empty virtual environment.

use std::process::Command;

use anyhow::Result;

use super::Outcome;
use crate::util::cargo::run as must;
use crate::util::wheel::{Venv, of_the_workspace};

pub(crate) fn run() -> Result<Outcome> {
    if Command::new("python3").arg("--version").output().is_err() {
        return Ok(Outcome::Skipped("there is no python3".to_owned()));
    }
    let tools = Venv::tools()?;
    must(&mut tools.module("mypy", &["--no-error-summary", "python/earmark"]))?;
    let fresh = Venv::fresh(&of_the_workspace(&tools)?)?;
    must(&mut fresh.module("pytest", &["--quiet"]))?;
    Ok(Outcome::Passed)
}
