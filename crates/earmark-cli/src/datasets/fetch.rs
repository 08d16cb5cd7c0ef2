//! Fetches the files of datasets from the Hub and the web.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use earmark_data::{Fetch, FetchError, LocalFile, Location, ReadAt, RemoteFile};
use earmark_hub::{Hub, HubFile, Repo, WebFile};

use crate::args::hub::HubArgs;

/// Where datasets are kept: `EARMARK_DATA`, or `data` here.
pub(crate) fn data_folder() -> PathBuf {
    std::env::var_os("EARMARK_DATA").map_or_else(|| PathBuf::from("data"), PathBuf::from)
}

/// Files from the Hub and its cache, or from the web and the data folder.
pub(crate) struct HubFiles(Hub);

impl HubFiles {
    pub(crate) fn new(hub: &HubArgs) -> Result<HubFiles> {
        Ok(HubFiles(hub.open().context("cannot reach published datasets")?))
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.0
    }
}

impl Fetch for HubFiles {
    fn open(&self, file: &RemoteFile) -> Result<Arc<dyn ReadAt>, FetchError> {
        Ok(match &file.location {
            Location::Hub { repo, revision, path } => {
                let repo = Repo::dataset(&format!("{repo}@{revision}"))?;
                Arc::new(HubReader(self.0.open_file(&repo, path)?))
            }
            Location::Web(url) => match downloaded(url) {
                Some(file) => Arc::new(LocalFile::new(File::open(file)?)?),
                None => Arc::new(WebReader(self.0.open_url_file(url)?)),
            },
        })
    }

    fn path(&self, file: &RemoteFile) -> Result<PathBuf, FetchError> {
        match &file.location {
            Location::Hub { repo, revision, path } => {
                Ok(self.0.fetch(&Repo::dataset(&format!("{repo}@{revision}"))?, path)?)
            }
            Location::Web(url) => {
                if let Some(there) = downloaded(url) {
                    return Ok(there);
                }
                let target = download(url);
                self.0.fetch_url(url, file.sha256, &target)?;
                Ok(target)
            }
        }
    }
}

/// Where a file from the web is kept.
fn download(url: &str) -> PathBuf {
    let name = url.rsplit('/').find(|part| !part.is_empty()).unwrap_or("file");
    data_folder().join("downloads").join(name)
}

fn downloaded(url: &str) -> Option<PathBuf> {
    Some(download(url)).filter(|file| file.is_file())
}

#[derive(Debug)]
struct HubReader(HubFile);

impl ReadAt for HubReader {
    fn size(&self) -> u64 {
        self.0.len()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_at(offset, buffer).map_err(io::Error::other)
    }

    fn is_remote(&self) -> bool {
        self.0.cached().is_none()
    }
}

#[derive(Debug)]
struct WebReader(WebFile);

impl ReadAt for WebReader {
    fn size(&self) -> u64 {
        self.0.len()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_at(offset, buffer).map_err(io::Error::other)
    }
}

/// The Parquet files of a Hub dataset that belong to a configuration and a split, as the Hub's converter and `datasets` name
/// them: `CONFIG/SPLIT/0000.parquet`, `CONFIG/SPLIT-00000-of-00002.parquet`, `data/SPLIT-….parquet`.
pub(crate) fn shards(
    hub: &Hub,
    repo: &Repo,
    config: Option<&str>,
    split: Option<&str>,
) -> Result<Vec<RemoteFile>> {
    const CONVERTED: &str = "refs/convert/parquet";
    let id = repo.id.as_str();
    let parquet = |repo: &Repo| -> Result<Vec<String>> {
        Ok(hub
            .list(repo)?
            .into_iter()
            .map(|file| file.path)
            .filter(|path| path.ends_with(".parquet"))
            .collect())
    };
    let mut revision = repo.revision.as_str().to_owned();
    let mut paths = parquet(repo)?;
    if paths.is_empty() {
        revision = CONVERTED.to_owned();
        paths = parquet(&Repo::dataset(&format!("{id}@{CONVERTED}"))?)
            .with_context(|| format!("`{id}` has no Parquet files, and the Hub made none of it"))?;
    }
    let split = split.unwrap_or("train");
    let of_split = |path: &String| {
        let file = path.rsplit('/').next().unwrap_or_default();
        let named = file.strip_prefix(split).is_some_and(|rest| rest.starts_with(['-', '.']));
        named || path.split('/').rev().skip(1).any(|folder| folder == split)
    };
    let of_config =
        |path: &String| config.is_none_or(|config| path.split('/').any(|folder| folder == config));
    let found: Vec<&String> = paths.iter().filter(|path| of_split(path) && of_config(path)).collect();
    let folders: BTreeSet<&str> = found.iter().filter_map(|path| Some(path.split_once('/')?.0)).collect();
    if found.is_empty() || folders.len() > 1 {
        let some: Vec<&str> = paths.iter().take(8).map(String::as_str).collect();
        let which = config.map_or_else(String::new, |config| format!(" of `{config}`"));
        let what = if found.is_empty() { "no Parquet files" } else { "more than one configuration" };
        anyhow::bail!(
            "`{id}` has {what} for the split `{split}`{which}: name another by --split NAME or `{id}:CONFIG`; it has {}",
            some.join(", ")
        );
    }
    Ok(found.into_iter().map(|path| RemoteFile::hub(id, &revision, path)).collect())
}
