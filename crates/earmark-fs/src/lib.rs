#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod atomic;
mod folder;
mod name;
mod read;
mod sync;
mod unfinished;

pub use atomic::{AtomicFile, write};
pub use folder::NewFolder;
pub use name::text;
pub use read::{open, read, read_to_string};
pub use sync::{sync_file, sync_folder, sync_tree};
pub use unfinished::sweep;
