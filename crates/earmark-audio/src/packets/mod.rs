//! Samples that a codec makes of packets, and the containers that hold those.

pub(crate) mod reader; // Read first: a container's samples, block by block.
pub(crate) mod demuxer;
pub(crate) mod decoder;
pub(crate) mod ends;
pub(crate) mod guard;

// Containers.
pub(crate) mod matroska;
pub(crate) mod mp4;
pub(crate) mod ogg;

// Codecs, and what their frames say.
pub(crate) mod aac;
pub(crate) mod flac;
pub(crate) mod mpeg;
pub(crate) mod opus;
