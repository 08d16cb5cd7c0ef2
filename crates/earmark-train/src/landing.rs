use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use crate::error::{Error, While as _};

/// How the names of files and folders begin that are not whole yet.
pub(crate) const UNFINISHED: &str = ".unfinished-";

/// Fills a folder beside `target` and renames it: `target` is there whole or not at all. What was there is replaced.
pub(crate) fn land_folder(target: &Path, fill: impl FnOnce(&Path) -> Result<(), Error>) -> Result<(), Error> {
    let doing = || format!("cannot write `{}`", target.display());
    let parent = parent_of(target);
    fs::create_dir_all(parent).while_(doing)?;
    let staging = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(parent).while_(doing)?;
    // A folder inside the temporary one, which is closed to everybody but us.
    let new = staging.path().join("new");
    fs::create_dir(&new).while_(doing)?;
    fill(&new)?;
    if target.exists() {
        fs::rename(target, staging.path().join("old")).while_(doing)?;
    }
    fs::rename(&new, target).while_(doing)
}

/// Writes a file beside `target` and renames it.
pub(crate) fn land_file(target: &Path, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
    let write = || -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(parent_of(target))?;
        file.write_all(bytes.as_ref())?;
        let file = file.into_temp_path();
        open_to_all(&file)?;
        file.persist(target).map_err(|e| e.error)
    };
    write().while_(|| format!("cannot write `{}`", target.display()))
}

/// A temporary file is its owner's alone; a result is for whoever may read the folder.
fn open_to_all(file: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(file, fs::Permissions::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

/// `parent` of a bare name is the empty path, which no file system knows.
fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
