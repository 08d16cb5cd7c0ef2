use std::fmt;
use std::path::{Path, PathBuf};

use earmark_config::FAMILIES;
use earmark_error::Attempt;

/// A model that could not be read, built or written: which file, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the model file `{}`", path.display())]
#[non_exhaustive]
pub struct Error {
    /// The file, or the folder when a file is missing from it.
    pub path: PathBuf,
    /// What was wrong with it.
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

/// What was wrong with a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// There is no `config.json`.
    #[error("there is no such file, and a model's folder has one beside its weights")]
    NoConfig,
    /// `config.json` is not the JSON it should be.
    #[error("it is not a model configuration")]
    Json(#[from] serde_json::Error),
    /// A key of `config.json` has a value of another kind.
    #[error("`{key}` cannot be read")]
    BadKey {
        /// The key, with those that it lies under.
        key: String,
        /// What was found, and what was expected.
        #[source]
        source: serde_json::Error,
    },
    /// A value that no network can be built from.
    #[error("`{key}` {why}")]
    BadConfig {
        /// The key in `config.json`.
        key: &'static str,
        /// What is wrong and what was expected, as the rest of a sentence that begins with the key.
        why: String,
    },
    /// An architecture that is not implemented.
    #[error(
        "`model_type` is `{found}`, but only {} can be run, and {} for zero-shot",
        supported(true),
        supported(false)
    )]
    UnsupportedModel {
        /// What the file says; empty when it says nothing.
        found: String,
    },
    /// `tokenizer.json` is broken, or asks for something that cannot be done.
    #[error("the tokenizer cannot be used")]
    BrokenTokenizer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Sounds or texts that the network cannot take.
    #[error("{0}")]
    BadInput(String),
    /// None of the weight files that a checkpoint may have.
    #[error("it has no weights: expected one of {}", expected.join(", "))]
    NoWeights {
        /// The names looked for.
        expected: &'static [&'static str],
    },
    /// The weight file is broken: cut short, not the format its name says, or hostile.
    #[error("the weights cannot be read: {0}")]
    BrokenWeights(String),
    /// The network cannot be written: the device did not give what it holds.
    #[error("the weights cannot be written: {0}")]
    NotWritten(String),
    /// The names or shapes in the file do not fit the network.
    #[error("{0}")]
    Keys(KeyMismatch),
    /// A base checkpoint where one with a classification head is needed.
    #[error(
        "it is a base checkpoint without a classification head (`{key}` is missing): fine-tune it first, or name a \
         checkpoint that was"
    )]
    NoHead {
        /// The head's weight that the file lacks.
        key: &'static str,
    },
    /// The head was made for another number of labels.
    #[error("its classification head has {found} labels, but {wanted} are wanted")]
    OtherHead {
        /// Labels of the head in the file.
        found: usize,
        /// Labels asked for.
        wanted: usize,
    },
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
    /// Keys in the file that the network has no place for; alone they are no error.
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
        f.write_str("its keys do not fit the network that config.json describes")?;
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
