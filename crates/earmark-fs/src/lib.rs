#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod atomic_file;
mod atomic_folder;
mod locked_file;
mod sweep;
mod temporary;
mod fsync;
mod read;
mod walk;
mod path_text;

pub use atomic_file::{AtomicFile, write};
pub use atomic_folder::AtomicFolder;
pub use fsync::{persist, sync_file, sync_folder, sync_tree};
pub use locked_file::LockedFile;
pub use path_text::{path_of_text, text};
pub use read::{open, read, read_to_string};
pub use sweep::sweep;
pub use temporary::parent;
pub use walk::{Entries, Entry, EntryKind, Walk, WalkError};
