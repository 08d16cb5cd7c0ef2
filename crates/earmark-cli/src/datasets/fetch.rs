//! Fetches the files of datasets from the Hub and the web.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use earmark::{Error, HubFiles};
use earmark_data::RemoteFile;
use earmark_hub::Repo;

use crate::args::hub::HubArgs;

/// Where datasets are kept: `EARMARK_DATA`, or `data` here.
pub(crate) fn data_folder() -> PathBuf {
    std::env::var_os("EARMARK_DATA").map_or_else(|| PathBuf::from("data"), PathBuf::from)
}

/// Files from the Hub and its cache, or from the web and the data folder.
pub(crate) fn hub_files(hub: &HubArgs) -> Result<HubFiles> {
    let hub = hub.open().context("cannot open published datasets")?;
    Ok(HubFiles::new(hub, data_folder().join("downloads")))
}

/// The Parquet files of a Hub dataset that belong to a configuration and a split, `train` unless one is chosen.
pub(crate) fn shards(
    files: &HubFiles,
    repo: &Repo,
    config: Option<&str>,
    split: Option<&str>,
) -> Result<Vec<RemoteFile>> {
    files.shards(repo, config, split.unwrap_or("train")).map_err(|error| {
        let choose = matches!(error, Error::NoShards { .. } | Error::ManyConfigs { .. });
        let error = anyhow::Error::new(error);
        let advice = || format!("choose another by --split NAME or `{}:CONFIG`", repo.id);
        if choose { error.context(advice()) } else { error }
    })
}
