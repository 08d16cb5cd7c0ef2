//! Pretrained audio transformers on burn: tensors in, logits out.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use earmark_models::{SpeechConfig, SpeechForSequenceClassification, init_weights};
//!
//! let config = SpeechConfig { hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, ..SpeechConfig::default() };
//! config.validate()?;
//! let device = Device::flex();
//! let network = SpeechForSequenceClassification::zeros(&config, 3, &device);
//! let network = init_weights(network, config.initializer_range, 42, |_| true);
//! let logits = network.forward(Tensor::zeros([1, 16_000], &device), None, None)?;
//! assert_eq!(logits.dims(), [1, 3]);
//! # Ok::<(), earmark_models::ErrorKind>(())
//! ```
//!
//! It knows no sound files, no sample rates and no network. [`ModelConfig`] and [`Checkpoint`] alone open files.
//! Everything runs on the burn [`Device`](burn::tensor::Device) it is given; none is ever assumed.
#![forbid(unsafe_code)]

mod architecture; // Read first: what a network is,
mod classifier; // and all of them as one.
mod networks; // Then a network,
mod layers; // what it is made of,
mod backend; // and what that computes where.

mod checkpoint;
mod config;
mod training;

mod error;
#[cfg(test)]
mod test_support;

pub use architecture::{Architecture, Input};
pub use classifier::{Classifier, NetworkConfig};
pub use networks::ast::{AstConfig, AstForAudioClassification, AstModel};
pub use networks::clap::{
    ClapAudioConfig, ClapConfig, ClapModel, ClapTextConfig, ClapTokenizer, Sides, TokenBatch,
};
pub use networks::speech::{FeatExtractNorm, SpeechConfig, SpeechEncoder, SpeechForSequenceClassification};
pub use networks::whisper::{WhisperConfig, WhisperEncoder, WhisperForAudioClassification};

pub use checkpoint::init::init_weights;
pub use checkpoint::load::{Head, load};
pub use checkpoint::save::{parameters, save, unusable_weight};
pub use checkpoint::weights::{Checkpoint, WEIGHT_FILES};
pub use config::activation::Activation;
pub use config::model_config::ModelConfig;
pub use error::{Error, ErrorKind, KeyMismatch};
pub use layers::padding_mask::PaddingMask;
pub use training::mixed_precision::mixed_precision;
pub use training::rng::TrainingRng;
