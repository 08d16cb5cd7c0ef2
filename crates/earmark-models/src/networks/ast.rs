//! AST: a vision transformer that looks at a log-mel spectrogram as if it were a picture.
//!
//! | here              | paper (arXiv:2104.01778)    | transformers 5.23.0 `modeling_audio_spectrogram_transformer.py` |
//! |-------------------|-----------------------------|-----------------------------------------------------------------|
//! | `PatchEmbeddings` | patch split and projection  | `ASTPatchEmbeddings`                                            |
//! | `Embeddings`      | `[CLS]` and positions       | `ASTEmbeddings`                                                 |
//! | `Layer`           | transformer block           | `ASTLayer`                                                      |
//! | `Encoder`         | transformer encoder         | `ASTModel.layers`                                               |
//! | `MlpHead`         | linear layer                | `ASTMLPHead`                                                    |
//!
//! Shapes: B clips, T frames, F mel bands, N patches, D hidden size, L labels. Patches of 16 × 16 overlap by 6: T = 1024 and
//! F = 128 give N = 101 × 12 = 1212, low bands first. Two tokens stand before them: `[CLS]`, and DeiT's distillation token,
//! whose weights AST started from.
//!
//! Field names are those of the files, which keep the names of 4.x; 5.23 renames them in memory.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use earmark_config::Family;
use serde::{Deserialize, Serialize};

use crate::architecture::{Architecture, ArchitectureConfig, Classify, EachState, Input, LastState};
use crate::config::activation::Activation;
use crate::config::checks;
use crate::error::ErrorKind;
use crate::layers::attention::SelfAttention;
use crate::layers::conv2d::Conv2d;
use crate::layers::dropout::Dropout;
use crate::layers::layer_norm::LayerNorm;
use crate::layers::linear::Linear;
use crate::layers::mlp::Mlp;
use crate::linear_head::LinearHead;
use crate::training::gradient_checkpointing::checkpointed;
use crate::training::rng::TrainingRng;

/// An AST `config.json`. Field names are that file's, and a missing field takes the reference's default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AstConfig {
    /// Width of the transformer, D.
    pub hidden_size: usize,
    /// Transformer layers.
    pub num_hidden_layers: usize,
    /// Attention heads; they share `hidden_size` equally.
    pub num_attention_heads: usize,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Activation of the feed-forward layers.
    pub hidden_act: Activation,
    /// Dropout after every block's output, and after the positions are added.
    pub hidden_dropout_prob: f64,
    /// Dropout of the attention probabilities.
    pub attention_probs_dropout_prob: f64,
    /// Standard deviation of new weights.
    pub initializer_range: f64,
    /// Epsilon of the layer norms.
    pub layer_norm_eps: f64,
    /// Side of a patch, in frames and in bands.
    pub patch_size: usize,
    /// Whether queries, keys and values have a bias.
    pub qkv_bias: bool,
    /// Bands from one patch to the next.
    pub frequency_stride: usize,
    /// Frames from one patch to the next.
    pub time_stride: usize,
    /// Frames of a spectrogram, T: every clip is cut or padded to this many.
    pub max_length: usize,
    /// Mel bands, F.
    pub num_mel_bins: usize,
}

impl Default for AstConfig {
    fn default() -> Self {
        AstConfig {
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: Activation::Gelu,
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            initializer_range: 0.02,
            layer_norm_eps: 1e-12,
            patch_size: 16,
            qkv_bias: true,
            frequency_stride: 10,
            time_stride: 10,
            max_length: 1024,
            num_mel_bins: 128,
        }
    }
}

impl AstConfig {
    /// Checks that every value is in range and that they fit together.
    ///
    /// # Errors
    /// [`ErrorKind::BadConfig`] with the key.
    pub fn validate(&self) -> Result<(), ErrorKind> {
        checks::sizes(&[
            ("hidden_size", self.hidden_size, 1 << 14),
            ("num_hidden_layers", self.num_hidden_layers, 1 << 9),
            ("num_attention_heads", self.num_attention_heads, 1 << 10),
            ("intermediate_size", self.intermediate_size, 1 << 16),
            ("max_length", self.max_length, 1 << 16),
            ("num_mel_bins", self.num_mel_bins, 1 << 12),
            ("patch_size", self.patch_size, self.num_mel_bins.min(self.max_length)),
            ("frequency_stride", self.frequency_stride, 1 << 12),
            ("time_stride", self.time_stride, 1 << 16),
        ])?;
        // A score for every pair of patches.
        let with = "num_mel_bins, patch_size, frequency_stride and time_stride";
        checks::product("max_length", with, "patches", self.patches() as u128, 1 << 14)?;
        let values = self.max_length as u128 * self.num_mel_bins as u128;
        checks::product("max_length", "num_mel_bins", "numbers of a clip", values, checks::MOST_VALUES)?;
        let layers =
            checks::transformer_parameters(self.num_hidden_layers, self.hidden_size, self.intermediate_size);
        let width = self.hidden_size as u128;
        let patches = width * (self.patches() as u128 + (self.patch_size as u128).pow(2));
        let with = "num_hidden_layers, intermediate_size, max_length and patch_size";
        checks::product("hidden_size", with, "parameters", layers + patches, checks::MOST_PARAMETERS)?;
        checks::heads("num_attention_heads", self.num_attention_heads, "hidden_size", self.hidden_size)?;
        checks::chances(&[
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            ("attention_probs_dropout_prob", self.attention_probs_dropout_prob),
        ])?;
        checks::epsilon("layer_norm_eps", self.layer_norm_eps)?;
        checks::deviation("initializer_range", self.initializer_range)
    }

    /// Patches of one spectrogram, N. The config must have passed [`validate`](Self::validate).
    pub fn patches(&self) -> usize {
        let frames = (self.max_length - self.patch_size) / self.time_stride + 1;
        self.bands() * frames
    }

    /// Patches that begin at one time. The config must have passed [`validate`](Self::validate).
    pub fn bands(&self) -> usize {
        (self.num_mel_bins - self.patch_size) / self.frequency_stride + 1
    }

    /// Every random regulariser off.
    #[must_use]
    pub fn without_dropout(mut self) -> Self {
        self.hidden_dropout_prob = 0.0;
        self.attention_probs_dropout_prob = 0.0;
        self
    }
}

/// AST with a layer norm and a classifier on top.
#[derive(Module, Debug)]
pub struct AstForAudioClassification {
    audio_spectrogram_transformer: AstModel,
    classifier: MlpHead,
}

impl ArchitectureConfig for AstConfig {
    fn family(&self) -> &'static Family {
        &earmark_config::AST
    }

    fn validate(&self) -> Result<(), ErrorKind> {
        AstConfig::validate(self)
    }

    fn layers(&self) -> usize {
        self.num_hidden_layers
    }

    fn width(&self) -> usize {
        self.hidden_size
    }

    fn tokens(&self) -> usize {
        TOKENS
    }

    fn initializer_range(&self) -> f64 {
        self.initializer_range
    }

    fn spectrogram(&self) -> Option<[usize; 2]> {
        Some([self.max_length, self.num_mel_bins])
    }
}

impl Classify for AstForAudioClassification {
    fn classify(&self, input: Input, rng: Option<&mut TrainingRng>) -> Result<Tensor<2>, ErrorKind> {
        self.forward(input.spectrograms()?, rng)
    }

    fn hidden_states(&self, input: Input, each: &mut EachState<'_>) -> Result<LastState, ErrorKind> {
        let each = |number, state: &Tensor<3>| each(number, state, None);
        Ok((self.audio_spectrogram_transformer.run(input.spectrograms()?, None, each)?, None))
    }

    fn tokens(&self) -> usize {
        TOKENS
    }
}

impl Architecture for AstForAudioClassification {
    fn family(&self) -> &'static Family {
        &earmark_config::AST
    }

    fn final_norm(&self) -> Option<&'static str> {
        Some("layernorm")
    }
}

impl AstForAudioClassification {
    /// The network with every weight zero, to be filled by [`load`](crate::load) or [`init_weights`](crate::init_weights).
    ///
    /// The config must have passed [`AstConfig::validate`].
    pub fn zeros(config: &AstConfig, labels: usize, device: &Device) -> Self {
        AstForAudioClassification {
            audio_spectrogram_transformer: AstModel::zeros(config, device),
            classifier: MlpHead::zeros(config, labels, device),
        }
    }

    /// Scores each clip against every label.
    /// - `spectrograms`: `[B, T, F]`, log-mel and normalised as the preprocessor says, of exactly
    ///   [`max_length`](AstConfig::max_length) frames
    /// - `rng`: dropout, which acts with weights on an autodiff device; `None` for inference
    /// - returns logits `[B, L]`, not probabilities
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] when T or F is not the config's.
    pub fn forward(
        &self,
        spectrograms: Tensor<3>,
        rng: Option<&mut TrainingRng>,
    ) -> Result<Tensor<2>, ErrorKind> {
        let pooled = self.audio_spectrogram_transformer.pooled(spectrograms, rng)?; // [B, D]
        Ok(self.classifier.forward(pooled)) // [B, L]
    }

    /// The same encoder with a linear head, behind a norm without weights.
    pub(crate) fn with_linear_head(
        &self,
        config: &AstConfig,
        head: &LinearHead<'_>,
        device: &Device,
    ) -> Self {
        let classifier = MlpHead {
            layernorm: LayerNorm::new(config.hidden_size, config.layer_norm_eps, device),
            dense: Linear::of_values(head.weight, head.bias, device),
        };
        AstForAudioClassification {
            audio_spectrogram_transformer: self.audio_spectrogram_transformer.clone(),
            classifier,
        }
    }

    /// The encoder below the head.
    pub fn base(&self) -> &AstModel {
        &self.audio_spectrogram_transformer
    }
}

/// The encoder without a head: a spectrogram to patches.
#[derive(Module, Debug)]
pub struct AstModel {
    embeddings: Embeddings,
    encoder: Encoder,
    layernorm: LayerNorm,
    frames: usize,
    bands: usize,
}

impl AstModel {
    fn zeros(config: &AstConfig, device: &Device) -> Self {
        AstModel {
            embeddings: Embeddings::zeros(config, device),
            encoder: Encoder::zeros(config, device),
            layernorm: LayerNorm::new(config.hidden_size, config.layer_norm_eps, device),
            frames: config.max_length,
            bands: config.num_mel_bins,
        }
    }

    /// `[B, T, F]` to the `[CLS]` token, the distillation token and the patches, `[B, 2 + N, D]`; `rng` as in
    /// [`AstForAudioClassification::forward`].
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] when T or F is not the config's.
    pub fn forward(
        &self,
        spectrograms: Tensor<3>,
        rng: Option<&mut TrainingRng>,
    ) -> Result<Tensor<3>, ErrorKind> {
        self.run(spectrograms, rng, |_, _| {})
    }

    /// Shows every hidden state to `each`, with its number: the input of the first layer, then the output of each layer. Returns
    /// the last, layer normed.
    fn run(
        &self,
        spectrograms: Tensor<3>,
        mut rng: Option<&mut TrainingRng>,
        each: impl FnMut(usize, &Tensor<3>),
    ) -> Result<Tensor<3>, ErrorKind> {
        checks::spectrograms(&spectrograms, [self.frames, self.bands])?;
        let embedded = self.embeddings.forward(spectrograms, rng.as_deref_mut());
        Ok(self.layernorm.forward(self.encoder.forward(embedded, rng, each))) // [B, 2 + N, D]
    }

    /// The mean of the two tokens that stand for the whole clip, `[B, D]`.
    fn pooled(&self, spectrograms: Tensor<3>, rng: Option<&mut TrainingRng>) -> Result<Tensor<2>, ErrorKind> {
        Ok(self.forward(spectrograms, rng)?.narrow(1, 0, TOKENS).mean_dim(1).squeeze_dim(1))
    }
}

/// The `[CLS]` token and the distillation token.
const TOKENS: usize = 2;

/// Tokens, patches and their positions.
#[derive(Module, Debug)]
struct Embeddings {
    cls_token: Param<Tensor<3>>,           // [1, 1, D]
    distillation_token: Param<Tensor<3>>,  // [1, 1, D]
    position_embeddings: Param<Tensor<3>>, // [1, 2 + N, D]
    patch_embeddings: PatchEmbeddings,
    dropout: Dropout,
}

impl Embeddings {
    fn zeros(config: &AstConfig, device: &Device) -> Self {
        let tokens = |count| Initializer::Zeros.init([1, count, config.hidden_size], device);
        Embeddings {
            cls_token: tokens(1),
            distillation_token: tokens(1),
            position_embeddings: tokens(config.patches() + 2),
            patch_embeddings: PatchEmbeddings::zeros(config, device),
            dropout: Dropout::new(config.hidden_dropout_prob),
        }
    }

    fn forward(&self, spectrograms: Tensor<3>, rng: Option<&mut TrainingRng>) -> Tensor<3> {
        let patches = self.patch_embeddings.forward(spectrograms); // [B, N, D]
        let [batch, _, width] = patches.dims();
        let token = |token: &Param<Tensor<3>>| token.val().expand([batch, 1, width]);
        let (cls, distillation) = (token(&self.cls_token), token(&self.distillation_token));
        let patches = patches.cast(cls.dtype());
        let hidden = Tensor::cat(vec![cls, distillation, patches], 1);
        self.dropout.forward(hidden + self.position_embeddings.val(), rng) // [B, 2 + N, D]
    }
}

/// Cuts the spectrogram into overlapping squares and projects each.
#[derive(Module, Debug)]
struct PatchEmbeddings {
    projection: Conv2d,
}

impl PatchEmbeddings {
    fn zeros(config: &AstConfig, device: &Device) -> Self {
        let stride = [config.frequency_stride, config.time_stride];
        let (channels, kernel) = ([1, config.hidden_size], [config.patch_size; 2]);
        let projection = Conv2d::new(channels, kernel, stride, [0, 0], device);
        PatchEmbeddings { projection }
    }

    fn forward(&self, spectrograms: Tensor<3>) -> Tensor<3> {
        let image = spectrograms.swap_dims(1, 2).unsqueeze_dim(1); // [B, 1, F, T]
        let patches = self.projection.forward(image); // [B, D, F', T']
        patches.flatten::<3>(2, 3).swap_dims(1, 2) // [B, N, D]
    }
}

#[derive(Module, Debug)]
struct Encoder {
    layer: Vec<Layer>,
}

impl Encoder {
    fn zeros(config: &AstConfig, device: &Device) -> Self {
        Encoder { layer: (0..config.num_hidden_layers).map(|_| Layer::zeros(config, device)).collect() }
    }

    fn forward(
        &self,
        mut hidden: Tensor<3>,
        mut rng: Option<&mut TrainingRng>,
        mut each: impl FnMut(usize, &Tensor<3>),
    ) -> Tensor<3> {
        for (i, layer) in self.layer.iter().enumerate() {
            each(i, &hidden);
            hidden = checkpointed(layer, hidden, None, rng.as_deref_mut(), |layer, hidden, _, rng| {
                layer.forward(hidden, rng)
            });
        }
        each(self.layer.len(), &hidden);
        hidden
    }
}

/// One transformer block, normed before each half.
#[derive(Module, Debug)]
struct Layer {
    attention: Attention,
    intermediate: Dense,
    output: Dense,
    layernorm_before: LayerNorm,
    layernorm_after: LayerNorm,
    dropout: Dropout,
    #[module(skip)]
    activation: Activation,
}

impl Layer {
    fn zeros(config: &AstConfig, device: &Device) -> Self {
        let (width, wide) = (config.hidden_size, config.intermediate_size);
        let norm = || LayerNorm::new(width, config.layer_norm_eps, device);
        Layer {
            attention: Attention::zeros(config, device),
            intermediate: Dense { dense: Linear::new(width, wide, device) },
            output: Dense { dense: Linear::new(wide, width, device) },
            layernorm_before: norm(),
            layernorm_after: norm(),
            dropout: Dropout::new(config.hidden_dropout_prob),
            activation: config.hidden_act,
        }
    }

    fn forward(&self, hidden: Tensor<3>, mut rng: Option<&mut TrainingRng>) -> Tensor<3> {
        let normed = self.layernorm_before.forward(hidden.clone());
        let context = self.attention.attention.forward(normed, None, rng.as_deref_mut());
        let projection = &self.attention.output.dense;
        let hidden = projection.forward_dropout_residual(context, hidden, &self.dropout, rng.as_deref_mut());
        let normed = self.layernorm_after.forward(hidden.clone());
        let mlp = Mlp {
            inner: &self.intermediate.dense,
            activation: self.activation,
            outer: &self.output.dense,
            inner_dropout: None,
            dropout: Some(&self.dropout),
        };
        mlp.forward_residual(normed, hidden, rng)
    }
}

/// Attention and its output, as the checkpoint groups them.
#[derive(Module, Debug)]
struct Attention {
    attention: SelfAttention,
    output: Dense,
}

impl Attention {
    fn zeros(config: &AstConfig, device: &Device) -> Self {
        let (width, heads) = (config.hidden_size, config.num_attention_heads);
        let dropout = config.attention_probs_dropout_prob;
        Attention {
            attention: SelfAttention::new(width, heads, config.qkv_bias, dropout, device),
            output: Dense { dense: Linear::new(width, width, device) },
        }
    }
}

/// A linear layer that the checkpoint keeps one name deeper.
#[derive(Module, Debug)]
struct Dense {
    dense: Linear,
}

/// Layer norm and a linear layer.
#[derive(Module, Debug)]
struct MlpHead {
    layernorm: LayerNorm,
    dense: Linear,
}

impl MlpHead {
    fn zeros(config: &AstConfig, labels: usize, device: &Device) -> Self {
        MlpHead {
            layernorm: LayerNorm::new(config.hidden_size, config.layer_norm_eps, device),
            dense: Linear::new(config.hidden_size, labels, device),
        }
    }

    fn forward(&self, pooled: Tensor<2>) -> Tensor<2> {
        self.dense.forward(self.layernorm.forward(pooled)) // [B, L]
    }
}

#[cfg(test)]
#[path = "ast_tests.rs"]
mod tests;
