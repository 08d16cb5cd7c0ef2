//! Archives that are unpacked once: the folder is there whole or not at all, and is not unpacked again.

use std::path::Path;

use crate::error::ErrorKind;
use crate::read::files::files_below;
use crate::write::folder;

/// The state of the folder that an archive is unpacked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unpacked {
    Whole,
    Missing,
    /// An interrupted run left some files of the archive, and nothing else is there: unpacking again loses nothing.
    Partial,
}

impl Unpacked {
    /// Looks at `folder`. `is_whole` judges it, `is_ours` says which files come from the archive.
    ///
    /// # Errors
    /// [`ErrorKind::NotOurs`] when it is not whole and holds other files.
    pub(crate) fn look(
        folder: &Path,
        is_whole: impl FnOnce() -> Result<bool, ErrorKind>,
        is_ours: impl Fn(&str) -> bool,
    ) -> Result<Unpacked, ErrorKind> {
        if folder::is_vacant(folder) {
            return Ok(Unpacked::Missing);
        }
        if is_whole()? {
            return Ok(Unpacked::Whole);
        }
        match files_below(folder)?.files.into_iter().find(|file| !is_ours(&file.name)) {
            Some(file) => Err(ErrorKind::NotOurs { file: file.path }),
            None => Ok(Unpacked::Partial),
        }
    }

    /// Writes `folder` unless it is whole.
    pub(crate) fn complete(
        self,
        folder: &Path,
        unpack: impl FnOnce(&Path) -> Result<(), ErrorKind>,
    ) -> Result<(), ErrorKind> {
        match self {
            Unpacked::Whole => Ok(()),
            Unpacked::Missing => folder::create(folder, unpack),
            Unpacked::Partial => folder::replace(folder, unpack),
        }
    }
}
