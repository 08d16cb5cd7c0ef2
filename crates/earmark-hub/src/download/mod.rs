//! Whole files into the cache, verified.

pub(crate) mod transfer;
pub(crate) mod fetch;
pub(crate) mod snapshot;
mod pinned;
mod model;
