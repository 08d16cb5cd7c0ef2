//! One step of the optimizer.

pub(crate) mod loss_scale;
pub(crate) mod memory;
pub(crate) mod optimization;
pub(crate) mod optimizer;
pub(crate) mod schedule;
