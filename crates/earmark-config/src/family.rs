//! What a row of the table of model types holds.

use std::fmt;

use serde::{Serialize, Serializer};

/// What a `model_type` determines: the network, the extractor, the names in its files. In a configuration it is serialised as
/// its [`model_type`](Self::model_type).
#[derive(PartialEq, Eq)]
#[non_exhaustive]
pub struct Family {
    /// The `model_type` of its `config.json`.
    pub model_type: &'static str,
    /// The network.
    pub network: Network,
    /// The reference's class, for `architectures` in `config.json`.
    pub class: &'static str,
    /// The feature extractor, as in the reference's `feature_extraction_auto.py`.
    pub extractor: Extractor,
    /// How the reference initialises new convolutions.
    pub convolutions: Convolutions,
    /// The keys of its checkpoints.
    pub keys: Keys,
}

/// A network; several families may share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Network {
    /// Convolutions over samples, then a transformer over frames.
    Speech {
        /// Which frames the spans of SpecAugment are counted over while training.
        spans_of: SpansOf,
        /// What its blocks are.
        blocks: Blocks,
    },
    /// The Audio Spectrogram Transformer.
    Ast,
    /// Whisper's encoder.
    Whisper,
    /// Wav2Vec2-BERT: Conformer blocks over the frames of a spectrogram.
    Wav2Vec2Bert,
    /// CED: a vision transformer over windows of a spectrogram.
    Ced,
    /// CLAP, which scores any texts and has no fixed labels.
    Clap,
}

/// What an encoder of frames consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocks {
    /// Transformer blocks.
    Transformer(Positions),
    /// Conformer blocks (arXiv:2005.08100), which have a convolution as well: Wav2Vec2-Conformer.
    Conformer,
    /// Transformer blocks over several frames at a time, which are taken apart again behind them: SEW.
    Squeezed,
    /// The same with disentangled attention (arXiv:2006.03654), which looks at distances too: SEW-D.
    SqueezedDisentangled,
}

/// How a transformer over frames knows where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positions {
    /// One wide convolution over the frames: Wav2Vec2.
    Convolution,
    /// Several narrower ones, each with a layer norm: data2vec.
    Convolutions,
    /// One wide convolution, and a bias of the attention by the distance of two frames, gated by the frame that attends: WavLM.
    GatedBias,
}

/// Which frames SpecAugment draws its spans from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpansOf {
    /// All of them, padding included: the reference's HuBERT does not pass its mask on.
    EveryFrame,
    /// The real ones.
    RealFrames,
}

/// How new convolutions are initialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convolutions {
    /// Normal with `initializer_range`, as linear weights.
    InitializerRange,
    /// Kaiming normal: a deviation of √(2 / inputs).
    Kaiming,
}

/// A feature extractor of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extractor {
    /// The waveform itself, normalised.
    Wav2Vec2,
    /// A Kaldi filter bank.
    Ast,
    /// A log-mel spectrogram.
    Whisper,
    /// Log-mel spectrograms in decibels.
    Clap,
    /// A Kaldi filter bank, normalised, with two frames side by side.
    SeamlessM4T,
    /// A log-mel spectrogram in decibels, as long as the clip.
    Ced,
}

impl Extractor {
    /// Every one.
    pub const ALL: [Extractor; 6] = [
        Extractor::Wav2Vec2,
        Extractor::Ast,
        Extractor::Whisper,
        Extractor::Clap,
        Extractor::SeamlessM4T,
        Extractor::Ced,
    ];

    /// The reference's class, the `feature_extractor_type` in a file.
    pub const fn class(self) -> &'static str {
        match self {
            Extractor::Wav2Vec2 => "Wav2Vec2FeatureExtractor",
            Extractor::Ast => "ASTFeatureExtractor",
            Extractor::Whisper => "WhisperFeatureExtractor",
            Extractor::Clap => "ClapFeatureExtractor",
            Extractor::SeamlessM4T => "SeamlessM4TFeatureExtractor",
            Extractor::Ced => "CedFeatureExtractor",
        }
    }

    /// The extractor of that [`class`](Self::class).
    pub fn named(class: &str) -> Option<Extractor> {
        Extractor::ALL.into_iter().find(|extractor| extractor.class() == class)
    }
}

impl fmt::Display for Extractor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class())
    }
}

/// How the keys of a family's checkpoints may differ from the network's parameters. A name that ends in a dot matches all keys
/// that start with it, one that starts with a dot all keys that end with it.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Keys {
    /// The prefix of the base model's keys, `base_model_prefix` of the reference: added to the keys of a bare base model when
    /// the network has it, and removed when the network has not.
    pub base: &'static str,
    /// The keys of the head: everything outside the base model.
    pub head: &'static [&'static str],
    /// The last weight of the head, whose first dimension is the number of labels. `None` for a network without a head.
    pub labels: Option<&'static str>,
    /// Parts of a checkpoint's keys, and the names of our fields. One to one, because saving reverses it.
    pub renames: &'static [(&'static str, &'static str)],
    /// Parameters that are a single number: without dimensions in a file, with one here.
    pub scalars: &'static [&'static str],
    /// Parameters that a checkpoint may lack; they are then initialised, as in the reference.
    pub optional: &'static [&'static str],
    /// Keys that are ignored, each with its reason. Any other key that is not used is listed in a warning.
    pub unused: &'static [(&'static str, &'static str)],
}

impl Keys {
    /// A network without a head, whose keys are a file's as they are.
    pub(crate) const WHOLE: Keys =
        Keys { base: "", head: &[], labels: None, renames: &[], scalars: &[], optional: &[], unused: &[] };

    /// Whether `key` belongs to the head.
    pub fn is_head(&self, key: &str) -> bool {
        stands_for(self.head, key)
    }

    /// Whether a checkpoint may lack `key`.
    pub fn is_optional(&self, key: &str) -> bool {
        stands_for(self.optional, key)
    }

    /// Whether `key` is ignored.
    pub fn is_unused(&self, key: &str) -> bool {
        self.unused.iter().any(|(unused, _why)| stands_for(&[unused], key))
    }
}

fn stands_for(names: &[&str], key: &str) -> bool {
    names.iter().any(|name| match name {
        _ if name.ends_with('.') => key.starts_with(name),
        _ if name.starts_with('.') => key.ends_with(name),
        _ => key == *name,
    })
}

impl Family {
    /// Whether its checkpoints may have a classification head. A family without one scores any text as a label.
    pub fn has_head(&self) -> bool {
        self.keys.labels.is_some()
    }
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Family").field(&self.model_type).finish()
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.model_type)
    }
}

impl Serialize for Family {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.model_type)
    }
}
