//! Hear a sound, name it: audio classification with pretrained transformers, in one call.
//!
//! ```no_run
//! use earmark::prelude::*;
//!
//! let classifier = AudioClassifier::from_pretrained("MIT/ast-finetuned-speech-commands-v2")?;
//! for prediction in classifier.classify("clip.ogg")? {
//!     println!("{:.3} {}", prediction.score, prediction.label);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! This crate brings two others together: `earmark-hub` fetches a model, [`earmark_pipeline`] asks it. Their parts are here
//! under [`audio`], [`config`], [`features`], [`labels`], [`models`], [`hub`] and [`pipeline`], and each crate can be used alone.
//! Training is in `earmark-train`, the command in `earmark-cli`.
#![forbid(unsafe_code)]

mod from_pretrained;

pub use earmark_audio as audio;
pub use earmark_config as config;
pub use earmark_features as features;
pub use earmark_hub as hub;
pub use earmark_labels as labels;
pub use earmark_models as models;
pub use earmark_pipeline as pipeline;

pub use burn::tensor::Device;
pub use from_pretrained::{Error, FromPretrained};

/// The names that most programs need.
pub mod prelude {
    pub use earmark_audio::{SampleRate, Waveform};
    pub use earmark_labels::Prediction;
    pub use earmark_pipeline::{AudioClassifier, AudioEmbedder, ZeroShotClassifier};

    pub use crate::from_pretrained::FromPretrained;
}
