//! A job over many sounds, and its journal.

pub(crate) mod job;
pub(crate) mod journal;
