#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod architecture; // Read first: what a network is,
mod classifier; // and all of them as one.
mod hidden_states; // What of them an embedding is,
mod linear_head; // and the head that a linear probe gives them.
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
pub use hidden_states::{Layer, Pool};
pub use linear_head::LinearHead;
pub use networks::ast::{AstConfig, AstForAudioClassification, AstModel};
pub use networks::ced::{CedConfig, CedForAudioClassification, CedModel, CedPooling};
#[cfg(feature = "clap")]
pub use networks::clap::{
    ClapAudioConfig, ClapConfig, ClapModel, ClapTextConfig, ClapTokenizer, Sides, TokenBatch,
};
pub use networks::conformer::PositionEmbeddings;
pub use networks::speech::{FeatExtractNorm, SpeechConfig, SpeechEncoder, SpeechForSequenceClassification};
pub use networks::wav2vec2_bert::{
    Wav2Vec2BertConfig, Wav2Vec2BertForSequenceClassification, Wav2Vec2BertModel,
};
pub use networks::whisper::{
    WhisperConfig, WhisperDecoderConfig, WhisperEncoder, WhisperForAudioClassification,
    WhisperForConditionalGeneration, WhisperLanguageConfig,
};
pub use networks::x_vector::{ForXVector, XVectorConfig, XVectorEncoderConfig};

pub use checkpoint::init::init_weights;
pub use checkpoint::load::{Head, load};
pub use checkpoint::save::{parameters, save, unusable_weight};
pub use checkpoint::task::Task;
pub use checkpoint::weights::{Checkpoint, WEIGHT_FILES};
pub use config::activation::Activation;
pub use config::languages::{Language, Languages};
pub use config::model_config::ModelConfig;
pub use config::spec_augment_settings::SpecAugmentSettings;
pub use error::{Error, ErrorKind, KeyMismatch};
pub use layers::padding_mask::PaddingMask;
pub use training::gradient_checkpointing::supports_gradient_checkpointing;
pub use training::lora::Lora;
pub use training::mixed_precision::mixed_precision;
pub use training::parts::{Part, freeze, parts};
pub use training::rng::TrainingRng;
