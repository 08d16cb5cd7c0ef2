//! Arrows between our crates only point down, and no crate drags in what it must not.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::Outcome;
use crate::util::cargo::{packages, tree};

/// Below all others, and for all to use.
const EVERYWHERE: &[&str] = &["earmark-error", "earmark-fs"];

/// Which of our crates each of our crates may use beside those: the arrows of ARCHITECTURE.md, which only point down.
const LAYERS: &[(&str, &[&str])] = &[
    ("earmark-error", &[]),
    ("earmark-fs", &[]),
    ("earmark-config", &[]),
    ("earmark-audio", &[]),
    ("earmark-labels", &[]),
    ("earmark-eval", &[]),
    ("earmark-testkit", &[]),
    ("earmark-kernels", &[]),
    ("earmark-models", &["earmark-config", "earmark-kernels"]),
    ("earmark-hub", &[]),
    ("earmark-features", &["earmark-audio", "earmark-config"]),
    ("earmark-data", &["earmark-audio", "earmark-labels"]),
    (
        "earmark-pipeline",
        &["earmark-audio", "earmark-features", "earmark-config", "earmark-labels", "earmark-models"],
    ),
    (
        "earmark-train",
        &[
            "earmark-audio",
            "earmark-data",
            "earmark-eval",
            "earmark-features",
            "earmark-config",
            "earmark-labels",
            "earmark-models",
            "earmark-pipeline",
        ],
    ),
    (
        "earmark",
        &[
            "earmark-audio",
            "earmark-data",
            "earmark-eval",
            "earmark-features",
            "earmark-hub",
            "earmark-config",
            "earmark-labels",
            "earmark-models",
            "earmark-pipeline",
            "earmark-train",
        ],
    ),
    ("earmark-serve", &["earmark-audio", "earmark-features", "earmark-labels", "earmark-pipeline"]),
    (
        "earmark-cli",
        &[
            "earmark",
            "earmark-audio",
            "earmark-data",
            "earmark-eval",
            "earmark-features",
            "earmark-hub",
            "earmark-config",
            "earmark-labels",
            "earmark-models",
            "earmark-pipeline",
            "earmark-serve",
            "earmark-train",
        ],
    ),
    ("earmark-py", &["earmark"]),
    ("earmark-tests", &[]),
    ("xtask", &[]),
];

/// What a crate must not drag in, even through others.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("earmark-audio", &["burn", "tokio", "reqwest"]),
    ("earmark-features", &["burn", "tokio", "reqwest"]),
    ("earmark-data", &["burn", "tokio", "reqwest"]),
    ("earmark-eval", &["burn", "polars", "tokio", "reqwest"]),
    ("earmark-models", &["symphonia", "tokio", "reqwest"]),
    ("earmark-train", &["tokio", "reqwest", "hf-hub"]),
    ("xtask", &["burn", "tokio", "symphonia"]),
];

pub(crate) fn run() -> Result<Outcome> {
    let crates = packages()?.into_iter().map(|package| (package.name, package.uses)).collect::<Vec<_>>();
    if let Some(wrong) = wrong(&crates, LAYERS) {
        bail!("{wrong}");
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
    Ok(Outcome::Passed)
}

/// The first crate that the table does not know, knows for nothing, or does not allow what it uses.
fn wrong(crates: &[(String, Vec<String>)], layers: &[(&str, &[&str])]) -> Option<String> {
    for (name, uses) in crates {
        let Some((_, may)) = layers.iter().find(|(listed, _)| listed == name) else {
            return Some(format!(
                "`{name}` is not listed in LAYERS: say there and in ARCHITECTURE.md what it may use"
            ));
        };
        let allowed = |used: &&str| may.contains(used) || EVERYWHERE.contains(used);
        if let Some(used) = uses.iter().map(String::as_str).find(|used| !allowed(used)) {
            return Some(format!("`{name}` uses `{used}`, which ARCHITECTURE.md does not allow"));
        }
    }
    let there: BTreeSet<&str> = crates.iter().map(|(name, _)| name.as_str()).collect();
    let gone = layers.iter().find(|(name, _)| !there.contains(name));
    gone.map(|(name, _)| format!("`{name}` is listed in LAYERS, and there is no such crate"))
}

#[cfg(test)]
mod tests {
    use super::wrong;

    const LAYERS: &[(&str, &[&str])] = &[("low", &[]), ("high", &["low"])];

    fn said(crates: &[(&str, &[&str])]) -> String {
        let crates: Vec<_> = crates
            .iter()
            .map(|(name, uses)| ((*name).to_owned(), uses.iter().map(|&used| used.to_owned()).collect()))
            .collect();
        wrong(&crates, LAYERS).unwrap_or_default()
    }

    #[test]
    fn an_arrow_up_a_crate_unknown_and_a_crate_gone_are_refused() {
        assert_eq!(said(&[("low", &["earmark-fs"]), ("high", &["low", "earmark-error"])]), "");
        assert!(said(&[("low", &["high"]), ("high", &[])]).starts_with("`low` uses `high`"));
        assert!(said(&[("low", &[]), ("high", &[]), ("new", &[])]).starts_with("`new` is not listed"));
        assert!(said(&[("low", &[])]).starts_with("`high` is listed"));
    }
}
