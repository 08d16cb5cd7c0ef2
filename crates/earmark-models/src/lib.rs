//! Pretrained audio transformers on burn: tensors in, logits out.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use earmark_models::{HubertConfig, HubertForSequenceClassification, init_weights};
//!
//! let config = HubertConfig { hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, ..HubertConfig::default() };
//! config.validate()?;
//! let device = Device::flex();
//! let network = HubertForSequenceClassification::zeros(&config, 3, &device);
//! let network = init_weights(network, config.initializer_range, 42, |_| true);
//! let logits = network.forward(Tensor::zeros([1, 16_000], &device), None);
//! assert_eq!(logits.dims(), [1, 3]);
//! # Ok::<(), earmark_models::ErrorKind>(())
//! ```
//!
//! It knows no sound files, no sample rates and no network. [`Checkpoint`] alone opens files: the weights.
//! Everything runs on the burn [`Device`](burn::tensor::Device) it is given; none is ever assumed.
#![forbid(unsafe_code)]

mod activation;
mod config;
mod conv;
mod error;
mod hubert;
mod init;
mod noise;
mod weights;

pub use hubert::{
    FeatExtractNorm, FeatureEncoder, FrameMask, HubertConfig, HubertForSequenceClassification, HubertModel,
};

pub use activation::Activation;
pub use config::ModelConfig;
pub use error::{Error, ErrorKind, KeyMismatch};
pub use init::init_weights;
pub use noise::Noise;
pub use weights::{Checkpoint, Head, WEIGHT_FILES, load, parameters, save};
