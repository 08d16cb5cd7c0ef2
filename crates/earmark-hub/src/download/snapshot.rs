//! What fetching several files gives.

use std::path::{Path, PathBuf};

use crate::cache::layout::RepoCache;
use crate::commit::Commit;

/// Files of one commit in the cache.
///
/// Record the commit with your results: a branch moves, a commit does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    folder: PathBuf,
    commit: String,
}

impl Snapshot {
    pub(crate) fn new(cache: &RepoCache, commit: &Commit) -> Snapshot {
        Snapshot { folder: cache.snapshot(commit), commit: commit.as_str().to_owned() }
    }

    /// The folder that holds the files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The commit's hash: 40 lower-case hexadecimal digits.
    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// The folder that holds the files.
    pub fn into_folder(self) -> PathBuf {
        self.folder
    }
}
