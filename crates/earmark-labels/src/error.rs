use earmark_error::Attempt;

/// Labels or scores that could not be read: which, and why.
#[derive(Debug, thiserror::Error)]
#[error("failed to read {what}")]
#[non_exhaustive]
pub struct Error {
    /// What was being read, e.g. `label names`.
    pub what: &'static str,
    /// Why it could not be read.
    #[source]
    pub kind: ErrorKind,
}

/// What is read, as [`Error::what`] names it.
pub(crate) struct Reading(pub(crate) &'static str);

impl Attempt for Reading {
    type Kind = ErrorKind;
    type Error = Error;

    fn failed(self, kind: ErrorKind) -> Error {
        Error { what: self.0, kind }
    }
}

/// Why it could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There are no labels.
    #[error("there is not one label in it")]
    Empty,
    /// Two classes have one name, so that a name does not identify a class.
    #[error("label `{name}` stands for both class {first} and class {second}; rename one of them")]
    Duplicate {
        /// The name.
        name: String,
        /// The lower class id.
        first: usize,
        /// The higher class id.
        second: usize,
    },
    /// A key of `id2label` is not a class id.
    #[error("key `{key}` is not a class id; keys are whole numbers from 0, in quotes")]
    NotAnId {
        /// The key as written.
        key: String,
    },
    /// Two keys of `id2label` are the same number, e.g. `1` and `01`.
    #[error("class {id} is named twice")]
    RepeatedId {
        /// The class id.
        id: usize,
    },
    /// The class ids are not 0, 1, 2 and so on.
    #[error("class {missing} has no name although {count} classes are named; ids run from 0 without a gap")]
    Gap {
        /// The first id without a name.
        missing: usize,
        /// How many ids have one.
        count: usize,
    },
    /// There are no scores of this name.
    #[error("`{name}` is not one of softmax, sigmoid, none")]
    UnknownScores {
        /// The name as given.
        name: String,
    },
}
