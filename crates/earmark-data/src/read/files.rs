//! The files below a folder, as `datasets` lists them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::ErrorKind;

/// A file.
#[derive(Debug, Clone)]
pub(crate) struct FoundFile {
    /// Its path below the folder with `/`, as [`earmark_fs::text`] writes it.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// What is below a folder.
#[derive(Debug, Default)]
pub(crate) struct Below {
    /// In byte order of the names.
    pub(crate) files: Vec<FoundFile>,
    /// Devices, FIFOs, links that lead nowhere or back to a folder above.
    pub(crate) odd: Vec<PathBuf>,
    /// Folders without anything in them.
    pub(crate) empty: Vec<PathBuf>,
}

/// Every file below a folder. What is hidden, and folders that begin with `__`, are passed over; links are followed.
pub(crate) fn files_below(root: &Path) -> Result<Below, ErrorKind> {
    if !root.is_dir() {
        return Err(ErrorKind::NoFolder);
    }
    let mut below = Below::default();
    let real = fs::canonicalize(root).map_err(|source| unlisted(root, source))?;
    walk(root, "", &mut vec![real], &mut below)?;
    below.files.sort_by(|a, b| a.name.cmp(&b.name));
    below.odd.sort();
    below.empty.sort();
    Ok(below)
}

/// `above` are the folders that lead here, without links.
fn walk(folder: &Path, prefix: &str, above: &mut Vec<PathBuf>, below: &mut Below) -> Result<(), ErrorKind> {
    let mut entries = 0;
    for entry in fs::read_dir(folder).map_err(|source| unlisted(folder, source))? {
        let entry = entry.map_err(|source| unlisted(folder, source))?;
        let (file_name, path) = (entry.file_name(), entry.path());
        let text = earmark_fs::text(&file_name);
        if text.starts_with('.') {
            continue;
        }
        entries += 1;
        let name = format!("{prefix}{text}");
        // Of what a link leads to.
        let Ok(about) = fs::metadata(&path) else {
            below.odd.push(path);
            continue;
        };
        if about.is_file() {
            below.files.push(FoundFile { name, path });
        } else if about.is_dir() {
            if text.starts_with("__") {
                continue;
            }
            let real = fs::canonicalize(&path).map_err(|source| unlisted(&path, source))?;
            if above.contains(&real) {
                below.odd.push(path);
                continue;
            }
            above.push(real);
            walk(&path, &format!("{name}/"), above, below)?;
            above.pop();
        } else {
            below.odd.push(path);
        }
    }
    if entries == 0 && !prefix.is_empty() {
        below.empty.push(folder.to_path_buf());
    }
    Ok(())
}

fn unlisted(folder: &Path, source: std::io::Error) -> ErrorKind {
    ErrorKind::Unlisted { folder: folder.to_path_buf(), source }
}
