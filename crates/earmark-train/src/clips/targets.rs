use std::ops::Range;

use earmark_data::Clip;

/// What clips are: what the loss and the metrics compare a model's output with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Targets {
    /// The class of each clip.
    Class(Vec<usize>),
    /// All classes of each clip, in class order, where a clip may have any number of them.
    Classes(Vec<Vec<usize>>),
}

impl Targets {
    /// Of the `rows` of `clips`.
    pub(crate) fn of(clips: &[Clip], rows: &[usize]) -> Targets {
        let classes = |row: &usize| clips[*row].classes().iter().map(|class| class.index()).collect();
        match rows.first().is_some_and(|&row| clips[row].is_multi_label()) {
            true => Targets::Classes(rows.iter().map(classes).collect()),
            false => Targets::Class(rows.iter().map(|&row| clips[row].label.index()).collect()),
        }
    }

    /// The number of clips.
    pub fn len(&self) -> usize {
        match self {
            Targets::Class(classes) => classes.len(),
            Targets::Classes(classes) => classes.len(),
        }
    }

    /// Whether there are no clips.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those of some of the clips.
    pub(crate) fn part(&self, clips: Range<usize>) -> Targets {
        match self {
            Targets::Class(classes) => Targets::Class(classes[clips].to_vec()),
            Targets::Classes(classes) => Targets::Classes(classes[clips].to_vec()),
        }
    }
}
