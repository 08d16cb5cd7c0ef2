//! Folders that appear whole or not at all.

use std::fs;
use std::path::Path;

use earmark_fs::AtomicFolder;

use crate::error::ErrorKind;

/// Writes the folder `target`; an empty one that is there counts as none.
pub(crate) fn create(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<(), ErrorKind>,
) -> Result<(), ErrorKind> {
    Ok(filled(target, fill)?.commit()?)
}

/// Writes the folder `target` in place of what is there.
pub(crate) fn replace(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<(), ErrorKind>,
) -> Result<(), ErrorKind> {
    Ok(filled(target, fill)?.replace()?)
}

fn filled(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<(), ErrorKind>,
) -> Result<AtomicFolder, ErrorKind> {
    earmark_fs::sweep(earmark_fs::parent(target))?;
    let folder = AtomicFolder::create(target)?;
    fill(folder.path())?;
    Ok(folder)
}

/// Whether nothing is at `target`, or only an empty folder.
pub(crate) fn is_vacant(target: &Path) -> bool {
    match fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => !target.exists(),
    }
}
