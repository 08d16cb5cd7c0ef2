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
    let (mut files, mut folders) = (Vec::new(), vec![path.to_owned()]);
    let mut seen = 0;
    while let Some(folder) = folders.get(seen) {
        let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        seen += 1;
        for entry in entries {
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    if files.len() > SINGLE && sync_disk(path) {
        return Ok(());
    }
    files.iter().try_for_each(|file| sync_file(file))?;
    // From the inside out.
    folders.iter().rev().try_for_each(|folder| sync_folder(folder))
}

/// Most files that are synced one by one. 3 000 small ones took 10.8 s so, and 0.3 s with their disk as a whole.
const SINGLE: usize = 64;

/// Waits until all of the file system that holds `folder` is on the disk, and says whether that could be done.
fn sync_disk(folder: &Path) -> bool {
    #[cfg(target_os = "linux")]
    return File::open(folder).is_ok_and(|folder| rustix::fs::syncfs(folder).is_ok());
    #[cfg(not(target_os = "linux"))]
    {
        let _ = folder;
        false
    }
}
