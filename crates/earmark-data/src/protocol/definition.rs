//! What a protocol is.

use earmark_error::Context as _;

use super::rules::{self, Counts, Rule};
use super::scored::Scored;
use crate::catalog::spec::Selection;
use crate::dataset::AudioDataset;
use crate::error::{Error, Task};

/// How a published dataset is evaluated.
///
/// ```
/// use earmark_data::Protocol;
///
/// let protocol = Protocol::find("esc50:folds")?;
/// assert_eq!((protocol.selection.name().as_str(), protocol.clips), ("esc50:default", Some(2000)));
/// # Ok::<(), earmark_data::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    /// Its name: `esc50:folds`.
    pub name: String,
    /// What is scored, in a few words.
    pub summary: &'static str,
    /// What is scored and what a score then means, in a sentence or two, which belong beside every score.
    pub description: &'static str,
    /// The dataset, its configuration and split, and the column of the classes.
    pub selection: Selection,
    /// How many clips are scored, where that is known beforehand.
    pub clips: Option<usize>,
    pub(super) rule: Rule,
}

impl Protocol {
    /// The field that clips need from outside of the dataset, such as `artist`: it comes from a
    /// [`FieldTable`](crate::FieldTable).
    pub fn needed_field(&self) -> Option<&'static str> {
        self.rule.needed_field()
    }

    /// Chooses the clips that are scored. `dataset` is the opened [`selection`](Self::selection), or a copy of it; of one with
    /// several splits, that of the protocol is taken.
    ///
    /// # Errors
    /// [`ErrorKind::OtherClips`](crate::ErrorKind::OtherClips) when it does not have the clips that the protocol is defined for;
    /// [`ErrorKind::NoField`](crate::ErrorKind::NoField) when a field is missing that the protocol goes by.
    pub fn choose(&self, dataset: AudioDataset) -> Result<Scored, Error> {
        self.choose_counted(dataset, Counts::Exact)
    }

    /// As [`choose`](Self::choose), but also of a part of the dataset, such as a sample of it: a remark then tells that the score cannot
    /// be compared with others of the protocol.
    ///
    /// # Errors
    /// [`ErrorKind::NoField`](crate::ErrorKind::NoField), as there.
    pub fn choose_among(&self, dataset: AudioDataset) -> Result<Scored, Error> {
        self.choose_counted(dataset, Counts::Any)
    }

    fn choose_counted(&self, mut dataset: AudioDataset, counts: Counts) -> Result<Scored, Error> {
        let split = self.selection.split.name;
        if dataset.splits.iter().any(|known| **known == *split) {
            dataset = dataset.split(split)?;
        }
        rules::choose(self.rule, &self.selection, dataset, counts)
            .with_context(|| Task::Protocol(self.name.clone()))
    }
}
