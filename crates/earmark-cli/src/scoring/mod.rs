//! Models that score clips against labels, behind one trait.

pub(crate) mod scorer; // The trait, and what it checks of windows and thresholds,
pub(crate) mod label_filter; // which labels are kept, and from which score on,
pub(crate) mod classifier; // a checkpoint with a head,
pub(crate) mod zero_shot; // and CLAP with labels of the user's.
pub(crate) mod kind; // What else a model of another kind can be used for.
pub(crate) mod provenance; // With what scores were made.
