//! Parts of files, read by range requests without downloading the whole.

pub(crate) mod remote;
pub(crate) mod file;
mod open;
