//! Datasets written to disk.

pub(crate) mod export;
pub(crate) mod folder;
