use earmark_error::Attempt;

use crate::unmatched::{Instead, Listed, Quoted, Unmatched};

/// Labels or scores that are invalid: which, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {what}")]
#[non_exhaustive]
pub struct Error {
    /// What is invalid, such as `label names`.
    pub what: &'static str,
    /// The reason.
    #[source]
    pub kind: ErrorKind,
}

/// What is checked, for [`Error::what`].
pub(crate) struct Reading(pub(crate) &'static str);

impl Attempt for Reading {
    type Kind = ErrorKind;
    type Error = Error;

    fn failed(self, kind: ErrorKind) -> Error {
        Error { what: self.0, kind }
    }
}

/// Why labels or scores are invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There are no labels.
    #[error("there are no labels")]
    Empty,
    /// Two classes have the same name, so a name does not identify a class.
    #[error("label `{name}` is used for both class {first} and class {second}; rename one of them")]
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
    #[error("class id {id} appears twice")]
    RepeatedId {
        /// The class id.
        id: usize,
    },
    /// The class ids are not 0, 1, 2 and so on.
    #[error("class id {missing} is missing, although there are {count} labels; ids run from 0 without gaps")]
    Gap {
        /// The first id without a name.
        missing: usize,
        /// The number of ids that have a name.
        count: usize,
    },
    /// Not the name of a kind of scores.
    #[error("unknown scores `{name}`: expected one of softmax, sigmoid, none")]
    UnknownScores {
        /// The name as given.
        name: String,
    },
    /// A label of a dataset has the name of several classes of a model.
    #[error("label `{label}` of the dataset fits several labels of the model: {}", Quoted(.classes))]
    Ambiguous {
        /// The label of the dataset.
        label: String,
        /// The labels of the model.
        classes: Vec<String>,
    },
    /// Several labels of a dataset have the name of one class of a model.
    #[error("label `{class}` of the model fits several labels of the dataset: {}", Quoted(.labels))]
    Shared {
        /// The label of the model.
        class: String,
        /// The labels of the dataset.
        labels: Vec<String>,
    },
    /// Labels of a dataset that a model does not have.
    #[error("the model has no label for {}{}", Listed(.labels), Instead(.unused))]
    Unmatched {
        /// The labels of the dataset, each with the nearest of the model.
        labels: Vec<Unmatched>,
        /// The labels of the model that the dataset does not have.
        unused: Vec<String>,
    },
    /// An alias of a label that is not there.
    #[error("the {of} has no label `{label}`, which an alias is for")]
    Alias {
        /// The label.
        label: String,
        /// `dataset` or `model`.
        of: &'static str,
    },
}
