//! One burn for the tests and the binary.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use super::Outcome;
use crate::util::cargo::tree;

/// The tests' dependencies switch features on. When that touches something burn is built on, `cargo test` and the binary
/// each compile their own burn, four minutes twice.
pub(crate) fn run() -> Result<Outcome> {
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
    Ok(Outcome::Passed)
}
