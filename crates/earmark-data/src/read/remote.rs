//! Files that lie elsewhere, and the trait that gets them here.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::read::read_at::ReadAt;

/// A file of a published dataset, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteFile {
    /// Where.
    pub location: Location,
    /// Its SHA-256, where it was published.
    pub sha256: Option<&'static str>,
}

/// Where a file lies.
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

/// What fetching may fail with.
pub type FetchError = Box<dyn std::error::Error + Send + Sync>;

/// Gets the files of published datasets. This crate opens no sockets; its caller does, or has the files already.
pub trait Fetch: Send + Sync {
    /// Opens a file to be read in part, without fetching the rest.
    ///
    /// # Errors
    /// When it cannot be had.
    fn open(&self, file: &RemoteFile) -> Result<Arc<dyn ReadAt>, FetchError>;

    /// The whole file on this machine, fetched if need be.
    ///
    /// # Errors
    /// When it cannot be had.
    fn path(&self, file: &RemoteFile) -> Result<PathBuf, FetchError>;
}
