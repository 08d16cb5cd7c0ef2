//! CLAP: one space for sounds and sentences, so that any sentence can be a label.
//!
//! | here                | paper (arXiv:2211.06687)     | transformers 5.23.0 `modeling_clap.py`          |
//! |---------------------|------------------------------|-------------------------------------------------|
//! | `AudioEncoder`      | audio encoder HTSAT (arXiv:2202.00874) | `ClapAudioEncoder`                    |
//! | `TextModel`         | text encoder RoBERTa (arXiv:1907.11692) | `ClapTextModel`                      |
//! | `Projection`        | MLP layers                   | `ClapProjectionLayer`                           |
//! | [`ClapTokenizer`]   | –                            | `RobertaTokenizer`                              |
//!
//! Shapes: B clips, N texts, V views of a clip (1, or 4 to be fused), T frames, F mel bins, K tokens, D hidden size, P
//! projection size. T = 1001 and F = 64 for ten seconds at 48 kHz.
//!
//! Differs from the reference on purpose: configs that its own forward pass stumbles over are refused while they are read,
//! and there is no dropout and no stochastic depth (`drop_path_rate`), which act in training only.

mod audio;
mod config;
mod intermediate;
mod text;
mod tokenizer;

use burn::module::{Initializer, Module, Param};
use burn::tensor::{DType, Device, Tensor};
use earmark_config::Family;

use crate::architecture::Architecture;
use crate::config::activation::Activation;
use crate::error::ErrorKind;
use crate::layers::linear::Linear;

use audio::AudioModel;
use text::TextModel;

pub use audio::{ClapAudioConfig, Sides};
pub use config::ClapConfig;
pub use text::ClapTextConfig;
pub use tokenizer::{ClapTokenizer, TokenBatch};

/// The audio and the text encoder, their projections, and the scales of the logits.
#[derive(Module, Debug)]
pub struct ClapModel {
    logit_scale_a: Param<Tensor<1>>,
    logit_scale_t: Param<Tensor<1>>,
    text_model: TextModel,
    text_projection: Projection,
    audio_model: AudioModel,
    audio_projection: Projection,
}

impl Architecture for ClapModel {
    fn family(&self) -> &'static Family {
        &earmark_config::CLAP
    }
}

impl ClapModel {
    /// The network with every weight zero, to be filled by [`load`](crate::load).
    ///
    /// The config must have passed [`ClapConfig::validate`].
    pub fn zeros(config: &ClapConfig, device: &Device) -> Self {
        ClapModel {
            logit_scale_a: Initializer::Zeros.init([1], device),
            logit_scale_t: Initializer::Zeros.init([1], device),
            text_model: TextModel::zeros(&config.text_config, device),
            text_projection: Projection::zeros(config.text_config.hidden_size, config, device),
            audio_model: AudioModel::zeros(&config.audio_config, device),
            audio_projection: Projection::zeros(config.audio_config.hidden_size, config, device),
        }
    }

    /// The embedding of each clip in the common space: `[B, P]`, of length 1.
    /// - `features`: `[B, V, T, F]`, log-mel spectrograms in dB; V is 4 when the config has `enable_fusion`, else 1
    /// - `is_longer`: for each clip whether its views are to be fused, B of them; not read without `enable_fusion`
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] for features of other shapes: those of another model's extractor.
    pub fn get_audio_features(
        &self,
        features: Tensor<4>,
        is_longer: &[bool],
    ) -> Result<Tensor<2>, ErrorKind> {
        let pooled = self.audio_model.forward(features, is_longer)?; // [B, D]
        Ok(normalise(self.audio_projection.forward(pooled)))
    }

    /// The embedding of each text in the common space: `[N, P]`, of length 1.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] for a text too long, or tokens that the network does not know.
    pub fn get_text_features(&self, tokens: &TokenBatch) -> Result<Tensor<2>, ErrorKind> {
        let pooled = self.text_model.forward(tokens)?; // [N, D]
        Ok(normalise(self.text_projection.forward(pooled)))
    }

    /// One embedding for each label of those that several texts gave: `[N, P]` each, their mean scaled to length 1.
    ///
    /// # Panics
    /// Without any.
    pub fn mean_text_features(features: Vec<Tensor<2>>) -> Tensor<2> {
        let count = features.len() as f64;
        let sum =
            features.into_iter().reduce(|sum, more| sum + more).expect("there is at least one text a label");
        normalise(sum / count)
    }

    /// The logit of each text for each clip: `[B, N]`, from the embeddings of both. Their softmax over N scores the labels.
    pub fn logits_per_audio(&self, audio: Tensor<2>, text: Tensor<2>) -> Tensor<2> {
        audio.matmul(text.transpose()) * scale(&self.logit_scale_a)
    }

    /// The logit of each clip for each text: `[N, B]`, with a scale of its own. Only the contrastive loss uses it.
    pub fn logits_per_text(&self, audio: Tensor<2>, text: Tensor<2>) -> Tensor<2> {
        text.matmul(audio.transpose()) * scale(&self.logit_scale_t)
    }
}

fn scale(logit_scale: &Param<Tensor<1>>) -> Tensor<2> {
    logit_scale.val().cast(DType::F32).exp().unsqueeze()
}

/// From a tower's width to the common one.
#[derive(Module, Debug)]
struct Projection {
    linear1: Linear,
    linear2: Linear,
    #[module(skip)]
    activation: Activation,
}

impl Projection {
    fn zeros(width: usize, config: &ClapConfig, device: &Device) -> Self {
        Projection {
            linear1: Linear::new(width, config.projection_dim, device),
            linear2: Linear::new(config.projection_dim, config.projection_dim, device),
            activation: config.projection_hidden_act,
        }
    }

    fn forward(&self, pooled: Tensor<2>) -> Tensor<2> {
        self.linear2.forward(self.linear1.forward_activated(pooled, self.activation)) // [B, P]
    }
}

/// Each row at length 1, in f32.
fn normalise(rows: Tensor<2>) -> Tensor<2> {
    // Sums of squares leave the range of 16-bit floats.
    let rows = rows.cast(DType::F32);
    let length = rows.clone().square().sum_dim(1).sqrt();
    // `F.normalize` divides by this much at least: a row of zeros stays one.
    rows / length.clamp_min(1e-12)
}

#[cfg(test)]
mod tests;
