//! What the Hub answers: addresses, errors, the metadata of files, lists of files.

pub(crate) mod urls;
pub(crate) mod refusal;
pub(crate) mod json;
pub(crate) mod metadata;
pub(crate) mod tree;
