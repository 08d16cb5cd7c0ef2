//! What several chores need.

pub(crate) mod cargo;
pub(crate) mod python;
pub(crate) mod libtorch;
