use std::fmt;
use std::path::{Path, PathBuf};

use earmark_config::FAMILIES;
use earmark_error::Attempt;

use crate::checkpoint::task::Task;

/// A model that could not be read, built or written: its file, and the reason.
#[derive(Debug, thiserror::Error)]
#[error("cannot use `{}`", earmark_fs::text(path))]
#[non_exhaustive]
pub struct Error {
    /// The file, or the folder when a file is missing from it.
    pub path: PathBuf,
    /// The reason.
    #[source]
    pub kind: ErrorKind,
}

/// A use of the file or folder at a path.
pub(crate) struct Using<'a>(pub(crate) &'a Path);

impl Attempt for Using<'_> {
    type Kind = ErrorKind;
    type Error = Error;

    fn failed(self, kind: ErrorKind) -> Error {
        Error { path: self.0.to_path_buf(), kind }
    }
}

/// Why a model cannot be read, built, run or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// There is no `config.json`.
    #[error("no config.json here; a model folder has one beside its weights (for a run, use RUN/model)")]
    NoConfig,
    /// `config.json` is not a JSON object, or not that of a model.
    #[error("not the JSON of a model configuration")]
    Json(#[from] serde_json::Error),
    /// A key of `config.json` has a value of the wrong type.
    #[error("invalid `{key}`")]
    BadKey {
        /// The path of the key, such as `text_config.hidden_size`.
        key: String,
        /// The value found, and what was expected.
        #[source]
        source: serde_json::Error,
    },
    /// A value that is out of range or not supported.
    #[error("`{key}` {why}")]
    BadConfig {
        /// The key in `config.json`.
        key: &'static str,
        /// What is wrong and what was expected; the end of a sentence that starts with the key.
        why: String,
    },
    /// An architecture that is not supported.
    #[error("{}; supported: {}, and {} for zero-shot", unsupported(found), supported(true), supported(false))]
    UnsupportedModel {
        /// The `model_type` in the file; empty when there is none.
        found: String,
    },
    /// A weighted sum of a network that has no weights for it.
    #[error(
        "the checkpoint has no `layer_weights`: only models that were fine-tuned with `use_weighted_layer_sum` have a weighted sum \
         of their layers"
    )]
    NoLayerWeights,
    /// A hidden state that the network does not have.
    #[error(
        "there is no hidden state {number}: the network has 0 (what the first layer is given) to {last} (the last layer's)"
    )]
    NoSuchLayer {
        /// The number asked for.
        number: usize,
        /// The last there is.
        last: usize,
    },
    /// A class token of a network without one.
    #[error("the network has no class token, only AST has: take the mean or the maximum of its frames")]
    NoClassToken,
    /// An x-vector of a network without such a head.
    #[error("the checkpoint has no x-vector head: only speaker-embedding models have one")]
    NoXVector,
    /// A way to pool frames where there are none.
    #[error(
        "an x-vector is one vector of the whole clip, so there is nothing to pool: choose hidden states of the encoder"
    )]
    NothingToPool,
    /// A checkpoint whose head is for another task than classification.
    #[error("{0}")]
    OtherTask(Task),
    /// `tokenizer.json` is invalid, or uses something that is not supported.
    #[error("invalid tokenizer.json")]
    BrokenTokenizer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An input that does not fit the network.
    #[error("{0}")]
    BadInput(String),
    /// None of the weight files that a checkpoint may have.
    #[error("no weights here: expected one of {}", expected.join(", "))]
    NoWeights {
        /// The names of weight files.
        expected: &'static [&'static str],
    },
    /// The weight file is truncated, damaged or not of the format that its name says.
    #[error("the weights cannot be read: {0}")]
    BrokenWeights(String),
    /// The weights cannot be read from the device to be written.
    #[error("the weights cannot be written: {0}")]
    NotWritten(String),
    /// The keys or shapes in the file do not match the network.
    #[error("{0}")]
    Keys(KeyMismatch),
    /// A base checkpoint where one with a classification head is needed.
    #[error(
        "it is a base checkpoint without a classification head (`{key}` is missing): fine-tune it first, or use a \
         fine-tuned checkpoint"
    )]
    NoHead {
        /// The head's weight that the file lacks.
        key: &'static str,
    },
    /// A whole Whisper that cannot tell languages apart; the reason, and what to do.
    #[error("{0}")]
    NoLanguages(String),
    /// The network has no linear layers of these names.
    #[error("it has no linear layer called {}; those of its encoder are called {}", missing.join(", "), known.join(", "))]
    NoLinear {
        /// The names.
        missing: Vec<String>,
        /// The names that there are.
        known: Vec<String>,
    },
    /// The classification head has another number of labels.
    #[error("its classification head has {found} labels, but {wanted} are needed")]
    OtherHead {
        /// Labels of the head in the file.
        found: usize,
        /// Labels that are needed.
        wanted: usize,
    },
}

fn unsupported(found: &str) -> String {
    match found {
        "" => "it has no `model_type`".to_owned(),
        found => format!("`model_type` `{found}` is not supported"),
    }
}

/// The model types that can be run, with or without a classification head.
fn supported(has_head: bool) -> String {
    let rows = FAMILIES.iter().filter(|family| family.has_head() == has_head);
    rows.map(|family| family.model_type).collect::<Vec<_>>().join(", ")
}

/// How a checkpoint's keys differ from the network's.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct KeyMismatch {
    /// Keys the network needs that the file lacks, with their shapes.
    pub missing: Vec<(String, Vec<usize>)>,
    /// Keys in the file that the network does not use; alone they are not an error.
    pub unexpected: Vec<String>,
    /// Keys with the wrong shape: name, found, expected.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl KeyMismatch {
    pub(crate) fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.misshapen.is_empty()
    }
}

impl fmt::Display for KeyMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its keys do not match the network that config.json describes")?;
        let missing = self.missing.iter().map(|(key, shape)| format!("missing `{key}` {shape:?}"));
        let misshapen = self
            .misshapen
            .iter()
            .map(|(key, found, expected)| format!("`{key}` has shape {found:?}, expected {expected:?}"));
        let unexpected = self.unexpected.iter().map(|key| format!("unexpected `{key}`"));
        // Ten tell the story; a wrong config makes hundreds.
        const SHOWN: usize = 10;
        let all: Vec<_> = missing.chain(misshapen).chain(unexpected).collect();
        for (place, key) in all.iter().take(SHOWN).enumerate() {
            write!(f, "{} {key}", if place == 0 { ":" } else { "," })?;
        }
        if all.len() > SHOWN {
            write!(f, " and {} more", all.len() - SHOWN)?;
        }
        Ok(())
    }
}

impl From<earmark_config::KeyError> for ErrorKind {
    fn from(error: earmark_config::KeyError) -> ErrorKind {
        match error.key.as_str() {
            "." => ErrorKind::Json(error.source),
            _ => ErrorKind::BadKey { key: error.key, source: error.source },
        }
    }
}
