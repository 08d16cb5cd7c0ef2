#![doc = include_str!("../README.md")]

#[cfg(feature = "datasets")]
pub mod datasets;
mod golden;
pub mod http;
pub mod hub;
mod reference;
mod skip;
mod tolerance;
mod tone;

pub use golden::Golden;
pub use reference::{reference, reference_dir};
pub use skip::skip;
pub use tolerance::{Worst, assert_close, note_difference, worst_difference};
pub use tone::{noise, tone};
