//! The vocabulary of answers: labels, scores and predictions.
//!
//! ```
//! use earmark_labels::{LabelSet, Scores, TopK, top_k};
//!
//! let labels = LabelSet::from_names(["blues", "jazz", "rock"])?;
//! let scores = Scores::Softmax.apply(&[0.5, 3.0, 1.0]);
//! let best = top_k(&scores, &labels, TopK::N(1));
//! assert_eq!(best[0].label, "jazz");
//! # Ok::<(), earmark_labels::Error>(())
//! ```
//!
//! A [`LabelSet`] reads and writes as the `id2label` map of a Hugging Face `config.json`.
#![forbid(unsafe_code)]

mod error;
mod label_set; // Read first: what a class id means.
mod prediction;
mod score;

pub use error::{Error, ErrorKind};
pub use label_set::{LabelId, LabelSet};
pub use prediction::{Prediction, TopK, top_k};
pub use score::Scores;
