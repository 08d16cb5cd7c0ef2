//! From weight files to a network and back, with every key accounted for.

pub(crate) mod task;
pub(crate) mod weights; // Read first: the weights in a model's folder,
pub(crate) mod file; // of which each file
pub(crate) mod safetensors; // has one of two formats,
pub(crate) mod pickle;
pub(crate) mod shards; // or is one of several.
pub(crate) mod keys; // What they call a parameter.
pub(crate) mod module_path;
pub(crate) mod load;
pub(crate) mod init;
pub(crate) mod save;

#[cfg(test)]
mod tests;
