use earmark_config::{Family, Network, WAV2VEC2_BERT};
use serde::{Deserialize, Serialize};

use crate::architecture::ArchitectureConfig;
use crate::config::activation::Activation;
use crate::config::checks;
use crate::error::ErrorKind;
use crate::networks::conformer::{ConformerConfig, Convolution, PositionEmbeddings};
use crate::networks::spec_augment::{Spans, SpecAugment};

/// A `config.json` of Wav2Vec2-BERT. Field names are that file's, and a missing field takes the reference's default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wav2Vec2BertConfig {
    /// Width of the blocks, D.
    pub hidden_size: usize,
    /// Conformer blocks.
    pub num_hidden_layers: usize,
    /// Attention heads; they share `hidden_size` equally.
    pub num_attention_heads: usize,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Numbers of a frame of the extractor.
    pub feature_projection_input_dim: usize,
    /// Activation of the feed-forward layers and the convolutions.
    pub hidden_act: Activation,
    /// Dropout before the blocks, and after each feed-forward network.
    pub hidden_dropout: f64,
    /// Dropout after the feed-forward activation.
    pub activation_dropout: f64,
    /// Dropout of the attention probabilities, and after the attention.
    pub attention_dropout: f64,
    /// Dropout after the feature projection.
    pub feat_proj_dropout: f64,
    /// Chance to skip a whole block while training.
    pub layerdrop: f64,
    /// Standard deviation of new linear weights.
    pub initializer_range: f64,
    /// Epsilon of the layer norms.
    pub layer_norm_eps: f64,
    /// Whether SpecAugment may run at all.
    pub apply_spec_augment: bool,
    /// Share of frames that SpecAugment replaces while training.
    pub mask_time_prob: f64,
    /// Length of a replaced span, in frames.
    pub mask_time_length: usize,
    /// Fewest spans a clip.
    pub mask_time_min_masks: usize,
    /// Share of hidden channels that SpecAugment zeroes while training.
    pub mask_feature_prob: f64,
    /// Length of a zeroed span, in channels.
    pub mask_feature_length: usize,
    /// Fewest zeroed spans a clip.
    pub mask_feature_min_masks: usize,
    /// Classify a learned mixture of all layers instead of the last one.
    pub use_weighted_layer_sum: bool,
    /// Width of the projector before the classifier.
    pub classifier_proj_size: usize,
    /// Whether an adapter behind the blocks shortens the sequence: not for classification, in the reference either.
    pub add_adapter: bool,
    /// Layers of the adapter.
    pub num_adapter_layers: usize,
    /// Kernel of the adapter's convolutions.
    pub adapter_kernel_size: usize,
    /// Their stride.
    pub adapter_stride: usize,
    /// Activation of the adapter's feed-forward layers.
    pub adapter_act: Activation,
    /// Whether another half of a feed-forward network stands before the adapter.
    pub use_intermediate_ffn_before_adapter: bool,
    /// Width of what the adapter makes; `null` for `hidden_size`.
    pub output_hidden_size: Option<usize>,
    /// How the attention knows where a frame is; `null` for not at all.
    pub position_embeddings_type: Option<PositionEmbeddings>,
    /// The base of the angles of `rotary`.
    pub rotary_embedding_base: usize,
    /// `relative_key`: the farthest frame before another that has a distance of its own.
    pub left_max_position_embeddings: usize,
    /// `relative_key`: the farthest frame after another.
    pub right_max_position_embeddings: usize,
    /// Kernel of the convolution in each block.
    pub conv_depthwise_kernel_size: usize,
    /// Dropout after that convolution.
    pub conformer_conv_dropout: f64,
    /// The family, `wav2vec2-bert`.
    pub model_type: &'static Family,
}

impl Default for Wav2Vec2BertConfig {
    fn default() -> Self {
        Wav2Vec2BertConfig {
            hidden_size: 1024,
            num_hidden_layers: 24,
            num_attention_heads: 16,
            intermediate_size: 4096,
            feature_projection_input_dim: 160,
            hidden_act: Activation::Silu,
            hidden_dropout: 0.0,
            activation_dropout: 0.0,
            attention_dropout: 0.0,
            feat_proj_dropout: 0.0,
            layerdrop: 0.1,
            initializer_range: 0.02,
            layer_norm_eps: 1e-5,
            apply_spec_augment: true,
            mask_time_prob: 0.05,
            mask_time_length: 10,
            mask_time_min_masks: 2,
            mask_feature_prob: 0.0,
            mask_feature_length: 10,
            mask_feature_min_masks: 0,
            use_weighted_layer_sum: false,
            classifier_proj_size: 768,
            add_adapter: false,
            num_adapter_layers: 1,
            adapter_kernel_size: 3,
            adapter_stride: 2,
            adapter_act: Activation::Relu,
            use_intermediate_ffn_before_adapter: false,
            output_hidden_size: None,
            position_embeddings_type: Some(PositionEmbeddings::RelativeKey),
            rotary_embedding_base: 10_000,
            left_max_position_embeddings: 64,
            right_max_position_embeddings: 8,
            conv_depthwise_kernel_size: 31,
            conformer_conv_dropout: 0.1,
            model_type: &WAV2VEC2_BERT,
        }
    }
}

impl ArchitectureConfig for Wav2Vec2BertConfig {
    fn family(&self) -> &'static Family {
        self.model_type
    }

    fn validate(&self) -> Result<(), ErrorKind> {
        Wav2Vec2BertConfig::validate(self)
    }

    fn layers(&self) -> usize {
        self.num_hidden_layers
    }

    fn width(&self) -> usize {
        self.hidden_size
    }

    fn use_weighted_layer_sum(&self) -> bool {
        self.use_weighted_layer_sum
    }

    fn initializer_range(&self) -> f64 {
        self.initializer_range
    }

    fn frame_width(&self) -> Option<usize> {
        Some(self.feature_projection_input_dim)
    }

    fn min_frames(&self) -> usize {
        self.frames_before_adapter(1)
    }

    fn last_width(&self) -> usize {
        if self.add_adapter { self.adapter_width() } else { self.hidden_size }
    }

    fn has_adapter(&self) -> bool {
        self.add_adapter
    }

    fn frames_before_adapter(&self, frames: usize) -> usize {
        let layers = if self.add_adapter { self.num_adapter_layers } else { 0 };
        let padding = 2 * (self.adapter_stride / 2);
        (0..layers).fold(frames, |frames, _| {
            let seen =
                (frames - 1).saturating_mul(self.adapter_stride).saturating_add(self.adapter_kernel_size);
            seen.saturating_sub(padding).max(1)
        })
    }

    fn padding_is_harmless(&self) -> bool {
        // An adapter's convolutions carry padding into real frames.
        !self.add_adapter
    }
}

impl Wav2Vec2BertConfig {
    /// Checks that every value is in range and that they fit together.
    ///
    /// # Errors
    /// [`ErrorKind::BadConfig`] with the key.
    pub fn validate(&self) -> Result<(), ErrorKind> {
        if self.model_type.network != Network::Wav2Vec2Bert {
            return checks::bad("model_type", format!("is `{}`, expected wav2vec2-bert", self.model_type));
        }
        checks::sizes(&[
            ("hidden_size", self.hidden_size, 1 << 14),
            ("num_hidden_layers", self.num_hidden_layers, 1 << 9),
            ("num_attention_heads", self.num_attention_heads, 1 << 10),
            ("intermediate_size", self.intermediate_size, 1 << 16),
            ("feature_projection_input_dim", self.feature_projection_input_dim, 1 << 14),
            ("classifier_proj_size", self.classifier_proj_size, 1 << 16),
        ])?;
        let (before, after) = (self.left_max_position_embeddings, self.right_max_position_embeddings);
        if before > 1 << 20 || after > 1 << 20 {
            let why =
                format!("is {before}, and right_max_position_embeddings {after}: no model needs so many");
            return checks::bad("left_max_position_embeddings", why);
        }
        if self.use_intermediate_ffn_before_adapter && !self.add_adapter {
            let why = "is true, but add_adapter is not".to_owned();
            return checks::bad("use_intermediate_ffn_before_adapter", why);
        }
        if self.add_adapter {
            self.validate_adapter()?;
        }
        let count = self.blocks().parameters(self.num_hidden_layers)
            + (self.hidden_size * (self.feature_projection_input_dim + self.classifier_proj_size)) as u128
            + (self.num_hidden_layers * (before + after + 1)) as u128 * self.hidden_size as u128;
        let with = "num_hidden_layers, intermediate_size, left_max_position_embeddings and \
                    right_max_position_embeddings";
        checks::product("hidden_size", with, "parameters", count, checks::MOST_PARAMETERS)?;
        checks::heads("num_attention_heads", self.num_attention_heads, "hidden_size", self.hidden_size)?;
        self.blocks().validate()?;
        checks::chances(&[
            ("hidden_dropout", self.hidden_dropout),
            ("activation_dropout", self.activation_dropout),
            ("attention_dropout", self.attention_dropout),
            ("feat_proj_dropout", self.feat_proj_dropout),
            ("layerdrop", self.layerdrop),
            ("mask_time_prob", self.mask_time_prob),
            ("mask_feature_prob", self.mask_feature_prob),
        ])?;
        checks::epsilon("layer_norm_eps", self.layer_norm_eps)?;
        checks::deviation("initializer_range", self.initializer_range)
    }

    fn validate_adapter(&self) -> Result<(), ErrorKind> {
        let (width, kernel, stride) = (self.adapter_width(), self.adapter_kernel_size, self.adapter_stride);
        checks::sizes(&[
            ("output_hidden_size", width, 1 << 14),
            ("num_adapter_layers", self.num_adapter_layers, 1 << 6),
            ("adapter_kernel_size", kernel, 1 << 8),
            ("adapter_stride", stride, 1 << 8),
        ])?;
        if stride > kernel {
            return checks::bad(
                "adapter_stride",
                format!("is {stride}, more than adapter_kernel_size {kernel}"),
            );
        }
        checks::heads("num_attention_heads", self.num_attention_heads, "output_hidden_size", width)?;
        let (width, layers) = (width as u128, self.num_adapter_layers as u128);
        let of_layer = 4 * width * width * kernel as u128 + 4 * width * width;
        let count = layers * (of_layer + 2 * width * self.intermediate_size as u128);
        let with = "adapter_kernel_size and num_adapter_layers";
        checks::product("output_hidden_size", with, "parameters", count, checks::MOST_PARAMETERS)?;
        let frames = self.frames_before_adapter(1) as u128;
        let with = "adapter_kernel_size and num_adapter_layers";
        checks::product("adapter_stride", with, "frames of the shortest clip", frames, 1 << 20)
    }

    /// Frames from one of the last hidden state to the next: more than one behind an adapter.
    pub fn adapted(&self) -> usize {
        if self.add_adapter { self.adapter_stride.saturating_pow(self.num_adapter_layers as u32) } else { 1 }
    }

    /// Width of what the adapter makes.
    pub(super) fn adapter_width(&self) -> usize {
        self.output_hidden_size.unwrap_or(self.hidden_size)
    }

    /// Frames that a convolution of the adapter makes of so many.
    pub(super) fn convolved(&self, frames: usize) -> usize {
        (frames + 2 * (self.adapter_stride / 2) - self.adapter_kernel_size) / self.adapter_stride + 1
    }

    /// How many of them the reference counts as real, where so many were: it takes the padding to be half a kernel.
    pub(super) fn real_frames(&self, frames: usize) -> usize {
        (frames + 2 * (self.adapter_kernel_size / 2) - self.adapter_kernel_size) / self.adapter_stride + 1
    }

    /// What the attention of the adapter is built from.
    pub(super) fn adapter_blocks(&self) -> ConformerConfig {
        ConformerConfig { width: self.adapter_width(), positions: None, ..self.blocks() }
    }

    /// Every random regulariser off: dropout, layerdrop and SpecAugment.
    #[must_use]
    pub fn without_dropout(self) -> Self {
        Wav2Vec2BertConfig {
            hidden_dropout: 0.0,
            activation_dropout: 0.0,
            attention_dropout: 0.0,
            feat_proj_dropout: 0.0,
            conformer_conv_dropout: 0.0,
            layerdrop: 0.0,
            apply_spec_augment: false,
            ..self
        }
    }

    pub(super) fn blocks(&self) -> ConformerConfig {
        ConformerConfig {
            width: self.hidden_size,
            heads: self.num_attention_heads,
            inner: self.intermediate_size,
            activation: self.hidden_act,
            epsilon: self.layer_norm_eps,
            positions: self.position_embeddings_type,
            rotary_base: self.rotary_embedding_base,
            files_have_frequencies: false,
            distances: [self.left_max_position_embeddings, self.right_max_position_embeddings],
            convolution: Convolution::CausalLayerNorm,
            kernel: self.conv_depthwise_kernel_size,
            hidden_dropout: self.hidden_dropout,
            activation_dropout: self.activation_dropout,
            attention_dropout: self.attention_dropout,
            conv_dropout: self.conformer_conv_dropout,
        }
    }

    /// What is masked while training.
    pub(super) fn spec_augment(&self) -> Option<SpecAugment> {
        let time = Spans {
            share: self.mask_time_prob,
            length: self.mask_time_length,
            least: self.mask_time_min_masks,
        };
        let features = Spans {
            share: self.mask_feature_prob,
            length: self.mask_feature_length,
            least: self.mask_feature_min_masks,
        };
        self.apply_spec_augment.then_some(SpecAugment { time, features })
    }

    pub(super) fn has_masked_spec_embed(&self) -> bool {
        self.mask_time_prob > 0.0 || self.mask_feature_prob > 0.0
    }
}
