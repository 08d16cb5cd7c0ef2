//! A file that is being downloaded, beside the place that it gets once it is whole and verified.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use earmark_error::Context as _;

use crate::error::{CachePath, ErrorKind};

/// Its file is removed on drop unless it was published or is kept for the next download.
pub(crate) struct Partial {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    target: PathBuf,
    resumable: bool,
    keep: bool,
}

impl Partial {
    /// Opens the file at `path`, as an interrupted download left it if `resumable`, else empty. Folders are made.
    pub(crate) fn open(path: PathBuf, target: PathBuf, resumable: bool) -> Result<Partial, ErrorKind> {
        let open = || -> io::Result<File> {
            create_parent(&path)?;
            let file =
                File::options().create(true).truncate(!resumable).read(true).write(true).open(&path)?;
            // A new time, so that nobody removes it as old. On a file system without times nothing is removed.
            let _ = file.set_modified(SystemTime::now());
            Ok(file)
        };
        let file = open().context(CachePath(&path))?;
        Ok(Partial { file, path, target, resumable, keep: false })
    }

    /// Keeps the bytes for the next download, if it could resume them.
    pub(crate) fn keep(&mut self) {
        self.keep = self.resumable && self.file.metadata().is_ok_and(|file| file.len() > 0);
    }

    /// Moves the file to its place. To be called on verified bytes only.
    pub(crate) fn publish(self) -> Result<(), ErrorKind> {
        self.file.sync_all().context(CachePath(&self.path))?;
        earmark_fs::persist(&self.path, &self.target).context(CachePath(&self.target))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.keep {
            // After `publish` there is none.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Where a download waits to be resumed.
pub(crate) fn resumable(target: &Path) -> PathBuf {
    beside(target, ".incomplete")
}

/// A path beside `target` that nobody else uses.
pub(crate) fn unique(target: &Path) -> PathBuf {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    beside(target, &format!(".{}-{count}.incomplete", std::process::id()))
}

fn beside(target: &Path, suffix: &str) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    target.with_file_name(name)
}

pub(crate) fn create_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}
