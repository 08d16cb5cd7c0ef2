//! The files that a run leaves.

pub(crate) mod checkpoint;
pub(crate) mod metrics_log;
pub(crate) mod run_info;
pub(crate) mod tensorboard;
pub(crate) mod card;
pub(crate) mod report;
pub(crate) mod figure;

use std::path::Path;

use earmark_error::Context as _;

use crate::error::{Doing, Error};

/// Writes a file of the run folder, whole or not at all.
pub(crate) fn write(run: &Path, name: &str, text: impl AsRef<[u8]>) -> Result<(), Error> {
    let path = run.join(name);
    earmark_fs::write(&path, text).with_context(|| Doing(format!("cannot write `{}`", path.display())))
}
