//! Groups of arguments that commands share.

pub(crate) mod audio;
pub(crate) mod dataset;
pub(crate) mod device;
pub(crate) mod inputs;
pub(crate) mod model;
pub(crate) mod overwrite;
