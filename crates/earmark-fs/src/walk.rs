//! The walk of a folder: everything below it, by name.

use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use crate::path_text::text;

/// Folders that are nested deeper than this are an error: no collection of files is, and a hostile one should end.
const MAX_DEPTH: usize = 256;

/// A walk of everything below a folder: each folder before its contents, names in byte order.
///
/// ```
/// let root = tempfile::tempdir()?;
/// std::fs::create_dir(root.path().join("rain"))?;
/// std::fs::write(root.path().join("rain/1.wav"), "")?;
/// let names = earmark_fs::Walk::new(root.path()).into_iter().map(|entry| Ok(entry?.name()));
/// assert_eq!(names.collect::<Result<Vec<_>, earmark_fs::WalkError>>()?, ["rain", "rain/1.wav"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Walk {
    root: PathBuf,
    follow_links: bool,
    depth: Option<usize>,
}

impl Walk {
    /// A walk below `root` that follows no links. `root` itself may be a link to a folder.
    pub fn new(root: impl Into<PathBuf>) -> Walk {
        Walk { root: root.into(), follow_links: false, depth: None }
    }

    /// Whether links to folders are walked into. A link to a folder that it lies in is [`EntryKind::Loop`], and is not.
    #[must_use]
    pub fn follow_links(self, follow_links: bool) -> Walk {
        Walk { follow_links, ..self }
    }

    /// Leaves out what lies deeper: 1 is the folder alone. Without it a folder deeper than 256 is an error.
    #[must_use]
    pub fn depth(self, depth: usize) -> Walk {
        Walk { depth: Some(depth), ..self }
    }
}

impl IntoIterator for Walk {
    type Item = Result<Entry, WalkError>;
    type IntoIter = Entries;

    fn into_iter(self) -> Entries {
        let max_depth = self.depth.unwrap_or(MAX_DEPTH);
        let entries = walkdir::WalkDir::new(&self.root)
            .min_depth(1)
            .max_depth(max_depth)
            .follow_links(self.follow_links)
            .sort_by_file_name()
            .into_iter();
        Entries { entries, max_depth, is_cut: self.depth.is_some(), root: self.root, entered: false }
    }
}

/// The entries of a [`Walk`].
#[derive(Debug)]
pub struct Entries {
    entries: walkdir::IntoIter,
    root: PathBuf,
    max_depth: usize,
    /// Whether what lies deeper is left out, and no error.
    is_cut: bool,
    /// Whether the last entry is a folder that is walked into next.
    entered: bool,
}

impl Entries {
    /// Leaves out what is in the last entry, if that is a folder.
    pub fn skip_folder(&mut self) {
        if std::mem::take(&mut self.entered) {
            self.entries.skip_current_dir();
        }
    }

    fn entry(&self, path: PathBuf, kind: EntryKind, is_link: bool) -> Entry {
        let relative = path.strip_prefix(&self.root).unwrap_or(&path).to_path_buf();
        Entry { path, relative, kind, is_link }
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, WalkError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.entered = false;
        let entry = match self.entries.next()? {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(&self.root).to_path_buf();
                // A link that leads nowhere is an entry; a folder that cannot be listed is an error.
                let kind = if error.loop_ancestor().is_some() { EntryKind::Loop } else { EntryKind::Other };
                if kind == EntryKind::Loop || (path != self.root && fs::metadata(&path).is_err()) {
                    return Some(Ok(self.entry(path, kind, true)));
                }
                let source = error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into());
                return Some(Err(WalkError { path, source }));
            }
        };
        let (is_link, depth, file_type) = (entry.path_is_symlink(), entry.depth(), entry.file_type());
        // Of a link that is not followed, what it leads to.
        let file_type = match file_type.is_symlink() {
            true => fs::metadata(entry.path()).ok().map(|target| target.file_type()),
            false => Some(file_type),
        };
        let kind = match file_type {
            Some(kind) if kind.is_dir() => EntryKind::Folder,
            Some(kind) if kind.is_file() => EntryKind::File,
            _ => EntryKind::Other,
        };
        let is_deepest = depth == self.max_depth;
        self.entered = entry.file_type().is_dir() && !is_deepest;
        if entry.file_type().is_dir() && is_deepest && !self.is_cut {
            let source = io::Error::other(format!("folders are nested more than {MAX_DEPTH} levels deep"));
            return Some(Err(WalkError { path: entry.into_path(), source }));
        }
        Some(Ok(self.entry(entry.into_path(), kind, is_link)))
    }
}

/// A file or folder of a [`Walk`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path: that of the root, and the path below it.
    pub path: PathBuf,
    /// The path below the root.
    pub relative: PathBuf,
    /// What it is, or what it leads to if it is a link.
    pub kind: EntryKind,
    /// Whether it is a symbolic link.
    pub is_link: bool,
}

impl Entry {
    /// The path below the root with `/` on every system, each part as [`text`](crate::text) writes it.
    pub fn name(&self) -> String {
        self.relative.iter().map(text).collect::<Vec<_>>().join("/")
    }

    /// Whether its own name begins with a dot.
    pub fn is_hidden(&self) -> bool {
        self.path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        matches!(self.kind, EntryKind::Folder | EntryKind::Loop)
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link to a folder that it lies in.
    Loop,
    /// A device, a FIFO, a link that leads nowhere.
    Other,
}

/// A folder that cannot be listed.
#[derive(Debug)]
pub struct WalkError {
    /// The folder.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

impl fmt::Display for WalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot list the folder `{}`", text(&self.path))
    }
}

impl Error for WalkError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
