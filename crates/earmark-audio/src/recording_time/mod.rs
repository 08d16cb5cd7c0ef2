//! When a recording began, as its metadata or its file name states it.

mod time; // The type,
mod read; // where it comes from:
mod metadata; // what recorders write into a file,
mod name; // and into its name,
mod text; // and how both write a time.

pub use time::RecordingTime;
