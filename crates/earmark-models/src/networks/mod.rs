//! The networks, a file for each paper.

pub(crate) mod ast;
#[cfg(feature = "clap")]
pub(crate) mod clap;
pub(crate) mod speech;
pub(crate) mod whisper;
