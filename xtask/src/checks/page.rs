//! Whether the page that is part of `earmark serve` is the build of its sources: `npm ci`, `npm run build`, and nothing changes.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::Outcome;
use crate::util::cargo::{root, run as must};

const CRATE: &str = "crates/earmark-serve";

pub(crate) fn run() -> Result<Outcome> {
    if Command::new("npm").arg("--version").output().is_err() {
        return Ok(Outcome::Skipped("npm is not installed".to_owned()));
    }
    let (web, dist) = (root().join(CRATE).join("web"), root().join(CRATE).join("dist"));
    let before = files(&dist)?;
    // Without scripts of the packages: esbuild's binary is a package of its own.
    if let Err(error) =
        must(Command::new("npm").args(["ci", "--ignore-scripts", "--silent"]).current_dir(&web))
    {
        return Ok(Outcome::Skipped(format!("the packages of its build cannot be installed: {error:#}")));
    }
    for script in ["check", "build"] {
        must(Command::new("npm").args(["run", "--silent", script]).current_dir(&web))?;
    }
    if files(&dist)? != before {
        bail!("`{CRATE}/dist` is not the build of `{CRATE}/web`: it was built again just now, so commit it");
    }
    Ok(Outcome::Passed)
}

/// The files of a folder by name, with their bytes.
fn files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let doing = || format!("failed to read `{}`", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(doing)? {
        let path = entry.with_context(doing)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push((name, fs::read(&path).with_context(doing)?));
    }
    files.sort();
    Ok(files)
}
