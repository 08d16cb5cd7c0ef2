//! What only training needs of a network.

pub(crate) mod mixed_precision;
pub(crate) mod rng;
