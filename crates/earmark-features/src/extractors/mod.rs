//! The feature extractors, one file for each of the reference's classes.

pub(crate) mod ast;
pub(crate) mod ced;
pub(crate) mod clap;
pub(crate) mod seamless;
pub(crate) mod wav2vec2;
pub(crate) mod whisper;
