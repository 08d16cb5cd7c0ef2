//! Samples that a codec makes of packets, and the containers that hold those.

pub(crate) mod aac;
pub(crate) mod flac;
pub(crate) mod matroska;
pub(crate) mod mp4;
pub(crate) mod mpeg;
pub(crate) mod ogg;
pub(crate) mod opus;
pub(crate) mod reader;
