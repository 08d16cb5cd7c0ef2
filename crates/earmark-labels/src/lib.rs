#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod label_set; // Read first: what a class id means.
mod score;
mod prediction;
mod error;

pub use error::{Error, ErrorKind};
pub use label_set::{LabelId, LabelSet};
pub use prediction::{Prediction, TopK, top_k};
pub use score::Scores;
