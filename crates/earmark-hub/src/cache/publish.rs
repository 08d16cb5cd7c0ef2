//! Writing to the cache. Blobs, links and references get their names by a rename, so another process sees each of them whole
//! or not at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use earmark_error::Context as _;
use earmark_fs::LockedFile;

use crate::cache::layout::{CachedFile, RepoCache};
use crate::commit::{Commit, Etag};
use crate::error::{CachePath, ErrorKind};
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

    /// Waits until no other process downloads this blob.
    ///
    /// The lock only saves a second download of the same bytes. Without it blobs still appear by rename, so a file system
    /// without locks is no error.
    pub(crate) fn lock(&self, etag: &Etag) -> Option<LockedFile> {
        let path = self.lock_path(etag);
        let lock = create_parent(&path).and_then(|()| File::create(&path)).and_then(LockedFile::lock);
        lock.inspect_err(|error| tracing::debug!(path = %path.display(), %error, "no lock")).ok()
    }

    /// Opens a file beside the blob to download into.
    ///
    /// It is the one that an interrupted download left, if the lock is held and a checksum will tell whether the two halves
    /// fit. Else it is empty and has a name of its own, so that no other download writes to it even where locks do not work.
    pub(crate) fn partial(&self, etag: &Etag, locked: bool) -> Result<PartialBlob, ErrorKind> {
        let blob = self.blob(etag);
        let resumable = locked && etag.sha256().is_some();
        let path = match resumable {
            true => blob.with_file_name(format!("{}.incomplete", etag.as_str())),
            false => self.unique_path(etag),
        };
        let open = || -> io::Result<File> {
            create_parent(&path)?;
            remove_old_partials(path.parent().unwrap_or(&path));
            let file =
                File::options().create(true).truncate(!resumable).read(true).write(true).open(&path)?;
            // A new time, so that nobody removes it as old. On a file system without times nothing is removed.
            let _ = file.set_modified(SystemTime::now());
            Ok(file)
        };
        let file = open().context(CachePath(&path))?;
        Ok(PartialBlob { file, path, blob, resumable, keep: false })
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
            let new = self.unique_path(etag);
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

    /// A path beside the blob that no other process uses.
    fn unique_path(&self, etag: &Etag) -> PathBuf {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}.{}-{count}.incomplete", etag.as_str(), std::process::id());
        self.blob(etag).with_file_name(name)
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

/// A blob that is being downloaded. Its file is removed on drop unless it was published or is kept for the next download.
pub(crate) struct PartialBlob {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    blob: PathBuf,
    resumable: bool,
    keep: bool,
}

impl PartialBlob {
    /// Keeps the bytes for the next download, if it could resume them.
    pub(crate) fn keep(&mut self) {
        self.keep = self.resumable && self.file.metadata().is_ok_and(|file| file.len() > 0);
    }

    /// Moves the file to the blob's place. To be called on verified bytes only.
    pub(crate) fn publish(self) -> Result<(), ErrorKind> {
        self.file.sync_all().context(CachePath(&self.path))?;
        earmark_fs::persist(&self.path, &self.blob).context(CachePath(&self.blob))
    }
}

impl Drop for PartialBlob {
    fn drop(&mut self) {
        if !self.keep {
            // After `publish` there is none.
            let _ = fs::remove_file(&self.path);
        }
    }
}

pub(crate) fn create_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}
