//! No broken link in the docs; and each library's public API, as `public-api.txt` beside its `Cargo.toml` lists it, so that a change of it is seen.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use super::Outcome;
use crate::util::cargo::{self, Package};

/// Set where this program is started in rustdoc's place.
const AS_RUSTDOC: &str = "EARMARK_XTASK_AS_RUSTDOC";

pub(crate) fn run() -> Result<Outcome> {
    let mut programs = Command::new("cargo");
    programs.args(["doc", "--release", "--workspace", "--no-deps", "--bins", "--quiet"]);
    cargo::run(programs.env("RUSTDOCFLAGS", "--deny warnings"))?;
    let mut changed = Vec::new();
    for (package, now) in surfaces("--deny warnings")? {
        let path = package.folder.join("public-api.txt");
        let listed = fs::read_to_string(&path).unwrap_or_default();
        if let Some(difference) = difference(&listed, &now) {
            changed.push(format!("{}:\n{difference}", package.name));
        }
    }
    if !changed.is_empty() {
        bail!(
            "the public API is not what `public-api.txt` lists; if the change is meant, `cargo xtask check --bless` lists it, and \
             CHANGELOG.md says it:\n{}",
            changed.join("\n")
        );
    }
    Ok(Outcome::Passed)
}

/// Writes each list anew.
pub(crate) fn bless() -> Result<()> {
    for (package, now) in surfaces("")? {
        let path = package.folder.join("public-api.txt");
        fs::write(&path, now).with_context(|| format!("failed to write `{}`", path.display()))?;
    }
    Ok(())
}

/// Each library that is published, with its public items, one a line; `flags` are rustdoc's.
fn surfaces(flags: &str) -> Result<Vec<(Package, String)>> {
    let mut libraries = cargo::packages()?;
    libraries.retain(|package| package.published && package.has_library);
    let myself = env::current_exe().context("failed to find this program's own path")?;
    let mut doc = Command::new("cargo");
    doc.args(["doc", "--release", "--workspace", "--no-deps", "--lib", "--quiet"])
        // JSON is not stable, and rustdoc wants to be told that one knows. Cargo must not be told, for the build scripts of
        // half our dependencies look, and everything would be compiled again.
        .env("RUSTDOC", myself)
        .env(AS_RUSTDOC, "1")
        .env("RUSTDOCFLAGS", format!("-Z unstable-options --output-format json {flags}"));
    cargo::run(&mut doc)?;
    let folder = cargo::target()?.join("doc");
    let json = |package: &Package| folder.join(format!("{}.json", package.name.replace('-', "_")));
    let mut list = Command::new("cargo");
    list.args(["run", "--quiet", "--release", "--locked", "--manifest-path", "xtask/api/Cargo.toml"])
        .arg("--target-dir")
        .arg(cargo::target()?.join("api"))
        .arg("--")
        .args(libraries.iter().map(json));
    cargo::run(&mut list)?;
    let read = |package: Package| {
        let path = json(&package).with_extension("txt");
        let text =
            fs::read_to_string(&path).with_context(|| format!("failed to read `{}`", path.display()))?;
        Ok((package, text))
    };
    libraries.into_iter().map(read).collect()
}

/// Does rustdoc's work when cargo has started this program in its place.
pub(crate) fn rustdoc() -> Option<ExitCode> {
    env::var_os(AS_RUSTDOC)?;
    let args: Vec<OsString> = env::args_os().skip(1).collect();
    let status =
        Command::new("rustdoc").args(args).env("RUSTC_BOOTSTRAP", "1").env_remove(AS_RUSTDOC).status();
    Some(match status {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: cannot start rustdoc: {error}");
            ExitCode::FAILURE
        }
    })
}

/// The lines of one text that the other does not have, `None` when there are none.
fn difference(listed: &str, now: &str) -> Option<String> {
    let (before, after): (BTreeSet<&str>, BTreeSet<&str>) = (listed.lines().collect(), now.lines().collect());
    let gone = before.difference(&after).map(|line| format!("  - {line}"));
    let new = after.difference(&before).map(|line| format!("  + {line}"));
    let lines: Vec<String> = gone.chain(new).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn a_change_of_surface_is_named_line_by_line() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(difference("a\nb\n", "b\nc\n").unwrap(), "  - a\n  + c");
    }
}
