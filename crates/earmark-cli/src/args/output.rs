//! The one file that a command writes.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

/// The one file that a command writes.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputArgs {
    /// File to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Overwrite the --output file if it exists.
    #[arg(long)]
    force: bool,
}

impl OutputArgs {
    pub(crate) fn path(&self) -> &Path {
        &self.output
    }

    /// Refuses a file that is there already, before any work is done for it.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_also(&self.output)
    }

    /// As [`check`](Self::check), for a file that is written beside it.
    pub(crate) fn check_also(&self, file: &Path) -> Result<()> {
        refuse_existing(file, self.force)
    }
}

/// Refuses to replace a file unless `force` says so.
pub(crate) fn refuse_existing(output: &Path, force: bool) -> Result<()> {
    if output.exists() && !force {
        bail!(
            "`{}` already exists: pass --force to overwrite it, or choose another --output",
            earmark_fs::text(output)
        );
    }
    Ok(())
}
