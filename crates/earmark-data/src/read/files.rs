//! The files below a folder, as `datasets` lists them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use earmark_fs::{EntryKind, Walk};

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
pub(crate) struct FilesBelow {
    /// In byte order of the names.
    pub(crate) files: Vec<FoundFile>,
    /// Devices, FIFOs, links that lead nowhere or back to a folder above.
    pub(crate) odd: Vec<PathBuf>,
    /// Folders without anything in them.
    pub(crate) empty: BTreeSet<PathBuf>,
}

/// Every file below a folder. What is hidden, and folders that begin with `__`, are passed over; links are followed.
pub(crate) fn files_below(root: &Path) -> Result<FilesBelow, ErrorKind> {
    if !root.is_dir() {
        return Err(ErrorKind::NoFolder);
    }
    let mut below = FilesBelow::default();
    let mut entries = Walk::new(root).follow_links(true).into_iter();
    while let Some(entry) = entries.next() {
        let entry =
            entry.map_err(|error| ErrorKind::Unlisted { folder: error.path, source: error.source })?;
        if entry.is_hidden() {
            entries.skip_folder();
            continue;
        }
        if let Some(folder) = entry.path.parent() {
            below.empty.remove(folder);
        }
        match entry.kind {
            EntryKind::File => below.files.push(FoundFile { name: entry.name(), path: entry.path }),
            EntryKind::Folder if starts_with_two_underscores(&entry.path) => entries.skip_folder(),
            EntryKind::Folder => {
                below.empty.insert(entry.path);
            }
            _ => below.odd.push(entry.path),
        }
    }
    // Of whole names: `a-b/x` comes before `a/x`, which a walk has the other way round.
    below.files.sort_by(|a, b| a.name.cmp(&b.name));
    below.odd.sort();
    Ok(below)
}

/// As `__MACOSX` does.
fn starts_with_two_underscores(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"__"))
}
