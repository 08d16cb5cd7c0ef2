//! The files of datasets, from the Hub and the web.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use earmark_data::{Fetch, FetchError, LocalFile, Location, ReadAt, RemoteFile};
use earmark_hub::{Hub, HubFile, Repo, WebFile};

use crate::error::Error;

/// Fetches the files of datasets from the Hugging Face Hub and from web addresses: the [`Fetch`] that
/// [`Selection::stream`](earmark_data::Selection::stream) and [`Selection::open`](earmark_data::Selection::open) take.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use earmark::data::Selection;
/// use earmark::hub::Hub;
/// use earmark::HubFiles;
///
/// let files = HubFiles::new(Hub::from_env()?, "downloads");
/// let selection = Selection::new("minds14:en-AU", None, None)?;
/// for example in selection.stream(Arc::new(files)).take(3) {
///     println!("{}", example?.name);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct HubFiles {
    hub: Hub,
    downloads: PathBuf,
}

impl HubFiles {
    /// Whole files from the Hub are kept in its cache, those from the web in the folder `downloads`, which is made when it is
    /// first needed.
    pub fn new(hub: Hub, downloads: impl Into<PathBuf>) -> HubFiles {
        HubFiles { hub, downloads: downloads.into() }
    }

    /// The Hub.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The Parquet files of any dataset on the Hub that belong to a configuration and a split, as the Hub's converter and
    /// `datasets` name them: `CONFIG/SPLIT/0000.parquet`, `CONFIG/SPLIT-00000-of-00002.parquet`, `data/SPLIT-….parquet`. Of a
    /// dataset without Parquet files they are those that the Hub has converted.
    ///
    /// [`Stream::of_shards`](earmark_data::Stream::of_shards) reads them.
    ///
    /// # Errors
    /// When the dataset cannot be reached; [`Error::NotConverted`], [`Error::NoShards`], [`Error::ManyConfigs`].
    pub fn shards(&self, repo: &Repo, config: Option<&str>, split: &str) -> Result<Vec<RemoteFile>, Error> {
        const CONVERTED: &str = "refs/convert/parquet";
        let id = repo.id.as_str();
        let mut revision = repo.revision.as_str().to_owned();
        let mut paths = self.parquet(repo)?;
        if paths.is_empty() {
            let converted = self.parquet(&Repo::dataset(&format!("{id}@{CONVERTED}"))?);
            revision = CONVERTED.to_owned();
            paths = converted.map_err(|source| Error::NotConverted { repo: repo.id.clone(), source })?;
        }
        let of_split = |path: &str| {
            let (folders, file) = path.rsplit_once('/').unwrap_or(("", path));
            let starts = file.strip_prefix(split).is_some_and(|rest| rest.starts_with(['-', '.']));
            starts || folders.split('/').any(|folder| folder == split)
        };
        let of_config =
            |path: &str| config.is_none_or(|config| path.split('/').any(|folder| folder == config));
        let found: Vec<&String> = paths.iter().filter(|path| of_split(path) && of_config(path)).collect();
        let configs: BTreeSet<&str> = found.iter().filter_map(|path| Some(path.split_once('/')?.0)).collect();
        let of = config.map_or_else(String::new, |config| format!(" of `{config}`"));
        let chosen = format!("the split `{split}`{of}");
        if found.is_empty() {
            return Err(Error::NoShards { repo: repo.id.clone(), chosen, paths });
        }
        if configs.len() > 1 {
            let configs = configs.into_iter().map(str::to_owned).collect();
            return Err(Error::ManyConfigs { repo: repo.id.clone(), chosen, configs });
        }
        Ok(found.into_iter().map(|path| RemoteFile::hub(id, &revision, path)).collect())
    }

    fn parquet(&self, repo: &Repo) -> Result<Vec<String>, earmark_hub::Error> {
        let paths = self.hub.list(repo)?.into_iter().map(|file| file.path);
        Ok(paths.filter(|path| path.ends_with(".parquet")).collect())
    }

    /// Where a file from the web is kept.
    fn download(&self, url: &str) -> PathBuf {
        let name = url.rsplit('/').find(|part| !part.is_empty()).unwrap_or("file");
        self.downloads.join(name)
    }

    fn downloaded(&self, url: &str) -> Option<PathBuf> {
        Some(self.download(url)).filter(|file| file.is_file())
    }
}

impl Fetch for HubFiles {
    fn open(&self, file: &RemoteFile) -> Result<Arc<dyn ReadAt>, FetchError> {
        Ok(match &file.location {
            Location::Hub { repo, revision, path } => {
                let repo = Repo::dataset(&format!("{repo}@{revision}"))?;
                Arc::new(HubReader(self.hub.open_file(&repo, path)?))
            }
            Location::Web(url) => match self.downloaded(url) {
                Some(file) => Arc::new(LocalFile::new(File::open(file)?)?),
                None => Arc::new(WebReader(self.hub.open_url_file(url)?)),
            },
        })
    }

    fn path(&self, file: &RemoteFile) -> Result<PathBuf, FetchError> {
        match &file.location {
            Location::Hub { repo, revision, path } => {
                Ok(self.hub.fetch(&Repo::dataset(&format!("{repo}@{revision}"))?, path)?)
            }
            Location::Web(url) => {
                if let Some(there) = self.downloaded(url) {
                    return Ok(there);
                }
                let target = self.download(url);
                self.hub.fetch_url(url, file.sha256, &target)?;
                Ok(target)
            }
        }
    }
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
