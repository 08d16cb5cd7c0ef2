//! What a repository holds, as the API's tree tells it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cache::{Commit, RepoCache, make_parent};
use crate::error::{Error, ErrorKind, Subject};
use crate::hub::Hub;
use crate::repo::{FileName, Repo};
use crate::transport::{Target, Transport, off_runtime};

/// Most pages of a listing: 1 000 files each, so that a server that never ends is noticed.
const MAX_PAGES: usize = 10_000;

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteFile {
    /// Its path in the repository, `/` between parts; never one that leads out of it.
    pub path: String,
    /// Its length.
    pub size: u64,
    /// Its SHA-256, if it is kept in LFS.
    pub sha256: Option<String>,
    /// What git calls it: of a file that is not in LFS, the SHA-1 of `blob LENGTH\0` and its bytes.
    pub git_oid: Option<String>,
}

impl RemoteFile {
    fn from_json(entry: &Value) -> Option<RemoteFile> {
        let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str);
        let path = FileName::new(text("/path")?).ok()?.as_str().to_owned();
        Some(RemoteFile {
            path,
            size: entry.get("size")?.as_u64()?,
            sha256: text("/lfs/oid").map(str::to_owned),
            git_oid: text("/oid").map(str::to_owned),
        })
    }

    fn to_json(&self) -> Value {
        let lfs = self.sha256.as_ref().map(|oid| json!({ "oid": oid }));
        json!({ "path": self.path, "size": self.size, "oid": self.git_oid, "lfs": lfs })
    }
}

impl Hub {
    /// The same repository at the commit its revision stands for now, so that everything read next belongs together.
    ///
    /// Offline, or without an answer, that is the commit it stood for when last seen.
    ///
    /// # Errors
    /// No such repository or revision, no access, or nobody to ask and nothing noted.
    pub fn pin(&self, repo: &Repo) -> Result<Repo, Error> {
        let commit = self.commit(repo).map_err(|kind| Error::new(Subject::Repo(repo.clone()), kind))?;
        Ok(repo.at(commit.as_revision()))
    }

    /// Every file of the revision, sorted by path, all of one commit.
    ///
    /// The list of a commit is noted in the cache, so that it is asked for once and known offline. Offline and without
    /// a note, the list is what the cache holds of the commit.
    ///
    /// # Errors
    /// As [`Hub::pin`], or an answer that is no listing.
    pub fn list(&self, repo: &Repo) -> Result<Vec<RemoteFile>, Error> {
        self.try_list(repo).map_err(|kind| Error::new(Subject::Repo(repo.clone()), kind))
    }

    /// Fetches every file `wanted` says yes to, all of one commit, and returns the folder that holds them.
    ///
    /// # Errors
    /// As [`Hub::list`] and [`Hub::fetch`]. What came before stays in the cache, and is not fetched again.
    pub fn fetch_all(&self, repo: &Repo, wanted: impl Fn(&RemoteFile) -> bool) -> Result<PathBuf, Error> {
        let pinned = self.pin(repo)?;
        for file in self.list(&pinned)?.iter().filter(|file| wanted(file)) {
            self.fetch(&pinned, &file.path)?;
        }
        let cache = RepoCache::new(&self.cache_dir, repo);
        let commit = Commit::new(pinned.revision.as_str()).expect("a pinned revision is a commit");
        // Only now: offline, the branch should stand for a commit that is all there.
        cache.remember_commit(&repo.revision, &commit);
        Ok(cache.snapshot(&commit))
    }

    pub(crate) fn commit(&self, repo: &Repo) -> Result<Commit, ErrorKind> {
        if let Some(commit) = Commit::new(repo.revision.as_str()) {
            return Ok(commit);
        }
        let noted = RepoCache::new(&self.cache_dir, repo).commit_of(&repo.revision);
        let Some(transport) = &self.transport else {
            return noted.ok_or_else(|| ErrorKind::Offline { cache_dir: self.cache_dir.clone() });
        };
        let target = Target::api(&self.endpoint, repo, "revision");
        let answer = off_runtime(|| transport.json(&target)).and_then(|(json, _)| {
            let sha = json.get("sha").and_then(Value::as_str).and_then(Commit::new);
            sha.ok_or_else(|| target.malformed("`sha`").kind)
        });
        match (answer, noted) {
            (Err(kind), Some(noted)) if kind.spares_the_cache() => {
                tracing::warn!(%repo, error = %kind, "using the commit last seen");
                Ok(noted)
            }
            (answer, _) => answer,
        }
    }

    fn try_list(&self, repo: &Repo) -> Result<Vec<RemoteFile>, ErrorKind> {
        let cache = RepoCache::new(&self.cache_dir, repo);
        let commit = self.commit(repo)?;
        let note = cache.listing(&commit);
        if let Some(files) = read_note(&note) {
            return Ok(files);
        }
        let Some(transport) = &self.transport else {
            let files = cached_files(&cache.snapshot(&commit));
            return Some(files)
                .filter(|files| !files.is_empty())
                .ok_or_else(|| ErrorKind::Offline { cache_dir: self.cache_dir.clone() });
        };
        let pinned = repo.at(commit.as_revision());
        let files = off_runtime(|| transport.tree(&self.endpoint, &pinned))?;
        let text = Value::from_iter(files.iter().map(RemoteFile::to_json)).to_string();
        // A cache that cannot be written only forgets it; by a rename, so that none reads half of it.
        let part = note.with_extension(format!("{}.part", std::process::id()));
        let written =
            make_parent(&note).and_then(|()| fs::write(&part, text)).and_then(|()| fs::rename(&part, &note));
        if let Err(error) = written {
            tracing::debug!(path = %note.display(), %error, "cannot note the listing");
        }
        Ok(files)
    }
}

impl Transport {
    /// The files of a revision, from as many pages as there are.
    pub(crate) fn tree(&self, endpoint: &reqwest::Url, repo: &Repo) -> Result<Vec<RemoteFile>, ErrorKind> {
        let mut target = Target::api(endpoint, repo, "tree");
        target.url.set_query(Some("recursive=true"));
        let mut files = Vec::new();
        for _ in 0..MAX_PAGES {
            let (page, next) = self.json(&target)?;
            for entry in page.as_array().ok_or_else(|| target.malformed("list of files").kind)? {
                if entry.get("type").and_then(Value::as_str) == Some("directory") {
                    continue;
                }
                let file = RemoteFile::from_json(entry);
                files.push(file.ok_or_else(|| target.malformed("list of files").kind)?);
            }
            match next {
                Some(next) => target.url = next,
                None => {
                    files.sort_by(|a, b| a.path.cmp(&b.path));
                    return Ok(files);
                }
            }
        }
        Err(target.malformed("end of the list of files").kind)
    }
}

/// The listing noted in the cache. One that cannot be read is asked for again.
fn read_note(note: &Path) -> Option<Vec<RemoteFile>> {
    let json: Value = serde_json::from_slice(&fs::read(note).ok()?).ok()?;
    json.as_array()?.iter().map(RemoteFile::from_json).collect()
}

/// What the cache holds of a commit.
fn cached_files(snapshot: &Path) -> Vec<RemoteFile> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<RemoteFile>) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            // Through the link: the blob may be gone.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if metadata.is_dir() {
                walk(&path, root, found)?;
            } else if let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str) {
                let path = name.replace('\\', "/");
                found.push(RemoteFile { path, size: metadata.len(), sha256: None, git_oid: None });
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    // A folder that cannot be read has no files for us.
    let _ = walk(snapshot, snapshot, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}
