use std::fs;
use std::path::Path;

use crate::error::ErrorKind;

/// Fills a folder beside `target` and renames it, so that `target` is there whole or not at all.
///
/// An existing `target` is replaced when `fill` has succeeded; what happens to it is the caller's decision.
pub(crate) fn land(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<(), ErrorKind>,
) -> Result<(), ErrorKind> {
    // `parent` of a bare name is the empty path, which no file system knows.
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let staging = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(parent)?;
    // A folder inside the temporary one: only the outer one is closed to everybody else.
    let new = staging.path().join("new");
    fs::create_dir(&new)?;
    fill(&new)?;
    let old = staging.path().join("old");
    if target.exists() {
        fs::rename(target, &old)?;
    }
    fs::rename(&new, target).inspect_err(|_| {
        // What was there before is still better than nothing; the error to report is the one above.
        let _ = fs::rename(&old, target);
    })?;
    Ok(())
}

/// Whether nothing is at `target`, or only an empty folder.
pub(crate) fn is_free(target: &Path) -> bool {
    match fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => !target.exists(),
    }
}
