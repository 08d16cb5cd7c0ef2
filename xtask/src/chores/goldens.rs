//! `cargo xtask goldens [NAME..] [--python PATH]`: makes the committed expectations anew.
//!
//! A golden's script lies beside what it writes: `tests/golden/<name>.py`, or `tests/golden/make.py` of the crate
//! `earmark-<name>`. Nothing changes when nothing changed: `git diff` after a run shows what did.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::util::cargo;
use crate::util::python::{self, Python};

/// Runs the scripts of the names in `args`, or all of them.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut names = args.to_vec();
    let interpreter = python::take_option(&mut names)?;
    let scripts = scripts()?;
    let known = || scripts.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.is_empty() {
        names = scripts.keys().cloned().collect();
    }
    let chosen = names
        .iter()
        .map(|name| {
            scripts.get(name).with_context(|| format!("no golden `{name}`; the goldens are {}", known()))
        })
        .collect::<Result<Vec<_>>>()?;
    let python = Python::choose(interpreter)?;
    for script in chosen {
        eprintln!("{}", script.display());
        cargo::run(&mut python.script(script)).with_context(|| format!("`{}` failed", script.display()))?;
    }
    Ok(())
}

/// Name and script, as a path from the root of the repository, of every golden.
fn scripts() -> Result<BTreeMap<String, PathBuf>> {
    let mut scripts = BTreeMap::new();
    for path in children(Path::new("tests/golden"))? {
        if path.extension().is_some_and(|extension| extension == "py") {
            scripts.insert(name(path.with_extension("").as_path()), path);
        }
    }
    for path in children(Path::new("crates"))? {
        let script = path.join("tests/golden/make.py");
        if cargo::root().join(&script).is_file() {
            scripts.insert(name(&path).replacen("earmark-", "", 1), script);
        }
    }
    if scripts.is_empty() {
        bail!("no scripts under tests/golden");
    }
    Ok(scripts)
}

fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = || {
        fs::read_dir(cargo::root().join(folder))?.map(|entry| Ok(folder.join(entry?.file_name()))).collect()
    };
    let found: std::io::Result<_> = list();
    found.with_context(|| format!("failed to list `{}`", folder.display()))
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
