//! A folder that is filled beside its name and renamed when it is whole; and what is left of those that never were.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::atomic::{UNFINISHED, parent, unfinished_name};
use crate::read;
use crate::sync::{sync_folder, sync_tree};

/// In the unfinished folder: what is to become of it.
const NEW: &str = "new";
/// What was at the target before, while the new one takes its place.
const OLD: &str = "old";
/// Locked while somebody is at it; holds the target's name.
const LOCK: &str = "lock";

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
    _lock: File,
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
        fs::create_dir_all(above)?;
        let unfinished = unfinished_name(above)?;
        fs::create_dir(&unfinished)?;
        let lock = unfinished.join(LOCK);
        let mut lock = OpenOptions::new().read(true).write(true).create_new(true).open(lock)?;
        let _ = lock.try_lock();
        lock.write_all(name.as_encoded_bytes())?;
        let new = unfinished.join(NEW);
        let folder = NewFolder { unfinished, new, target: target.to_owned(), _lock: lock };
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
        // Windows does not rename over an empty folder, and no system removes one that is not.
        let _ = fs::remove_dir(&self.target);
        fs::rename(&self.new, &self.target).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty => io::ErrorKind::AlreadyExists.into(),
            _ => error,
        })?;
        sync_folder(parent(&self.target))
    }

    /// As [`NewFolder::commit`], in place of the folder or file that has the name.
    ///
    /// A process that dies between the two renames leaves the old one beside its name, and [`sweep`] puts it back.
    ///
    /// # Errors
    ///
    /// Those of the system. What was there before is then still there.
    pub fn replace(self) -> io::Result<()> {
        sync_tree(&self.new)?;
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
        let _ = fs::remove_dir_all(&self.unfinished);
    }
}

/// Removes what killed processes left unfinished in `folder`, and puts back what they were just replacing. What a living
/// process is at stays. Gives how many there were.
///
/// # Errors
///
/// Those of the system; a missing folder is none.
pub fn sweep(folder: &Path) -> io::Result<usize> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut swept = 0;
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            continue;
        }
        let (path, kind) = (entry.path(), entry.file_type()?);
        let done = if kind.is_dir() {
            sweep_folder(&path, folder)?
        } else if kind.is_file() {
            abandoned(&path)?.is_some() && fs::remove_file(&path).is_ok()
        } else {
            false
        };
        swept += usize::from(done);
    }
    Ok(swept)
}

fn sweep_folder(path: &Path, above: &Path) -> io::Result<bool> {
    let Some(mut lock) = abandoned(&path.join(LOCK))? else { return Ok(false) };
    let old = path.join(OLD);
    if old.symlink_metadata().is_ok() {
        let mut name = String::new();
        // A name that is not UTF-8 is left for a person to put back.
        let Ok(_) = lock.read_to_string(&mut name) else { return Ok(false) };
        let target = above.join(&name);
        if Path::new(&name).file_name() != Some(name.as_ref()) {
            return Ok(false);
        }
        if target.symlink_metadata().is_err() {
            fs::rename(&old, &target)?;
            sync_folder(above)?;
        }
    }
    Ok(fs::remove_dir_all(path).is_ok())
}

/// The file, where no living process holds its lock.
fn abandoned(path: &Path) -> io::Result<Option<File>> {
    match read::open(path) {
        Ok(file) => Ok(file.try_lock().is_ok().then_some(file)),
        // Removed meanwhile by its owner, or about to be made.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
