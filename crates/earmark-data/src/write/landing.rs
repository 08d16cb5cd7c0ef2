use std::fs;
use std::path::Path;

use earmark_fs::AtomicFolder;

use crate::error::ErrorKind;
use crate::read::folder::files_below;

/// Fills the folder `target`, which is there whole or not at all; an empty one that is there counts as none.
pub(crate) fn land(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<(), ErrorKind>,
) -> Result<(), ErrorKind> {
    let folder = begin(target, fill)?;
    Ok(folder.commit()?)
}

/// As [`land`], in place of what is there.
pub(crate) fn replace(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<(), ErrorKind>,
) -> Result<(), ErrorKind> {
    let folder = begin(target, fill)?;
    Ok(folder.replace()?)
}

fn begin(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<(), ErrorKind>,
) -> Result<AtomicFolder, ErrorKind> {
    // `parent` of a bare name is the empty path, which no file system knows.
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    earmark_fs::sweep(parent)?;
    let folder = AtomicFolder::create(target)?;
    fill(folder.path())?;
    Ok(folder)
}

/// Whether nothing is at `target`, or only an empty folder.
pub(crate) fn is_free(target: &Path) -> bool {
    match fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => !target.exists(),
    }
}

/// What the folder of an unpacked archive is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unpacked {
    /// Not there.
    Missing,
    /// There and whole.
    Whole,
    /// In part, left by something that was cut short, and nothing else is there: unpacking again loses nothing.
    InPart,
}

/// Looks at the folder of an unpacked archive. `is_whole` judges it, `is_ours` says which files come from the archive.
///
/// # Errors
/// [`ErrorKind::NotOurs`] when it is not whole and holds other files.
pub(crate) fn look(
    target: &Path,
    is_whole: impl FnOnce() -> Result<bool, ErrorKind>,
    is_ours: impl Fn(&str) -> bool,
) -> Result<Unpacked, ErrorKind> {
    if is_free(target) {
        return Ok(Unpacked::Missing);
    }
    if is_whole()? {
        return Ok(Unpacked::Whole);
    }
    let below = files_below(target)?;
    match below.files.into_iter().find(|file| !is_ours(&file.name)) {
        Some(file) => Err(ErrorKind::NotOurs { file: file.path }),
        None => Ok(Unpacked::InPart),
    }
}
