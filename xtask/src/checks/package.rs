//! Whether each published crate has in it what it needs, as crates.io would get it.

use std::process::Command;

use anyhow::Result;

use super::Outcome;
use crate::util::cargo;

pub(crate) fn run() -> Result<Outcome> {
    let mut package = Command::new("cargo");
    // Not built once more out of the archives, which would take burn's minutes again.
    package.args(["package", "--workspace", "--locked", "--no-verify", "--allow-dirty", "--quiet"]);
    for kept in cargo::packages()?.iter().filter(|package| !package.published) {
        package.args(["--exclude", &kept.name]);
    }
    cargo::run(&mut package)?;
    Ok(Outcome::Passed)
}
