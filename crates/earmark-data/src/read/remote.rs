//! Files that lie elsewhere, and the trait that gets them here.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::read::read_at::ReadAt;

/// A file of a published dataset: its location and checksum.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteFile {
    /// Its location.
    pub location: Location,
    /// Its SHA-256, where it was published.
    pub sha256: Option<&'static str>,
}

/// The location of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Location {
    /// In a dataset on the Hugging Face Hub.
    Hub {
        /// `owner/name`.
        repo: String,
        /// A commit, or a branch.
        revision: String,
        /// The file.
        path: String,
    },
    /// At a web address.
    Web(String),
}

impl Location {
    /// The file in its repository, or the address.
    pub(crate) fn path(&self) -> &str {
        match self {
            Location::Hub { path, .. } => path,
            Location::Web(url) => url,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Hub { repo, path, .. } => write!(f, "{path} of {repo}"),
            Location::Web(url) => f.write_str(url),
        }
    }
}

impl RemoteFile {
    /// A file of a dataset on the Hub.
    pub fn hub(repo: &str, revision: &str, path: impl Into<String>) -> RemoteFile {
        let location =
            Location::Hub { repo: repo.to_owned(), revision: revision.to_owned(), path: path.into() };
        RemoteFile { location, sha256: None }
    }

    pub(crate) fn web(url: String) -> RemoteFile {
        RemoteFile { location: Location::Web(url), sha256: None }
    }
}

/// The error of a [`Fetch`].
pub type FetchError = Box<dyn std::error::Error + Send + Sync>;

/// Provides the files of published datasets. This crate opens no sockets: implement it over an HTTP client, a mirror or a
/// folder of files.
pub trait Fetch: Send + Sync {
    /// Opens a file for reading parts of it without downloading the rest.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn open(&self, file: &RemoteFile) -> Result<Arc<dyn ReadAt>, FetchError>;

    /// The path of the whole file on this machine, downloaded if need be.
    ///
    /// # Errors
    /// When it cannot be downloaded.
    fn path(&self, file: &RemoteFile) -> Result<PathBuf, FetchError>;
}
