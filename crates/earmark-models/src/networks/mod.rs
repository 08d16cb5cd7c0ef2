//! The networks, a file for each paper.

pub(crate) mod ast;
pub(crate) mod clap;
pub(crate) mod hubert;
pub(crate) mod speech;
pub(crate) mod unispeech;
pub(crate) mod wav2vec2;
pub(crate) mod whisper;
