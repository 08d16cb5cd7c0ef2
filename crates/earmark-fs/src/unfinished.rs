//! What is not whole yet: its names, the locks that say somebody is at it, and the sweep of what the dead left.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::read;
use crate::sync::sync_folder;

/// How the names of files and folders begin that are not whole yet; a process's number and a count follow.
const PREFIX: &str = ".unfinished-";

/// In an unfinished folder: what is to become of it.
pub(crate) const NEW: &str = "new";
/// What was at the target before, while the new one takes its place.
pub(crate) const OLD: &str = "old";
/// Locked while somebody is at it; holds the target's name.
pub(crate) const LOCK: &str = "lock";

/// Makes something in `folder` under a name that nobody uses. `make` says `None` where it was swept away at once.
pub(crate) fn make<T>(
    folder: &Path,
    make: impl Fn(&Path) -> io::Result<Option<T>>,
) -> io::Result<(PathBuf, T)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{PREFIX}{}-{count}", process::id()));
        match make(&path) {
            Ok(Some(made)) => return Ok((path, made)),
            Ok(None) => {}
            // Left by a process that had this number before, or another container's, which has it now.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Locks a file that was just made at `path`. `None` where a sweep met it before the lock and took it for abandoned.
pub(crate) fn claim(file: File, path: &Path) -> io::Result<Option<File>> {
    // Waits for a sweep that is just looking at it. Where locks do not work, nobody sweeps either.
    let _ = file.lock();
    #[cfg(unix)]
    let here = {
        let _ = path;
        std::os::unix::fs::MetadataExt::nlink(&file.metadata()?) > 0
    };
    #[cfg(not(unix))]
    let here = path.exists();
    Ok(here.then_some(file))
}

/// The folder that `path` lies in. That of a bare name is the empty path, which no file system knows.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes what killed processes left unfinished in `folder`, and puts back what they were just replacing. What a living
/// process is at stays, and so does what this crate did not make and what cannot be removed. Gives how many there were.
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
        if !is_ours(&entry.file_name()) {
            continue;
        }
        let path = entry.path();
        let done = match entry.file_type() {
            Ok(kind) if kind.is_dir() => sweep_folder(&path, folder),
            Ok(kind) if kind.is_file() => abandoned(&path).is_ok_and(|_lock| fs::remove_file(&path).is_ok()),
            _ => false,
        };
        swept += usize::from(done);
    }
    Ok(swept)
}

/// Whether the name is one that [`make`] gives.
fn is_ours(name: &OsStr) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
    parts.is_some_and(|(process, count)| number(process) && number(count))
}

fn sweep_folder(path: &Path, above: &Path) -> bool {
    let mut lock = match abandoned(&path.join(LOCK)) {
        Ok(lock) => lock,
        // Its process died, or is about to make the lock and will see that the folder is gone; only an empty one goes.
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

/// Removes an unfinished folder, its lock last: without the lock nobody would know what the rest is.
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

/// Whose place an unfinished folder takes, by its lock. `None` for a name that is none: a person may know.
fn target(lock: &mut File, above: &Path) -> Option<PathBuf> {
    let mut name = Vec::new();
    lock.take(4096).read_to_end(&mut name).ok()?;
    #[cfg(unix)]
    let name: &OsStr = std::os::unix::ffi::OsStrExt::from_bytes(&name);
    #[cfg(not(unix))]
    let name = OsStr::new(std::str::from_utf8(&name).ok()?);
    (Path::new(name).file_name() == Some(name)).then(|| above.join(name))
}

/// The file, locked, where no living process holds its lock.
fn abandoned(path: &Path) -> io::Result<File> {
    let file = read::open(path)?;
    file.try_lock().map_err(io::Error::from)?;
    Ok(file)
}
