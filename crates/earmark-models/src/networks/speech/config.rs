use burn::tensor::Device;
use earmark_config::{
    Blocks, DATA2VEC_AUDIO, Family, HUBERT, Network, Object, Positions, UNISPEECH, UNISPEECH_SAT, WAV2VEC2,
    WAV2VEC2_CONFORMER, WAVLM, family,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::architecture::ArchitectureConfig;
use crate::config::activation::Activation;
use crate::config::checks;
use crate::error::ErrorKind;
use crate::layers::mlp::FeedForward;
use crate::networks::conformer::{ConformerConfig, Convolution, PositionEmbeddings};
use crate::networks::spec_augment::{Spans, SpecAugment};

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
    /// Wav2Vec2-Conformer: how the attention knows where a frame is; `null` for not at all.
    pub position_embeddings_type: Option<PositionEmbeddings>,
    /// Wav2Vec2-Conformer: the base of the angles of `rotary`.
    pub rotary_embedding_base: usize,
    /// Wav2Vec2-Conformer: kernel of the convolution in each block.
    pub conv_depthwise_kernel_size: usize,
    /// Wav2Vec2-Conformer: dropout after that convolution.
    pub conformer_conv_dropout: f64,
    /// SEW: frames that the transformer takes at a time.
    pub squeeze_factor: usize,
    /// SEW-D: whether attention looks at distances at all.
    pub relative_attention: bool,
    /// SEW-D: what it makes scores of beside contents: `c2p`, a query and a distance; `p2c`, a distance and a key.
    pub pos_att_type: Vec<String>,
    /// SEW-D: whether distances are projected as contents are.
    pub share_att_key: bool,
    /// SEW-D: the norm of the vectors of distances: `layer_norm`, or another word for none.
    pub norm_rel_ebd: String,
    /// SEW-D: distances in each direction that are told apart; 0 or less for as many as `max_position_embeddings`.
    pub position_buckets: i64,
    /// SEW-D: distance from which all are one.
    pub max_position_embeddings: usize,
    /// SEW-D: epsilon of the norm before the feature projection.
    pub feature_layer_norm_eps: f64,
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
    /// Whether an adapter behind the encoder shortens the sequence: not for classification, in the reference either.
    pub add_adapter: bool,
    /// Layers of the adapter.
    pub num_adapter_layers: usize,
    /// Kernel of the adapter's convolutions.
    pub adapter_kernel_size: usize,
    /// Their stride.
    pub adapter_stride: usize,
    /// Width of what the adapter makes; `null` for `hidden_size`.
    pub output_hidden_size: Option<usize>,
    /// Width of the network that a language has of its own in each layer; `null` for none.
    pub adapter_attn_dim: Option<usize>,
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
            position_embeddings_type: Some(PositionEmbeddings::Relative),
            rotary_embedding_base: 10_000,
            conv_depthwise_kernel_size: 31,
            conformer_conv_dropout: 0.1,
            squeeze_factor: 2,
            relative_attention: true,
            pos_att_type: vec!["p2c".to_owned(), "c2p".to_owned()],
            share_att_key: true,
            norm_rel_ebd: "layer_norm".to_owned(),
            position_buckets: 256,
            max_position_embeddings: 512,
            feature_layer_norm_eps: 1e-5,
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
            add_adapter: false,
            num_adapter_layers: 3,
            adapter_kernel_size: 3,
            adapter_stride: 2,
            output_hidden_size: None,
            adapter_attn_dim: None,
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

    fn layers(&self) -> usize {
        self.num_hidden_layers
    }

    fn width(&self) -> usize {
        self.hidden_size
    }

    fn use_weighted_layer_sum(&self) -> bool {
        self.use_weighted_layer_sum
    }

    fn last_width(&self) -> usize {
        if self.has_adapter() { self.adapter_width() } else { self.hidden_size }
    }

    fn has_adapter(&self) -> bool {
        const BEHIND: [&Family; 4] = [&WAV2VEC2, &WAV2VEC2_CONFORMER, &WAVLM, &DATA2VEC_AUDIO];
        self.add_adapter && BEHIND.contains(&self.model_type)
    }

    fn frames_before_adapter(&self, frames: usize) -> usize {
        let layers = if self.has_adapter() { self.num_adapter_layers } else { 0 };
        (0..layers).fold(frames, |frames, _| {
            let seen =
                (frames - 1).saturating_mul(self.adapter_stride).saturating_add(self.adapter_kernel_size);
            seen.saturating_sub(2).max(1)
        })
    }

    fn is_no_classifier(&self) -> bool {
        // Of the families without an adapter too, whose encoders do not read the key.
        self.add_adapter
    }

    fn initializer_range(&self) -> f64 {
        self.initializer_range
    }

    fn min_samples(&self) -> usize {
        SpeechConfig::min_samples(self)
    }

    fn padding_is_harmless(&self) -> bool {
        // A group norm takes its mean over the padding too, and a batch norm makes something of its zeros.
        let of_blocks = match self.blocks() {
            Blocks::Transformer(Positions::Convolution | Positions::GatedBias) => true,
            // Behind the first convolution padded frames are no longer zero, and the next one carries them into real ones.
            Blocks::Transformer(Positions::Convolutions) => false,
            // Its convolutions see what the blocks made of padded frames.
            Blocks::Conformer => false,
            // A group of frames may have both.
            Blocks::Squeezed | Blocks::SqueezedDisentangled => false,
        };
        let of_adapter = !self.has_adapter();
        let of_convolutions = self.feat_extract_norm == FeatExtractNorm::Layer && !self.conv_pos_batch_norm;
        of_blocks && of_adapter && of_convolutions
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
    pub(crate) fn from_json(mut json: Object) -> Result<SpeechConfig, ErrorKind> {
        let network = json.get("model_type").and_then(Value::as_str).and_then(family).map(|it| it.network);
        match network {
            Some(Network::Speech { blocks: Blocks::Transformer(Positions::Convolutions), .. }) => {
                json.entry("num_conv_pos_embeddings").or_insert(5.into());
                json.insert("feat_extract_norm".to_owned(), "layer".into());
                json.insert("do_stable_layer_norm".to_owned(), false.into());
            }
            Some(Network::Speech { blocks: Blocks::Conformer, .. }) => {
                json.insert("feat_proj_layer_norm".to_owned(), true.into());
                json.insert("conv_pos_batch_norm".to_owned(), false.into());
            }
            Some(Network::Speech { blocks: Blocks::Squeezed, .. }) => squeezed_defaults(&mut json),
            Some(Network::Speech { blocks: Blocks::SqueezedDisentangled, .. }) => {
                squeezed_defaults(&mut json);
                disentangled_defaults(&mut json)?;
            }
            _ => {}
        }
        Ok(earmark_config::config(json)?)
    }

    /// The keys that its family knows.
    pub(crate) fn to_json(&self) -> Value {
        let mut json = serde_json::to_value(self).expect("a config is plain numbers, lists and names");
        let of_conformer = self.blocks() == Blocks::Conformer;
        let own: [(bool, &[&str]); 7] = [
            (self.is_squeezed(), &["squeeze_factor"]),
            (
                self.has_adapter(),
                &[
                    "add_adapter",
                    "num_adapter_layers",
                    "adapter_kernel_size",
                    "adapter_stride",
                    "output_hidden_size",
                ],
            ),
            (self.attn_adapter().is_some(), &["adapter_attn_dim"]),
            (
                self.blocks() == Blocks::SqueezedDisentangled,
                &[
                    "relative_attention",
                    "pos_att_type",
                    "share_att_key",
                    "norm_rel_ebd",
                    "position_buckets",
                    "max_position_embeddings",
                    "feature_layer_norm_eps",
                ],
            ),
            (self.positions() == Some(Positions::Convolutions), &["conv_pos_kernel_size"]),
            (self.positions() == Some(Positions::GatedBias), &["num_buckets", "max_bucket_distance"]),
            (
                of_conformer,
                &[
                    "position_embeddings_type",
                    "rotary_embedding_base",
                    "conv_depthwise_kernel_size",
                    "conformer_conv_dropout",
                ],
            ),
        ];
        if let Value::Object(keys) = &mut json {
            let others = own.iter().filter(|(known, _)| !known).flat_map(|(_, keys)| *keys);
            others.for_each(|key| drop(keys.remove(*key)));
        }
        json
    }

    /// What its encoder consists of.
    pub(super) fn blocks(&self) -> Blocks {
        match self.model_type.network {
            Network::Speech { blocks, .. } => blocks,
            _ => Blocks::Transformer(Positions::Convolution),
        }
    }

    /// How the transformer knows where a frame is, where it is one.
    pub(super) fn positions(&self) -> Option<Positions> {
        match self.blocks() {
            Blocks::Transformer(positions) => Some(positions),
            Blocks::Conformer | Blocks::Squeezed | Blocks::SqueezedDisentangled => None,
        }
    }

    /// Its Conformer blocks, if it has them.
    pub(super) fn conformer(&self) -> ConformerConfig {
        ConformerConfig {
            width: self.hidden_size,
            heads: self.num_attention_heads,
            inner: self.intermediate_size,
            activation: self.hidden_act,
            // The reference takes PyTorch's default here, not the config's.
            epsilon: 1e-5,
            positions: self.position_embeddings_type,
            rotary_base: self.rotary_embedding_base,
            files_have_frequencies: true,
            distances: [0, 0],
            convolution: Convolution::CentredBatchNorm,
            kernel: self.conv_depthwise_kernel_size,
            hidden_dropout: self.hidden_dropout,
            activation_dropout: self.activation_dropout,
            attention_dropout: self.attention_dropout,
            conv_dropout: self.conformer_conv_dropout,
        }
    }

    /// A new feed-forward network of a transformer block.
    pub(super) fn feed_forward(&self, device: &Device) -> FeedForward {
        let dropouts = [self.activation_dropout, self.hidden_dropout];
        FeedForward::new([self.hidden_size, self.intermediate_size], self.hidden_act, dropouts, device)
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
            ("squeeze_factor", self.squeeze_factor, 1 << 8),
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
        if self.has_adapter() {
            self.validate_adapter()?;
        }
        checks::sizes(&[("adapter_attn_dim", self.attn_adapter().unwrap_or(1), 1 << 14)])?;
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
        if self.blocks() == Blocks::Conformer {
            if self.position_embeddings_type == Some(PositionEmbeddings::RelativeKey) {
                let why = "is relative_key, expected relative, rotary or null".to_owned();
                return bad("position_embeddings_type", why);
            }
            self.conformer().validate()?;
        }
        if self.blocks() == Blocks::SqueezedDisentangled {
            self.validate_distances()?;
        }
        checks::deviation("initializer_range", self.initializer_range)
    }

    fn validate_distances(&self) -> Result<(), ErrorKind> {
        checks::epsilon("feature_layer_norm_eps", self.feature_layer_norm_eps)?;
        checks::sizes(&[("max_position_embeddings", self.max_position_embeddings, 1 << 20)])?;
        // The logarithm of the farthest distance over half the buckets is to be more than 0.
        let most = 2 * self.max_position_embeddings as i64 - 4;
        if self.position_buckets > 0 && !(4..=most).contains(&self.position_buckets) {
            let why = format!(
                "is {} with max_position_embeddings {}, expected 4 to {most}, or -1 for none",
                self.position_buckets, self.max_position_embeddings
            );
            return checks::bad("position_buckets", why);
        }
        match self.pos_att_type.iter().find(|kind| !["c2p", "p2c"].contains(&kind.as_str())) {
            Some(kind) => {
                let why = format!("has {}, expected c2p and p2c", earmark_config::shown(kind));
                checks::bad("pos_att_type", why)
            }
            None => Ok(()),
        }
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
            let why = format!("is {stride}, more than adapter_kernel_size {kernel}");
            return checks::bad("adapter_stride", why);
        }
        let (width, layers) = (width as u128, self.num_adapter_layers as u128);
        let count = layers * 2 * width * width * kernel as u128;
        let with = "adapter_kernel_size and num_adapter_layers";
        checks::product("output_hidden_size", with, "parameters", count, checks::MOST_PARAMETERS)
    }

    fn validate_products(&self) -> Result<(), ErrorKind> {
        let layers = self.conv_kernel.iter().zip(&self.conv_stride);
        let mut samples = self.least_frames() as u128;
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
            Some(Positions::Convolutions) => {
                self.num_conv_pos_embeddings as u128 * self.conv_pos_kernel_size as u128
            }
            Some(Positions::Convolution | Positions::GatedBias) | None => {
                self.num_conv_pos_embeddings as u128
            }
        };
        let positional = width * width / self.num_conv_pos_embedding_groups as u128 * taps;
        let layers = match self.blocks() {
            Blocks::Conformer => self.conformer().parameters(self.num_hidden_layers),
            Blocks::Transformer(_) | Blocks::Squeezed | Blocks::SqueezedDisentangled => {
                checks::transformer_parameters(
                    self.num_hidden_layers,
                    self.hidden_size,
                    self.intermediate_size,
                )
            }
        };
        let mut positional = positional + self.squeezed() as u128 * width * width;
        if self.blocks() == Blocks::SqueezedDisentangled {
            // Two more projections a layer, and the vectors of distances.
            positional += 2 * width * (self.num_hidden_layers as u128 * width + self.distances() as u128);
        }
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

    /// The fewest frames of a clip that has a last hidden state.
    fn least_frames(&self) -> usize {
        self.squeezed().max(self.frames_before_adapter(1))
    }

    /// Width of what the adapter makes.
    pub(super) fn adapter_width(&self) -> usize {
        self.output_hidden_size.unwrap_or(self.hidden_size)
    }

    /// How many frames of the adapter the reference counts as real, where so many of the encoder are.
    pub(super) fn adapted_frames(&self, frames: usize) -> usize {
        (0..self.num_adapter_layers).fold(frames, |frames, _| (frames - 1) / self.adapter_stride + 1)
    }

    /// Width of the network that a language has of its own in each layer, where there is one.
    pub(super) fn attn_adapter(&self) -> Option<usize> {
        const WITHIN: [&Family; 4] = [&WAV2VEC2, &HUBERT, &UNISPEECH, &UNISPEECH_SAT];
        let within = self.do_stable_layer_norm && WITHIN.contains(&self.model_type);
        self.adapter_attn_dim.filter(|_| within)
    }

    /// Frames from one of the last hidden state to the next: more than one behind an adapter.
    pub fn adapted(&self) -> usize {
        if self.has_adapter() {
            self.adapter_stride.saturating_pow(self.num_adapter_layers as u32)
        } else {
            1
        }
    }

    /// Frames that the transformer takes at a time.
    pub fn squeezed(&self) -> usize {
        if self.is_squeezed() { self.squeeze_factor } else { 1 }
    }

    pub(super) fn is_squeezed(&self) -> bool {
        matches!(self.blocks(), Blocks::Squeezed | Blocks::SqueezedDisentangled)
    }

    /// SEW-D: distances on each side that have a vector of their own.
    pub(super) fn distances(&self) -> usize {
        usize::try_from(self.position_buckets)
            .ok()
            .filter(|&buckets| buckets > 0)
            .unwrap_or(self.max_position_embeddings)
    }

    /// Epsilon of the norm before the feature projection.
    pub(super) fn feature_epsilon(&self) -> f64 {
        match self.blocks() {
            Blocks::SqueezedDisentangled => self.feature_layer_norm_eps,
            _ => self.layer_norm_eps,
        }
    }

    /// The shortest clip that makes one frame: 400 samples (25 ms at 16 kHz) with the usual convolutions. In SEW it makes as many as the transformer
    /// takes at a time.
    pub fn min_samples(&self) -> usize {
        self.samples(self.least_frames())
    }

    /// The shortest clip that makes so many frames, in samples.
    pub(crate) fn samples(&self, frames: usize) -> usize {
        let layers = self.conv_kernel.iter().zip(&self.conv_stride);
        layers.rev().fold(frames, |frames, (&kernel, &stride)| (frames - 1) * stride + kernel)
    }

    /// Every random regulariser off: dropout, layerdrop and SpecAugment.
    #[must_use]
    pub fn without_dropout(mut self) -> Self {
        self.hidden_dropout = 0.0;
        self.activation_dropout = 0.0;
        self.attention_dropout = 0.0;
        self.feat_proj_dropout = 0.0;
        self.conformer_conv_dropout = 0.0;
        self.layerdrop = 0.0;
        self.apply_spec_augment = false;
        self
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
        // The reference's UniSpeech-SAT has it even when nothing is ever masked.
        self.model_type == &UNISPEECH_SAT || self.mask_time_prob > 0.0 || self.mask_feature_prob > 0.0
    }
}

/// What SEW's `config.json` lacks where it is as the reference has it.
fn squeezed_defaults(json: &mut Object) {
    const DIM: [usize; 13] = [64, 128, 128, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512];
    const STRIDE: [usize; 13] = [5, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1];
    const KERNEL: [usize; 13] = [10, 3, 1, 3, 1, 3, 1, 3, 1, 2, 1, 2, 1];
    json.entry("conv_dim").or_insert(DIM.as_slice().into());
    json.entry("conv_stride").or_insert(STRIDE.as_slice().into());
    json.entry("conv_kernel").or_insert(KERNEL.as_slice().into());
    json.insert("feat_proj_layer_norm".to_owned(), true.into());
    json.insert("conv_pos_batch_norm".to_owned(), false.into());
    json.insert("do_stable_layer_norm".to_owned(), false.into());
}

/// What SEW-D's lacks as well, and two keys of DeBERTa that it may have.
fn disentangled_defaults(json: &mut Object) -> Result<(), ErrorKind> {
    json.entry("layer_norm_eps").or_insert(1e-7.into());
    if json.get("pos_att_type").is_some_and(Value::is_null) {
        json.insert("pos_att_type".to_owned(), Value::Array(Vec::new()));
    }
    // The reference takes it for the other where it is there.
    if let Some(farthest) = json.get("max_relative_positions").and_then(Value::as_i64).filter(|&it| it > 0) {
        json.insert("max_position_embeddings".to_owned(), farthest.into());
    }
    match json.get("conv_kernel_size").and_then(Value::as_f64) {
        Some(kernel) if kernel > 0.0 => {
            let why = format!("is {kernel}, but a convolution behind the first layer is not supported");
            Err(ErrorKind::BadConfig { key: "conv_kernel_size", why })
        }
        _ => Ok(()),
    }
}
