//! Models on their way to the Hub.

pub(crate) mod files; // Which files,
pub(crate) mod evaluations; // with which scores,
pub(crate) mod commit; // in whose repository,
pub(crate) mod background; // and those that a training pushes.
