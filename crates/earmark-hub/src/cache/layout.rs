//! Where things lie in the cache, and what is there.

use std::path::{Path, PathBuf};

use crate::commit::{Commit, Etag};
use crate::repo::{FileName, Repo, Revision};

/// One repository's part of the cache. Every name that becomes a path was checked when it was made.
pub(crate) struct RepoCache {
    root: PathBuf,
    locks: PathBuf,
}

/// A file in the cache.
#[derive(Debug, Clone)]
pub(crate) struct CachedFile {
    pub(crate) commit: Commit,
    pub(crate) path: PathBuf,
}

impl RepoCache {
    pub(crate) fn new(cache_dir: &Path, repo: &Repo) -> RepoCache {
        let folder = format!("{}--{}", repo.kind.cache_prefix(), repo.id.as_str().replace('/', "--"));
        RepoCache { locks: cache_dir.join(".locks").join(&folder), root: cache_dir.join(folder) }
    }

    /// The commit that `revision` stood for when last asked.
    pub(crate) fn read_ref(&self, revision: &Revision) -> Option<Commit> {
        if revision.is_commit() {
            return Commit::new(revision.as_str());
        }
        Commit::new(earmark_fs::read_to_string(self.ref_path(revision), 64).ok()?.trim())
    }

    /// The file of that commit, if it is cached.
    pub(crate) fn find(&self, commit: &Commit, file: FileName<'_>) -> Option<CachedFile> {
        let path = self.file_path(commit, file);
        path.is_file().then(|| CachedFile { commit: commit.clone(), path })
    }

    /// Whether that commit is known to have no such file.
    pub(crate) fn is_known_missing(&self, commit: &Commit, file: FileName<'_>) -> bool {
        self.no_exist_path(commit, file).is_file()
    }

    /// The folder of that commit's files.
    pub(crate) fn snapshot(&self, commit: &Commit) -> PathBuf {
        self.root.join("snapshots").join(commit.as_str())
    }

    pub(crate) fn file_path(&self, commit: &Commit, file: FileName<'_>) -> PathBuf {
        self.snapshot(commit).join(file.as_str())
    }

    pub(crate) fn blob(&self, etag: &Etag) -> PathBuf {
        self.root.join("blobs").join(etag.as_str())
    }

    pub(crate) fn ref_path(&self, revision: &Revision) -> PathBuf {
        self.root.join("refs").join(revision.as_str())
    }

    pub(crate) fn no_exist_path(&self, commit: &Commit, file: FileName<'_>) -> PathBuf {
        self.root.join(".no_exist").join(commit.as_str()).join(file.as_str())
    }

    pub(crate) fn lock_path(&self, etag: &Etag) -> PathBuf {
        self.locks.join(format!("{}.lock", etag.as_str()))
    }

    /// The list of that commit's files. Python's library has no such list, and leaves the folder alone.
    pub(crate) fn listing_path(&self, commit: &Commit) -> PathBuf {
        self.root.join(".earmark").join(format!("{}.files.json", commit.as_str()))
    }
}
