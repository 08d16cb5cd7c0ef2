use earmark_audio::SampleRate;
use earmark_error::Attempt;

/// A model that could not be opened, or a sound that it could not classify or embed: what was tried, and why it failed.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
#[non_exhaustive]
pub struct Error {
    /// What was tried, such as `cannot open the model in `models/ast``.
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
    /// The sound is at fault.
    #[error(transparent)]
    Audio(#[from] earmark_audio::Error),
    /// The extractor refused a clip or a preprocessor configuration.
    #[error(transparent)]
    Features(#[from] earmark_features::Error),
    /// The labels are at fault.
    #[error(transparent)]
    Labels(#[from] earmark_labels::Error),
    /// The model files are at fault.
    #[error(transparent)]
    Model(#[from] earmark_models::Error),
    /// The network cannot be built, or cannot take what it was given.
    #[error(transparent)]
    Network(#[from] earmark_models::ErrorKind),
    /// `config.json` is not what it should be.
    #[error("it is not the JSON it should be")]
    Json(#[from] serde_json::Error),
    /// An extractor that does not make what the network takes.
    #[error("{0}")]
    OtherExtractor(String),
    /// A folder that does not say how features are made.
    #[error(
        "it has neither processor_config.json nor preprocessor_config.json, one of which says how features are made of a \
         sound: copy it from the checkpoint that the model was made of"
    )]
    NoExtractor,
    /// The head was made for another number of labels than `config.json` names.
    #[error(
        "`id2label` in config.json names {named} labels, and the classification head in its weights has {head}: one of the \
         files is another model's"
    )]
    OtherLabels {
        /// Labels that `config.json` names.
        named: usize,
        /// Labels of the head.
        head: usize,
    },
    /// The model would not make a single frame of it.
    #[error("it is {samples} samples at {rate}, and the model needs {least}")]
    TooShort {
        /// Samples of the clip at the model's rate.
        samples: usize,
        /// The model's rate.
        rate: SampleRate,
        /// Samples it needs.
        least: usize,
    },
    /// A model of another kind than the one asked for.
    #[error("`model_type` is `{found}`: {advice}")]
    OtherKind {
        /// What `config.json` says.
        found: String,
        /// What can be done with such a model.
        advice: &'static str,
    },
    /// A template without a place for the label.
    #[error("the template `{0}` has no {{}} where the label goes")]
    Template(String),
    /// Windows that cannot be cut.
    #[error("{0}")]
    Windows(String),
    /// The model's answer is not made of finite numbers.
    #[error("{what} is {value}: {}", weight.as_deref().unwrap_or("the network's numbers overflow on it"))]
    NotFinite {
        /// Which number: `the logit of `siren``.
        what: String,
        /// NaN or infinity.
        value: f32,
        /// The weight that is at fault, such as "`classifier.bias` holds NaN"; `None` when all of them are in order.
        weight: Option<String>,
    },
    /// What the device computed cannot be read.
    #[error("the device gave no numbers: {0}")]
    Device(String),
}

/// What was tried, as [`Error::doing`] says it.
pub(crate) struct Doing(pub(crate) String);

impl Attempt for Doing {
    type Kind = ErrorKind;
    type Error = Error;

    fn failed(self, kind: ErrorKind) -> Error {
        Error { doing: self.0, kind: Box::new(kind) }
    }
}

impl Error {
    /// The same, said of the sound that is called `name`.
    pub(crate) fn about(self, name: &str) -> Error {
        Error { doing: format!("cannot use {name}"), ..self }
    }
}
