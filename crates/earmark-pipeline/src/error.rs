use earmark_audio::SampleRate;
use earmark_error::Attempt;

/// A model that could not be opened, or a sound that it could not classify or embed: the operation that failed, and why.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
#[non_exhaustive]
pub struct Error {
    /// The operation that failed, such as "cannot open the model in `models/ast`".
    pub doing: String,
    /// Why it failed.
    #[source]
    pub kind: Box<ErrorKind>,
}

/// Why a model could not be opened or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The sound could not be decoded.
    #[error(transparent)]
    Audio(earmark_audio::ErrorKind),
    /// The extractor refused a clip or a preprocessor configuration.
    #[error(transparent)]
    Features(earmark_features::ErrorKind),
    /// The model's labels, or the labels to score, are invalid.
    #[error(transparent)]
    Labels(earmark_labels::ErrorKind),
    /// A file of the model is missing or invalid.
    #[error(transparent)]
    Model(earmark_models::Error),
    /// The network cannot be built, or its input does not fit.
    #[error(transparent)]
    Network(#[from] earmark_models::ErrorKind),
    /// `config.json` is not valid JSON.
    #[error("invalid JSON")]
    Json(#[from] serde_json::Error),
    /// The features of this extractor do not fit the network.
    #[error("{0}")]
    OtherExtractor(String),
    /// The folder has no configuration of a feature extractor.
    #[error(
        "it has neither processor_config.json nor preprocessor_config.json, which describe the feature extractor: copy one from \
         the checkpoint that the model was fine-tuned from"
    )]
    NoExtractor,
    /// The classification head has another number of labels than `config.json`.
    #[error(
        "`id2label` in config.json has {named} labels, but the classification head in the weights has {head}: one of the files \
         belongs to another model"
    )]
    OtherLabels {
        /// Labels in `config.json`.
        named: usize,
        /// Labels of the head.
        head: usize,
    },
    /// The clip is too short for a single frame.
    #[error("too short: it has {samples} samples at {rate}, but the model needs {least}")]
    TooShort {
        /// Samples of the clip at the model's rate.
        samples: usize,
        /// The model's sample rate.
        rate: SampleRate,
        /// Samples that the model needs.
        least: usize,
    },
    /// A model for another task.
    #[error("`model_type` is `{found}`: {advice}")]
    OtherKind {
        /// The `model_type` in `config.json`.
        found: String,
        /// The task that such a model is for.
        advice: &'static str,
    },
    /// One vector is wanted of an embedder that makes several of a clip: of every layer, or of every frame.
    #[error("the embedder makes several vectors of a clip: choose one layer, and a way to pool its frames")]
    SeveralVectors,
    /// A template without `{}`, the place of the label.
    #[error("the template `{0}` needs a {{}} where the label goes")]
    Template(String),
    /// Windows of an invalid length or hop.
    #[error("{0}")]
    Windows(String),
    /// The model's output contains NaN or an infinity.
    #[error("{what} is {value}: {}", weight.as_deref().unwrap_or("the network overflows on this clip"))]
    NotFinite {
        /// Which number, such as "the logit of `siren`".
        what: String,
        /// NaN or infinity.
        value: f32,
        /// The weight that causes it, such as "`classifier.bias` holds NaN"; `None` when every weight is finite.
        weight: Option<String>,
    },
    /// The result cannot be read from the device.
    #[error("cannot read the result from the device: {0}")]
    Device(String),
}

/// The operation that failed, for [`Error::doing`].
pub(crate) struct Doing(pub(crate) String);

impl Attempt for Doing {
    type Kind = ErrorKind;
    type Error = Error;

    fn failed(self, kind: ErrorKind) -> Error {
        Error { doing: self.0, kind: Box::new(kind) }
    }
}

/// The folder that lacks a file is left out: [`Error::doing`] has it.
impl From<earmark_models::Error> for ErrorKind {
    fn from(error: earmark_models::Error) -> ErrorKind {
        use earmark_models::ErrorKind::{NoConfig, NoWeights};
        match error.kind {
            kind @ (NoConfig | NoWeights { .. }) => ErrorKind::Network(kind),
            _ => ErrorKind::Model(error),
        }
    }
}

/// The operation is left out: [`Error::doing`] has it.
impl From<earmark_features::Error> for ErrorKind {
    fn from(error: earmark_features::Error) -> ErrorKind {
        ErrorKind::Features(error.kind)
    }
}

/// The list of labels is left out: [`Error::doing`] has it.
impl From<earmark_labels::Error> for ErrorKind {
    fn from(error: earmark_labels::Error) -> ErrorKind {
        ErrorKind::Labels(error.kind)
    }
}

/// The file that was being decoded is left out: [`Error::doing`] has it.
impl From<earmark_audio::Error> for ErrorKind {
    fn from(error: earmark_audio::Error) -> ErrorKind {
        ErrorKind::Audio(error.kind)
    }
}

impl Error {
    /// The same failure for the sound `name`, such as "`rain.wav`": features and logits know no file names.
    #[must_use]
    pub fn about(self, name: &str) -> Error {
        Error { doing: format!("cannot use {name}"), ..self }
    }
}
