#![doc = include_str!("../README.md")]
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
    #[cfg(feature = "clap")]
    pub use earmark_pipeline::ZeroShotClassifier;
    pub use earmark_pipeline::{AudioClassifier, AudioEmbedder};

    pub use crate::from_pretrained::FromPretrained;
}
