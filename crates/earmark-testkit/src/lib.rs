//! What the tests of this workspace share: goldens, tolerances, synthesised tones, an HTTP server and a Hub on
//! loopback.
//!
//! A golden is a small `.safetensors` file made by a script that lies beside it; [`Golden`] reads it, and
//! [`assert_close`] compares against it and reports the worst place. Larger reference material is not part of the
//! repository: [`reference_dir`] finds it when it is there, and a test that needs it calls [`reference()`], which says
//! on stderr what was skipped.

mod golden;
pub mod http;
pub mod hub;
mod reference;
mod tolerance;
mod tone;

pub use golden::Golden;
pub use reference::{reference, reference_dir};
pub use tolerance::{Worst, assert_close, note_difference, worst_difference};
pub use tone::{noise, tone};
