//! The networks, a file for each paper.

pub(crate) mod ast;
pub(crate) mod ced;
#[cfg(feature = "clap")]
pub(crate) mod clap;
pub(crate) mod conformer;
pub(crate) mod spec_augment;
pub(crate) mod speech;
pub(crate) mod wav2vec2_bert;
pub(crate) mod whisper;
pub(crate) mod x_vector;

#[cfg(test)]
mod adapter_tests;
