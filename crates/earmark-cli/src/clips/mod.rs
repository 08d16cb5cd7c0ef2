//! Clips cut from recordings where a table of results says that there is a sound.

pub(crate) mod sounds; // The sounds that tables list,
pub(crate) mod choose; // which of them become clips,
pub(crate) mod names; // what those are called,
pub(crate) mod plan; // and where each of them lies;
pub(crate) mod folder; // the folder they are written to,
pub(crate) mod cut; // and how.
