//! The published datasets, a file each.

pub mod esc50;
pub mod fleurs;
pub mod gtzan;
pub mod minds14;
pub(crate) mod published;
pub mod speech_commands;
