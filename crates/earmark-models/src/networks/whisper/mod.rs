//! Whisper's encoder with a classification head, as for the identification of spoken languages; [`decoder`] identifies them
//! without one.
//!
//! | here                 | paper (arXiv:2212.04356)      | transformers 5.23.0 `modeling_whisper.py` |
//! |----------------------|-------------------------------|-------------------------------------------|
//! | [`WhisperEncoder`]   | 2 × Conv1D, positions, blocks | `WhisperEncoder`                          |
//! | `EncoderLayer`       | encoder block                 | `WhisperEncoderLayer`                     |
//! | `MultiHeadAttention` | self attention                | `WhisperAttention`                        |
//!
//! Shapes: B clips, M mel bands, F frames, T = F / 2 positions, D width, P projection, L labels. One frame per 10 ms: the
//! usual 30 s give F = 3000 and T = 1500.
//!
//! There is no mask: the padding of a short clip counts as silence, and the mean over time includes it.

mod decoder;

use burn::module::{Initializer, Module, Param};
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::{Device, Tensor};
use earmark_config::Family;
use serde::{Deserialize, Serialize};

use crate::architecture::{Architecture, ArchitectureConfig, Classify, EachState, Input, LastState};
use crate::config::activation::Activation;
use crate::config::checks;
use crate::error::ErrorKind;
use crate::layers::attention::MultiHeadAttention;
use crate::layers::conv1d::Conv1d;
use crate::layers::dropout::Dropout;
use crate::layers::layer_norm::LayerNorm;
use crate::layers::linear::Linear;
use crate::layers::mlp::Mlp;
use crate::layers::residual;
use crate::layers::weighted_sum::WeightedSum;
use crate::linear_head::{LayerWeights, LinearHead};
use crate::training::gradient_checkpointing::checkpointed;
use crate::training::rng::TrainingRng;

pub use decoder::{WhisperDecoderConfig, WhisperForConditionalGeneration, WhisperLanguageConfig};

/// The encoder's part of a Whisper `config.json`. Field names are that file's, and a missing field takes the reference's
/// default.
///
/// The decoder's fields mean nothing here, nor do `scale_embedding` and SpecAugment's: the reference's classifier reads
/// neither.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WhisperConfig {
    /// Mel bands, M.
    pub num_mel_bins: usize,
    /// Width of the transformer, D.
    pub d_model: usize,
    /// Transformer layers.
    pub encoder_layers: usize,
    /// Attention heads; they share `d_model` equally.
    pub encoder_attention_heads: usize,
    /// Width of the feed-forward layers.
    pub encoder_ffn_dim: usize,
    /// Activation of the feed-forward layers. The convolutions' is always GELU.
    pub activation_function: Activation,
    /// Dropout after every block's output, and after the positions are added.
    pub dropout: f64,
    /// Dropout of the attention probabilities.
    pub attention_dropout: f64,
    /// Dropout after the feed-forward activation.
    pub activation_dropout: f64,
    /// Chance to skip a whole layer while training.
    pub encoder_layerdrop: f64,
    /// Standard deviation of new weights.
    pub init_std: f64,
    /// Positions, T: half as many as the spectrogram has frames.
    pub max_source_positions: usize,
    /// Classify a learned mixture of all layers instead of the last one.
    pub use_weighted_layer_sum: bool,
    /// Width of the projector before the classifier, P.
    pub classifier_proj_size: usize,
}

impl Default for WhisperConfig {
    fn default() -> Self {
        WhisperConfig {
            num_mel_bins: 80,
            d_model: 384,
            encoder_layers: 4,
            encoder_attention_heads: 6,
            encoder_ffn_dim: 1536,
            activation_function: Activation::Gelu,
            dropout: 0.0,
            attention_dropout: 0.0,
            activation_dropout: 0.0,
            encoder_layerdrop: 0.0,
            init_std: 0.02,
            max_source_positions: 1500,
            use_weighted_layer_sum: false,
            classifier_proj_size: 256,
        }
    }
}

impl WhisperConfig {
    /// Checks that every value is in range and that they fit together.
    ///
    /// # Errors
    /// [`ErrorKind::BadConfig`] with the key.
    pub fn validate(&self) -> Result<(), ErrorKind> {
        checks::sizes(&[
            ("num_mel_bins", self.num_mel_bins, 1 << 12),
            ("d_model", self.d_model, 1 << 14),
            ("encoder_layers", self.encoder_layers, 1 << 9),
            ("encoder_attention_heads", self.encoder_attention_heads, 1 << 10),
            ("encoder_ffn_dim", self.encoder_ffn_dim, 1 << 16),
            ("max_source_positions", self.max_source_positions, 1 << 14),
            ("classifier_proj_size", self.classifier_proj_size, 1 << 16),
        ])?;
        let values = self.frames() as u128 * self.num_mel_bins as u128;
        checks::product(
            "max_source_positions",
            "num_mel_bins",
            "numbers of a clip",
            values,
            checks::MOST_VALUES,
        )?;
        let layers = checks::transformer_parameters(self.encoder_layers, self.d_model, self.encoder_ffn_dim);
        let [width, bands] = [self.d_model, self.num_mel_bins].map(|size| size as u128);
        let rest =
            self.max_source_positions as u128 + 3 * bands + 3 * width + self.classifier_proj_size as u128;
        let with = "encoder_layers, encoder_ffn_dim, max_source_positions and classifier_proj_size";
        checks::product("d_model", with, "parameters", layers + width * rest, checks::MOST_PARAMETERS)?;
        // Half of the channels of a new position are sines, half cosines.
        if !self.d_model.is_multiple_of(2) {
            let why = format!("is {}, expected an even number", self.d_model);
            return Err(ErrorKind::BadConfig { key: "d_model", why });
        }
        checks::heads("encoder_attention_heads", self.encoder_attention_heads, "d_model", self.d_model)?;
        checks::chances(&[
            ("dropout", self.dropout),
            ("attention_dropout", self.attention_dropout),
            ("activation_dropout", self.activation_dropout),
            ("encoder_layerdrop", self.encoder_layerdrop),
        ])?;
        checks::deviation("init_std", self.init_std)
    }

    /// Frames that a spectrogram must have, F.
    pub fn frames(&self) -> usize {
        2 * self.max_source_positions
    }

    /// Every random regulariser off.
    #[must_use]
    pub fn without_dropout(mut self) -> Self {
        self.dropout = 0.0;
        self.attention_dropout = 0.0;
        self.activation_dropout = 0.0;
        self.encoder_layerdrop = 0.0;
        self
    }
}

/// Whisper's encoder with a projector and a classifier on top.
#[derive(Module, Debug)]
pub struct WhisperForAudioClassification {
    encoder: WhisperEncoder,
    projector: Linear,
    classifier: Linear,
    layer_weights: Option<Param<Tensor<1>>>,
}

impl ArchitectureConfig for WhisperConfig {
    fn family(&self) -> &'static Family {
        &earmark_config::WHISPER
    }

    fn validate(&self) -> Result<(), ErrorKind> {
        WhisperConfig::validate(self)
    }

    fn layers(&self) -> usize {
        self.encoder_layers
    }

    fn width(&self) -> usize {
        self.d_model
    }

    fn use_weighted_layer_sum(&self) -> bool {
        self.use_weighted_layer_sum
    }

    fn initializer_range(&self) -> f64 {
        self.init_std
    }

    fn spectrogram(&self) -> Option<[usize; 2]> {
        Some([self.num_mel_bins, self.frames()])
    }
}

impl Classify for WhisperForAudioClassification {
    fn classify(&self, input: Input, rng: Option<&mut TrainingRng>) -> Result<Tensor<2>, ErrorKind> {
        self.forward(input.spectrograms()?, rng)
    }

    fn hidden_states(&self, input: Input, each: &mut EachState<'_>) -> Result<LastState, ErrorKind> {
        self.encoder.each_state(input, each)
    }

    fn weighted_state(&self, input: Input) -> Result<LastState, ErrorKind> {
        let weights = self.layer_weights.as_ref().ok_or(ErrorKind::NoLayerWeights)?;
        let mut sum = WeightedSum::new(weights.val());
        let last = self.encoder.run(input.spectrograms()?, None, |state| sum.add(state.clone()))?;
        Ok((sum.finish(last), None))
    }
}

impl Architecture for WhisperForAudioClassification {
    fn family(&self) -> &'static Family {
        &earmark_config::WHISPER
    }

    fn final_norm(&self) -> Option<&'static str> {
        Some("encoder.layer_norm")
    }
}

impl WhisperForAudioClassification {
    /// The network with every weight zero, to be filled by [`load`](crate::load) or [`init_weights`](crate::init_weights).
    ///
    /// The config must have passed [`WhisperConfig::validate`].
    pub fn zeros(config: &WhisperConfig, labels: usize, device: &Device) -> Self {
        let states = config.encoder_layers + 1;
        WhisperForAudioClassification {
            encoder: WhisperEncoder::zeros(config, device),
            projector: Linear::new(config.d_model, config.classifier_proj_size, device),
            classifier: Linear::new(config.classifier_proj_size, labels, device),
            layer_weights: config.use_weighted_layer_sum.then(|| Initializer::Zeros.init([states], device)),
        }
    }

    /// Scores each clip against every label.
    /// - `spectrograms`: `[B, M, F]`, log-mel as the preprocessor makes it, of exactly [`WhisperConfig::frames`] frames
    /// - `rng`: the random regularisers of training (layerdrop, and with weights on an autodiff device dropout); `None`
    ///   for inference
    /// - returns logits `[B, L]`, not probabilities
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] when M or F is not the config's.
    pub fn forward(
        &self,
        spectrograms: Tensor<3>,
        rng: Option<&mut TrainingRng>,
    ) -> Result<Tensor<2>, ErrorKind> {
        let hidden = match &self.layer_weights {
            None => self.encoder.forward(spectrograms, rng)?,
            Some(weights) => {
                let mut sum = WeightedSum::new(weights.val());
                let last = self.encoder.run(spectrograms, rng, |state| sum.add(state.clone()))?;
                sum.finish(last)
            }
        }; // [B, T, D]
        let projected = self.projector.forward(hidden); // [B, T, P]
        let pooled = projected.mean_dim(1).squeeze_dim(1); // [B, P]
        Ok(self.classifier.forward(pooled)) // [B, L]
    }

    /// The same encoder with a linear head: the projector changes nothing.
    pub(crate) fn with_linear_head(
        &self,
        head: &LinearHead<'_>,
        layer_weights: LayerWeights,
        device: &Device,
    ) -> Self {
        let classifier = Linear::of_values(head.weight, head.bias, device);
        WhisperForAudioClassification {
            encoder: self.encoder.clone(),
            projector: Linear::identity(head.weight.len() / head.bias.len(), device),
            classifier,
            layer_weights: layer_weights.parameter(self.layer_weights.as_ref(), device),
        }
    }

    /// The encoder below the head.
    pub fn base(&self) -> &WhisperEncoder {
        &self.encoder
    }
}

/// The encoder without a head: a spectrogram to positions.
#[derive(Module, Debug)]
pub struct WhisperEncoder {
    conv1: Conv1d,
    conv2: Conv1d,
    /// Sinusoids at first, but weights of the file like all others, and trained with them.
    embed_positions: Embedding,
    layers: Vec<EncoderLayer>,
    layer_norm: LayerNorm,
    dropout: Dropout,
    layerdrop: f64,
}

impl WhisperEncoder {
    fn zeros(config: &WhisperConfig, device: &Device) -> Self {
        let width = config.d_model;
        let conv = |channels| Conv1d::new(channels, width, 3, device).with_padding(1);
        WhisperEncoder {
            conv1: conv(config.num_mel_bins),
            conv2: conv(width).with_stride(2),
            embed_positions: EmbeddingConfig::new(config.max_source_positions, width)
                .with_initializer(Initializer::Zeros)
                .init(device),
            layers: (0..config.encoder_layers).map(|_| EncoderLayer::zeros(config, device)).collect(),
            layer_norm: LayerNorm::new(width, LAYER_NORM_EPS, device),
            dropout: Dropout::new(config.dropout),
            layerdrop: config.encoder_layerdrop,
        }
    }

    /// The last hidden state, layer normed: `[B, T, D]`. Arguments as of [`WhisperForAudioClassification::forward`].
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] when M or F is not the config's.
    pub fn forward(
        &self,
        spectrograms: Tensor<3>,
        rng: Option<&mut TrainingRng>,
    ) -> Result<Tensor<3>, ErrorKind> {
        self.run(spectrograms, rng, |_| {})
    }

    /// Every hidden state, `[B, T, D]` each: the first layer's input, then each layer's output, the last one layer normed.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), which keeps the last one only.
    pub fn hidden_states(
        &self,
        spectrograms: Tensor<3>,
        rng: Option<&mut TrainingRng>,
    ) -> Result<Vec<Tensor<3>>, ErrorKind> {
        let mut states = Vec::new();
        let last = self.run(spectrograms, rng, |state| states.push(state.clone()))?;
        states.push(last);
        Ok(states)
    }

    /// Shows every hidden state to `each`, with its number, and returns the last.
    pub(super) fn each_state(&self, input: Input, each: &mut EachState<'_>) -> Result<LastState, ErrorKind> {
        let mut number = 0;
        let last = self.run(input.spectrograms()?, None, |state| {
            each(number, state, None);
            number += 1;
        })?;
        // The reference numbers it after the norm, other than those of the speech encoders and AST.
        each(number, &last, None);
        Ok((last, None))
    }

    /// Shows every hidden state but the last to `each`, and returns the last.
    fn run(
        &self,
        spectrograms: Tensor<3>,
        mut rng: Option<&mut TrainingRng>,
        mut each: impl FnMut(&Tensor<3>),
    ) -> Result<Tensor<3>, ErrorKind> {
        let positions = self.embed_positions.weight.val(); // [T, D]
        checks::spectrograms(&spectrograms, [self.conv1.inputs(), 2 * positions.dims()[0]])?;
        let hidden = spectrograms.swap_dims(1, 2); // [B, F, M]
        let hidden = self.conv1.forward_activated(hidden, Activation::Gelu); // [B, F, D]
        let hidden = self.conv2.forward_activated(hidden, Activation::Gelu); // [B, T, D]
        let hidden = residual::add(positions.unsqueeze_dim(0), hidden);
        let mut hidden = self.dropout.forward(hidden, rng.as_deref_mut());
        for layer in &self.layers {
            each(&hidden);
            let skipped = rng.as_deref_mut().is_some_and(|rng| rng.chance(self.layerdrop));
            if !skipped {
                hidden = checkpointed(layer, hidden, None, rng.as_deref_mut(), |layer, hidden, _, rng| {
                    layer.forward(hidden, rng)
                });
            }
        }
        Ok(self.layer_norm.forward(hidden))
    }
}

/// PyTorch's default; no key of the config says otherwise.
pub(crate) const LAYER_NORM_EPS: f64 = 1e-5;

/// One transformer block, normed before each half.
#[derive(Module, Debug)]
struct EncoderLayer {
    self_attn: MultiHeadAttention,
    self_attn_layer_norm: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    final_layer_norm: LayerNorm,
    dropout: Dropout,
    activation_dropout: Dropout,
    #[module(skip)]
    activation: Activation,
}

impl EncoderLayer {
    fn zeros(config: &WhisperConfig, device: &Device) -> Self {
        let (width, wide) = (config.d_model, config.encoder_ffn_dim);
        let (heads, attention_dropout) = (config.encoder_attention_heads, config.attention_dropout);
        EncoderLayer {
            self_attn: MultiHeadAttention::new(width, heads, attention_dropout, device).without_key_bias(),
            self_attn_layer_norm: LayerNorm::new(width, LAYER_NORM_EPS, device),
            fc1: Linear::new(width, wide, device),
            fc2: Linear::new(wide, width, device),
            final_layer_norm: LayerNorm::new(width, LAYER_NORM_EPS, device),
            dropout: Dropout::new(config.dropout),
            activation_dropout: Dropout::new(config.activation_dropout),
            activation: config.activation_function,
        }
    }

    fn forward(&self, hidden: Tensor<3>, mut rng: Option<&mut TrainingRng>) -> Tensor<3> {
        let normed = self.self_attn_layer_norm.forward(hidden.clone());
        let hidden = self.self_attn.forward_residual(normed, hidden, None, &self.dropout, rng.as_deref_mut());
        let normed = self.final_layer_norm.forward(hidden.clone());
        let mlp = Mlp {
            inner: &self.fc1,
            activation: self.activation,
            outer: &self.fc2,
            inner_dropout: Some(&self.activation_dropout),
            dropout: Some(&self.dropout),
        };
        mlp.forward_residual(normed, hidden, rng)
    }
}

#[cfg(test)]
mod tests;
