//! A file that is locked against other processes.

use std::fs::{File, TryLockError};
use std::io;
use std::ops::{Deref, DerefMut};

/// An open file that holds the operating system's exclusive lock on itself until it is dropped.
///
/// Closing a file is not enough to release its lock: a child process holds a copy of every open file between its fork and its
/// exec, and with it the lock. So dropping it unlocks it explicitly, which holds for all copies.
#[derive(Debug)]
pub struct LockedFile(File);

impl LockedFile {
    /// Waits for the lock.
    ///
    /// # Errors
    ///
    /// Those of the system, `Unsupported` on a file system without locks.
    pub fn lock(file: File) -> io::Result<LockedFile> {
        file.lock()?;
        Ok(LockedFile(file))
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if another open file holds it; those of the system.
    pub fn try_lock(file: File) -> Result<LockedFile, TryLockError> {
        file.try_lock()?;
        Ok(LockedFile(file))
    }

    /// Waits for the lock, and does without where locks do not work.
    pub(crate) fn lock_if_supported(file: File) -> LockedFile {
        let _ = file.lock();
        LockedFile(file)
    }
}

impl Deref for LockedFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for LockedFile {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        // An error leaves closing it to release the lock.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_although_a_copy_of_the_file_is_still_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let open = || File::options().create(true).truncate(false).write(true).open(&path).unwrap();
        let locked = LockedFile::lock(open()).unwrap();
        // What a forked child has until it becomes another program.
        let _copy = locked.try_clone().unwrap();
        assert!(matches!(LockedFile::try_lock(open()), Err(TryLockError::WouldBlock)));
        drop(locked);
        LockedFile::try_lock(open()).unwrap();
    }
}
