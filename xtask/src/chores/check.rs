//! `cargo xtask check [NAME..]`: everything about the source that is not a test. Cheapest first.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::checks::{circles, layers, licences, one_burn};
use crate::util::cargo::{cargo, run as must};

type Check = (&'static str, fn() -> Result<()>);

const CHECKS: &[Check] = &[
    ("format", format),
    ("layers", layers::run),
    ("one-burn", one_burn::run),
    ("licences", licences::run),
    ("lints", lints),
    ("docs", docs),
];

/// Asked for by name only.
const BY_NAME: &[Check] = &[("circles", circles::run)];

/// Runs the checks of the names in `args`, or those that every change must pass.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let known = || CHECKS.iter().chain(BY_NAME);
    let chosen: Vec<&Check> = match args {
        [] => CHECKS.iter().collect(),
        names => names
            .iter()
            .map(|name| {
                let names = || known().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
                let found = known().find(|(known, _)| known == name);
                found.with_context(|| format!("no check is called `{name}`; there are {}", names()))
            })
            .collect::<Result<_>>()?,
    };
    for (name, work) in chosen {
        let start = Instant::now();
        work().with_context(|| format!("the check `{name}` failed"))?;
        eprintln!("check: {name} ({:.1} s)", start.elapsed().as_secs_f32());
    }
    Ok(())
}

fn format() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])
}

fn lints() -> Result<()> {
    cargo(&["clippy", "--release", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"])
}

fn docs() -> Result<()> {
    let mut doc = Command::new("cargo");
    doc.args(["doc", "--release", "--workspace", "--no-deps", "--quiet"])
        .env("RUSTDOCFLAGS", "--deny warnings");
    must(&mut doc)
}
