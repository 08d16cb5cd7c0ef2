#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "hub")]
mod from_pretrained; // Read first: a model by its id on the Hub.
#[cfg(all(feature = "hub", feature = "data"))]
mod hub_files; // Then datasets from there.
#[cfg(feature = "hub")]
mod error;

pub use earmark_audio as audio;
pub use earmark_config as config;
#[cfg(feature = "data")]
pub use earmark_data as data;
#[cfg(feature = "train")]
pub use earmark_eval as eval;
pub use earmark_features as features;
#[cfg(feature = "hub")]
pub use earmark_hub as hub;
pub use earmark_labels as labels;
pub use earmark_models as models;
pub use earmark_pipeline as pipeline;
#[cfg(feature = "train")]
pub use earmark_train as train;

pub use burn::tensor::Device;
#[cfg(feature = "hub")]
pub use error::Error;
#[cfg(feature = "hub")]
pub use from_pretrained::FromPretrained;
#[cfg(all(feature = "hub", feature = "data"))]
pub use hub_files::HubFiles;

/// The names that most programs need.
pub mod prelude {
    pub use burn::tensor::Device;
    pub use earmark_audio::{SampleRate, Waveform};
    #[cfg(feature = "data")]
    pub use earmark_data::{AudioDataset, Selection, TestSize, train_test_split};
    pub use earmark_labels::{Prediction, Scores, TopK};
    pub use earmark_pipeline::{AudioClassifier, AudioEmbedder, Sound, Windows, cosine_similarity};
    #[cfg(feature = "clap")]
    pub use earmark_pipeline::{HYPOTHESIS_TEMPLATE, ZeroShotClassifier};

    #[cfg(feature = "hub")]
    pub use crate::from_pretrained::FromPretrained;
    #[cfg(all(feature = "hub", feature = "data"))]
    pub use crate::hub_files::HubFiles;
}
