use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::cache::{Cached, Commit, RepoCache, io_error};
use crate::error::{Error, ErrorKind, Missing, Subject};
use crate::hub::Hub;
use crate::repo::{FileName, Repo};
use crate::transport::{Answer, Remote, Target, Transport, files_page, off_runtime};

/// Largest shard index that is read: one of a 400 GB model has some 5 MB.
const MAX_INDEX: u64 = 32 << 20;

/// Files of one commit in the cache: where they lie, and which commit it is.
///
/// The commit is what a report of results, a recipe or a journal should note: a branch moves, a commit does not.
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
    /// Fetches one file and returns its path in the cache.
    ///
    /// Online, a branch or tag is looked up each time and a file that changed is downloaded again; without an
    /// answer, the cached file serves. The files of a commit cannot change, so a cached one opens no socket.
    ///
    /// # Errors
    /// A file name that leaves the repository, no such file, no access, no network and no cached copy, bytes
    /// that are not the promised ones, or a cache that cannot be written. None of them leaves anything in the
    /// cache.
    pub fn fetch(&self, repo: &Repo, file: &str) -> Result<PathBuf, Error> {
        let name = FileName::new(file)?;
        let cached = self.locate(repo, name)?;
        RepoCache::new(&self.cache_dir, repo).remember_commit(&repo.revision, &cached.commit);
        Ok(cached.path)
    }

    /// Fetches the first of `files` that exists: its place in the list, and its path in the cache.
    ///
    /// # Errors
    /// As for [`Hub::fetch`], or none of them exists.
    pub fn fetch_first(&self, repo: &Repo, files: &[&str]) -> Result<(usize, PathBuf), Error> {
        let mut not_cached = None;
        for (place, file) in files.iter().enumerate() {
            match self.fetch(repo, file) {
                Ok(path) => return Ok((place, path)),
                Err(error) if error.kind.is_missing_file() => {}
                Err(error) if matches!(*error.kind, ErrorKind::Offline { .. }) => {
                    not_cached.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(not_cached.unwrap_or_else(|| {
            let files = files.iter().map(|file| format!("`{file}`")).collect();
            let page = files_page(&self.endpoint, repo);
            Error::new(Subject::Repo(repo.clone()), ErrorKind::NoneOf { files, page })
        }))
    }

    /// Fetches a model, all of it from one commit, and returns the folder that holds it and the commit.
    ///
    /// That is `config.json`; `processor_config.json` and `preprocessor_config.json` if they are there; and the
    /// weights: `model.safetensors` or `pytorch_model.bin`, or the index of either with the shards it lists, the
    /// first that exists.
    ///
    /// # Errors
    /// As for [`Hub::fetch`], no weights in any of these forms, or an index that lists no shards.
    pub fn fetch_model(&self, repo: &Repo) -> Result<Snapshot, Error> {
        const WEIGHTS: [&str; 4] = [
            "model.safetensors",
            "model.safetensors.index.json",
            "pytorch_model.bin",
            "pytorch_model.bin.index.json",
        ];

        let commit = self.locate(repo, FileName::new("config.json")?)?.commit;
        // The branch may move meanwhile; the commit does not.
        let pinned = repo.at(commit.as_revision());
        self.fetch_extractor(&pinned)?;
        let (place, path) = self.fetch_first(&pinned, &WEIGHTS)?;
        if let Some(name) = WEIGHTS[place].strip_suffix(".index.json") {
            let index = |kind| Error::new(Subject::File(pinned.clone(), WEIGHTS[place].to_owned()), kind);
            let (_, extension) = name.rsplit_once('.').unwrap_or_default();
            for shard in shards(&path, extension).map_err(index)? {
                self.fetch(&pinned, &shard)?;
            }
        }
        // Only now: offline, the branch should stand for a commit that is all there.
        let cache = RepoCache::new(&self.cache_dir, repo);
        cache.remember_commit(&repo.revision, &commit);
        Ok(Snapshot::new(&cache, &commit))
    }

    /// Fetches the files of `repo` that say how its model's features are made, those of them that there are:
    /// `processor_config.json` and `preprocessor_config.json`.
    ///
    /// # Errors
    /// As for [`Hub::fetch`], but for files that do not exist or, offline, are not in the cache.
    pub fn fetch_extractor(&self, repo: &Repo) -> Result<(), Error> {
        for file in ["processor_config.json", "preprocessor_config.json"] {
            match self.fetch(repo, file) {
                Ok(_) => {}
                // Not every model has both, or even one; who needs it will say so.
                Err(error)
                    if error.kind.is_missing_file() || matches!(*error.kind, ErrorKind::Offline { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The file in the cache, brought there if need be.
    fn locate(&self, repo: &Repo, file: FileName<'_>) -> Result<Cached, Error> {
        self.try_locate(repo, file)
            .map_err(|kind| Error::new(Subject::File(repo.clone(), file.as_str().to_owned()), kind))
    }

    fn try_locate(&self, repo: &Repo, file: FileName<'_>) -> Result<Cached, ErrorKind> {
        let cache = RepoCache::new(&self.cache_dir, repo);
        let missing = || ErrorKind::NotFound { what: Missing::File, page: files_page(&self.endpoint, repo) };

        let commit = cache.commit_of(&repo.revision);
        let cached = commit.as_ref().and_then(|commit| cache.find(commit, file));
        let known_missing = commit.as_ref().is_some_and(|commit| cache.is_known_missing(commit, file));
        // A commit does not change: what is known about its files stands.
        let settled = repo.revision.is_commit() && (cached.is_some() || known_missing);
        let Some(transport) = self.transport.as_ref().filter(|_| !settled) else {
            return match cached {
                Some(cached) => Ok(cached),
                None if known_missing => Err(missing()),
                None => Err(ErrorKind::Offline { cache_dir: self.cache_dir.clone() }),
            };
        };

        let target = Target::new(&self.endpoint, repo, file);
        off_runtime(|| match transport.ask(&target, cached.is_none()) {
            Ok(Answer::Exists(remote)) => self.store(transport, &target, &cache, file, &remote),
            Ok(Answer::Missing(named)) => {
                if let Some(commit) = named.or(commit.filter(|_| repo.revision.is_commit())) {
                    cache.remember_missing(&commit, file);
                }
                Err(missing())
            }
            Err(kind) => match cached.filter(|_| kind.spares_the_cache()) {
                Some(cached) => {
                    tracing::warn!(%repo, file = file.as_str(), error = %kind, "using the cached file");
                    Ok(cached)
                }
                None => Err(kind),
            },
        })
    }

    /// Brings the file that the Hub described into the cache, unless it is there.
    pub(crate) fn store(
        &self,
        transport: &Transport,
        target: &Target<'_>,
        cache: &RepoCache,
        file: FileName<'_>,
        remote: &Remote,
    ) -> Result<Cached, ErrorKind> {
        // Bytes are hashed once, when they come; later only the length is compared, so that a start does not
        // read gigabytes. That still finds what an interrupted copy or a full disk did.
        let fits = |path: &Path| {
            fs::metadata(path).is_ok_and(|m| m.is_file() && remote.size.is_none_or(|size| m.len() == size))
        };
        if fits(&cache.pointer(&remote.commit, file)) {
            return Ok(Cached { commit: remote.commit.clone(), path: cache.pointer(&remote.commit, file) });
        }
        let lock = cache.lock(&remote.etag);
        if !fits(&cache.blob(&remote.etag)) {
            let mut incomplete = cache.incomplete(&remote.etag, lock.is_some())?;
            let done = transport.download(target, file, remote, &mut incomplete, self.progress.as_deref());
            if done.as_ref().is_err_and(ErrorKind::spares_the_download) {
                incomplete.keep();
            }
            done?;
            incomplete.publish()?;
        }
        cache.link(&remote.commit, file, &remote.etag)
    }
}

/// The files that hold the weights, from `{"weight_map": {"tensor": "file", …}}`.
fn shards(index: &Path, extension: &str) -> Result<BTreeSet<String>, ErrorKind> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let bad = |why: &str| ErrorKind::Index { why: why.to_owned() };
    let bytes = earmark_fs::read(index, MAX_INDEX).map_err(|e| io_error(index, e))?;
    // Not with serde's words, which may repeat any length of what is in the file.
    let Index { weight_map } = serde_json::from_slice(&bytes)
        .map_err(|_| bad("it is not JSON with an object `weight_map` that leads from tensors to files"))?;
    if weight_map.is_empty() {
        return Err(bad("`weight_map` is empty"));
    }
    let fits = |file: &String| file.rsplit_once('.').is_some_and(|(_, found)| found == extension);
    if !weight_map.values().all(fits) {
        return Err(bad(&format!("`weight_map` leads to something other than a `.{extension}` file")));
    }
    Ok(weight_map.into_values().collect())
}
