//! The Hub, as the flags and the environment set it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use earmark_hub::{Hub, HubBuilder};

use crate::output::progress::Downloads;

/// Whether and how the network may be used.
#[derive(Debug, Clone, Args)]
pub(crate) struct HubArgs {
    /// Open no connections and use only cached files, as HF_HUB_OFFLINE=1 does.
    #[arg(long, help_heading = "Hub")]
    pub(crate) offline: bool,

    /// Move large files by plain HTTPS and git-LFS, not by Xet, as HF_HUB_DISABLE_XET=1 does.
    #[arg(long, help_heading = "Hub")]
    no_xet: bool,
}

impl HubArgs {
    pub(crate) fn open(&self) -> Result<Hub> {
        let builder = HubBuilder::from_env()?;
        let builder = if self.offline { builder.offline(true) } else { builder };
        let builder = if self.no_xet { builder.xet(false) } else { builder };
        Ok(builder.progress(Arc::new(Downloads::default())).build()?)
    }
}

/// Where the token is kept.
pub(crate) fn token_file(builder: &HubBuilder) -> Result<PathBuf> {
    let file = builder.token_file().context("no home folder to store a token in: set HF_HOME")?;
    Ok(file.to_path_buf())
}
