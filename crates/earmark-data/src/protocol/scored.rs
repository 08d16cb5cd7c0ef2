//! The clips that a protocol scores.

use crate::dataset::AudioDataset;

/// The clips that a protocol scores.
#[derive(Debug, Clone)]
pub struct Scored {
    /// The clips, in the order of the protocol, and nothing else.
    pub dataset: AudioDataset,
    /// Its folds or languages, each with a score of its own; a single part named as the split where there are none.
    pub parts: Vec<Part>,
    /// What was left out, a sentence each.
    pub remarks: Vec<String>,
}

/// A part of the clips that a protocol scores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name: a fold, a language, a split.
    pub name: String,
    /// Places of its clips in [`Scored::dataset`], ascending.
    pub clips: Vec<usize>,
}
