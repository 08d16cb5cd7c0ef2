//! Several files of one commit.

use crate::api::tree::RemoteFile;
use crate::api::urls::RepoUrl;
use crate::cache::layout::RepoCache;
use crate::commit::Commit;
use crate::download::snapshot::Snapshot;
use crate::error::{Error, ErrorKind};
use crate::http::client::off_runtime;
use crate::hub::Hub;
use crate::repo::Repo;

impl Hub {
    /// As [`Hub::fetch_all`].
    pub(crate) fn fetch_all_of(
        &self,
        repo: &Repo,
        wanted: impl Fn(&RemoteFile) -> bool,
    ) -> Result<Snapshot, Error> {
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

    /// The commit of the revision: the last known one offline, or without an answer.
    pub(crate) fn head_commit(&self, repo: &Repo) -> Result<Commit, ErrorKind> {
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

    pub(crate) fn try_list(&self, repo: &Repo) -> Result<Vec<RemoteFile>, ErrorKind> {
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
