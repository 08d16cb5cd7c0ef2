#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod label_set; // Read first: what a class id means.
mod score;
mod prediction;
mod unmatched;
mod join;
mod error;

pub use error::{Error, ErrorKind};
pub use join::LabelJoin;
pub use label_set::{LabelId, LabelSet};
pub use prediction::{Prediction, TopK, top_k};
pub use score::Scores;
pub use unmatched::Unmatched;
