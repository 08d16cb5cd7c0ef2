//! From weight files to a network and back.

pub(crate) mod init;
pub(crate) mod keys;
pub(crate) mod pickle;
pub(crate) mod tensor_file;
pub(crate) mod weights;
