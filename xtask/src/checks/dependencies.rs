//! What our dependencies are licensed under, where they come from, what is known against them, and whether each is used.

use std::process::Stdio;

use anyhow::Result;

use super::Outcome;
use crate::util::cargo::run as must;
use crate::util::tools::tool;

/// Licences, forbidden crates and sources: `deny.toml`.
pub(crate) fn licences() -> Result<Outcome> {
    let Some(mut deny) = tool("cargo-deny")? else { return Ok(Outcome::no_tools()) };
    must(deny.args(["--log-level", "warn", "check", "licenses", "bans", "sources"]))?;
    Ok(Outcome::Passed)
}

/// RustSec's advisories against `Cargo.lock`. They lie in a git repository, which not every machine reaches.
pub(crate) fn advisories() -> Result<Outcome> {
    let (Some(mut fetch), Some(mut deny)) = (tool("cargo-deny")?, tool("cargo-deny")?) else {
        return Ok(Outcome::no_tools());
    };
    let fetched = fetch.args(["fetch", "db"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !fetched.is_ok_and(|status| status.success()) {
        return Ok(Outcome::Skipped("RustSec's database cannot be fetched".to_owned()));
    }
    must(deny.args(["--log-level", "warn", "check", "--disable-fetch", "advisories"]))?;
    Ok(Outcome::Passed)
}

/// Dependencies that no line mentions, and files that no module leads to.
pub(crate) fn unused() -> Result<Outcome> {
    let Some(mut shear) = tool("cargo-shear")? else { return Ok(Outcome::no_tools()) };
    must(shear.arg("--deny-warnings"))?;
    Ok(Outcome::Passed)
}
