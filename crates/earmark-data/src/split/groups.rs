//! Splits that keep together what belongs together: recordings of one speaker, clips cut from one file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use earmark_error::Context as _;

use crate::error::{Error, ErrorKind, Task};
use crate::permutation;
use crate::split::parts::{Split, part_sizes};
use crate::split::sizes::{SplitSizes, TestSize};

/// Splits clips so that no group is on both sides; `groups` has each clip's: its speaker, artist or recording.
///
/// The groups, counted as they first occur, go to the test part whole and in the order of
/// [`permutation(number of groups, seed)`](crate::permutation), until it has at least the clips of `test_size`; it can
/// have more, by less than its last group. Both parts are in the order of the dataset. This is earmark's own split, not
/// one of `datasets`.
///
/// ```
/// use earmark_data::{TestSize, group_split};
///
/// let speakers = ["ada", "ada", "bo", "cy", "bo", "cy"];
/// let split = group_split(&speakers, TestSize::Count(1), 42)?;
/// assert_eq!(split.test, [3, 5]); // both of cy
/// assert_eq!(split.train, [0, 1, 2, 4]);
/// # Ok::<(), earmark_data::Error>(())
/// ```
///
/// # Errors
/// Those of [`train_test_split`](crate::train_test_split); when there is only one group, or the groups are so large that
/// none is left to train on.
pub fn group_split<G: Ord>(groups: &[G], test_size: TestSize, seed: u64) -> Result<Split, Error> {
    let task = Task::Split(groups.len());
    let sizes = SplitSizes::Test(test_size);
    let (_, wanted) = part_sizes(sizes, groups.len()).context(task.clone())?;

    let mut numbers: BTreeMap<&G, usize> = BTreeMap::new();
    let mut clips: Vec<usize> = Vec::new();
    let group_of: Vec<usize> = groups
        .iter()
        .map(|group| {
            let number = *numbers.entry(group).or_insert(clips.len());
            match clips.get_mut(number) {
                Some(clips) => *clips += 1,
                None => clips.push(1),
            }
            number
        })
        .collect();
    if clips.len() == 1 {
        return Err(ErrorKind::OneGroup).context(task);
    }

    let (mut tested, mut test_clips) = (vec![false; clips.len()], 0);
    for group in permutation(clips.len(), seed) {
        if test_clips >= wanted {
            break;
        }
        tested[group] = true;
        test_clips += clips[group];
    }
    if test_clips == groups.len() {
        return Err(ErrorKind::LargeGroups { sizes, groups: clips.len() }).context(task);
    }
    Ok(partition(&group_of, |group| tested[*group]))
}

/// Tests on one fold of an official division and trains on all others; `folds` has each clip's.
///
/// Both parts are in the order of the dataset.
///
/// # Errors
/// When no clip is in `test_fold`, or all are.
pub fn fold_split<F: Ord + Display>(folds: &[F], test_fold: &F) -> Result<Split, Error> {
    let split = partition(folds, |fold| fold == test_fold);
    let kind = if split.test.is_empty() {
        let there_are: BTreeSet<&F> = folds.iter().collect();
        let folds = there_are.into_iter().map(ToString::to_string).collect();
        ErrorKind::NoSuchFold { fold: test_fold.to_string(), folds }
    } else if split.train.is_empty() {
        ErrorKind::OneFold { fold: test_fold.to_string() }
    } else {
        return Ok(split);
    };
    Err(kind).context(Task::Split(folds.len()))
}

/// Every fold once as the test part, in ascending order: the protocol of ESC-50 and UrbanSound8K, whose score is the
/// mean over the folds.
///
/// ```
/// let folds = [1, 1, 2, 3];
/// let splits = earmark_data::k_folds(&folds)?;
/// assert_eq!(splits.len(), 3);
/// let (fold, split) = &splits[0];
/// assert_eq!((**fold, &split.test[..], &split.train[..]), (1, &[0, 1][..], &[2, 3][..]));
/// # Ok::<(), earmark_data::Error>(())
/// ```
///
/// # Errors
/// When there are no two folds.
pub fn k_folds<F: Ord + Display>(folds: &[F]) -> Result<Vec<(&F, Split)>, Error> {
    let each: BTreeSet<&F> = folds.iter().collect();
    if each.is_empty() {
        return Err(ErrorKind::NoFolds).context(Task::Split(0));
    }
    each.into_iter().map(|fold| Ok((fold, fold_split(folds, fold)?))).collect()
}

fn partition<T>(of_clip: &[T], is_test: impl Fn(&T) -> bool) -> Split {
    let (test, train) = (0..of_clip.len()).partition(|&clip| is_test(&of_clip[clip]));
    Split { train, test }
}
