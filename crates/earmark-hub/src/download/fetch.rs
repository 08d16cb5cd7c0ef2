//! One file.

use std::fs;
use std::path::{Path, PathBuf};

use earmark_error::Context as _;
use reqwest::header;

use crate::api::metadata::{FileMetadata, Lookup};
use crate::api::urls::{RepoUrl, files_page};
use crate::cache::layout::{CachedFile, RepoCache};
use crate::download::transfer::{Wanted, download};
use crate::error::{Error, ErrorKind, Missing, Subject};
use crate::http::client::{Http, off_runtime};
use crate::hub::Hub;
use crate::repo::{FileName, Repo};

impl Hub {
    /// As [`Hub::fetch_first`].
    pub(crate) fn fetch_first_of(&self, repo: &Repo, files: &[&str]) -> Result<(usize, PathBuf), Error> {
        let mut not_cached = None;
        for (index, file) in files.iter().enumerate() {
            match self.fetch(repo, file) {
                Ok(path) => return Ok((index, path)),
                Err(error) if error.kind.is_missing_file() => {}
                Err(error) if matches!(*error.kind, ErrorKind::Offline { .. }) => {
                    not_cached.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(error) = not_cached {
            return Err(error);
        }
        let files = files.iter().map(|file| format!("`{file}`")).collect();
        let page = files_page(&self.endpoint, repo);
        Err(ErrorKind::NoneOf { files, page }).with_context(|| Subject::Repo(repo.clone()))
    }

    /// The file in the cache, downloaded if need be.
    pub(crate) fn locate(&self, repo: &Repo, file: FileName<'_>) -> Result<CachedFile, Error> {
        self.try_locate(repo, file).with_context(|| Subject::File(repo.clone(), file.as_str().to_owned()))
    }

    fn try_locate(&self, repo: &Repo, file: FileName<'_>) -> Result<CachedFile, ErrorKind> {
        let cache = RepoCache::new(&self.cache_dir, repo);
        let missing = || ErrorKind::NotFound { what: Missing::File, page: files_page(&self.endpoint, repo) };

        let commit = cache.read_ref(&repo.revision);
        let cached = commit.as_ref().and_then(|commit| cache.find(commit, file));
        let known_missing = commit.as_ref().is_some_and(|commit| cache.is_known_missing(commit, file));
        // A commit does not change, so neither do its files.
        let settled = repo.revision.is_commit() && (cached.is_some() || known_missing);
        let Some(http) = self.http.as_ref().filter(|_| !settled) else {
            return match cached {
                Some(cached) => Ok(cached),
                None if known_missing => Err(missing()),
                None => Err(ErrorKind::Offline { cache_dir: self.cache_dir.clone() }),
            };
        };

        let target = RepoUrl::file(&self.endpoint, repo, file);
        off_runtime(|| match http.look_up(&target, cached.is_some()) {
            Ok(Lookup::Found(metadata)) => self.store(http, &target, &cache, file, &metadata),
            Ok(Lookup::Missing(named)) => {
                if let Some(commit) = named.or(commit.filter(|_| repo.revision.is_commit())) {
                    cache.write_no_exist(&commit, file);
                }
                Err(missing())
            }
            Err(kind) => match cached.filter(|_| kind.allows_cached()) {
                Some(cached) => {
                    tracing::warn!(%repo, file = file.as_str(), error = %kind, "cannot get the file from the Hub; using the cached one");
                    Ok(cached)
                }
                None => Err(kind),
            },
        })
    }

    /// Downloads the file that the metadata describe, unless the cache has it.
    fn store(
        &self,
        http: &Http,
        target: &RepoUrl<'_>,
        cache: &RepoCache,
        file: FileName<'_>,
        metadata: &FileMetadata,
    ) -> Result<CachedFile, ErrorKind> {
        // Bytes are hashed once, when they are downloaded. Later only the length is compared, so that a start does not read
        // gigabytes. That still finds an interrupted copy or a full disk.
        let is_complete = |path: &Path| {
            fs::metadata(path).is_ok_and(|m| m.is_file() && metadata.size.is_none_or(|size| m.len() == size))
        };
        let path = cache.file_path(&metadata.commit, file);
        if is_complete(&path) {
            return Ok(CachedFile { commit: metadata.commit.clone(), path });
        }
        let lock = cache.lock(&metadata.etag, file, http.timeouts.min_rate.window);
        let is_stored = is_complete(&cache.blob(&metadata.etag))
            || self.download_by_xet(http, target, cache, file, metadata, lock.is_some())?;
        if !is_stored {
            let mut partial = cache.partial(&metadata.etag, lock.is_some())?;
            let sha256 = metadata.etag.sha256();
            let wanted = Wanted { name: file.as_str(), size: metadata.size, sha256, unannounced: 0 };
            let request = |range: Option<&str>| {
                let request = http.redirecting.get(target.url.clone());
                let request =
                    range.into_iter().fold(request, |request, range| request.header(header::RANGE, range));
                let response = request.send().map_err(|error| target.unreachable(error))?;
                if response.status().is_success() {
                    Ok(response)
                } else {
                    Err(http.refusal(target, &response))
                }
            };
            let done = download(&wanted, &http.timeouts, &mut partial, self.progress.as_deref(), request);
            if done.as_ref().is_err_and(ErrorKind::keeps_partial) {
                partial.keep();
            }
            done?;
            partial.publish()?;
        }
        cache.link(&metadata.commit, file, &metadata.etag)
    }
}
