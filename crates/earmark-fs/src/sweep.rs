//! Cleaning up after killed processes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::fsync::sync_folder;
use crate::locked_file::LockedFile;
use crate::read;
use crate::temporary::{LOCK, OLD, is_temporary, remove_folder};

/// Removes the temporary files and folders that killed processes left in `folder`, and restores folders that they were
/// replacing. Returns how many it removed.
///
/// It leaves alone what a living process has locked, what this crate did not create, and what cannot be removed.
///
/// # Errors
///
/// Those of listing the folder; a missing one is no error.
pub fn sweep(folder: &Path) -> io::Result<usize> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut swept = 0;
    for entry in entries {
        let entry = entry?;
        if !is_temporary(&entry.file_name()) {
            continue;
        }
        let path = entry.path();
        let done = match entry.file_type() {
            Ok(kind) if kind.is_dir() => sweep_folder(&path, folder),
            Ok(kind) if kind.is_file() => {
                lock_abandoned(&path).is_ok_and(|_lock| fs::remove_file(&path).is_ok())
            }
            _ => false,
        };
        swept += usize::from(done);
    }
    Ok(swept)
}

fn sweep_folder(path: &Path, above: &Path) -> bool {
    let mut lock = match lock_abandoned(&path.join(LOCK)) {
        Ok(lock) => lock,
        // Its process died before it created the lock, or is about to create it and will notice that the folder is gone.
        // `remove_dir` fails on a folder that is not empty.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return fs::remove_dir(path).is_ok(),
        Err(_) => return false,
    };
    let old = path.join(OLD);
    if old.symlink_metadata().is_ok() {
        let Some(target) = target(&mut lock, above) else { return false };
        if target.symlink_metadata().is_err()
            && fs::rename(&old, &target).and_then(|()| sync_folder(above)).is_err()
        {
            return false;
        }
    }
    remove_folder(path).is_ok()
}

/// The target of a temporary folder, which its lock file names. `None` for what is not a plain file name.
fn target(lock: &mut File, above: &Path) -> Option<PathBuf> {
    let mut name = Vec::new();
    lock.take(4096).read_to_end(&mut name).ok()?;
    #[cfg(unix)]
    let name: &OsStr = std::os::unix::ffi::OsStrExt::from_bytes(&name);
    #[cfg(not(unix))]
    let name = OsStr::new(std::str::from_utf8(&name).ok()?);
    (Path::new(name).file_name() == Some(name)).then(|| above.join(name))
}

/// Opens and locks a file, unless a living process holds its lock.
fn lock_abandoned(path: &Path) -> io::Result<LockedFile> {
    LockedFile::try_lock(read::open(path)?).map_err(io::Error::from)
}
