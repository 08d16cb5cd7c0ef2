//! The layers that networks are made of.

pub(crate) mod activation;
pub(crate) mod conv1d;
pub(crate) mod ops;
pub(crate) mod padding_mask;
pub(crate) mod transformer;
pub(crate) mod weighted_sum;
