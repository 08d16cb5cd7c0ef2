//! Cargo features, and libraries as those who depend on them build them.

use std::process::Command;

use anyhow::{Context as _, Result};

use super::Outcome;
use crate::util::cargo::{self, Package};

/// The devices whose crates build without their libraries. Not `cuda`, whose build script downloads LLVM.
const DEVICES: &str = "libtorch,wgpu,tch/doc-only";

/// The command with each device that builds offline, and the libraries that have features without them.
pub(crate) fn run() -> Result<Outcome> {
    let libraries = libraries()?;
    let with_features = libraries.iter().filter(|package| package.has_features);
    // All at once: each alone would check burn again.
    let named = with_features.flat_map(|package| ["--package", package.name.as_str()]);
    check(&named.chain(["--lib", "--no-default-features"]).collect::<Vec<_>>())?;
    check(&["--package", "earmark-cli", "--features", DEVICES])?;
    Ok(Outcome::Passed)
}

/// Each library by itself. In a workspace a feature of a dependency that one crate asks for is there for all: what a crate forgot
/// to ask for shows here only. Most dependencies are then compiled once more.
pub(crate) fn alone() -> Result<Outcome> {
    for package in &libraries()? {
        check(&["--package", &package.name, "--lib"])?;
    }
    Ok(Outcome::Passed)
}

fn libraries() -> Result<Vec<Package>> {
    let mut packages = cargo::packages()?;
    packages.retain(|package| package.published && package.has_library);
    Ok(packages)
}

fn check(args: &[&str]) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["check", "--release", "--locked", "--quiet"]).args(args);
    cargo::run(&mut command).with_context(|| format!("`cargo check {}` failed", args.join(" ")))
}
