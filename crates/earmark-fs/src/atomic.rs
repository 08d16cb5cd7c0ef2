//! A file that is written beside its name and renamed when it is whole.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::sync::{sync_file, sync_folder};
use crate::unfinished::{self, parent};

/// A file that appears under its name when it is whole, and not before.
///
/// Until [`AtomicFile::commit`] it lies in the same folder under a name that begins with `.unfinished-`; dropping it removes
/// that. Its mode is that of the file it replaces, or else what any new file gets from the process's umask. It is not buffered.
#[derive(Debug)]
pub struct AtomicFile {
    /// Locked, by which [`crate::sweep`] sees that somebody is still at it.
    file: File,
    unfinished: Unfinished,
    target: PathBuf,
    replaces: Option<Permissions>,
}

impl AtomicFile {
    /// Begins the file that will be `path`, whose folder must be there. What is at `path` stays until the end; where that is a
    /// link to a file, that file is replaced and the link stays.
    ///
    /// # Errors
    ///
    /// Those of the system; `IsADirectory` where `path` is a folder; `InvalidInput` where it is something else that no file
    /// should be put in place of, such as `/dev/null`.
    pub fn create(path: impl AsRef<Path>) -> io::Result<AtomicFile> {
        let (target, replaces) = destination(path.as_ref())?;
        let (unfinished, file) = unfinished::make(parent(&target), |path| {
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
            unfinished::claim(file, path)
        })?;
        Ok(AtomicFile { file, unfinished: Unfinished { path: unfinished, here: true }, target, replaces })
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
        if let Some(permissions) = self.replaces.take().filter(|_| cfg!(unix)) {
            fs::set_permissions(&self.unfinished.path, permissions)?;
        }
        self.file.sync_all()?;
        // A writer that was given the path may have put another file there.
        sync_file(&self.unfinished.path)?;
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

/// Which file `path` stands for, links followed, and the mode of the one that is there.
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
            Err(io::Error::new(io::ErrorKind::NotFound, "it is a link that leads to nothing"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((path.to_owned(), None)),
        Err(error) => Err(error),
    }
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
