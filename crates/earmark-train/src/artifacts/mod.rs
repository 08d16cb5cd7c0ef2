//! The files that a run leaves.

pub(crate) mod card;
pub(crate) mod checkpoint;
pub(crate) mod figure;
pub(crate) mod report;
pub(crate) mod tensorboard;
