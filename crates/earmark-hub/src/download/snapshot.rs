//! Several files of one commit.

use std::path::{Path, PathBuf};

use earmark_error::Context as _;

use crate::api::tree::RemoteFile;
use crate::api::urls::RepoUrl;
use crate::cache::layout::RepoCache;
use crate::commit::Commit;
use crate::error::{Error, ErrorKind, Subject};
use crate::http::client::off_runtime;
use crate::hub::Hub;
use crate::repo::Repo;

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

impl Hub {
    /// The same repository at the current commit of its revision, so that all files read from it belong together.
    ///
    /// Offline, or without an answer, that is the last known commit.
    ///
    /// # Errors
    /// No such repository or revision, no access, or no answer and no known commit.
    pub fn pin(&self, repo: &Repo) -> Result<Repo, Error> {
        let commit = self.head_commit(repo).with_context(|| Subject::Repo(repo.clone()))?;
        Ok(repo.at(commit.as_revision()))
    }

    /// Every file of the revision, sorted by path, all of one commit.
    ///
    /// The list of a commit is kept in the cache, so it is requested once and known offline. Offline and without such a list,
    /// these are the files of the commit that are in the cache.
    ///
    /// # Errors
    /// As [`Hub::pin`], or an answer that is not a list of files.
    pub fn list(&self, repo: &Repo) -> Result<Vec<RemoteFile>, Error> {
        self.try_list(repo).with_context(|| Subject::Repo(repo.clone()))
    }

    /// Fetches every file for which `wanted` is true, all of one commit.
    ///
    /// # Errors
    /// As [`Hub::list`] and [`Hub::fetch`]. Files that were fetched before the error stay in the cache.
    pub fn fetch_all(&self, repo: &Repo, wanted: impl Fn(&RemoteFile) -> bool) -> Result<Snapshot, Error> {
        let pinned = self.pin(repo)?;
        for file in self.list(&pinned)?.iter().filter(|file| wanted(file)) {
            self.fetch(&pinned, &file.path)?;
        }
        let cache = RepoCache::new(&self.cache_dir, repo);
        let commit = Commit::new(pinned.revision.as_str()).expect("a pinned revision is a commit");
        // Last: offline, the branch should stand for a commit whose files are all in the cache.
        cache.write_ref(&repo.revision, &commit);
        Ok(Snapshot::new(&cache, &commit))
    }

    fn head_commit(&self, repo: &Repo) -> Result<Commit, ErrorKind> {
        if let Some(commit) = Commit::new(repo.revision.as_str()) {
            return Ok(commit);
        }
        let noted = RepoCache::new(&self.cache_dir, repo).read_ref(&repo.revision);
        let Some(http) = &self.http else {
            return noted.ok_or_else(|| ErrorKind::Offline { cache_dir: self.cache_dir.clone() });
        };
        let target = RepoUrl::api(&self.endpoint, repo, "revision");
        match (off_runtime(|| http.head_commit(&target)), noted) {
            (Err(kind), Some(noted)) if kind.allows_cached() => {
                tracing::warn!(%repo, error = %kind, "cannot get the current commit from the Hub; using the last known one");
                Ok(noted)
            }
            (answer, _) => answer,
        }
    }

    fn try_list(&self, repo: &Repo) -> Result<Vec<RemoteFile>, ErrorKind> {
        let cache = RepoCache::new(&self.cache_dir, repo);
        let commit = self.head_commit(repo)?;
        if let Some(files) = cache.read_listing(&commit) {
            return Ok(files);
        }
        let Some(http) = &self.http else {
            return Some(cache.files_on_disk(&commit))
                .filter(|files| !files.is_empty())
                .ok_or_else(|| ErrorKind::Offline { cache_dir: self.cache_dir.clone() });
        };
        let pinned = repo.at(commit.as_revision());
        let files = off_runtime(|| http.tree(&self.endpoint, &pinned))?;
        cache.write_listing(&commit, &files);
        Ok(files)
    }
}
