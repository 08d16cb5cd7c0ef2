//! Whether each published crate has in it what it needs, as crates.io would get it.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::Outcome;
use crate::util::cargo;

pub(crate) fn run() -> Result<Outcome> {
    let packages = cargo::packages()?;
    let mut package = Command::new("cargo");
    // Not built once more out of the archives, which would take burn's minutes; and without a lock file each, which would take
    // a resolution of the whole graph each (20 s of 21).
    let args = [
        "package",
        "--workspace",
        "--locked",
        "--no-verify",
        "--allow-dirty",
        "--quiet",
        "--exclude-lockfile",
    ];
    package.args(args);
    for kept in packages.iter().filter(|package| !package.published) {
        package.args(["--exclude", &kept.name]);
    }
    cargo::run(&mut package)?;
    // What the build would have shown.
    for package in packages.iter().filter(|package| package.published) {
        for file in sources(&package.folder.join("src"))? {
            let text =
                fs::read_to_string(&file).with_context(|| format!("failed to read `{}`", file.display()))?;
            let outside = included(&text).into_iter().find(|path| !lies_in(&package.folder, &file, path));
            if let Some(path) = outside {
                bail!("`{}` includes `{path}`, which is not in the package", file.display());
            }
        }
    }
    Ok(Outcome::Passed)
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("failed to list `{}`", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("failed to list `{}`", folder.display()))?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The files that `include_str!("…")` and `include_bytes!("…")` name.
fn included(text: &str) -> Vec<&str> {
    let after = text.split("include_str!(\"").skip(1).chain(text.split("include_bytes!(\"").skip(1));
    after.filter_map(|rest| rest.split('"').next()).collect()
}

/// Whether `path`, as `file` names it, is below `folder`.
fn lies_in(folder: &Path, file: &Path, path: &str) -> bool {
    let mut full = file.parent().unwrap_or(Path::new("")).to_path_buf();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => {
                full.pop();
            }
            part => full.push(part),
        }
    }
    full.starts_with(folder)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{included, lies_in};

    #[test]
    fn a_file_of_another_crate_is_outside() {
        let text =
            "#![doc = include_str!(\"../README.md\")] const X: &[u8] = include_bytes!(\"../../../data/x\");";
        let (folder, file) = (Path::new("crates/a"), Path::new("crates/a/src/lib.rs"));
        let inside: Vec<bool> = included(text).iter().map(|path| lies_in(folder, file, path)).collect();
        assert_eq!(inside, [true, false]);
    }
}
