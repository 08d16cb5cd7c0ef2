//! One file a chore, each with a `run`.

pub(crate) mod product;
pub(crate) mod test;
pub(crate) mod check;
pub(crate) mod goldens;
pub(crate) mod interop;
pub(crate) mod bench;
pub(crate) mod pictures;
pub(crate) mod libtorch;
pub(crate) mod wheel;
