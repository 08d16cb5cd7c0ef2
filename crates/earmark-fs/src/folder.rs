//! A folder that is filled beside its name and renamed when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::sync::{sync_folder, sync_tree};
use crate::unfinished::{self, LOCK, NEW, OLD, parent};

/// A folder that appears under its name when it is whole, and not before. Dropping it without an end removes it.
///
/// ```
/// # let parent = tempfile::tempdir()?;
/// let target = parent.path().join("checkpoint-100");
/// let folder = earmark_fs::NewFolder::create(&target)?;
/// std::fs::write(folder.path().join("config.json"), "{}")?;
/// folder.commit()?; // everything fsynced, then renamed
/// assert!(target.join("config.json").exists());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct NewFolder {
    unfinished: PathBuf,
    new: PathBuf,
    target: PathBuf,
    lock: Option<File>,
}

impl NewFolder {
    /// Begins the folder that will be `target`; the folders above are made where they are missing.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn create(target: impl AsRef<Path>) -> io::Result<NewFolder> {
        let target = target.as_ref();
        let name = target
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "its last part is no name"))?;
        let above = parent(target);
        make_folders(above)?;
        let (unfinished, mut lock) = unfinished::make(above, |path| {
            fs::create_dir(path)?;
            let lock = path.join(LOCK);
            match OpenOptions::new().read(true).write(true).create_new(true).open(&lock) {
                Ok(file) => unfinished::claim(file, &lock),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => {
                    let _ = fs::remove_dir(path);
                    Err(error)
                }
            }
        })?;
        let written = lock.write_all(name.as_encoded_bytes());
        let new = unfinished.join(NEW);
        let folder = NewFolder { unfinished, new, target: target.to_owned(), lock: Some(lock) };
        written?;
        fs::create_dir(&folder.new)?;
        Ok(folder)
    }

    /// The folder to fill.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.new
    }

    /// Puts the folder on the disk and gives it its name.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` where something other than an empty folder has that name; those of the system.
    pub fn commit(self) -> io::Result<()> {
        if self.target.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        sync_tree(&self.new)?;
        if cfg!(windows) {
            // Which does not rename over an empty folder. One that is not empty is not removed.
            let _ = fs::remove_dir(&self.target);
        }
        fs::rename(&self.new, &self.target).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty => io::ErrorKind::AlreadyExists.into(),
            _ => error,
        })?;
        sync_folder(parent(&self.target))
    }

    /// As [`NewFolder::commit`], in place of the folder or file that has the name.
    ///
    /// A process that dies between the two renames leaves the old one beside its name, and [`crate::sweep`] puts it back.
    ///
    /// # Errors
    ///
    /// Those of the system. What was there before is then still there.
    pub fn replace(self) -> io::Result<()> {
        sync_tree(&self.new)?;
        // Before the old one loses its name: by the lock a sweep knows whose it is.
        if let Some(lock) = &self.lock {
            lock.sync_all()?;
        }
        sync_folder(&self.unfinished)?;
        sync_folder(parent(&self.unfinished))?;
        let old = self.unfinished.join(OLD);
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

impl Drop for NewFolder {
    fn drop(&mut self) {
        // What could not be put back is all there is of it.
        if self.unfinished.join(OLD).symlink_metadata().is_ok() && self.target.symlink_metadata().is_err() {
            return;
        }
        if cfg!(windows) {
            // Which removes no file that is open.
            self.lock = None;
        }
        let _ = unfinished::remove_folder(&self.unfinished);
    }
}

/// As `create_dir_all`, with each new folder's name on the disk.
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
