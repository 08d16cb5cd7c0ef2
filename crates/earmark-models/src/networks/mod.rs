//! The networks, a file for each paper.

pub(crate) mod ast;
#[cfg(feature = "clap")]
pub(crate) mod clap;
pub(crate) mod conformer;
pub(crate) mod spec_augment;
pub(crate) mod speech;
pub(crate) mod wav2vec2_bert;
pub(crate) mod whisper;
