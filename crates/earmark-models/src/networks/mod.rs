//! The networks, a file for each paper.

pub(crate) mod ast;
pub(crate) mod clap;
pub(crate) mod speech;
pub(crate) mod whisper;
