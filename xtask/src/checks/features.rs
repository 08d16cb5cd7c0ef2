//! Cargo features: each library alone, as who depends on it builds it, and the command with each device that builds offline.

use std::process::Command;

use anyhow::{Context as _, Result};

use super::Outcome;
use crate::util::cargo;

/// The devices whose crates build without their libraries. Not `cuda`, whose build script downloads LLVM.
const DEVICES: &str = "libtorch,wgpu,tch/doc-only";

pub(crate) fn run() -> Result<Outcome> {
    let published = cargo::packages()?.into_iter().filter(|package| package.published);
    for package in published.filter(|package| package.has_library) {
        // In a workspace one crate's features are switched on for all: what a crate forgot to ask for shows here only.
        check(&["--package", &package.name, "--lib", "--no-default-features"])?;
        if package.has_default && !package.features.is_empty() {
            check(&["--package", &package.name, "--lib"])?;
        }
    }
    check(&["--package", "earmark-cli", "--features", DEVICES])?;
    Ok(Outcome::Passed)
}

fn check(args: &[&str]) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["check", "--release", "--locked", "--quiet"]).args(args);
    cargo::run(&mut command).with_context(|| format!("`cargo check {}` failed", args.join(" ")))
}
