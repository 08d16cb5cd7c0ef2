//! What is computed of each row, or over all of them.

pub(crate) mod layer_norm;
pub(crate) mod softmax;
pub(crate) mod sums;
pub(crate) mod weight_norm;
