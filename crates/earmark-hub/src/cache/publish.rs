//! Writing to the cache. Blobs, links and references get their names by a rename, so another process sees each of them whole
//! or not at all.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use earmark_error::Context as _;
use earmark_fs::LockedFile;

use crate::cache::layout::{CachedFile, RepoCache};
use crate::commit::{Commit, Etag};
use crate::error::{CachePath, ErrorKind};
use crate::partial::{self, Partial, create_parent, unique};
use crate::repo::{FileName, Revision};

/// How long an interrupted download is kept for the next one to resume.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl RepoCache {
    /// Notes that the commit has no such file. If the cache cannot be written, the next fetch asks again.
    pub(crate) fn write_no_exist(&self, commit: &Commit, file: FileName<'_>) {
        let path = self.no_exist_path(commit, file);
        if let Err(error) = create_parent(&path).and_then(|()| fs::write(&path, "")) {
            tracing::debug!(path = %path.display(), %error, "cannot record that the file does not exist");
        }
    }

    /// Notes the commit that a branch or tag stands for. A cache that cannot be written (a shared one, mounted read-only) still
    /// serves its files, so failing is no error.
    pub(crate) fn write_ref(&self, revision: &Revision, commit: &Commit) {
        if revision.is_commit() || self.read_ref(revision).as_ref() == Some(commit) {
            return;
        }
        let path = self.ref_path(revision);
        if let Err(error) = create_parent(&path).and_then(|()| earmark_fs::write(&path, commit.as_str())) {
            tracing::warn!(path = %path.display(), %error, "cannot record the commit for offline use");
        }
    }

    /// Waits while another process downloads this blob, and says so; no longer than `patience` if nothing comes of that.
    ///
    /// The lock only saves a second download of the same bytes. Without it blobs still appear by rename, so a file system
    /// without locks is no error.
    pub(crate) fn lock(&self, etag: &Etag, file: FileName<'_>, patience: Duration) -> Option<LockedFile> {
        let path = self.lock_path(etag);
        let (mut since, mut seen, mut told) = (Instant::now(), 0, false);
        loop {
            let open = create_parent(&path).and_then(|()| File::create(&path)).map_err(TryLockError::Error);
            match open.and_then(LockedFile::try_lock) {
                Ok(lock) => return Some(lock),
                Err(TryLockError::Error(error)) => {
                    tracing::debug!(path = %path.display(), %error, "no lock");
                    return None;
                }
                Err(TryLockError::WouldBlock) => {}
            }
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(file = file.as_str(), lock = %path.display(), "another process downloads this file: waiting for it");
            }
            let now = self.partial_bytes(etag);
            if now != seen {
                (since, seen) = (Instant::now(), now);
            } else if since.elapsed() >= patience {
                tracing::warn!(
                    file = file.as_str(),
                    "the other process makes no progress: not waiting any longer"
                );
                return None;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Bytes of the downloads of this blob that have not ended.
    fn partial_bytes(&self, etag: &Etag) -> u64 {
        let folder = self.blob(etag).parent().map(fs::read_dir);
        let partial = |name: &str| name.starts_with(etag.as_str()) && name.ends_with(".incomplete");
        let entries = folder.into_iter().flatten().flatten().flatten();
        let partials = entries.filter(|entry| entry.file_name().to_str().is_some_and(partial));
        partials.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
    }

    /// Opens a file beside the blob to download into.
    ///
    /// It is the one that an interrupted download left, if the lock is held and a checksum will tell whether the two halves
    /// fit. Else it is empty and has a name of its own, so that no other download writes to it even where locks do not work.
    pub(crate) fn partial(&self, etag: &Etag, locked: bool) -> Result<Partial, ErrorKind> {
        let blob = self.blob(etag);
        remove_old_partials(blob.parent().unwrap_or(&blob));
        let resumable = locked && etag.sha256().is_some();
        let path = if resumable { partial::resumable(&blob) } else { unique(&blob) };
        Partial::open(path, blob, resumable)
    }

    /// Makes the blob appear as the file of that commit, replacing the file there.
    ///
    /// The link is made beside the blobs and then renamed: nobody lists it in the snapshot meanwhile, and if the process dies,
    /// a later download removes it.
    pub(crate) fn link(
        &self,
        commit: &Commit,
        file: FileName<'_>,
        etag: &Etag,
    ) -> Result<CachedFile, ErrorKind> {
        let path = self.file_path(commit, file);
        let link = || {
            create_parent(&path)?;
            let new = unique(&self.blob(etag));
            // Left by a killed process that had the same id.
            let _ = fs::remove_file(&new);
            link_to_blob(&self.blob(etag), &new, file)?;
            fs::rename(&new, &path).inspect_err(|_| {
                let _ = fs::remove_file(&new);
            })
        };
        link().context(CachePath(&path))?;
        Ok(CachedFile { commit: commit.clone(), path })
    }
}

/// Relative to the final place of the link, so that a cache can be moved, and as Python writes it.
#[cfg(unix)]
fn link_to_blob(blob: &Path, new: &Path, file: FileName<'_>) -> io::Result<()> {
    let name = blob.file_name().expect("a blob has a name");
    // Up through the file's folders, the commit and `snapshots`.
    let up: PathBuf = std::iter::repeat_n("..", file.as_str().matches('/').count() + 2).collect();
    std::os::unix::fs::symlink(up.join("blobs").join(name), new)
}

/// Symbolic links need a privilege on Windows, hard links do not. A file system with neither gets a copy.
#[cfg(not(unix))]
fn link_to_blob(blob: &Path, new: &Path, _file: FileName<'_>) -> io::Result<()> {
    fs::hard_link(blob, new).or_else(|_| fs::copy(blob, new).map(drop))
}

fn remove_old_partials(blobs: &Path) {
    for entry in fs::read_dir(blobs).into_iter().flatten().flatten() {
        let age = || entry.metadata()?.modified()?.elapsed().map_err(io::Error::other);
        let partial = entry.file_name().to_string_lossy().ends_with(".incomplete");
        if partial && age().is_ok_and(|age| age > MAX_AGE) {
            // Another process may have removed it already.
            let _ = fs::remove_file(entry.path());
        }
    }
}
