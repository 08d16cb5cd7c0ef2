//! Pretrained audio transformers on burn: tensors in, logits out.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use earmark_models::{SpeechConfig, HubertForSequenceClassification, init_weights};
//!
//! let config = SpeechConfig { hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, ..SpeechConfig::default() };
//! config.validate()?;
//! let device = Device::flex();
//! let network = HubertForSequenceClassification::zeros(&config, 3, &device);
//! let network = init_weights(network, config.initializer_range, 42, |_| true);
//! let logits = network.forward(Tensor::zeros([1, 16_000], &device), None, None)?;
//! assert_eq!(logits.dims(), [1, 3]);
//! # Ok::<(), earmark_models::ErrorKind>(())
//! ```
//!
//! It knows no sound files, no sample rates and no network. [`ModelConfig`] and [`Checkpoint`] alone open files.
//! Everything runs on the burn [`Device`](burn::tensor::Device) it is given; none is ever assumed.
#![forbid(unsafe_code)]

mod activation;
mod ast;
mod checks;
mod clap;
mod classifier; // Read first: the networks as one.
mod config;
mod conv;
mod cpu;
mod error;
mod half;
mod hubert;
mod init;
mod learn;
mod noise;
mod ops;
mod pickle;
mod speech;
mod tensor_file;
#[cfg(test)]
mod test_support;
mod transformer;
mod unispeech;
mod wav2vec2;
mod weights;
mod whisper;

pub use ast::{AstConfig, AstForAudioClassification, AstModel};
pub use clap::{ClapAudioConfig, ClapConfig, ClapModel, ClapTextConfig, ClapTokenizer, Sides, TokenBatch};
pub use classifier::{Classifier, Classify, Input, MODEL_TYPES, NetworkConfig, NetworkNumbers};
pub use hubert::HubertForSequenceClassification;
pub use speech::{FeatExtractNorm, FrameMask, SpeechConfig, SpeechEncoder};
pub use unispeech::{UniSpeechForSequenceClassification, UniSpeechSatForSequenceClassification};
pub use wav2vec2::Wav2Vec2ForSequenceClassification;
pub use whisper::{WhisperConfig, WhisperEncoder, WhisperForAudioClassification};

pub use activation::Activation;
pub use config::ModelConfig;
pub use error::{Error, ErrorKind, KeyMismatch};
pub use half::half_products;
pub use init::{Convolutions, init_weights};
pub use noise::Noise;
pub use weights::{
    Architecture, Checkpoint, Head, Keys, WEIGHT_FILES, load, parameters, save, unusable_weight,
};
