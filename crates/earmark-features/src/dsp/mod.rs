//! The signal processing that extractors share.

pub(crate) mod log;
pub(crate) mod mel;
pub(crate) mod normalize;
pub(crate) mod numpy_rng;
pub(crate) mod spectrum;
