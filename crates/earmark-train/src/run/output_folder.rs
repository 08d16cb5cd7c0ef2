//! The folder that a run or an evaluation writes to, for one process at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use earmark_error::Context as _;
use earmark_fs::LockedFile;

use crate::artifacts::checkpoint;
use crate::error::{Doing, Error, ErrorKind};
use crate::recipe::Recipe;
use crate::run::split::SplitFile;

/// Locked while a process writes to the folder.
const LOCK: &str = ".lock";
/// In the root of an ext4 file system, so that a freshly mounted one counts as empty.
const LOST_AND_FOUND: &str = "lost+found";
/// How the names of files and folders begin that `earmark-fs` has not finished.
const UNFINISHED: &str = ".unfinished-";

/// How often a lock is tried, and how long to wait between two tries.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// A folder that this process alone writes to, until the value is dropped.
///
/// It is locked by the operating system, so a process that dies leaves it free. Folders that were made for it and are still
/// empty in the end are removed again.
#[derive(Debug)]
pub struct OutputFolder {
    path: PathBuf,
    /// Folders that were made for it, itself last.
    made: Vec<PathBuf>,
    /// `None` where the file system has no locks.
    lock: Option<LockedFile>,
}

impl OutputFolder {
    /// Makes the folder, or takes one that is there and empty, such as a mount point.
    ///
    /// # Errors
    /// [`ErrorKind::Occupied`] names what it holds; [`ErrorKind::Running`] when another process is at work in it.
    pub fn create(path: impl AsRef<Path>) -> Result<OutputFolder, Error> {
        OutputFolder::new(path.as_ref(), |_| false)
    }

    /// As [`create`](Self::create), for a new run: a folder that holds nothing but the plan of a run that never began will do.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_run(path: impl AsRef<Path>) -> Result<OutputFolder, Error> {
        OutputFolder::new(path.as_ref(), is_plan)
    }

    /// As [`create`](Self::create), for a job that can be resumed: a folder that holds the file `journal` of that job, and nothing
    /// else but files of `others`, will do.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_or_resume(
        path: impl AsRef<Path>,
        journal: &str,
        others: &[&str],
    ) -> Result<OutputFolder, Error> {
        OutputFolder::new(path.as_ref(), |path| {
            let is_its_own = |name: &String| name == journal || others.contains(&name.as_str());
            path.join(journal).is_file() && contents(path).is_ok_and(|held| held.iter().all(is_its_own))
        })
    }

    /// Makes the folder `parent/name`, or the first of `parent/name-2`, `parent/name-3`, … that is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create_numbered(parent: &Path, name: &str) -> Result<OutputFolder, Error> {
        let doing = || Doing(format!("cannot make a folder in `{}`", parent.display()));
        let mut made = make_folders(parent).with_context(doing)?;
        let names = std::iter::once(name.to_owned()).chain((2..).map(|n: u64| format!("{name}-{n}")));
        for name in names {
            let path = parent.join(name);
            match fs::create_dir(&path) {
                Ok(()) => {
                    made.push(path.clone());
                    earmark_fs::sync_folder(parent).with_context(doing)?;
                    return OutputFolder::take(path, made);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(doing),
            }
        }
        unreachable!("the numbers do not end")
    }

    /// Opens the folder of a run that is resumed, and removes temporary files that a killed process left in it.
    ///
    /// # Errors
    /// [`ErrorKind::Running`] when another process is at work in it.
    pub fn open_run(path: impl Into<PathBuf>) -> Result<OutputFolder, Error> {
        let folder = OutputFolder::take(path.into(), Vec::new())?;
        folder.sweep().with_context(|| Doing(format!("cannot clean up in `{}`", folder.path.display())))?;
        Ok(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a run could go on from here.
    pub fn holds_checkpoint(&self) -> bool {
        checkpoint::all(&self.path).is_ok_and(|steps| !steps.is_empty())
    }

    /// Whether a process is at work in the folder at this moment.
    pub fn is_in_use(path: &Path) -> bool {
        let lock = earmark_fs::open(path.join(LOCK));
        lock.is_ok_and(|lock| matches!(LockedFile::try_lock(lock), Err(TryLockError::WouldBlock)))
    }

    fn new(path: &Path, may_hold: impl Fn(&Path) -> bool) -> Result<OutputFolder, Error> {
        let doing = || Doing(format!("cannot make the folder `{}`", path.display()));
        let made = make_folders(path).with_context(doing)?;
        let occupied = || -> Result<(), Error> {
            let doing = || Doing(format!("cannot write to `{}`", path.display()));
            let held = contents(path).with_context(doing)?;
            match held.is_empty() || may_hold(path) {
                true => Ok(()),
                false => Err(ErrorKind::Occupied(held)).with_context(doing),
            }
        };
        // Before the lock's file is written into a folder that is not ours.
        if made.is_empty() && !OutputFolder::is_in_use(path) {
            occupied()?;
        }
        let folder = OutputFolder::take(path.to_path_buf(), made)?;
        folder.sweep().with_context(|| Doing(format!("cannot clean up in `{}`", path.display())))?;
        // Again, as nothing else writes to it from here on.
        occupied()?;
        Ok(folder)
    }

    /// Locks the folder.
    fn take(path: PathBuf, made: Vec<PathBuf>) -> Result<OutputFolder, Error> {
        // From here on, dropping it removes a folder that was made for nothing.
        let mut folder = OutputFolder { path, made, lock: None };
        let file = folder.path.join(LOCK);
        let name = folder.path.display().to_string();
        let doing = || Doing(format!("cannot work in `{name}`"));
        for _ in 0..TRIES {
            let made = OpenOptions::new().read(true).write(true).create_new(true).open(&file);
            let lock = match made {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => earmark_fs::open(&file),
                other => other,
            };
            let lock = match lock {
                // Its owner removed it between the two.
                Err(error) if error.kind() == io::ErrorKind::NotFound && folder.path.is_dir() => continue,
                lock => lock.with_context(doing)?,
            };
            match LockedFile::try_lock(lock) {
                Ok(lock) if is_the_file_at(&lock, &file) => {
                    folder.lock = Some(lock);
                    return Ok(folder);
                }
                // Its owner removed it before we locked it; another process may have made it again.
                Ok(_) => {}
                // Perhaps another process only tests whether it is locked.
                Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
                Err(TryLockError::Error(error)) => {
                    tracing::warn!(
                        "`{name}` cannot be locked ({error}): make sure that no other run writes to it"
                    );
                    let _ = fs::remove_file(&file);
                    return Ok(folder);
                }
            }
        }
        Err(ErrorKind::Running).with_context(doing)
    }

    /// Removes what killed processes left unfinished. We hold the lock, so whatever is unfinished is abandoned.
    fn sweep(&self) -> io::Result<()> {
        earmark_fs::sweep(&self.path)?;
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            let unfinished = path.file_name().is_some_and(|name| starts_with(name, UNFINISHED));
            // A folder that was being replaced holds the only copy of what was there: `earmark_fs::sweep` puts it back.
            if unfinished && path.is_dir() && !path.join("old").exists() {
                fs::remove_dir_all(path)?;
            }
        }
        Ok(())
    }
}

impl Drop for OutputFolder {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // Removed while it is locked, so that a process that opened it meanwhile sees that it is gone.
            let _ = fs::remove_file(self.path.join(LOCK));
        }
        for folder in self.made.iter().rev() {
            // Fails where it is not empty.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Makes the folders of a path that are not there, with their names on the disk. Gives those it made, in order.
fn make_folders(path: &Path) -> io::Result<Vec<PathBuf>> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(Vec::new());
    }
    let above = path.parent().unwrap_or(Path::new(""));
    let mut made = make_folders(above)?;
    match fs::create_dir(path) {
        Ok(()) => made.push(path.to_path_buf()),
        // Another process made it at the same time.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(error),
    }
    earmark_fs::sync_folder(if above.as_os_str().is_empty() { Path::new(".") } else { above })?;
    Ok(made)
}

/// Whether an open file is the one that has this name now.
fn is_the_file_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let Ok(ours) = file.metadata() else { return false };
        fs::symlink_metadata(path).is_ok_and(|it| (it.dev(), it.ino()) == (ours.dev(), ours.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

/// Names in a folder, sorted, without those that we or the file system put there.
fn contents(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if name != LOCK && name != LOST_AND_FOUND && !starts_with(&name, UNFINISHED) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Whether a folder holds the recipe and the split of a run that never began, and nothing else.
fn is_plan(path: &Path) -> bool {
    let Ok(held) = contents(path) else { return false };
    held.iter().all(|name| match name.as_str() {
        "recipe.toml" => Recipe::read(path).is_ok(),
        "split.json" => SplitFile::read(path).is_ok(),
        _ => false,
    })
}

fn starts_with(name: &std::ffi::OsStr, start: &str) -> bool {
    name.as_encoded_bytes().starts_with(start.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(result: Result<OutputFolder, Error>) -> ErrorKind {
        *result.expect_err("it has to be refused").kind
    }

    #[test]
    fn of_many_at_once_one_gets_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let path = dir.path().join(round.to_string());
            let taken: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> =
                    (0..8).map(|_| scope.spawn(|| OutputFolder::create_run(&path))).collect();
                threads.into_iter().map(|it| it.join().unwrap()).collect()
            });
            assert_eq!(taken.iter().filter(|it| it.is_ok()).count(), 1, "{taken:?}");
            let refused = taken.into_iter().filter_map(Result::err);
            assert!(refused.into_iter().all(|error| matches!(*error.kind, ErrorKind::Running)));
        }
    }

    #[test]
    fn folders_of_one_name_are_numbered() {
        let dir = tempfile::tempdir().unwrap();
        let folders: Vec<_> =
            (0..3).map(|_| OutputFolder::create_numbered(dir.path(), "now").unwrap()).collect();
        let names = folders.iter().map(|it| it.path().file_name().unwrap().to_str().unwrap());
        assert!(names.eq(["now", "now-2", "now-3"]));
    }

    #[test]
    fn a_folder_that_stays_empty_leaves_nothing_and_one_that_was_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let [new, old] = ["above/new", "old"].map(|name| dir.path().join(name));
        fs::create_dir(&old).unwrap();
        for path in [&new, &old] {
            let folder = OutputFolder::create(path).unwrap();
            assert!(OutputFolder::is_in_use(path));
            drop(folder);
            assert!(!OutputFolder::is_in_use(path));
        }
        assert!(!new.parent().unwrap().exists());
        assert_eq!(fs::read_dir(&old).unwrap().count(), 0);
    }

    #[test]
    fn what_is_in_a_folder_is_named_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
        // A recipe that is none of ours.
        fs::write(dir.path().join("recipe.toml"), "flour = 500").unwrap();
        let ErrorKind::Occupied(held) = kind(OutputFolder::create_run(dir.path())) else { panic!() };
        assert_eq!(held, ["recipe.toml", "thesis.txt"]);
        assert_eq!(contents(dir.path()).unwrap(), held);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no lock is left in it");
    }

    #[test]
    fn a_job_is_resumed_among_its_own_files_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let resume = || OutputFolder::create_or_resume(dir.path(), "journal", &["report"]);
        drop(resume().unwrap());
        fs::write(dir.path().join("report"), "").unwrap();
        assert!(matches!(kind(resume()), ErrorKind::Occupied(held) if held == ["report"]));
        fs::write(dir.path().join("journal"), "").unwrap();
        drop(resume().unwrap());
        fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
        assert!(matches!(kind(resume()), ErrorKind::Occupied(held) if held.len() == 3));
    }

    #[test]
    fn a_fresh_file_system_and_a_dead_process_leave_a_folder_empty() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(LOST_AND_FOUND)).unwrap();
        fs::write(dir.path().join(LOCK), "").unwrap();
        fs::create_dir_all(dir.path().join(".unfinished-7-1/new")).unwrap();
        fs::write(dir.path().join(".unfinished-7-2"), "half").unwrap();
        let folder = OutputFolder::create(dir.path()).unwrap();
        assert!(matches!(kind(OutputFolder::create(dir.path())), ErrorKind::Running));
        assert!(matches!(kind(OutputFolder::open_run(dir.path())), ErrorKind::Running));
        drop(folder);
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(left, [LOST_AND_FOUND]);
    }

    #[test]
    fn a_file_is_no_folder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "years of work").unwrap();
        assert!(OutputFolder::create(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "years of work");
    }
}
