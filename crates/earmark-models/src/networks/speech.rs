//! The encoder that Wav2Vec2, HuBERT and their kin share: convolutions over samples, then a transformer over frames.
//!
//! | here                  | paper (arXiv:2006.11477, arXiv:2106.07447) | transformers 5.23.0 `modeling_wav2vec2.py`          |
//! |-----------------------|--------------------------------------------|-----------------------------------------------------|
//! | `FeatureEncoder`      | feature encoder, CNN encoder               | `Wav2Vec2FeatureEncoder`                            |
//! | `FeatureProjection`   | –                                          | `Wav2Vec2FeatureProjection`                         |
//! | `PosConvEmbed`        | convolutional positions                    | `Wav2Vec2PositionalConvEmbedding`                   |
//! | `EncoderLayer`        | transformer block                          | `Wav2Vec2EncoderLayer`, `…LayerStableLayerNorm`     |
//! | `Encoder`             | context network                            | `Wav2Vec2Encoder`, `Wav2Vec2EncoderStableLayerNorm` |
//! | [`SpeechEncoder`]     | –                                          | `Wav2Vec2Model`, `SpeechEncoder`, `UniSpeechModel`    |
//!
//! What the families call their parts differs by one prefix; each has a file that says so and adds the head.
//!
//! Shapes: B clips, S samples, T frames, C convolution channels, D hidden size, L labels. One frame per 320 samples:
//! S = 16 000 gives T = 49.
//!
//! Differs from the reference on purpose: with a stable layer norm *and* a weighted layer sum the last state is layer
//! normed, as transformers 4 does and the checkpoints were trained; 5.23 leaves that norm's weights dead.

use burn::module::{Initializer, Module, Param};
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, GroupNorm, GroupNormConfig, Linear};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::backend::cpu::{self, Packed, Weight};
use crate::classifier::NetworkNumbers;
use crate::config::checks;
use crate::error::ErrorKind;
use crate::layers::activation::Activation;
use crate::layers::conv1d::{conv1d, conv1d_normed_over_time, grouped_conv1d, norm_into_taps};
use crate::layers::ops;
use crate::layers::transformer::{LayerNorm, dropout, layer_norm, linear, weighted_sum};
use crate::training::rng::{Spans, TrainingRng};

/// A `config.json` of this kind of encoder. Field names are that file's, and a missing field takes the reference's default,
/// which all families share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpeechConfig {
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
    pub hidden_dropout: f64,
    /// Dropout after the feed-forward activation.
    pub activation_dropout: f64,
    /// Dropout of the attention probabilities.
    pub attention_dropout: f64,
    /// Whether a layer norm stands before the feature projection. DistilHuBERT has none.
    pub feat_proj_layer_norm: bool,
    /// Dropout after the feature projection.
    pub feat_proj_dropout: f64,
    /// Chance to skip a whole layer while training.
    pub layerdrop: f64,
    /// Standard deviation of new linear weights.
    pub initializer_range: f64,
    /// Epsilon of the transformer's layer norms.
    pub layer_norm_eps: f64,
    /// What normalises inside the convolutions.
    pub feat_extract_norm: FeatExtractNorm,
    /// Activation of the convolutions, the positional one included.
    pub feat_extract_activation: Activation,
    /// Channels of each convolution.
    pub conv_dim: Vec<usize>,
    /// Stride of each convolution.
    pub conv_stride: Vec<usize>,
    /// Kernel of each convolution.
    pub conv_kernel: Vec<usize>,
    /// Whether the convolutions have a bias.
    pub conv_bias: bool,
    /// Kernel of the positional convolution.
    pub num_conv_pos_embeddings: usize,
    /// Groups of the positional convolution.
    pub num_conv_pos_embedding_groups: usize,
    /// Batch norm before the positional convolution, instead of weight norm inside it.
    pub conv_pos_batch_norm: bool,
    /// Layer norm before each block (large models) instead of after it (base models).
    pub do_stable_layer_norm: bool,
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
}

impl Default for SpeechConfig {
    fn default() -> Self {
        SpeechConfig {
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: Activation::Gelu,
            hidden_dropout: 0.1,
            activation_dropout: 0.1,
            attention_dropout: 0.1,
            feat_proj_layer_norm: true,
            feat_proj_dropout: 0.0,
            layerdrop: 0.1,
            initializer_range: 0.02,
            layer_norm_eps: 1e-5,
            feat_extract_norm: FeatExtractNorm::Group,
            feat_extract_activation: Activation::Gelu,
            conv_dim: vec![512; 7],
            conv_stride: vec![5, 2, 2, 2, 2, 2, 2],
            conv_kernel: vec![10, 3, 3, 3, 3, 2, 2],
            conv_bias: false,
            num_conv_pos_embeddings: 128,
            num_conv_pos_embedding_groups: 16,
            conv_pos_batch_norm: false,
            do_stable_layer_norm: false,
            apply_spec_augment: true,
            mask_time_prob: 0.05,
            mask_time_length: 10,
            mask_time_min_masks: 2,
            mask_feature_prob: 0.0,
            mask_feature_length: 10,
            mask_feature_min_masks: 0,
            use_weighted_layer_sum: false,
            classifier_proj_size: 256,
        }
    }
}

impl NetworkNumbers for SpeechConfig {
    fn validate(&self) -> Result<(), ErrorKind> {
        SpeechConfig::validate(self)
    }

    fn without_dropout(self) -> Self {
        SpeechConfig::without_dropout(self)
    }

    fn initializer_range(&self) -> f64 {
        self.initializer_range
    }

    fn min_samples(&self) -> usize {
        SpeechConfig::min_samples(self)
    }

    fn spectrogram(&self) -> Option<[usize; 2]> {
        None
    }

    fn padding_is_harmless(&self) -> bool {
        // A group norm takes its mean over the padding too, and a batch norm makes something of its zeros.
        self.feat_extract_norm == FeatExtractNorm::Layer && !self.conv_pos_batch_norm
    }
}

/// What normalises inside the convolutional encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeatExtractNorm {
    /// Each channel over the whole clip, after the first convolution only (base models).
    Group,
    /// All channels of one frame, after every convolution (large models).
    Layer,
}

impl SpeechConfig {
    /// Checks that the numbers describe a network.
    ///
    /// # Errors
    /// [`ErrorKind::BadConfig`] naming the key.
    pub fn validate(&self) -> Result<(), ErrorKind> {
        let bad = |key: &'static str, why: String| Err(ErrorKind::BadConfig { key, why });
        let layers = self.conv_dim.len();
        if layers == 0 || layers > 64 {
            return bad("conv_dim", format!("lists {layers} convolutions, expected 1 to 64"));
        }
        if self.conv_stride.len() != layers {
            return bad(
                "conv_stride",
                format!("lists {} values, but conv_dim lists {layers}", self.conv_stride.len()),
            );
        }
        if self.conv_kernel.len() != layers {
            return bad(
                "conv_kernel",
                format!("lists {} values, but conv_dim lists {layers}", self.conv_kernel.len()),
            );
        }
        checks::sizes(&[
            ("hidden_size", self.hidden_size, 1 << 14),
            ("num_hidden_layers", self.num_hidden_layers, 1 << 9),
            ("num_attention_heads", self.num_attention_heads, 1 << 10),
            ("intermediate_size", self.intermediate_size, 1 << 16),
            ("num_conv_pos_embeddings", self.num_conv_pos_embeddings, 1 << 12),
            ("num_conv_pos_embedding_groups", self.num_conv_pos_embedding_groups, 1 << 12),
            ("classifier_proj_size", self.classifier_proj_size, 1 << 16),
        ])?;
        let lists = [
            ("conv_dim", &self.conv_dim),
            ("conv_stride", &self.conv_stride),
            ("conv_kernel", &self.conv_kernel),
        ];
        for (key, list) in lists {
            checks::sizes(&list.iter().map(|&size| (key, size, 1 << 14)).collect::<Vec<_>>())?;
        }
        let mut convolutions = self.conv_kernel.iter().zip(&self.conv_stride);
        if let Some((kernel, stride)) = convolutions.find(|(kernel, stride)| stride > kernel) {
            let why = format!("has {stride} over a kernel of {kernel}, which would skip samples");
            return bad("conv_stride", why);
        }
        self.validate_products()?;
        let width = self.hidden_size;
        checks::heads("num_attention_heads", self.num_attention_heads, "hidden_size", width)?;
        let groups = self.num_conv_pos_embedding_groups;
        checks::heads("num_conv_pos_embedding_groups", groups, "hidden_size", width)?;
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

    fn validate_products(&self) -> Result<(), ErrorKind> {
        let layers = self.conv_kernel.iter().zip(&self.conv_stride);
        let mut samples: u128 = 1;
        for (&kernel, &stride) in layers.rev() {
            samples = (samples - 1) * stride as u128 + kernel as u128;
            checks::product("conv_kernel", "conv_stride", "samples of the shortest clip", samples, 1 << 24)?;
        }
        let (mut channels, mut rate, mut convolutions) = (1, 16_000, 0);
        for ((&dim, &kernel), &stride) in self.conv_dim.iter().zip(&self.conv_kernel).zip(&self.conv_stride) {
            convolutions += channels * dim as u128 * kernel as u128;
            channels = dim as u128;
            rate /= stride as u128;
            let values = channels * rate;
            checks::product("conv_dim", "conv_stride", "numbers of a second", values, checks::MOST_VALUES)?;
        }
        let width = self.hidden_size as u128;
        let positional =
            width * width / self.num_conv_pos_embedding_groups as u128 * self.num_conv_pos_embeddings as u128;
        let layers =
            checks::transformer_parameters(self.num_hidden_layers, self.hidden_size, self.intermediate_size);
        let count = layers + convolutions + positional + width * self.classifier_proj_size as u128;
        let with = "num_hidden_layers, intermediate_size, classifier_proj_size, conv_dim, conv_kernel and \
                    num_conv_pos_embeddings";
        checks::product("hidden_size", with, "parameters", count, checks::MOST_PARAMETERS)
    }

    /// Frames the convolutions make of so many samples; 0 when the clip is shorter than [`min_samples`](Self::min_samples).
    pub fn frames(&self, samples: usize) -> usize {
        self.conv_kernel.iter().zip(&self.conv_stride).fold(samples, |length, (&kernel, &stride)| {
            if length < kernel { 0 } else { (length - kernel) / stride + 1 }
        })
    }

    /// The shortest clip that makes one frame: 400 samples (25 ms at 16 kHz) with the usual convolutions.
    pub fn min_samples(&self) -> usize {
        let layers = self.conv_kernel.iter().zip(&self.conv_stride);
        layers.rev().fold(1, |frames, (&kernel, &stride)| (frames - 1) * stride + kernel)
    }

    /// Every random regulariser off: dropout, layerdrop and SpecAugment.
    #[must_use]
    pub fn without_dropout(mut self) -> Self {
        self.hidden_dropout = 0.0;
        self.activation_dropout = 0.0;
        self.attention_dropout = 0.0;
        self.feat_proj_dropout = 0.0;
        self.layerdrop = 0.0;
        self.apply_spec_augment = false;
        self
    }

    fn has_masked_spec_embed(&self) -> bool {
        self.mask_time_prob > 0.0 || self.mask_feature_prob > 0.0
    }
}

/// Declares a family's network: the shared encoder under the family's own key, and the head that all have.
macro_rules! speech_classifier {
    ($(#[$doc:meta])* $name:ident, $base:ident, model_type: $model_type:literal, spans_of: $spans_of:expr, unused: $unused:expr) => {
        $(#[$doc])*
        #[derive(burn::module::Module, Debug)]
        pub struct $name {
            $base: $crate::networks::speech::SpeechEncoder,
            projector: burn::nn::Linear,
            classifier: burn::nn::Linear,
            layer_weights: Option<burn::module::Param<burn::tensor::Tensor<1>>>,
        }

        impl $crate::Architecture for $name {
            const KEYS: $crate::Keys = $crate::Keys {
                base: concat!(stringify!($base), "."),
                head: &["projector.", "classifier.", "layer_weights"],
                labels: Some("classifier.weight"),
                renames: &[],
                scalars: &[],
                // Only SpecAugment reads it.
                optional: &[concat!(stringify!($base), ".masked_spec_embed")],
                unused: $unused,
            };
            const CONVOLUTIONS: $crate::Convolutions = $crate::Convolutions::Kaiming;
        }

        impl $crate::Classify for $name {
            type Config = $crate::SpeechConfig;
            const MODEL_TYPE: &'static str = $model_type;
            const CLASS: &'static str = stringify!($name);

            fn zeros(config: &$crate::SpeechConfig, labels: usize, device: &burn::tensor::Device) -> Self {
                $name::zeros(config, labels, device)
            }

            fn classify(
                &self,
                input: $crate::Input,
                rng: Option<&mut $crate::TrainingRng>,
            ) -> Result<burn::tensor::Tensor<2>, $crate::ErrorKind> {
                let (values, lengths) = input.waveforms()?;
                self.forward(values, lengths.as_deref(), rng)
            }

            fn embed(&self, input: $crate::Input) -> Result<burn::tensor::Tensor<2>, $crate::ErrorKind> {
                let (values, lengths) = input.waveforms()?;
                let (states, mask) = self.$base.hidden_states(values, lengths.as_deref(), None)?;
                let last = $crate::networks::speech::mix(states, None); // [B, T, D]
                Ok($crate::networks::speech::masked_mean(last, mask.as_ref()))
            }
        }

        impl $name {
            /// The network with every weight zero, to be filled by [`load`](crate::load) or
            /// [`init_weights`](crate::init_weights).
            ///
            /// The config must have passed [`SpeechConfig::validate`](crate::SpeechConfig::validate).
            pub fn zeros(config: &$crate::SpeechConfig, labels: usize, device: &burn::tensor::Device) -> Self {
                let (projector, classifier, layer_weights) = $crate::networks::speech::head(config, labels, device);
                let $base = $crate::networks::speech::SpeechEncoder::zeros(config, $spans_of, device);
                $name { $base, projector, classifier, layer_weights }
            }

            /// Scores each clip against every label.
            /// - `waveforms`: `[B, S]`, 16 kHz, normalised as the preprocessor says, zero-padded on the right
            /// - `lengths`: real samples per clip, B of them; `None` when the extractor makes no attention mask, and then
            ///   padding counts as sound, because group-norm checkpoints were trained that way
            /// - `rng`: the random regularisers of training (layerdrop, SpecAugment, and with weights on an autodiff
            ///   device dropout); `None` for inference
            /// - returns logits `[B, L]`, not probabilities
            ///
            /// # Errors
            /// [`ErrorKind::BadInput`](crate::ErrorKind::BadInput) when there are not B lengths, or S or a length is below
            /// [`SpeechConfig::min_samples`](crate::SpeechConfig::min_samples), or a length is above S.
            pub fn forward(
                &self,
                waveforms: burn::tensor::Tensor<2>,
                lengths: Option<&[usize]>,
                rng: Option<&mut $crate::TrainingRng>,
            ) -> Result<burn::tensor::Tensor<2>, $crate::ErrorKind> {
                let (states, mask) = self.$base.hidden_states(waveforms, lengths, rng)?;
                let hidden = $crate::networks::speech::mix(states, self.layer_weights.as_ref());
                let projected = $crate::layers::ops::linear(&self.projector, hidden); // [B, T, P]
                let pooled = $crate::networks::speech::masked_mean(projected, mask.as_ref()); // [B, P]
                Ok($crate::layers::ops::linear(&self.classifier, pooled)) // [B, L]
            }

            /// The encoder below the head.
            pub fn base(&self) -> &$crate::SpeechEncoder {
                &self.$base
            }
        }
    };
}
pub(crate) use speech_classifier;

/// Projector `[D, P]`, classifier `[P, L]`, and a weight for each hidden state when they are mixed.
pub(crate) fn head(
    config: &SpeechConfig,
    labels: usize,
    device: &Device,
) -> (Linear, Linear, Option<Param<Tensor<1>>>) {
    let states = config.num_hidden_layers + 1;
    let layer_weights = config.use_weighted_layer_sum.then(|| Initializer::Zeros.init([states], device));
    let projector = linear(config.hidden_size, config.classifier_proj_size, true, device);
    (projector, linear(config.classifier_proj_size, labels, true, device), layer_weights)
}

/// The state to classify: the last, or all of them mixed.
pub(crate) fn mix(states: Vec<Tensor<3>>, weights: Option<&Param<Tensor<1>>>) -> Tensor<3> {
    match weights {
        Some(weights) => weighted_sum(states, weights.val()),
        None => states.into_iter().next_back().expect("an encoder gives at least its input"),
    }
}

/// The encoder without a head: samples to frames.
#[derive(Module, Debug)]
pub struct SpeechEncoder {
    feature_extractor: FeatureEncoder,
    feature_projection: FeatureProjection,
    /// Stands in for the frames that SpecAugment hides; untouched outside of training.
    masked_spec_embed: Option<Param<Tensor<1>>>,
    encoder: Encoder,
    #[module(skip)]
    config: SpeechConfig,
    #[module(skip)]
    spans_of: SpansOf,
}

/// Which frames SpecAugment draws its spans from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpansOf {
    /// All of them, padding included: the reference's HuBERT does not pass its mask on.
    EveryFrame,
    /// The real ones.
    RealFrames,
}

impl SpeechEncoder {
    pub(crate) fn zeros(config: &SpeechConfig, spans_of: SpansOf, device: &Device) -> Self {
        SpeechEncoder {
            feature_extractor: FeatureEncoder::zeros(config, device),
            feature_projection: FeatureProjection::zeros(config, device),
            masked_spec_embed: config
                .has_masked_spec_embed()
                .then(|| Initializer::Zeros.init([config.hidden_size], device)),
            encoder: Encoder::zeros(config, device),
            config: config.clone(),
            spans_of,
        }
    }

    /// Every hidden state, `[B, T, D]` each: the input of the first layer, then the output of each layer; and which
    /// frames are real, when `lengths` says so.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] when there are not B lengths, or S or a length is below [`SpeechConfig::min_samples`], or a
    /// length is above S.
    pub fn hidden_states(
        &self,
        waveforms: Tensor<2>,
        lengths: Option<&[usize]>,
        mut rng: Option<&mut TrainingRng>,
    ) -> Result<(Vec<Tensor<3>>, Option<FrameMask>), ErrorKind> {
        self.check(&waveforms, lengths)?;
        let features = self.feature_extractor.forward(waveforms); // [B, T, C]
        let frames = features.dims()[1];
        let mask = lengths.and_then(|lengths| {
            let lengths = lengths.iter().map(|&samples| self.config.frames(samples)).collect();
            FrameMask::new(lengths, frames)
        });
        let mut hidden = self.feature_projection.forward(features, rng.as_deref_mut()); // [B, T, D]
        if let Some(rng) = rng.as_deref_mut() {
            hidden = self.spec_augment(hidden, mask.as_ref(), rng);
        }
        Ok((self.encoder.forward(hidden, mask.as_ref(), rng), mask))
    }

    /// Refuses clips that make no frame, and lengths that are not theirs.
    fn check(&self, waveforms: &Tensor<2>, lengths: Option<&[usize]>) -> Result<(), ErrorKind> {
        let ([batch, samples], least) = (waveforms.dims(), self.config.min_samples());
        if samples < least {
            let why = format!("clips of {samples} samples were given, and one frame needs {least}");
            return Err(ErrorKind::BadInput(why));
        }
        let Some(lengths) = lengths else { return Ok(()) };
        if lengths.len() != batch {
            let why = format!("{batch} clips come with {} lengths, expected one each", lengths.len());
            return Err(ErrorKind::BadInput(why));
        }
        match lengths.iter().position(|length| !(least..=samples).contains(length)) {
            Some(clip) => Err(ErrorKind::BadInput(format!(
                "clip {clip} comes with a length of {} samples, expected {least} to {samples}",
                lengths[clip]
            ))),
            None => Ok(()),
        }
    }

    /// Hides spans of frames, and zeroes spans of channels (arXiv:1904.08779).
    fn spec_augment(&self, hidden: Tensor<3>, mask: Option<&FrameMask>, rng: &mut TrainingRng) -> Tensor<3> {
        let config = &self.config;
        let ([batch, frames, width], device) = (hidden.dims(), hidden.device());
        let mut hidden = hidden;
        if !config.apply_spec_augment {
            return hidden;
        }
        if let (Some(embed), true) = (&self.masked_spec_embed, config.mask_time_prob > 0.0) {
            let rows = match (self.spans_of, mask) {
                (SpansOf::RealFrames, Some(mask)) => mask.lengths.clone(),
                _ => vec![frames; batch],
            };
            let spans = Spans {
                share: config.mask_time_prob,
                length: config.mask_time_length,
                least: config.mask_time_min_masks,
            };
            let spans = rng.spans(&rows, frames, &spans);
            let hide: Tensor<3> = Tensor::from_data(TensorData::new(spans, [batch, frames, 1]), &device);
            let hide = hide.cast(hidden.dtype());
            let keep = hide.clone().neg().add_scalar(1.0);
            hidden = hidden * keep + hide.clone() * embed.val().cast(hide.dtype()).reshape([1, 1, width]);
        }
        if config.mask_feature_prob > 0.0 {
            let spans = Spans {
                share: config.mask_feature_prob,
                length: config.mask_feature_length,
                least: config.mask_feature_min_masks,
            };
            let spans = rng.spans(&vec![width; batch], width, &spans);
            let zero: Tensor<3> = Tensor::from_data(TensorData::new(spans, [batch, 1, width]), &device);
            hidden = hidden.clone() * zero.cast(hidden.dtype()).neg().add_scalar(1.0);
        }
        hidden
    }
}

/// Seven convolutions from samples to frames.
#[derive(Module, Debug)]
pub(crate) struct FeatureEncoder {
    conv_layers: Vec<ConvLayer>,
}

impl FeatureEncoder {
    fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        FeatureEncoder {
            conv_layers: (0..config.conv_dim.len()).map(|i| ConvLayer::zeros(config, i, device)).collect(),
        }
    }

    /// `[B, S]` samples to `[B, T, C]` frames.
    pub(crate) fn forward(&self, waveforms: Tensor<2>) -> Tensor<3> {
        let first = &self.conv_layers[0];
        if cpu::takes(&waveforms) && cpu::takes(&first.conv.weight) {
            let taps = first.normed_taps(&waveforms.clone().unsqueeze_dim(2));
            return cpu::conv_stack(
                waveforms,
                self.conv_layers.iter().map(ConvLayer::on_cpu).collect(),
                taps,
            );
        }
        let waveforms = waveforms.unsqueeze_dim(2); // [B, S, 1]
        self.conv_layers.iter().fold(waveforms, |hidden, layer| layer.forward(&hidden))
    }
}

/// Convolution, norm, activation.
#[derive(Module, Debug)]
struct ConvLayer {
    conv: Conv1d,
    layer_norm: Option<ConvNorm>,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    packed: Packed,
}

/// The reference calls both norms `layer_norm`, so the checkpoint's keys are the same.
#[derive(Module, Debug)]
enum ConvNorm {
    Group(GroupNorm),
    Layer(LayerNorm),
}

impl ConvLayer {
    fn zeros(config: &SpeechConfig, index: usize, device: &Device) -> Self {
        let channels_in = if index == 0 { 1 } else { config.conv_dim[index - 1] };
        let channels = config.conv_dim[index];
        let conv = Conv1dConfig::new(channels_in, channels, config.conv_kernel[index])
            .with_stride(config.conv_stride[index])
            .with_bias(config.conv_bias)
            .with_initializer(Initializer::Zeros)
            .init(device);
        let layer_norm = match (config.feat_extract_norm, index) {
            (FeatExtractNorm::Group, 0) => {
                Some(ConvNorm::Group(GroupNormConfig::new(channels, channels).init(device)))
            }
            (FeatExtractNorm::Group, _) => None,
            // The reference takes PyTorch's default epsilon here, not the config's.
            (FeatExtractNorm::Layer, _) => Some(ConvNorm::Layer(layer_norm(channels, 1e-5, device))),
        };
        ConvLayer { conv, layer_norm, activation: config.feat_extract_activation, packed: Packed::default() }
    }

    /// `[B, T, C]` to `[B, T', C']`.
    fn forward(&self, hidden: &Tensor<3>) -> Tensor<3> {
        let (weight, bias) = (self.conv.weight.val(), self.conv.bias.as_ref().map(Param::val));
        let (stride, activation) = (self.conv.stride, self.activation);
        match &self.layer_norm {
            Some(ConvNorm::Group(norm)) => {
                conv1d_normed_over_time(hidden, weight, scale_and_shift(norm), stride, activation)
            }
            Some(ConvNorm::Layer(norm)) => activation
                .forward(ops::layer_norm(norm, conv1d(hidden, weight, bias, stride, None, &self.packed))),
            None => conv1d(hidden, weight, bias, stride, Some(activation), &self.packed),
        }
    }

    /// The same for the CPU's kernels.
    fn on_cpu(&self) -> cpu::Layer<'_> {
        cpu::Layer {
            weight: self.conv.weight.val(),
            packed: &self.packed,
            bias: self.conv.bias.as_ref().map(Param::val),
            stride: self.conv.stride,
            norm: match &self.layer_norm {
                Some(ConvNorm::Layer(norm)) => Some(norm),
                // The first layer's norm over time is in its taps.
                Some(ConvNorm::Group(_)) | None => None,
            },
            activation: self.activation,
        }
    }

    /// Weight and bias for each clip, if this layer is normed over time.
    fn normed_taps(&self, waveforms: &Tensor<3>) -> Option<(Tensor<3>, Tensor<3>)> {
        match &self.layer_norm {
            Some(ConvNorm::Group(norm)) => {
                let weight = self.conv.weight.val();
                Some(norm_into_taps(waveforms, weight, scale_and_shift(norm), self.conv.stride))
            }
            _ => None,
        }
    }
}

fn scale_and_shift(norm: &GroupNorm) -> (Tensor<1>, Tensor<1>, f64) {
    let (gamma, beta) = norm.gamma.as_ref().zip(norm.beta.as_ref()).expect("made with scale and shift");
    (gamma.val(), beta.val(), norm.epsilon)
}

/// Convolution channels to hidden size.
#[derive(Module, Debug)]
struct FeatureProjection {
    layer_norm: Option<LayerNorm>,
    projection: Linear,
    dropout: Dropout,
}

impl FeatureProjection {
    fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        let channels = *config.conv_dim.last().expect("validated: at least one convolution");
        FeatureProjection {
            layer_norm: config
                .feat_proj_layer_norm
                .then(|| layer_norm(channels, config.layer_norm_eps, device)),
            projection: linear(channels, config.hidden_size, true, device),
            dropout: dropout(config.feat_proj_dropout),
        }
    }

    fn forward(&self, features: Tensor<3>, rng: Option<&mut TrainingRng>) -> Tensor<3> {
        let features = match &self.layer_norm {
            Some(norm) => ops::layer_norm(norm, features),
            None => features,
        };
        ops::dropout(&self.dropout, ops::linear(&self.projection, features), rng)
    }
}

/// Positions, heard rather than counted: a wide grouped convolution over the frames.
#[derive(Module, Debug)]
struct PosConvEmbed {
    conv: PosConv,
    batch_norm: Option<BatchNorm>,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    packed: Packed,
}

/// The convolution's weights, `[D, D / groups, K]`: as they are, or as direction and length.
#[derive(Module, Debug)]
enum PosConv {
    WeightNorm(WeightNormConv),
    Plain(Conv1d),
}

/// Weight norm over the kernel axis: each of the K taps has its own length `weight_g`, shared by all channels.
#[derive(Module, Debug)]
struct WeightNormConv {
    weight_g: Param<Tensor<3>>, // [1, 1, K]
    weight_v: Param<Tensor<3>>, // [D, D / groups, K]
    bias: Param<Tensor<1>>,
    groups: usize,
}

impl PosConvEmbed {
    fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        let (width, kernel) = (config.hidden_size, config.num_conv_pos_embeddings);
        let groups = config.num_conv_pos_embedding_groups;
        let conv = if config.conv_pos_batch_norm {
            let conv = Conv1dConfig::new(width, width, kernel)
                .with_groups(groups)
                .with_padding(burn::nn::PaddingConfig1d::Explicit(kernel / 2, kernel / 2))
                .with_initializer(Initializer::Zeros)
                .init(device);
            PosConv::Plain(conv)
        } else {
            PosConv::WeightNorm(WeightNormConv {
                weight_g: Initializer::Zeros.init([1, 1, kernel], device),
                weight_v: Initializer::Zeros.init([width, width / groups, kernel], device),
                bias: Initializer::Zeros.init([width], device),
                groups,
            })
        };
        PosConvEmbed {
            conv,
            batch_norm: config.conv_pos_batch_norm.then(|| BatchNormConfig::new(width).init(device)),
            activation: config.feat_extract_activation,
            packed: Packed::default(),
        }
    }

    /// `[B, T, D]` to the positions to add to it, of the same shape.
    fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        let hidden = match &self.batch_norm {
            Some(norm) => ops::batch_norm(norm, hidden.swap_dims(1, 2)).swap_dims(1, 2),
            None => hidden,
        };
        let (weight, bias, groups) = match &self.conv {
            PosConv::Plain(conv) => {
                (conv.weight.val().into(), conv.bias.as_ref().map(Param::val), conv.groups)
            }
            PosConv::WeightNorm(conv) => {
                let (taps, lengths) = (conv.weight_v.val(), Some(conv.weight_g.val()));
                (Weight { taps, lengths }, Some(conv.bias.val()), conv.groups)
            }
        };
        grouped_conv1d(hidden, weight, bias, groups, self.activation, &self.packed)
    }
}

/// Positions, then the transformer layers.
#[derive(Module, Debug)]
struct Encoder {
    pos_conv_embed: PosConvEmbed,
    layer_norm: LayerNorm,
    dropout: Dropout,
    layers: Vec<EncoderLayer>,
    stable: bool,
    layerdrop: f64,
}

impl Encoder {
    fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        Encoder {
            pos_conv_embed: PosConvEmbed::zeros(config, device),
            layer_norm: layer_norm(config.hidden_size, config.layer_norm_eps, device),
            dropout: dropout(config.hidden_dropout),
            layers: (0..config.num_hidden_layers).map(|_| EncoderLayer::zeros(config, device)).collect(),
            stable: config.do_stable_layer_norm,
            layerdrop: config.layerdrop,
        }
    }

    /// Every hidden state, `[B, T, D]` each: the first layer's input, then each layer's output.
    fn forward(
        &self,
        hidden: Tensor<3>,
        mask: Option<&FrameMask>,
        mut rng: Option<&mut TrainingRng>,
    ) -> Vec<Tensor<3>> {
        let device = hidden.device();
        // Padded frames are silenced before the positional convolution would carry them into real ones.
        let hidden = match mask {
            Some(mask) => {
                let keep = mask.keep(&device).cast(hidden.dtype());
                hidden * keep
            }
            None => hidden,
        };
        let bias = mask.map(|mask| mask.attention_bias(&device));
        let mut hidden = ops::add(hidden.clone(), self.pos_conv_embed.forward(hidden));
        if !self.stable {
            hidden = ops::layer_norm(&self.layer_norm, hidden);
        }
        hidden = ops::dropout(&self.dropout, hidden, rng.as_deref_mut());
        let mut states = Vec::with_capacity(self.layers.len() + 1);
        for layer in &self.layers {
            states.push(hidden.clone());
            let skipped = rng.as_deref_mut().is_some_and(|rng| rng.chance(self.layerdrop));
            if !skipped {
                hidden = layer.forward(hidden, bias.as_ref(), rng.as_deref_mut());
            }
        }
        if self.stable {
            hidden = ops::layer_norm(&self.layer_norm, hidden);
        }
        states.push(hidden);
        states
    }
}

/// One transformer block.
#[derive(Module, Debug)]
struct EncoderLayer {
    attention: Attention,
    layer_norm: LayerNorm,
    feed_forward: FeedForward,
    final_layer_norm: LayerNorm,
    dropout: Dropout,
    stable: bool,
}

impl EncoderLayer {
    fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        EncoderLayer {
            attention: Attention::zeros(config, device),
            layer_norm: layer_norm(config.hidden_size, config.layer_norm_eps, device),
            feed_forward: FeedForward::zeros(config, device),
            final_layer_norm: layer_norm(config.hidden_size, config.layer_norm_eps, device),
            dropout: dropout(config.hidden_dropout),
            stable: config.do_stable_layer_norm,
        }
    }

    fn forward(
        &self,
        hidden: Tensor<3>,
        bias: Option<&Tensor<4>>,
        mut rng: Option<&mut TrainingRng>,
    ) -> Tensor<3> {
        let (first, second) = (&self.layer_norm, &self.final_layer_norm);
        let mut attend = |hidden: Tensor<3>, x| {
            let attended = self.attention.forward(&x, bias, rng.as_deref_mut());
            let projection = &self.attention.out_proj;
            ops::linear_onto(hidden, projection, &self.dropout, attended, rng.as_deref_mut())
        };
        if self.stable {
            let hidden = attend(hidden.clone(), ops::layer_norm(first, hidden));
            self.feed_forward.onto(hidden.clone(), ops::layer_norm(second, hidden), rng)
        } else {
            let hidden = ops::layer_norm(first, attend(hidden.clone(), hidden));
            ops::layer_norm(second, self.feed_forward.onto(hidden.clone(), hidden, rng))
        }
    }
}

/// Multi-head self-attention.
#[derive(Module, Debug)]
struct Attention {
    k_proj: Linear,
    v_proj: Linear,
    q_proj: Linear,
    out_proj: Linear,
    dropout: Dropout,
    heads: usize,
}

impl Attention {
    fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        let square = || linear(config.hidden_size, config.hidden_size, true, device);
        Attention {
            k_proj: square(),
            v_proj: square(),
            q_proj: square(),
            out_proj: square(),
            dropout: dropout(config.attention_dropout),
            heads: config.num_attention_heads,
        }
    }

    /// What `out_proj` is to be given; `bias` is added to the scores, `[B, 1, 1, T]`.
    fn forward(
        &self,
        hidden: &Tensor<3>,
        bias: Option<&Tensor<4>>,
        rng: Option<&mut TrainingRng>,
    ) -> Tensor<3> {
        let [query, key, value] =
            [&self.q_proj, &self.k_proj, &self.v_proj].map(|layer| ops::linear(layer, hidden.clone()));
        ops::attention(query, key, value, self.heads, bias.cloned(), rng.map(|rng| (&self.dropout, rng)))
    }
}

/// Two linear layers with an activation between.
#[derive(Module, Debug)]
struct FeedForward {
    intermediate_dense: Linear,
    output_dense: Linear,
    intermediate_dropout: Dropout,
    output_dropout: Dropout,
    #[module(skip)]
    activation: Activation,
}

impl FeedForward {
    fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        FeedForward {
            intermediate_dense: linear(config.hidden_size, config.intermediate_size, true, device),
            output_dense: linear(config.intermediate_size, config.hidden_size, true, device),
            intermediate_dropout: dropout(config.activation_dropout),
            output_dropout: dropout(config.hidden_dropout),
            activation: config.hidden_act,
        }
    }

    /// `hidden` plus what becomes of `x`.
    fn onto(&self, hidden: Tensor<3>, x: Tensor<3>, mut rng: Option<&mut TrainingRng>) -> Tensor<3> {
        let wide = ops::linear_then(&self.intermediate_dense, self.activation, x);
        let wide = ops::dropout(&self.intermediate_dropout, wide, rng.as_deref_mut());
        ops::linear_onto(hidden, &self.output_dense, &self.output_dropout, wide, rng)
    }
}

/// Which frames of a padded batch are real: the first `lengths[b]` of clip b.
#[derive(Debug, Clone)]
pub struct FrameMask {
    lengths: Vec<usize>,
    frames: usize,
}

impl FrameMask {
    /// `None` when every frame is real: then masking would change nothing but the time it takes.
    fn new(lengths: Vec<usize>, frames: usize) -> Option<FrameMask> {
        lengths.iter().any(|&length| length < frames).then_some(FrameMask { lengths, frames })
    }

    fn each_frame(&self, real: f32, padded: f32) -> TensorData {
        let values = self
            .lengths
            .iter()
            .flat_map(|&n| (0..self.frames).map(move |t| if t < n { real } else { padded }));
        TensorData::new(values.collect::<Vec<f32>>(), [self.lengths.len(), self.frames])
    }

    /// 1 for a real frame, 0 for padding: `[B, T, 1]`.
    fn keep(&self, device: &Device) -> Tensor<3> {
        Tensor::<2>::from_data(self.each_frame(1.0, 0.0), device).unsqueeze_dim(2)
    }

    /// 0 for a real frame, and for padding a number so low that its softmax is exactly 0: `[B, 1, 1, T]`.
    ///
    /// Finite, so that half precision and empty rows stay free of NaN.
    fn attention_bias(&self, device: &Device) -> Tensor<4> {
        let [batch, frames] = [self.lengths.len(), self.frames];
        Tensor::<2>::from_data(self.each_frame(0.0, -3e4), device).reshape([batch, 1, 1, frames])
    }

    /// Real frames per clip, `[B, 1]`.
    fn counts(&self, device: &Device) -> Tensor<2> {
        let counts: Vec<f32> = self.lengths.iter().map(|&n| n as f32).collect();
        Tensor::from_data(TensorData::new(counts, [self.lengths.len(), 1]), device)
    }
}

/// The mean over the real frames: `[B, T, P]` to `[B, P]`.
pub(crate) fn masked_mean(frames: Tensor<3>, mask: Option<&FrameMask>) -> Tensor<2> {
    match mask {
        None => frames.mean_dim(1).squeeze_dim(1),
        Some(mask) => {
            let device = frames.device();
            let (keep, counts) = (mask.keep(&device), mask.counts(&device));
            let sum: Tensor<2> = (frames.cast(keep.dtype()) * keep).sum_dim(1).squeeze_dim(1);
            sum / counts
        }
    }
}

#[cfg(test)]
#[path = "speech_tests.rs"]
mod tests;
