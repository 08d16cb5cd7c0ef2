//! Scores as probabilities that mean what they say, and the thresholds above which a label is given.

pub(crate) mod temperature; // For softmax: one number,
pub(crate) mod platt; // for sigmoid: two a class,
pub(crate) mod method; // either of them,
pub(crate) mod file; // and what is kept beside a model.
pub(crate) mod thresholds;
