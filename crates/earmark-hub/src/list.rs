//! What a repository holds, as the API's tree tells it.

use std::fs;
use std::path::Path;

use earmark_fs::{EntryKind, Walk};
use serde::{Deserialize, Serialize};

use crate::cache::{Commit, RepoCache, make_parent};
use crate::error::{Error, ErrorKind, Subject};
use crate::fetch::Snapshot;
use crate::hub::Hub;
use crate::repo::{FileName, Repo};
use crate::transport::{MAX_JSON, Target, Transport, off_runtime};

/// Most pages of a listing, of 1 000 files each, so that a server that never ends is noticed.
const MAX_PAGES: u64 = 2_000;

/// Largest page of a listing: one of 1 000 files has some hundred KB.
const MAX_PAGE: u64 = 16 << 20;

/// Most files of a listing: some 200 MB of memory. The largest datasets of the Hub have a few hundred thousand.
const MAX_FILES: u64 = 1_000_000;

/// Largest listing that is read back from the cache.
const MAX_NOTE: u64 = 1 << 30;

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

/// An entry of the API's tree, and of the listing noted in the cache.
#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(rename = "type", default, skip_serializing)]
    kind: Option<String>,
    path: String,
    /// Directories may have none.
    size: Option<u64>,
    oid: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Serialize, Deserialize)]
struct Lfs {
    oid: Option<String>,
}

impl RemoteFile {
    /// `None` for a path that leads out of the repository, or a file of no known length.
    fn from_entry(entry: Entry) -> Option<RemoteFile> {
        FileName::new(&entry.path).ok()?;
        let sha256 = entry.lfs.and_then(|lfs| lfs.oid);
        Some(RemoteFile { path: entry.path, size: entry.size?, sha256, git_oid: entry.oid })
    }

    fn to_entry(&self) -> Entry {
        Entry {
            kind: None,
            path: self.path.clone(),
            size: Some(self.size),
            oid: self.git_oid.clone(),
            lfs: self.sha256.clone().map(|oid| Lfs { oid: Some(oid) }),
        }
    }
}

/// What the API says of a revision, as far as it is asked here.
#[derive(Deserialize)]
pub(crate) struct Head {
    sha: String,
}

impl Head {
    pub(crate) fn commit(&self) -> Option<Commit> {
        Commit::new(&self.sha)
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

    /// Fetches every file `wanted` says yes to, all of one commit, and returns the folder that holds them and the commit.
    ///
    /// # Errors
    /// As [`Hub::list`] and [`Hub::fetch`]. What came before stays in the cache, and is not fetched again.
    pub fn fetch_all(&self, repo: &Repo, wanted: impl Fn(&RemoteFile) -> bool) -> Result<Snapshot, Error> {
        let pinned = self.pin(repo)?;
        for file in self.list(&pinned)?.iter().filter(|file| wanted(file)) {
            self.fetch(&pinned, &file.path)?;
        }
        let cache = RepoCache::new(&self.cache_dir, repo);
        let commit = Commit::new(pinned.revision.as_str()).expect("a pinned revision is a commit");
        // Only now: offline, the branch should stand for a commit that is all there.
        cache.remember_commit(&repo.revision, &commit);
        Ok(Snapshot::new(&cache, &commit))
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
        let answer = off_runtime(|| transport.json::<Head>(&target, MAX_JSON))
            .and_then(|(head, _)| head.commit().ok_or_else(|| target.malformed("`sha`").kind));
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
        let entries: Vec<Entry> = files.iter().map(RemoteFile::to_entry).collect();
        let text = serde_json::to_vec(&entries).expect("strings and numbers are JSON");
        // A cache that cannot be written only forgets it.
        if let Err(error) = make_parent(&note).and_then(|()| earmark_fs::write(&note, text)) {
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
        let too_large = |what: &str, limit| {
            let what = format!("the Hub's list of files of {repo}, counted in {what},");
            ErrorKind::TooLarge { what, limit }
        };
        let mut files = Vec::new();
        for _ in 0..MAX_PAGES {
            let (page, next) = self.json::<Vec<Entry>>(&target, MAX_PAGE)?;
            for entry in page {
                if entry.kind.as_deref() == Some("directory") {
                    continue;
                }
                let file = RemoteFile::from_entry(entry);
                files.push(file.ok_or_else(|| target.malformed("list of files").kind)?);
            }
            if files.len() as u64 > MAX_FILES {
                return Err(too_large("files", MAX_FILES));
            }
            match next {
                Some(next) => target.url = next,
                None => {
                    files.sort_by(|a, b| a.path.cmp(&b.path));
                    return Ok(files);
                }
            }
        }
        Err(too_large("pages", MAX_PAGES))
    }
}

/// The listing noted in the cache. One that cannot be read is asked for again.
fn read_note(note: &Path) -> Option<Vec<RemoteFile>> {
    let entries: Vec<Entry> = serde_json::from_slice(&earmark_fs::read(note, MAX_NOTE).ok()?).ok()?;
    entries.into_iter().map(RemoteFile::from_entry).collect()
}

/// What the cache holds of a commit.
fn cached_files(snapshot: &Path) -> Vec<RemoteFile> {
    let mut found = Vec::new();
    // A folder that cannot be read has no files for us, and neither has a link to a blob that is gone.
    for entry in Walk::new(snapshot).into_iter().flatten().filter(|entry| entry.kind == EntryKind::File) {
        let parts: Option<Vec<&str>> = entry.relative.iter().map(|part| part.to_str()).collect();
        let (Some(parts), Ok(metadata)) = (parts, fs::metadata(&entry.path)) else { continue };
        found.push(RemoteFile { path: parts.join("/"), size: metadata.len(), sha256: None, git_oid: None });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}
