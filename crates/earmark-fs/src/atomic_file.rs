//! A file that is written under a temporary name and renamed when it is complete.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::fsync::persist;
use crate::locked_file::LockedFile;
use crate::temporary::{self, parent};

/// A file that appears under its name once it is complete.
///
/// Until [`AtomicFile::commit`] it lies in the same folder under a temporary name, `.unfinished-PROCESS-COUNT`; dropping it
/// removes that. It gets the mode of the file it replaces; a new one gets what the umask allows. Writes are not buffered.
#[derive(Debug)]
pub struct AtomicFile {
    /// Locked, so that [`crate::sweep`] leaves it alone.
    file: LockedFile,
    temporary: TemporaryFile,
    target: PathBuf,
    /// Of the file that is replaced.
    permissions: Option<Permissions>,
}

impl AtomicFile {
    /// Starts writing `path`, whose folder must exist. The file at `path` stays until [`commit`](AtomicFile::commit). If
    /// `path` is a link to a file, that file is replaced and the link stays.
    ///
    /// # Errors
    ///
    /// Those of the system; `IsADirectory` if `path` is a folder; `InvalidInput` if it is anything else than a regular file,
    /// such as `/dev/null`, which must not be replaced.
    pub fn create(path: impl AsRef<Path>) -> io::Result<AtomicFile> {
        AtomicFile::create_with(path.as_ref(), OpenOptions::new())
    }

    /// As [`AtomicFile::create`], for a secret: on Unix its mode is 0600 from the first byte on, whatever that of the file it
    /// replaces was.
    ///
    /// # Errors
    ///
    /// Those of [`AtomicFile::create`].
    pub fn create_private(path: impl AsRef<Path>) -> io::Result<AtomicFile> {
        let mut options = OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = AtomicFile::create_with(path.as_ref(), options)?;
        Ok(AtomicFile { permissions: None, ..file })
    }

    fn create_with(path: &Path, mut options: OpenOptions) -> io::Result<AtomicFile> {
        let (target, permissions) = destination(path)?;
        options.read(true).write(true).create_new(true);
        let (path, file) =
            temporary::create(parent(&target), |path| temporary::lock(options.open(path)?, path))?;
        Ok(AtomicFile { file, temporary: TemporaryFile { path, exists: true }, target, permissions })
    }

    /// The temporary path, for a writer that needs one.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.temporary.path
    }

    /// Syncs the file to the disk and renames it, replacing the file that was there.
    ///
    /// # Errors
    ///
    /// Those of the system. The previous file is then unchanged.
    pub fn commit(mut self) -> io::Result<()> {
        if let Some(permissions) = self.permissions.take().filter(|_| cfg!(unix)) {
            fs::set_permissions(&self.temporary.path, permissions)?;
        }
        // `persist` syncs by path: a writer that was given the path may have put another file there.
        self.file.sync_all()?;
        persist(&self.temporary.path, &self.target)?;
        self.temporary.exists = false;
        Ok(())
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

/// Writes `bytes` to the file `path` atomically: afterwards it is unchanged or holds all of them.
///
/// # Errors
///
/// Those of [`AtomicFile`].
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes.as_ref())?;
    file.commit()
}

/// The file that `path` leads to, links followed, and the permissions of an existing one.
fn destination(path: &Path) -> io::Result<(PathBuf, Option<Permissions>)> {
    let is_link = path.symlink_metadata().is_ok_and(|found| found.is_symlink());
    match path.metadata() {
        Ok(found) if found.is_file() => {
            let target = if is_link { path.canonicalize()? } else { path.to_owned() };
            Ok((target, Some(found.permissions())))
        }
        Ok(found) if found.is_dir() => Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_link => {
            Err(io::Error::new(io::ErrorKind::NotFound, "it is a broken link"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((path.to_owned(), None)),
        Err(error) => Err(error),
    }
}

/// A file that is removed on drop unless it was renamed.
#[derive(Debug)]
struct TemporaryFile {
    path: PathBuf,
    exists: bool,
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if self.exists {
            let _ = fs::remove_file(&self.path);
        }
    }
}
