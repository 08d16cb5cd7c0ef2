//! Whether the page that is part of `earmark serve` is the build of its sources: `npm ci`, `npm run build`, and nothing changes.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::Outcome;
use crate::util::cargo::{root, run as must};
use crate::util::npm;

const CRATE: &str = "crates/earmark-serve";

pub(crate) fn run() -> Result<Outcome> {
    let (web, dist) = (root().join(CRATE).join("web"), root().join(CRATE).join("dist"));
    let before = files(&dist)?;
    if let Err(why) = npm::install(&web) {
        return Ok(Outcome::Skipped(why));
    }
    for name in ["check", "build"] {
        must(&mut npm::script(&web, name))?;
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
