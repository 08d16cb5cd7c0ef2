//! The splits of a dataset's files, once it is decided that they hold.

use std::sync::Arc;

use super::splits::{Splits, says_split};
use crate::error::ErrorKind;

/// Names of splits, and the split of each file.
#[derive(Default)]
pub(super) struct FileSplits {
    pub(super) names: Vec<Arc<str>>,
    of: Vec<Option<Arc<str>>>,
    pub(super) by_folder: bool,
}

impl FileSplits {
    pub(super) fn new(splits: Option<Splits>) -> Result<FileSplits, ErrorKind> {
        let Some(splits) = splits else { return Ok(FileSplits::default()) };
        if let Some((file, splits)) = splits.conflict {
            return Err(ErrorKind::TwoSplits { file, splits });
        }
        let names: Vec<Arc<str>> = splits.names.into_iter().map(Arc::from).collect();
        let of = splits.of.into_iter().map(|split| split.map(|split| Arc::clone(&names[split]))).collect();
        Ok(FileSplits { names, of, by_folder: splits.by_folder })
    }

    /// The place of a split among them: clips are in the order of their splits.
    pub(super) fn rank(&self, split: &Option<Arc<str>>) -> usize {
        self.names.iter().position(|name| Some(name) == split.as_ref()).unwrap_or(0)
    }

    /// The split of file `at`, or `None` where there are no splits.
    ///
    /// # Errors
    /// When there are splits, and the file is in none of them.
    pub(super) fn split(&self, at: usize) -> Result<Option<Arc<str>>, ()> {
        match self.names.is_empty() {
            true => Ok(None),
            false => self.of[at].clone().map(Some).ok_or(()),
        }
    }
}

/// The folders of a clip, without those that say its split.
pub(super) fn folders_of(name: &str, by_folder: bool) -> Vec<&str> {
    let folders = name.rsplit_once('/').map(|(folders, _)| folders.split('/'));
    folders.into_iter().flatten().filter(|folder| !by_folder || !says_split(folder)).collect()
}

/// Whether a split is no split, because only some names of files say it: `mic test.wav`.
pub(super) fn is_by_chance(splits: &Splits, names: &[&str], remarks: &mut Vec<String>) -> bool {
    let (outside, by_chance) = (splits.outside(), splits.names.len() == 1 && splits.outside() > 0);
    if by_chance {
        let of = splits.of.iter().position(Option::is_some).map_or("", |at| names[at]);
        remarks.push(format!(
            "{} of {} file names contain the split name `{}`, such as `{of}`; this is taken for a coincidence, and all clips are one split",
            names.len() - outside,
            names.len(),
            splits.names[0]
        ));
    }
    by_chance
}
