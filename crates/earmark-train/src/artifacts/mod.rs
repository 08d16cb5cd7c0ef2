//! The files that a run leaves, and the page of an evaluation.

pub(crate) mod checkpoint;
pub(crate) mod adapter;
pub(crate) mod metrics_log;
pub(crate) mod run_info;
pub(crate) mod tensorboard;
pub(crate) mod card;
pub(crate) mod hub; // The scores where the Hub looks for them.
pub(crate) mod report;
pub(crate) mod evaluation_page;
mod page; // What the two pages share.
pub(crate) mod figures;

use std::path::Path;

use earmark_error::Context as _;

use crate::error::{Doing, Error};

/// The version of burn that computes, which a dependency does not tell.
pub const BURN_VERSION: &str = "0.22.1";

/// Writes a file of the run folder, whole or not at all.
pub(crate) fn write(run: &Path, name: &str, text: impl AsRef<[u8]>) -> Result<(), Error> {
    let path = run.join(name);
    earmark_fs::write(&path, text).with_context(|| Doing(format!("cannot write `{}`", path.display())))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_of_burn_is_that_of_the_lock_file() {
        let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
        let lock = std::fs::read_to_string(lock).unwrap();
        let burn = lock.split("[[package]]").find(|package| package.contains("name = \"burn\"\n")).unwrap();
        assert!(burn.contains(&format!("version = \"{}\"", super::BURN_VERSION)), "{burn}");
    }
}
