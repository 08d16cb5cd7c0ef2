//! One optimizer step.

pub(crate) mod trainer; // Read first: forward, backward, clip, update.
pub(crate) mod trained;
pub(crate) mod loss;
pub(crate) mod cross_entropy;
pub(crate) mod binary_cross_entropy;
pub(crate) mod optimizer;
pub(crate) mod rates;
pub(crate) mod schedule;
pub(crate) mod loss_scale;
pub(crate) mod memory;
pub(crate) mod resident;
