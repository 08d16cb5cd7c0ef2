//! The published datasets: each is a value in a file of its own, and this file only lists them.

pub mod esc50;
pub mod fleurs;
pub mod gtzan;
pub mod minds14;
pub mod speech_commands;
mod urbansound8k;

mod copy;
pub(crate) mod selection;
pub(crate) mod spec;

use spec::Spec;

/// Every published dataset that is known by name.
pub static CATALOG: &[&Spec] = &[
    &minds14::MINDS14,
    &speech_commands::SPEECH_COMMANDS,
    &fleurs::FLEURS,
    &esc50::ESC50,
    &gtzan::GTZAN,
    &urbansound8k::URBANSOUND8K,
];
