//! Samples that lie in a file as numbers: the containers of PCM and of the simplest codecs.

pub(crate) mod reader; // Read first: the samples, block by block.
pub(crate) mod layout;
pub(crate) mod trailing;

// Headers.
pub(crate) mod aiff;
pub(crate) mod au;
pub(crate) mod caf;
pub(crate) mod riff;

pub(crate) mod ima;
