//! The metrics, as scikit-learn 1.9.1 defines them.

pub(crate) mod class; // Read first: counts of a class, and what is averaged of them.
pub(crate) mod confusion;
pub(crate) mod loss;
pub(crate) mod ranking;
pub(crate) mod reliability;
pub(crate) mod single_label; // All of them of clips with one label each,
pub(crate) mod multi_label; // and of clips with any number.
