//! The networks that classify sound, as one: chosen by the `model_type` of their `config.json`.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::checkpoint::init::init_weights;
use crate::checkpoint::weights::{Architecture, Checkpoint, Head, load, save, unusable_weight};
use crate::error::{Error, ErrorKind};
use crate::networks::ast::AstForAudioClassification;
use crate::networks::hubert::HubertForSequenceClassification;
use crate::networks::unispeech::{UniSpeechForSequenceClassification, UniSpeechSatForSequenceClassification};
use crate::networks::wav2vec2::Wav2Vec2ForSequenceClassification;
use crate::networks::whisper::WhisperForAudioClassification;
use crate::training::rng::TrainingRng;

/// The numbers of a `config.json` that a network is built from.
pub trait NetworkNumbers: Default + Serialize + DeserializeOwned {
    /// Checks that they describe a network.
    ///
    /// # Errors
    /// [`ErrorKind::BadConfig`] naming the key.
    fn validate(&self) -> Result<(), ErrorKind>;
    /// The same with every random regulariser off.
    #[must_use]
    fn without_dropout(self) -> Self;
    /// Standard deviation of new linear weights.
    fn initializer_range(&self) -> f64;
    /// The shortest clip the network can hear, in samples at its own rate; 1 when its extractor makes every clip one length.
    fn min_samples(&self) -> usize;
    /// The spectrogram the network hears, without the batch; `None` for a network that hears samples.
    fn spectrogram(&self) -> Option<[usize; 2]>;
    /// Whether zeros behind a clip leave its answer as it is, once the network is told how long the clip is.
    fn padding_is_harmless(&self) -> bool {
        false
    }
}

/// A network that turns what an extractor makes into logits.
pub trait Classify: Architecture {
    /// Its numbers.
    type Config: NetworkNumbers;
    /// The `model_type` of its `config.json`.
    const MODEL_TYPE: &'static str;
    /// The reference's class, for `architectures` in `config.json`.
    const CLASS: &'static str;
    /// The network with every weight zero. The config must have passed [`NetworkNumbers::validate`].
    fn zeros(config: &Self::Config, labels: usize, device: &Device) -> Self;
    /// Logits `[B, L]`; `rng` switches the random regularisers of training on.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] for an input of another kind or shape than the network's own extractor makes.
    fn classify(&self, input: Input, rng: Option<&mut TrainingRng>) -> Result<Tensor<2>, ErrorKind>;
    /// One vector for each clip, `[B, D]`: the last hidden states as the network pools them, before its head.
    ///
    /// # Errors
    /// As [`classify`](Self::classify).
    fn embed(&self, input: Input) -> Result<Tensor<2>, ErrorKind>;
}

/// What a network hears.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// Samples, for the networks that begin with convolutions over them.
    Waveforms {
        /// `[B, S]`, normalised as the preprocessor says, zero-padded on the right.
        values: Tensor<2>,
        /// Real samples of each clip; `None` when the extractor makes no attention mask.
        lengths: Option<Vec<usize>>,
    },
    /// What a spectrogram extractor makes, `[B, …]` in its own order of axes: AST `[B, T, F]`, Whisper `[B, F, T]`.
    Spectrograms(Tensor<3>),
}

impl Input {
    /// What a network that reads samples takes.
    pub(crate) fn waveforms(self) -> Result<(Tensor<2>, Option<Vec<usize>>), ErrorKind> {
        match self {
            Input::Waveforms { values, lengths } => Ok((values, lengths)),
            Input::Spectrograms(_) => {
                Err(ErrorKind::BadInput("spectrograms were given, and this network reads samples".to_owned()))
            }
        }
    }

    /// What a network that reads spectrograms takes.
    pub(crate) fn spectrograms(self) -> Result<Tensor<3>, ErrorKind> {
        match self {
            Input::Spectrograms(values) => Ok(values),
            Input::Waveforms { .. } => {
                Err(ErrorKind::BadInput("samples were given, and this network reads spectrograms".to_owned()))
            }
        }
    }
}

/// Makes the enums and their dispatch: a new network is one more line below.
macro_rules! networks {
    ($($(#[$doc:meta])* $name:ident($network:ty)),+ $(,)?) => {
        /// The numbers of a network, by the `model_type` of its `config.json`.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum NetworkConfig {
            $($(#[$doc])* $name(<$network as Classify>::Config),)+
        }

        /// A network that classifies sound, whichever it is.
        #[derive(Module, Debug)]
        pub enum Classifier {
            $($(#[$doc])* $name($network),)+
        }

        /// Every `model_type` that can be run.
        pub const MODEL_TYPES: &[&str] = &[$(<$network as Classify>::MODEL_TYPE),+];

        impl NetworkConfig {
            /// Reads the numbers from a whole `config.json`.
            pub(crate) fn from_json(json: earmark_config::Object) -> Result<NetworkConfig, ErrorKind> {
                let found = json.get("model_type").and_then(Value::as_str).unwrap_or_default();
                match found {
                    $(<$network as Classify>::MODEL_TYPE => {
                        Ok(NetworkConfig::$name(earmark_config::config(json)?))
                    })+
                    _ => {
                        let found = earmark_config::shown(found);
                        Err(ErrorKind::UnsupportedModel { found, supported: MODEL_TYPES })
                    }
                }
            }

            /// The network's own keys of `config.json`.
            pub(crate) fn to_json(&self) -> Value {
                let json = match self { $(NetworkConfig::$name(config) => serde_json::to_value(config),)+ };
                json.expect("a config is plain numbers, lists and names")
            }

            /// Checks that the numbers describe a network.
            ///
            /// # Errors
            /// [`ErrorKind::BadConfig`] naming the key.
            pub fn validate(&self) -> Result<(), ErrorKind> {
                match self { $(NetworkConfig::$name(config) => NetworkNumbers::validate(config),)+ }
            }

            /// What the reference calls it.
            pub fn model_type(&self) -> &'static str {
                match self { $(NetworkConfig::$name(_) => <$network as Classify>::MODEL_TYPE,)+ }
            }

            /// The reference's class.
            pub(crate) fn class(&self) -> &'static str {
                match self { $(NetworkConfig::$name(_) => <$network as Classify>::CLASS,)+ }
            }

            /// The shortest clip it can hear, in samples at its own rate.
            pub fn min_samples(&self) -> usize {
                match self { $(NetworkConfig::$name(config) => NetworkNumbers::min_samples(config),)+ }
            }

            /// The spectrogram it hears, without the batch; `None` for a network that hears samples.
            pub fn spectrogram(&self) -> Option<[usize; 2]> {
                match self { $(NetworkConfig::$name(config) => NetworkNumbers::spectrogram(config),)+ }
            }

            /// Whether zeros behind a clip leave its answer as it is, once the network is told how long the clip is. A norm
            /// over time, as in base models, hears them.
            pub fn padding_is_harmless(&self) -> bool {
                match self { $(NetworkConfig::$name(config) => NetworkNumbers::padding_is_harmless(config),)+ }
            }

            /// The same with every random regulariser off.
            #[must_use]
            pub fn without_dropout(self) -> NetworkConfig {
                match self {
                    $(NetworkConfig::$name(config) => {
                        NetworkConfig::$name(NetworkNumbers::without_dropout(config))
                    })+
                }
            }

            /// The labels of a checkpoint's head, if it has one.
            pub fn head_labels(&self, checkpoint: &Checkpoint) -> Option<usize> {
                match self { $(NetworkConfig::$name(_) => checkpoint.head_labels::<$network>(),)+ }
            }
        }

        impl Classifier {
            /// A new network, drawn from `seed` as [`init_weights`] does.
            ///
            /// The config must have passed [`NetworkConfig::validate`].
            pub fn draw(config: &NetworkConfig, labels: usize, seed: u64, device: &Device) -> Classifier {
                match config {
                    $(NetworkConfig::$name(config) => {
                        let zeros = <$network as Classify>::zeros(config, labels, device);
                        Classifier::$name(init_weights(zeros, config.initializer_range(), seed, |_| true))
                    })+
                }
            }

            /// A network with a checkpoint's weights, and the names of the parameters that were drawn from `seed` because
            /// the checkpoint has none and need not.
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
                match config {
                    $(NetworkConfig::$name(config) => {
                        let zeros = <$network as Classify>::zeros(config, labels, device);
                        let (network, drawn) = load(zeros, checkpoint, head, config.initializer_range(), seed)?;
                        Ok((Classifier::$name(network), drawn))
                    })+
                }
            }

            /// Writes `model.safetensors` with the reference's names.
            ///
            /// # Errors
            /// As [`save`].
            pub fn save(&self, path: &Path) -> Result<(), Error> {
                match self { $(Classifier::$name(network) => save(network, path),)+ }
            }

            /// As [`unusable_weight`].
            pub fn unusable_weight(&self) -> Option<String> {
                match self { $(Classifier::$name(network) => unusable_weight(network),)+ }
            }

            /// Logits `[B, L]`, not probabilities; `rng` switches the random regularisers of training on.
            ///
            /// # Errors
            /// [`ErrorKind::BadInput`] for an input of another kind or shape than the network's own extractor makes: a
            /// spectrogram of another size, a clip that makes no frame, lengths that are not the clips'.
            pub fn forward(&self, input: Input, rng: Option<&mut TrainingRng>) -> Result<Tensor<2>, ErrorKind> {
                match self { $(Classifier::$name(network) => network.classify(input, rng),)+ }
            }

            /// One vector for each clip, `[B, D]`: the last hidden states as the network pools them, before its head.
            ///
            /// # Errors
            /// As [`forward`](Self::forward).
            pub fn embed(&self, input: Input) -> Result<Tensor<2>, ErrorKind> {
                match self { $(Classifier::$name(network) => network.embed(input),)+ }
            }
        }
    };
}

networks! {
    /// HuBERT and DistilHuBERT.
    Hubert(HubertForSequenceClassification),
    /// Wav2Vec2 and XLS-R.
    Wav2Vec2(Wav2Vec2ForSequenceClassification),
    /// UniSpeech.
    UniSpeech(UniSpeechForSequenceClassification),
    /// UniSpeech-SAT.
    UniSpeechSat(UniSpeechSatForSequenceClassification),
    /// The Audio Spectrogram Transformer.
    Ast(AstForAudioClassification),
    /// Whisper's encoder.
    Whisper(WhisperForAudioClassification),
}
