//! What several chores need.

pub(crate) mod cargo;
pub(crate) mod npm;
pub(crate) mod tools;
pub(crate) mod python;
pub(crate) mod libtorch;
pub(crate) mod near;
pub(crate) mod wheel;
