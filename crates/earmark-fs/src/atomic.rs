//! A file that is written beside its name and renamed when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sync::sync_folder;

/// How the names of files and folders begin that are not whole yet.
pub(crate) const UNFINISHED: &str = ".unfinished-";

/// A file that appears under its name when it is whole, and not before.
///
/// Until [`AtomicFile::commit`] it lies in the same folder under a name that begins with `.unfinished-`; dropping it removes
/// that. Its mode is what any new file gets from the process's umask; it is not buffered.
#[derive(Debug)]
pub struct AtomicFile {
    /// Locked, by which [`crate::sweep`] sees that somebody is still at it.
    file: File,
    unfinished: Unfinished,
    target: PathBuf,
}

impl AtomicFile {
    /// Begins the file that will be `path`, whose folder must be there. What is at `path` stays until the end.
    ///
    /// # Errors
    ///
    /// Those of the system; `IsADirectory` where `path` is a folder.
    pub fn create(path: impl AsRef<Path>) -> io::Result<AtomicFile> {
        let target = path.as_ref();
        if target.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        let unfinished = unfinished_name(parent(target))?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&unfinished)?;
        let unfinished = Unfinished { path: unfinished, here: true };
        // Where locks do not work, nobody sweeps either.
        let _ = file.try_lock();
        Ok(AtomicFile { file, unfinished, target: target.to_owned() })
    }

    /// Where it lies until it is whole, for a writer that wants a path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.unfinished.path
    }

    /// Puts the file on the disk and gives it its name, in place of what was there.
    ///
    /// # Errors
    ///
    /// Those of the system. What was there before is then still there.
    pub fn commit(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.unfinished.path, &self.target)?;
        self.unfinished.here = false;
        sync_folder(parent(&self.target))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Writes `bytes` to the file `path`, which is afterwards as before or holds all of them.
///
/// # Errors
///
/// Those of [`AtomicFile`].
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes.as_ref())?;
    file.commit()
}

/// A file that is removed unless it got its name.
#[derive(Debug)]
struct Unfinished {
    path: PathBuf,
    here: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.here {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A name in `folder` that nobody uses.
pub(crate) fn unfinished_name(folder: &Path) -> io::Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{UNFINISHED}{}-{count}", process::id()));
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
            // Left by a process that had this number before.
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
}

/// The folder that `path` lies in. That of a bare name is the empty path, which no file system knows.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
