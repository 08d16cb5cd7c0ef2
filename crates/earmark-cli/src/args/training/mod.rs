//! What `train`, and the commands that look back on a run, are told.

pub(crate) mod recipe; // The settings,
pub(crate) mod training_data; // the clips,
pub(crate) mod run; // and which run it was.
