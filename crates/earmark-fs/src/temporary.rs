//! Files and folders that are not complete yet: their names, and the locks that tell a sweep that they are in use.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::locked_file::LockedFile;

/// Prefix of temporary names; `PROCESS-COUNT` follows.
const PREFIX: &str = ".unfinished-";

/// Inside a temporary folder: the new folder that is being filled.
pub(crate) const NEW: &str = "new";
/// The folder that is being replaced, while the new one is renamed.
pub(crate) const OLD: &str = "old";
/// A file that is locked while the folder is in use; it holds the target's name.
pub(crate) const LOCK: &str = "lock";

/// Creates something in `folder` under an unused name. `create` returns `None` if a sweep removed it at once.
pub(crate) fn create<T>(
    folder: &Path,
    create: impl Fn(&Path) -> io::Result<Option<T>>,
) -> io::Result<(PathBuf, T)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{PREFIX}{}-{count}", process::id()));
        match create(&path) {
            Ok(Some(created)) => return Ok((path, created)),
            Ok(None) => {}
            // Process ids are reused, and containers that share the folder may have the same one.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether [`create`] could have chosen this name.
pub(crate) fn is_temporary(name: &OsStr) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
    parts.is_some_and(|(process, count)| number(process) && number(count))
}

/// Locks a file that was just created at `path`. `None` if a sweep found it unlocked before that and removed it.
pub(crate) fn lock(file: File, path: &Path) -> io::Result<Option<LockedFile>> {
    // Waits for a sweep that holds the lock. Where locks do not work, a sweep removes nothing.
    let file = LockedFile::lock_if_supported(file);
    #[cfg(unix)]
    let exists = {
        let _ = path;
        std::os::unix::fs::MetadataExt::nlink(&file.metadata()?) > 0
    };
    #[cfg(not(unix))]
    let exists = path.exists();
    Ok(exists.then_some(file))
}

/// The folder that holds `path`: `.` for a bare name, whose `Path::parent` is the empty path.
#[must_use]
pub fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes a temporary folder, its lock last: a sweep that finds no lock leaves the rest alone.
pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    for name in [NEW, OLD] {
        let inner = path.join(name);
        match inner.symlink_metadata() {
            Ok(found) if found.is_dir() => fs::remove_dir_all(inner)?,
            Ok(_) => fs::remove_file(inner)?,
            Err(_) => {}
        }
    }
    fs::remove_file(path.join(LOCK))?;
    fs::remove_dir(path)
}
