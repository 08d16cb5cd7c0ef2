//! Opens a file of a repository: in the cache if it is there, else where it lies.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use earmark_error::Context as _;

use crate::api::metadata::Lookup;
use crate::api::urls::{RepoUrl, files_page};
use crate::cache::layout::RepoCache;
use crate::error::{CachePath, ErrorKind, Missing};
use crate::http::client::off_runtime;
use crate::hub::Hub;
use crate::ranges::file::Source;
use crate::ranges::remote::RemoteSource;
use crate::repo::{FileName, Repo};

impl Hub {
    pub(crate) fn try_open(&self, repo: &Repo, file: FileName<'_>) -> Result<(u64, Source), ErrorKind> {
        let cache = RepoCache::new(&self.cache_dir, repo);
        let cached = cache.read_ref(&repo.revision).and_then(|commit| cache.find(&commit, file));
        let settled = repo.revision.is_commit() && cached.is_some();
        let Some(http) = self.http.as_ref().filter(|_| !settled) else {
            let offline = || ErrorKind::Offline { cache_dir: self.cache_dir.clone() };
            return open_cached(cached.ok_or_else(offline)?.path);
        };
        let target = RepoUrl::file(&self.endpoint, repo, file);
        match off_runtime(|| http.look_up(&target, cached.is_some())) {
            Ok(Lookup::Found(metadata)) => {
                let len = metadata.size.ok_or_else(|| target.malformed("`Content-Length`"))?;
                let is_complete =
                    |path: &PathBuf| fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() == len);
                let places = [cache.file_path(&metadata.commit, file), cache.blob(&metadata.etag)];
                if let Some(path) = places.into_iter().find(is_complete) {
                    return open_cached(path);
                }
                let (http, endpoint) = (Arc::clone(http), self.endpoint.clone());
                let pinned = repo.at(metadata.commit.as_revision());
                let remote = RemoteSource::new(http, endpoint, pinned, file, metadata.etag, len);
                Ok((len, Source::Remote(Arc::new(remote))))
            }
            Ok(Lookup::Missing(_)) => {
                Err(ErrorKind::NotFound { what: Missing::File, page: files_page(&self.endpoint, repo) })
            }
            Err(kind) => match cached.filter(|_| kind.allows_cached()) {
                Some(cached) => open_cached(cached.path),
                None => Err(kind),
            },
        }
    }
}

fn open_cached(path: PathBuf) -> Result<(u64, Source), ErrorKind> {
    let file = File::open(&path).context(CachePath(&path))?;
    let len = file.metadata().context(CachePath(&path))?.len();
    Ok((len, Source::Cached(path, Arc::new(file))))
}
