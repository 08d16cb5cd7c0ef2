//! The layers that networks are made of.

pub(crate) mod activation;
pub(crate) mod conv1d;
pub(crate) mod ops;
pub(crate) mod transformer;
