//! What a job has on the disk: its results, and what the same command resumes it by.

pub(crate) mod journal; // What an interrupted job leaves,
pub(crate) mod record; // its lines,
pub(crate) mod result_folder; // a folder with a file for each input,
pub(crate) mod file_names; // and the names of these.
