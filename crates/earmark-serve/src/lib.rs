#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod options; // Read first: what a server is told,
mod access; // who may ask it,
mod inference; // and how a sound becomes its labels.
mod calls; // Calls whose answers are collected later, and files that are asked about later,
mod uploads;
mod token; // under names that cannot be guessed.
mod memory;
mod lifetime;
mod metrics;
mod security;
mod error;
mod app; // All of that together,
mod routes; // the addresses,
mod connections; // the connections they are asked on,
mod server; // and the socket.

pub use access::Access;
pub use error::Error;
pub use inference::model::Model;
pub use options::{Clips, Example, Limits, Options};
pub use server::Server;
