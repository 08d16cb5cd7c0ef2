//! The networks that classify sound, as one: chosen by the `model_type` of their `config.json`.
//!
//! A new network has a variant in each of the two enums below, and an arm in each function that matches on them.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use earmark_config::{Family, Network, Object, family, shown};
use serde::Serialize;
use serde_json::Value;

use crate::architecture::{Architecture, ArchitectureConfig, Classify, Input};
use crate::checkpoint::init::init_weights;
use crate::checkpoint::load::{Head, load};
use crate::checkpoint::save::{save, unusable_weight};
use crate::checkpoint::weights::Checkpoint;
use crate::config::languages::Languages;
use crate::error::{Error, ErrorKind};
use crate::hidden_states::{Layer, Pool};
use crate::linear_head::{LayerWeights, LinearHead};
use crate::networks::ast::{AstConfig, AstForAudioClassification};
use crate::networks::ced::{CedConfig, CedForAudioClassification, CedPooling};
use crate::networks::speech::{SpeechConfig, SpeechForSequenceClassification};
use crate::networks::wav2vec2_bert::{Wav2Vec2BertConfig, Wav2Vec2BertForSequenceClassification};
use crate::networks::whisper::{
    WhisperConfig, WhisperForAudioClassification, WhisperForConditionalGeneration, WhisperLanguageConfig,
};
use crate::networks::x_vector::{ForXVector, XVectorConfig, XVectorEncoderConfig};
use crate::training::rng::TrainingRng;

/// The configuration of a network in a `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum NetworkConfig {
    /// HuBERT, Wav2Vec2, Wav2Vec2-Conformer, UniSpeech, UniSpeech-SAT, WavLM, data2vec, SEW and SEW-D.
    Speech(SpeechConfig),
    /// The Audio Spectrogram Transformer.
    Ast(AstConfig),
    /// Whisper's encoder.
    Whisper(WhisperConfig),
    /// A whole Whisper, which identifies languages.
    WhisperLanguages(WhisperLanguageConfig),
    /// Wav2Vec2-BERT.
    Wav2Vec2Bert(Wav2Vec2BertConfig),
    /// CED.
    Ced(CedConfig),
    /// An encoder of speech with an x-vector head, which tells speakers apart.
    XVector(XVectorConfig),
}

/// A network that classifies sound, whichever it is.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a network is made once and its weights are elsewhere; burn has no boxed modules"
)]
pub enum Classifier {
    /// HuBERT, Wav2Vec2, Wav2Vec2-Conformer, UniSpeech, UniSpeech-SAT, WavLM, data2vec, SEW and SEW-D.
    Speech(SpeechForSequenceClassification),
    /// The Audio Spectrogram Transformer.
    Ast(AstForAudioClassification),
    /// Whisper's encoder.
    Whisper(WhisperForAudioClassification),
    /// A whole Whisper, which identifies languages.
    WhisperLanguages(WhisperForConditionalGeneration),
    /// Wav2Vec2-BERT.
    Wav2Vec2Bert(Wav2Vec2BertForSequenceClassification),
    /// CED.
    Ced(CedForAudioClassification),
    /// An encoder of speech with an x-vector head, which only embeds.
    XVector(ForXVector),
}

impl NetworkConfig {
    /// Reads a whole `config.json`.
    pub(crate) fn from_json(json: Object) -> Result<NetworkConfig, ErrorKind> {
        let model_type = json.get("model_type").and_then(Value::as_str).unwrap_or_default();
        let unsupported = ErrorKind::UnsupportedModel { found: shown(model_type) };
        match family(model_type).map(|family| family.network) {
            Some(Network::Speech { .. }) => Ok(NetworkConfig::Speech(SpeechConfig::from_json(json)?)),
            Some(Network::Ast) => Ok(NetworkConfig::Ast(earmark_config::config(json)?)),
            Some(Network::Whisper) => Ok(NetworkConfig::Whisper(earmark_config::config(json)?)),
            Some(Network::Ced) => Ok(NetworkConfig::Ced(CedConfig::from_json(json)?)),
            Some(Network::Wav2Vec2Bert) => Ok(NetworkConfig::Wav2Vec2Bert(earmark_config::config(json)?)),
            _ => Err(unsupported),
        }
    }

    /// A whole Whisper with this encoder: the decoder is that of the same `config.json`.
    pub(crate) fn whisper_languages(
        encoder: WhisperConfig,
        json: Object,
        languages: Languages,
    ) -> Result<NetworkConfig, ErrorKind> {
        let decoder = earmark_config::config(json)?;
        let config = NetworkConfig::WhisperLanguages(WhisperLanguageConfig { encoder, decoder, languages });
        config.validate()?;
        Ok(config)
    }

    /// The same encoder under an x-vector head, whose keys are in the same `config.json`.
    pub(crate) fn under_x_vectors(self, json: Object) -> Result<NetworkConfig, ErrorKind> {
        let encoder = match self {
            NetworkConfig::Speech(config) => XVectorEncoderConfig::Speech(config),
            NetworkConfig::Wav2Vec2Bert(config) => XVectorEncoderConfig::Wav2Vec2Bert(config),
            other => return Ok(other),
        };
        let config = NetworkConfig::XVector(XVectorConfig::of(encoder, json)?);
        config.validate()?;
        Ok(config)
    }

    fn values(&self) -> &dyn ArchitectureConfig {
        match self {
            NetworkConfig::Speech(config) => config,
            NetworkConfig::Ast(config) => config,
            NetworkConfig::Whisper(config) => config,
            NetworkConfig::WhisperLanguages(config) => config,
            NetworkConfig::Wav2Vec2Bert(config) => config,
            NetworkConfig::Ced(config) => config,
            NetworkConfig::XVector(config) => config,
        }
    }

    /// The same with dropout, layerdrop and SpecAugment off.
    #[must_use]
    pub fn without_dropout(self) -> NetworkConfig {
        match self {
            NetworkConfig::Speech(config) => NetworkConfig::Speech(config.without_dropout()),
            NetworkConfig::Ast(config) => NetworkConfig::Ast(config.without_dropout()),
            NetworkConfig::Whisper(config) => NetworkConfig::Whisper(config.without_dropout()),
            NetworkConfig::WhisperLanguages(config) => {
                NetworkConfig::WhisperLanguages(config.without_dropout())
            }
            NetworkConfig::Wav2Vec2Bert(config) => NetworkConfig::Wav2Vec2Bert(config.without_dropout()),
            NetworkConfig::Ced(config) => NetworkConfig::Ced(config.without_dropout()),
            NetworkConfig::XVector(config) => NetworkConfig::XVector(config.without_dropout()),
        }
    }

    /// The network's own keys of `config.json`.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            NetworkConfig::Speech(config) => config.to_json(),
            NetworkConfig::XVector(config) => config.to_json(),
            other => serde_json::to_value(other).expect("a config is plain numbers, lists and names"),
        }
    }

    /// Its row in the table of model types.
    pub fn family(&self) -> &'static Family {
        self.values().family()
    }

    /// The reference's class.
    pub(crate) fn class(&self) -> String {
        let class = self.family().class;
        match self {
            // All of its families have one for either head.
            NetworkConfig::XVector(_) => class.replace("ForSequenceClassification", "ForXVector"),
            _ => class.to_owned(),
        }
    }

    /// Checks that every value is in range and that they fit together.
    ///
    /// # Errors
    /// [`ErrorKind::BadConfig`] with the key.
    pub fn validate(&self) -> Result<(), ErrorKind> {
        self.values().validate()
    }

    /// Checks that the reference has a classifier of this encoder: it has none where an adapter shortens the sequence.
    ///
    /// # Errors
    /// [`ErrorKind::BadConfig`] with the key.
    pub fn check_classification(&self) -> Result<(), ErrorKind> {
        match self.values().is_no_classifier() {
            false => Ok(()),
            true => {
                let why = "is true, and transformers has no classifier with an adapter: embed sounds with the checkpoint";
                Err(ErrorKind::BadConfig { key: "add_adapter", why: why.to_owned() })
            }
        }
    }

    /// The shortest clip that gives one frame, in samples at the model's rate.
    pub fn min_samples(&self) -> usize {
        self.values().min_samples()
    }

    /// The shape of the spectrogram that the network expects, without the batch; `None` for a network over samples.
    pub fn spectrogram(&self) -> Option<[usize; 2]> {
        self.values().spectrogram()
    }

    /// Numbers of a frame that the network expects, of which a clip may have any number; `None` for other networks.
    pub fn frame_width(&self) -> Option<usize> {
        self.values().frame_width()
    }

    /// Whether zeros after a clip do not change its logits when the network gets the clip's length. In base models they do,
    /// because of a norm over time.
    pub fn padding_is_harmless(&self) -> bool {
        self.values().padding_is_harmless()
    }

    /// Transformer layers; there is one hidden state more.
    pub fn layers(&self) -> usize {
        self.values().layers()
    }

    /// Width of a hidden state.
    pub fn width(&self) -> usize {
        self.values().width()
    }

    /// The fewest frames of a clip, where the network expects frames.
    pub fn min_frames(&self) -> usize {
        self.values().min_frames()
    }

    /// What is an embedding of a clip unless something else is asked for: the x-vector where there is a head for it, else the last
    /// hidden state.
    pub fn embedding_layer(&self) -> Layer {
        match self {
            NetworkConfig::XVector(_) => Layer::XVector,
            _ => Layer::Last,
        }
    }

    /// Numbers of a vector of `layer`.
    pub fn vector_width(&self, layer: Layer) -> usize {
        match (self, layer) {
            (NetworkConfig::XVector(config), Layer::XVector) => config.xvector_output_dim,
            (_, Layer::Last) => self.values().last_width(),
            _ => self.width(),
        }
    }

    /// How the classification head pools a hidden state.
    pub fn pool(&self) -> Pool {
        if self.values().tokens() > 0 { Pool::Cls } else { Pool::Mean }
    }

    /// Checks that the network has hidden states of `layer`, and can pool them so.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchLayer`], [`ErrorKind::NoLayerWeights`], [`ErrorKind::NoXVector`] or [`ErrorKind::NoClassToken`].
    pub fn check_embedding(&self, layer: Layer, pool: Pool) -> Result<(), ErrorKind> {
        let last = self.layers();
        match layer {
            Layer::Number(number) if number > last => return Err(ErrorKind::NoSuchLayer { number, last }),
            Layer::XVector if self.embedding_layer() != Layer::XVector => return Err(ErrorKind::NoXVector),
            Layer::Weighted if !self.values().use_weighted_layer_sum() => {
                return Err(ErrorKind::NoLayerWeights);
            }
            _ => {}
        }
        match pool {
            Pool::Cls if self.values().tokens() == 0 => Err(ErrorKind::NoClassToken),
            _ => Ok(()),
        }
    }

    /// The network whose own head can read the pooled hidden states of `layer` and be linear; `None` where the reference's class has
    /// no such head: it pools otherwise, or reads other layers.
    pub fn with_linear_head(&self, layer: Layer, pool: Pool) -> Option<NetworkConfig> {
        if pool != self.pool() || self.check_embedding(layer, pool).is_err() {
            return None;
        }
        let mut config = self.clone();
        match &mut config {
            NetworkConfig::Speech(config) => {
                // It is before the norm or the upsampling that some encoders end with, and 5.23 and 4.x differ in which of the two
                // they sum: `Layer::Last` is what a head is given.
                if layer == Layer::Number(config.num_hidden_layers) {
                    return None;
                }
                config.classifier_proj_size = config.hidden_size;
                config.use_weighted_layer_sum = sums(layer, config.num_hidden_layers)?;
            }
            NetworkConfig::Whisper(config) => {
                config.classifier_proj_size = config.d_model;
                config.use_weighted_layer_sum = sums(layer, config.encoder_layers)?;
            }
            NetworkConfig::Ast(_) if layer == Layer::Last => {}
            NetworkConfig::Ced(config) if layer == Layer::Last => config.pooling = CedPooling::Logit,
            NetworkConfig::Ast(_)
            | NetworkConfig::Ced(_)
            | NetworkConfig::WhisperLanguages(_)
            | NetworkConfig::Wav2Vec2Bert(_)
            | NetworkConfig::XVector(_) => return None,
        }
        Some(config)
    }

    /// The epsilon of the layer norm that the head begins with; `None` of a head without one.
    pub fn head_norm(&self) -> Option<f64> {
        match self {
            NetworkConfig::Ast(config) => Some(config.layer_norm_eps),
            NetworkConfig::Ced(_) => Some(CedForAudioClassification::HEAD_NORM),
            NetworkConfig::Speech(_)
            | NetworkConfig::Wav2Vec2Bert(_)
            | NetworkConfig::Whisper(_)
            | NetworkConfig::WhisperLanguages(_)
            | NetworkConfig::XVector(_) => None,
        }
    }

    /// The labels of a checkpoint's head, if it has one.
    pub fn head_labels(&self, checkpoint: &Checkpoint) -> Option<usize> {
        match self {
            NetworkConfig::XVector(_) => None,
            _ => checkpoint.head_labels(&self.family().keys),
        }
    }
}

impl Classifier {
    fn zeros(config: &NetworkConfig, labels: usize, device: &Device) -> Classifier {
        match config {
            NetworkConfig::Speech(config) => {
                Classifier::Speech(SpeechForSequenceClassification::zeros(config, labels, device))
            }
            NetworkConfig::Ast(config) => {
                Classifier::Ast(AstForAudioClassification::zeros(config, labels, device))
            }
            NetworkConfig::Whisper(config) => {
                Classifier::Whisper(WhisperForAudioClassification::zeros(config, labels, device))
            }
            // Its labels are its languages.
            NetworkConfig::WhisperLanguages(config) => {
                Classifier::WhisperLanguages(WhisperForConditionalGeneration::zeros(config, device))
            }
            NetworkConfig::Wav2Vec2Bert(config) => {
                Classifier::Wav2Vec2Bert(Wav2Vec2BertForSequenceClassification::zeros(config, labels, device))
            }
            NetworkConfig::Ced(config) => {
                Classifier::Ced(CedForAudioClassification::zeros(config, labels, device))
            }
            NetworkConfig::XVector(config) => Classifier::XVector(ForXVector::zeros(config, device)),
        }
    }

    fn network(&self) -> &dyn Classify {
        match self {
            Classifier::Speech(network) => network,
            Classifier::Ast(network) => network,
            Classifier::Whisper(network) => network,
            Classifier::WhisperLanguages(network) => network,
            Classifier::Wav2Vec2Bert(network) => network,
            Classifier::Ced(network) => network,
            Classifier::XVector(network) => network,
        }
    }

    /// A randomly initialised network, as [`init_weights`] makes it from `seed`.
    ///
    /// The config must have passed [`NetworkConfig::validate`].
    pub fn init(config: &NetworkConfig, labels: usize, seed: u64, device: &Device) -> Classifier {
        let zeros = Classifier::zeros(config, labels, device);
        init_weights(zeros, config.values().initializer_range(), seed, |_| true)
    }

    /// A network with a checkpoint's weights, and the names of the parameters that were initialised from `seed` because the
    /// checkpoint lacks them.
    ///
    /// The config must have passed [`NetworkConfig::validate`].
    ///
    /// # Errors
    /// As [`load`].
    pub fn load(
        config: &NetworkConfig,
        labels: usize,
        checkpoint: &Checkpoint,
        head: Head,
        seed: u64,
        device: &Device,
    ) -> Result<(Classifier, Vec<String>), Error> {
        let zeros = Classifier::zeros(config, labels, device);
        load(zeros, checkpoint, head, config.values().initializer_range(), seed)
    }

    /// Writes `model.safetensors` with the reference's names.
    ///
    /// # Errors
    /// As [`save`].
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        save(self, path)
    }

    /// As [`unusable_weight`].
    pub fn unusable_weight(&self) -> Option<String> {
        unusable_weight(self)
    }

    /// Logits `[B, L]`, not probabilities; `rng` switches the random regularisers of training on.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] for an input of another kind or shape than the network's own extractor makes: a
    /// spectrogram of another size, a clip that makes no frame, lengths that are not the clips'.
    pub fn forward(&self, input: Input, rng: Option<&mut TrainingRng>) -> Result<Tensor<2>, ErrorKind> {
        self.network().classify(input, rng)
    }

    /// The embedding of each clip, `[B, D]`: the last hidden states as the network pools them, before the head.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn embed(&self, input: Input) -> Result<Tensor<2>, ErrorKind> {
        self.network().embed(input)
    }

    /// The hidden states of `layer`, pooled: `[B, 1, D]` each, or without pooling `[B, T, D]`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward). [`NetworkConfig::check_embedding`] must have passed.
    pub fn embeddings(&self, input: Input, layer: Layer, pool: Pool) -> Result<Vec<Tensor<3>>, ErrorKind> {
        self.network().embeddings(input, layer, pool)
    }

    /// The same encoder with this head. `config` is what [`NetworkConfig::with_linear_head`] makes of that of the network.
    ///
    /// # Panics
    /// When the weight is not as large as width and labels say, or the config is another network's.
    pub fn with_linear_head(
        &self,
        config: &NetworkConfig,
        head: &LinearHead<'_>,
        device: &Device,
    ) -> Classifier {
        assert_eq!(head.weight.len(), head.bias.len() * config.width(), "a row of weights for each label");
        match (self, config) {
            (Classifier::Speech(network), NetworkConfig::Speech(config)) => {
                let weights =
                    LayerWeights::of(head.layer, config.use_weighted_layer_sum, config.num_hidden_layers);
                Classifier::Speech(network.with_linear_head(head, weights, device))
            }
            (Classifier::Whisper(network), NetworkConfig::Whisper(config)) => {
                let weights =
                    LayerWeights::of(head.layer, config.use_weighted_layer_sum, config.encoder_layers);
                Classifier::Whisper(network.with_linear_head(head, weights, device))
            }
            (Classifier::Ast(network), NetworkConfig::Ast(config)) => {
                Classifier::Ast(network.with_linear_head(config, head, device))
            }
            (Classifier::Ced(network), NetworkConfig::Ced(_)) => {
                Classifier::Ced(network.with_linear_head(head, device))
            }
            _ => panic!("the config is another network's"),
        }
    }
}

/// Whether a head reads the layer by a weighted sum of all; `None` where it is no single state.
fn sums(layer: Layer, last: usize) -> Option<bool> {
    match layer {
        Layer::Last => Some(false),
        Layer::Number(number) => Some(number != last),
        Layer::Weighted => Some(true),
        Layer::All | Layer::XVector => None,
    }
}

impl Architecture for Classifier {
    fn family(&self) -> &'static Family {
        match self {
            Classifier::Speech(network) => network.family(),
            Classifier::Ast(network) => network.family(),
            Classifier::Whisper(network) => network.family(),
            Classifier::WhisperLanguages(network) => network.family(),
            Classifier::Wav2Vec2Bert(network) => network.family(),
            Classifier::Ced(network) => network.family(),
            Classifier::XVector(network) => network.family(),
        }
    }

    fn final_norm(&self) -> Option<&'static str> {
        match self {
            Classifier::Speech(network) => network.final_norm(),
            Classifier::Ast(network) => network.final_norm(),
            Classifier::Whisper(network) => network.final_norm(),
            Classifier::WhisperLanguages(network) => network.final_norm(),
            Classifier::Wav2Vec2Bert(network) => network.final_norm(),
            Classifier::Ced(network) => network.final_norm(),
            Classifier::XVector(network) => network.final_norm(),
        }
    }

    fn does_without(&self, key: &str) -> bool {
        match self {
            Classifier::XVector(network) => network.does_without(key),
            _ => false,
        }
    }
}
