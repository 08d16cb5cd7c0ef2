//! Samples that lie in a file as numbers: the containers of PCM and of the simplest codecs.

pub(crate) mod aiff;
pub(crate) mod au;
pub(crate) mod caf;
pub(crate) mod chunks;
pub(crate) mod ima;
pub(crate) mod reader;
pub(crate) mod riff;
