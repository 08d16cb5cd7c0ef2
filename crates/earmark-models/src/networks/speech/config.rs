use earmark_config::{Family, HUBERT, KeyError, Network, Object, Positions, family};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::architecture::ArchitectureConfig;
use crate::config::activation::Activation;
use crate::config::checks;
use crate::error::ErrorKind;

/// A `config.json` of this kind of encoder. Field names are that file's, and a missing field takes the reference's default,
/// which all families share: HuBERT's, unless `model_type` says otherwise.
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
    /// data2vec: kernel of each positional convolution, of which there are `num_conv_pos_embeddings`.
    pub conv_pos_kernel_size: usize,
    /// WavLM: distances that the attention tells apart, in both directions together.
    pub num_buckets: usize,
    /// WavLM: frames beyond which all distances are one.
    pub max_bucket_distance: usize,
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
    /// Which of the families it is.
    pub model_type: &'static Family,
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
            conv_pos_kernel_size: 19,
            num_buckets: 320,
            max_bucket_distance: 800,
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
            model_type: &HUBERT,
        }
    }
}

impl ArchitectureConfig for SpeechConfig {
    fn family(&self) -> &'static Family {
        self.model_type
    }

    fn validate(&self) -> Result<(), ErrorKind> {
        SpeechConfig::validate(self)
    }

    fn initializer_range(&self) -> f64 {
        self.initializer_range
    }

    fn min_samples(&self) -> usize {
        SpeechConfig::min_samples(self)
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
    /// Reads a `config.json`. Where families differ in a default, or ignore a key, it is as the family has it.
    pub(crate) fn from_json(mut json: Object) -> Result<SpeechConfig, KeyError> {
        let positions = json.get("model_type").and_then(Value::as_str).and_then(family).map(|it| it.network);
        if let Some(Network::Speech { positions: Positions::Convolutions, .. }) = positions {
            json.entry("num_conv_pos_embeddings").or_insert(5.into());
            json.insert("feat_extract_norm".to_owned(), "layer".into());
            json.insert("do_stable_layer_norm".to_owned(), false.into());
        }
        earmark_config::config(json)
    }

    /// The keys that its family knows.
    pub(crate) fn to_json(&self) -> Value {
        let mut json = serde_json::to_value(self).expect("a config is plain numbers, lists and names");
        let others: &[&str] = match self.positions() {
            Positions::Convolution => &["conv_pos_kernel_size", "num_buckets", "max_bucket_distance"],
            Positions::GatedBias => &["conv_pos_kernel_size"],
            Positions::Convolutions => &["num_buckets", "max_bucket_distance"],
        };
        if let Value::Object(keys) = &mut json {
            others.iter().for_each(|key| drop(keys.remove(*key)));
        }
        json
    }

    /// How the transformer knows where a frame is.
    pub(super) fn positions(&self) -> Positions {
        match self.model_type.network {
            Network::Speech { positions, .. } => positions,
            _ => Positions::Convolution,
        }
    }

    /// Checks that every value is in range and that they fit together.
    ///
    /// # Errors
    /// [`ErrorKind::BadConfig`] with the key.
    pub fn validate(&self) -> Result<(), ErrorKind> {
        let bad = |key: &'static str, why: String| Err(ErrorKind::BadConfig { key, why });
        if !matches!(self.model_type.network, Network::Speech { .. }) {
            return bad("model_type", format!("is `{}`, which is not a speech encoder", self.model_type));
        }
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
            ("conv_pos_kernel_size", self.conv_pos_kernel_size, 1 << 12),
            ("num_buckets", self.num_buckets, 1 << 16),
            ("max_bucket_distance", self.max_bucket_distance, 1 << 24),
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
        if self.num_buckets < 4 || self.max_bucket_distance <= self.num_buckets / 4 {
            let why = format!(
                "is {} and max_bucket_distance {}, expected at least 4 and more than a quarter of it",
                self.num_buckets, self.max_bucket_distance
            );
            return bad("num_buckets", why);
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
        let taps = match self.positions() {
            Positions::Convolutions => {
                self.num_conv_pos_embeddings as u128 * self.conv_pos_kernel_size as u128
            }
            Positions::Convolution | Positions::GatedBias => self.num_conv_pos_embeddings as u128,
        };
        let positional = width * width / self.num_conv_pos_embedding_groups as u128 * taps;
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

    pub(super) fn has_masked_spec_embed(&self) -> bool {
        self.mask_time_prob > 0.0 || self.mask_feature_prob > 0.0
    }
}
