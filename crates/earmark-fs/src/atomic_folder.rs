//! A folder that is filled under a temporary name and renamed when it is complete.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::fsync::{sync_folder, sync_tree};
use crate::locked_file::LockedFile;
use crate::temporary::{self, LOCK, NEW, OLD, parent};

/// A folder that appears under its name once it is complete. Dropping it before that removes it.
///
/// ```
/// # let parent = tempfile::tempdir()?;
/// let target = parent.path().join("checkpoint-100");
/// let folder = earmark_fs::AtomicFolder::create(&target)?;
/// std::fs::write(folder.path().join("config.json"), "{}")?;
/// folder.commit()?; // everything fsynced, then renamed
/// assert!(target.join("config.json").exists());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct AtomicFolder {
    temporary: PathBuf,
    new: PathBuf,
    target: PathBuf,
    lock: Option<LockedFile>,
}

impl AtomicFolder {
    /// Starts the folder that will be `target`; missing parent folders are created.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn create(target: impl AsRef<Path>) -> io::Result<AtomicFolder> {
        let target = target.as_ref();
        let name = target.file_name().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "its last part is not a folder name")
        })?;
        let above = parent(target);
        make_folders(above)?;
        let (temporary, mut lock) = temporary::create(above, |path| {
            fs::create_dir(path)?;
            let lock = path.join(LOCK);
            match OpenOptions::new().read(true).write(true).create_new(true).open(&lock) {
                Ok(file) => temporary::lock(file, &lock),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => {
                    let _ = fs::remove_dir(path);
                    Err(error)
                }
            }
        })?;
        let written = lock.write_all(name.as_encoded_bytes());
        let new = temporary.join(NEW);
        let folder = AtomicFolder { temporary, new, target: target.to_owned(), lock: Some(lock) };
        written?;
        fs::create_dir(&folder.new)?;
        Ok(folder)
    }

    /// The folder to fill.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.new
    }

    /// Syncs the folder to the disk and renames it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if the name belongs to something other than an empty folder; those of the system.
    pub fn commit(self) -> io::Result<()> {
        if self.target.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        sync_tree(&self.new)?;
        if cfg!(windows) {
            // Windows does not rename over an empty folder. `remove_dir` fails on one that is not empty.
            let _ = fs::remove_dir(&self.target);
        }
        fs::rename(&self.new, &self.target).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty => io::ErrorKind::AlreadyExists.into(),
            _ => error,
        })?;
        sync_folder(parent(&self.target))
    }

    /// As [`AtomicFolder::commit`], replacing an existing folder or file.
    ///
    /// That takes two renames. If the process dies between them, the old folder lies inside the temporary one, and
    /// [`crate::sweep`] puts it back.
    ///
    /// # Errors
    ///
    /// Those of the system. The previous folder is then unchanged.
    pub fn replace(self) -> io::Result<()> {
        sync_tree(&self.new)?;
        // Before the old folder loses its name: a sweep reads that name from the lock file.
        if let Some(lock) = &self.lock {
            lock.sync_all()?;
        }
        sync_folder(&self.temporary)?;
        sync_folder(parent(&self.temporary))?;
        let old = self.temporary.join(OLD);
        let replaced = match fs::rename(&self.target, &old) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if let Err(error) = fs::rename(&self.new, &self.target) {
            if replaced {
                let _ = fs::rename(&old, &self.target);
            }
            return Err(error);
        }
        sync_folder(parent(&self.target))
    }
}

impl Drop for AtomicFolder {
    fn drop(&mut self) {
        // The old folder was moved away and could not be moved back: this is the only copy.
        if self.temporary.join(OLD).symlink_metadata().is_ok() && self.target.symlink_metadata().is_err() {
            return;
        }
        if cfg!(windows) {
            // Windows removes no open file.
            self.lock = None;
        }
        let _ = temporary::remove_folder(&self.temporary);
    }
}

/// As `create_dir_all`, and syncs the parent of each new folder.
fn make_folders(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    if above != path {
        make_folders(above)?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !path.is_dir() => Err(error),
        _ => sync_folder(above),
    }
}
