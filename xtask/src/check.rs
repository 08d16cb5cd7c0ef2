//! `cargo xtask check`: format, lints, docs, layering, one burn, licences. Cheapest first.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::python::{root, run as must};

/// Which of our crates each of our crates may use: the arrows of ARCHITECTURE.md, which only point down.
const LAYERS: &[(&str, &[&str])] = &[
    ("earmark-error", &[]),
    ("earmark-fs", &[]),
    ("earmark-config", &["earmark-fs"]),
    ("earmark-audio", &["earmark-fs"]),
    ("earmark-labels", &[]),
    ("earmark-testkit", &[]),
    ("earmark-kernels", &[]),
    ("earmark-models", &["earmark-fs", "earmark-config", "earmark-kernels"]),
    ("earmark-hub", &["earmark-fs"]),
    ("earmark-features", &["earmark-audio", "earmark-fs", "earmark-config"]),
    ("earmark-data", &["earmark-audio", "earmark-fs", "earmark-labels"]),
    (
        "earmark-pipeline",
        &[
            "earmark-audio",
            "earmark-features",
            "earmark-fs",
            "earmark-config",
            "earmark-labels",
            "earmark-models",
        ],
    ),
    (
        "earmark",
        &[
            "earmark-audio",
            "earmark-features",
            "earmark-fs",
            "earmark-hub",
            "earmark-config",
            "earmark-labels",
            "earmark-models",
            "earmark-pipeline",
        ],
    ),
    (
        "earmark-train",
        &[
            "earmark-audio",
            "earmark-data",
            "earmark-features",
            "earmark-fs",
            "earmark-config",
            "earmark-labels",
            "earmark-models",
            "earmark-pipeline",
        ],
    ),
    (
        "earmark-cli",
        &[
            "earmark-audio",
            "earmark-data",
            "earmark-features",
            "earmark-fs",
            "earmark-hub",
            "earmark-config",
            "earmark-labels",
            "earmark-models",
            "earmark-pipeline",
            "earmark-train",
        ],
    ),
    ("earmark-tests", &[]),
    ("xtask", &[]),
];

/// What a crate must not drag in, even through others.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("earmark-audio", &["burn", "tokio", "reqwest"]),
    ("earmark-features", &["burn", "tokio", "reqwest"]),
    ("earmark-data", &["burn", "tokio", "reqwest"]),
    ("earmark-models", &["symphonia", "tokio", "reqwest"]),
    ("earmark-train", &["tokio", "reqwest", "hf-hub"]),
    ("xtask", &["burn", "tokio", "symphonia"]),
];

/// Licences that a dependency may be under, as SPDX names them. Of `A OR B` one is enough, of `A AND B` both are needed.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0", // symphonia: file by file, and we change none of its files
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

pub(crate) fn run(args: &[String]) -> Result<()> {
    if let Some(unknown) = args.first() {
        bail!("`{unknown}` is not an argument of `cargo xtask check`");
    }
    step("format", || cargo(&["fmt", "--all", "--check"]))?;
    step("layering", layering)?;
    step("one burn", one_burn)?;
    step("licences", licences)?;
    step("lints", || {
        cargo(&["clippy", "--release", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"])
    })?;
    step("docs", || {
        let mut doc = Command::new("cargo");
        doc.args(["doc", "--release", "--workspace", "--no-deps", "--quiet"])
            .env("RUSTDOCFLAGS", "--deny warnings");
        must(&mut doc)
    })
}

fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    eprintln!("check: {name}");
    work().with_context(|| format!("the check `{name}` failed"))
}

fn cargo(args: &[&str]) -> Result<()> {
    must(Command::new("cargo").args(args).current_dir(root()))
}

/// `cargo tree`'s lines for `packages`, in `format`.
fn tree(format: &str, edges: &str, packages: &[&str]) -> Result<Vec<String>> {
    let mut command = Command::new("cargo");
    command.args(["tree", "--locked", "--prefix", "none", "--format", format, "--edges", edges]);
    command.args(packages).current_dir(root());
    let output = command.output().context("failed to start cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout).context("cargo tree did not print text")?;
    Ok(text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect())
}

fn layering() -> Result<()> {
    for (name, may) in LAYERS {
        let used: BTreeSet<String> = tree("{p}", "normal", &["--package", name, "--depth", "1"])?
            .iter()
            .filter_map(|line| line.split(' ').next())
            .filter(|used| used.starts_with("earmark") && used != name)
            .map(str::to_owned)
            .collect();
        if let Some(wrong) = used.iter().find(|used| !may.contains(&used.as_str())) {
            bail!("`{name}` uses `{wrong}`, which ARCHITECTURE.md does not allow");
        }
    }
    for (name, never) in FORBIDDEN {
        for line in tree("{p}", "normal", &["--package", name])? {
            if let Some(found) = line.split(' ').next().filter(|found| never.contains(found)) {
                bail!(
                    "`{name}` drags in `{found}`: `cargo tree --package {name} --invert {found}` says through whom"
                );
            }
        }
    }
    Ok(())
}

/// The tests' dependencies switch features on. When that touches something burn is built on, `cargo test` and the binary
/// each compile their own burn, four minutes twice.
fn one_burn() -> Result<()> {
    let below_burn: BTreeSet<String> =
        tree("{p}", "normal,build", &["--package", "burn"])?.into_iter().collect();
    let features = |edges: &str, packages: &[&str]| -> Result<BTreeMap<String, String>> {
        let lines = tree("{p}|{f}", edges, packages)?;
        let pairs = lines.iter().filter_map(|line| line.split_once('|'));
        let ours = pairs.filter(|(package, _)| below_burn.contains(*package));
        Ok(ours.map(|(package, features)| (package.to_owned(), features.to_owned())).collect())
    };
    let binary = features("normal,build", &["--package", "earmark-cli"])?;
    let tests = features("normal,build,dev", &["--workspace"])?;
    for (package, in_tests) in &tests {
        let in_binary = binary.get(package).map_or("", String::as_str);
        if in_binary != in_tests {
            bail!("`{package}` has the features [{in_tests}] in the tests and [{in_binary}] in the binary");
        }
    }
    Ok(())
}

fn licences() -> Result<()> {
    for line in tree("{p}|{l}", "normal,build,dev", &["--workspace"])? {
        let Some((package, licence)) = line.split_once('|') else { continue };
        if !allowed(licence) {
            bail!("`{package}` is under `{licence}`, which is not on the list in xtask/src/check.rs");
        }
    }
    Ok(())
}

/// Whether the list satisfies an SPDX expression.
fn allowed(licence: &str) -> bool {
    // Lax: `MIT/Apache-2.0`, the old way to write OR, is still in some manifests.
    let Ok(expression) = spdx::Expression::parse_mode(licence, spdx::ParseMode::LAX) else { return false };
    expression.evaluate(|requirement| LICENCES.contains(&requirement.to_string().as_str()))
}

#[cfg(test)]
mod tests {
    use super::allowed;

    #[test]
    fn of_two_licences_one_is_enough_and_both_are_needed() {
        assert!(allowed("MIT OR GPL-3.0"));
        assert!(allowed("MIT/Apache-2.0"));
        assert!(!allowed("MIT AND GPL-3.0"));
        assert!(allowed("(MIT OR GPL-3.0) AND Unicode-3.0"));
        assert!(!allowed("(GPL-2.0 OR GPL-3.0) AND Unicode-3.0"));
        assert!(!allowed(""));
    }
}
