//! The cache folder, laid out as Python's `huggingface_hub` 2.4.0 lays it out, so that both can use one:
//!
//! ```text
//! models--owner--name/
//!   blobs/<etag>                  the bytes; an LFS file's etag is its SHA-256
//!   snapshots/<commit>/<file>     a link to the blob
//!   refs/<revision>               the commit it stood for when last seen
//!   .no_exist/<commit>/<file>     empty: this commit has no such file
//! .locks/models--owner--name/<etag>.lock
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use crate::error::ErrorKind;
use crate::repo::{FileName, Repo, Revision, is_commit};

/// One repository's part of the cache. Every name that becomes a path was validated when it was made.
pub(crate) struct RepoCache {
    root: PathBuf,
    locks: PathBuf,
}

/// A file in the cache.
#[derive(Debug, Clone)]
pub(crate) struct Cached {
    pub(crate) commit: Commit,
    pub(crate) path: PathBuf,
}

/// A full commit hash: 40 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit(String);

impl Commit {
    pub(crate) fn new(text: &str) -> Option<Commit> {
        is_commit(text).then(|| Commit(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn as_revision(&self) -> Revision {
        self.0.parse().expect("40 hexadecimal digits are a revision")
    }
}

/// What the Hub calls a file's bytes; becomes a file name, so it is made of letters, digits, `-`, `_` and
/// inner `.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Etag(pub(crate) String);

impl Etag {
    /// From the header: `"…"`, perhaps after `W/`.
    pub(crate) fn new(header: &str) -> Option<Etag> {
        let text = header.strip_prefix("W/").unwrap_or(header).trim_matches('"');
        let fits = (1..=128).contains(&text.len())
            && !text.starts_with('.')
            && !text.ends_with(".incomplete")
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        fits.then(|| Etag(text.to_owned()))
    }

    /// The SHA-256 of the bytes, if that is what this is (it is for LFS files).
    pub(crate) fn sha256(&self) -> Option<&str> {
        (self.0.len() == 64 && self.0.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
            .then_some(&self.0)
    }
}

impl RepoCache {
    pub(crate) fn new(cache_dir: &Path, repo: &Repo) -> RepoCache {
        let folder = format!("{}--{}", repo.kind.cache_prefix(), repo.id.as_str().replace('/', "--"));
        RepoCache { locks: cache_dir.join(".locks").join(&folder), root: cache_dir.join(folder) }
    }

    /// The commit `revision` stood for when last seen.
    pub(crate) fn commit_of(&self, revision: &Revision) -> Option<Commit> {
        if revision.is_commit() {
            return Commit::new(revision.as_str());
        }
        Commit::new(earmark_fs::read_to_string(self.ref_path(revision), 64).ok()?.trim())
    }

    /// The file of that commit, if it is cached.
    pub(crate) fn find(&self, commit: &Commit, file: FileName<'_>) -> Option<Cached> {
        let path = self.pointer(commit, file);
        path.is_file().then(|| Cached { commit: commit.clone(), path })
    }

    /// The folder of that commit's files.
    pub(crate) fn snapshot(&self, commit: &Commit) -> PathBuf {
        self.root.join("snapshots").join(&commit.0)
    }

    pub(crate) fn pointer(&self, commit: &Commit, file: FileName<'_>) -> PathBuf {
        self.snapshot(commit).join(file.as_str())
    }

    pub(crate) fn blob(&self, etag: &Etag) -> PathBuf {
        self.root.join("blobs").join(&etag.0)
    }

    fn ref_path(&self, revision: &Revision) -> PathBuf {
        self.root.join("refs").join(revision.as_str())
    }

    fn no_exist(&self, commit: &Commit, file: FileName<'_>) -> PathBuf {
        self.root.join(".no_exist").join(&commit.0).join(file.as_str())
    }

    /// Whether that commit is known to have no such file.
    pub(crate) fn is_known_missing(&self, commit: &Commit, file: FileName<'_>) -> bool {
        self.no_exist(commit, file).is_file()
    }

    /// Where the list of that commit's files is kept. Python knows no such list, and leaves the folder alone.
    pub(crate) fn listing(&self, commit: &Commit) -> PathBuf {
        self.root.join(".earmark").join(format!("{}.files.json", commit.0))
    }

    /// Remembers that the commit has no such file. A cache that cannot be written only forgets it.
    pub(crate) fn remember_missing(&self, commit: &Commit, file: FileName<'_>) {
        let path = self.no_exist(commit, file);
        if let Err(error) = make_parent(&path).and_then(|()| fs::write(&path, "")) {
            tracing::debug!(path = %path.display(), %error, "cannot note that the file does not exist");
        }
    }

    /// Remembers the commit a branch or tag stood for. A cache that cannot be written (a shared one, mounted
    /// read-only) still serves the files it holds, so failing is not an error.
    pub(crate) fn remember_commit(&self, revision: &Revision, commit: &Commit) {
        if revision.is_commit() || self.commit_of(revision).as_ref() == Some(commit) {
            return;
        }
        let path = self.ref_path(revision);
        if let Err(error) = make_parent(&path).and_then(|()| earmark_fs::write(&path, &commit.0)) {
            tracing::warn!(path = %path.display(), %error, "cannot note the commit for offline use");
        }
    }

    /// Waits until no other process downloads this blob; the lock ends with the returned file.
    ///
    /// It only saves a second download of the same bytes. Blobs appear by rename, whole or not at all, so a
    /// file system without locks is no error.
    pub(crate) fn lock(&self, etag: &Etag) -> Option<File> {
        let path = self.locks.join(format!("{}.lock", etag.0));
        let lock = make_parent(&path).and_then(|()| File::create(&path)).and_then(|file| {
            file.lock()?;
            Ok(file)
        });
        lock.inspect_err(|error| tracing::debug!(path = %path.display(), %error, "no lock")).ok()
    }

    /// A file beside the blob, to become it by [`Incomplete::publish`].
    ///
    /// With the lock, and where a checksum will tell whether the halves fit, it is the one an interrupted download left,
    /// perhaps one that was killed; else an empty one that no other download shares, even where locks do not work.
    pub(crate) fn incomplete(&self, etag: &Etag, locked: bool) -> Result<Incomplete, ErrorKind> {
        let blob = self.blob(etag);
        let resumes = locked && etag.sha256().is_some();
        let path =
            if resumes { blob.with_file_name(format!("{}.incomplete", etag.0)) } else { self.unshared(etag) };
        let open = || {
            make_parent(&path)?;
            sweep(path.parent().unwrap_or(&self.root));
            let file = File::options().create(true).truncate(!resumes).read(true).write(true).open(&path)?;
            // So that nobody sweeps it up meanwhile. On a file system that keeps no times nothing is swept.
            let _ = file.set_modified(SystemTime::now());
            Ok(file)
        };
        let file = open().map_err(|e| io_error(&path, e))?;
        Ok(Incomplete { file, path, blob, resumes, kept: false })
    }

    /// Makes the blob appear as the file of that commit, in place of what was there. It is made beside the blobs, where what a
    /// killed process leaves is swept up, and no listing of the snapshot meets it.
    pub(crate) fn link(&self, commit: &Commit, file: FileName<'_>, etag: &Etag) -> Result<Cached, ErrorKind> {
        let path = self.pointer(commit, file);
        let link = || {
            make_parent(&path)?;
            let new = self.unshared(etag);
            // Left by a killed process that had this one's number.
            let _ = fs::remove_file(&new);
            link_blob(&self.blob(etag), &new, file)?;
            fs::rename(&new, &path).inspect_err(|_| {
                // The error to report is the one above.
                let _ = fs::remove_file(&new);
            })
        };
        link().map_err(|e| io_error(&path, e))?;
        Ok(Cached { commit: commit.clone(), path })
    }

    /// A name beside the blob that nobody else uses, even where locks do not work.
    fn unshared(&self, etag: &Etag) -> PathBuf {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        self.blob(etag).with_file_name(format!("{}.{}-{count}.incomplete", etag.0, std::process::id()))
    }
}

/// Relative to where it will lie, so that a cache can be moved, and as Python writes it.
#[cfg(unix)]
fn link_blob(blob: &Path, new: &Path, file: FileName<'_>) -> io::Result<()> {
    let name = blob.file_name().expect("a blob has a name");
    // Up through the file's folders, the commit and `snapshots`.
    let up: PathBuf = std::iter::repeat_n("..", file.as_str().matches('/').count() + 2).collect();
    std::os::unix::fs::symlink(up.join("blobs").join(name), new)
}

/// Symbolic links need a privilege on Windows, hard links do not; a file system with neither gets a copy.
#[cfg(not(unix))]
fn link_blob(blob: &Path, new: &Path, _file: FileName<'_>) -> io::Result<()> {
    fs::hard_link(blob, new).or_else(|_| fs::copy(blob, new).map(drop))
}

/// How long what an interrupted download left waits to be taken up.
const STALE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Removes what nobody came back for.
fn sweep(blobs: &Path) {
    for entry in fs::read_dir(blobs).into_iter().flatten().flatten() {
        let old = || entry.metadata()?.modified()?.elapsed().map_err(io::Error::other);
        let incomplete = entry.file_name().to_string_lossy().ends_with(".incomplete");
        if incomplete && old().is_ok_and(|age| age > STALE) {
            // Somebody else may have been quicker.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A download on its way to become a blob; removed unless it does, or is kept to be taken up later.
pub(crate) struct Incomplete {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    blob: PathBuf,
    resumes: bool,
    kept: bool,
}

impl Incomplete {
    /// Leaves what there is for the next download, if it could take it up.
    pub(crate) fn keep(&mut self) {
        self.kept = self.resumes && self.file.metadata().is_ok_and(|file| file.len() > 0);
    }

    /// Moves the file to where the blob belongs. To be called on verified bytes only.
    pub(crate) fn publish(self) -> Result<(), ErrorKind> {
        // Without this, a power cut can leave the new name on an empty file.
        self.file.sync_all().map_err(|e| io_error(&self.path, e))?;
        let publish = || {
            fs::rename(&self.path, &self.blob)?;
            earmark_fs::sync_folder(self.blob.parent().unwrap_or(&self.blob))
        };
        publish().map_err(|e| io_error(&self.blob, e))
    }
}

impl Drop for Incomplete {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // After `publish` it is gone already.
        let _ = fs::remove_file(&self.path);
    }
}

/// Bytes in lower-case hexadecimal, as the Hub writes hashes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

pub(crate) fn io_error(path: &Path, source: io::Error) -> ErrorKind {
    ErrorKind::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etag_headers_become_file_names_or_nothing() {
        let name = |header| Etag::new(header).map(|etag| etag.0);
        assert_eq!(name("\"abc-123\"").as_deref(), Some("abc-123"));
        assert_eq!(name("W/\"abc\"").as_deref(), Some("abc"));
        for bad in
            ["", "\"\"", "\"../x\"", "\"/etc/passwd\"", "\"a/b\"", "\".hidden\"", "\"x.incomplete\"", "a b"]
        {
            assert_eq!(name(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_sixty_four_hex_digits_are_a_checksum() {
        let sha = "0123456789abcdef".repeat(4);
        assert_eq!(Etag::new(&sha).unwrap().sha256(), Some(&*sha));
        assert_eq!(Etag::new(&sha[1..]).unwrap().sha256(), None);
        assert_eq!(Etag::new(&sha.replace('a', "g")).unwrap().sha256(), None);
    }
}
