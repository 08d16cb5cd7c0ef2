//! What must be on the disk before a rename may say that it is.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Waits until a file's content is on the disk.
///
/// # Errors
///
/// Those of the system.
pub fn sync_file(path: &Path) -> io::Result<()> {
    // Windows flushes only what is open for writing.
    fs::OpenOptions::new().read(true).write(cfg!(windows)).open(path)?.sync_all()
}

/// Waits until a folder's list of names is on the disk, where the system can be asked for that.
///
/// # Errors
///
/// Those of the system, except that it cannot do this.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(path)?.sync_all() {
        // Some network and FUSE file systems cannot.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        done => done,
    }
}

/// Waits until a folder and all that is in it is on the disk. Links are not followed.
///
/// # Errors
///
/// Those of the system.
pub fn sync_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync_tree(&entry.path())?;
        } else if kind.is_file() {
            sync_file(&entry.path())?;
        }
    }
    sync_folder(path)
}
