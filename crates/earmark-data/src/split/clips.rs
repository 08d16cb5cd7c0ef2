//! Splits that draw clip by clip, as `datasets` does.

use earmark_error::Context as _;

use crate::error::{Error, ErrorKind, Task};
use crate::random::permutation;
use crate::split::parts::{Split, part_sizes};
use crate::split::sizes::SplitSizes;

/// Splits `n` clips as `Dataset.train_test_split(test_size, train_size, seed=seed)` does (`datasets` 5.2.0,
/// `arrow_dataset.py`): the test part is the start of [`permutation(n, seed)`](crate::permutation), the training part
/// comes after it. Each part is in shuffled order.
///
/// ```
/// use earmark_data::{PartSize, SplitSizes, TestSize, train_test_split};
///
/// let split = train_test_split(10, TestSize::Count(3), 0)?;
/// assert_eq!(split.test, [4, 6, 2]);
/// assert_eq!(split.train, [7, 3, 5, 9, 0, 8, 1]);
///
/// let small = SplitSizes::Both { train: PartSize::Fraction(0.45), test: PartSize::Count(3) };
/// assert_eq!(train_test_split(10, small, 0)?.train, [7, 3, 5, 9]);
/// # Ok::<(), earmark_data::Error>(())
/// ```
///
/// Clips that were cut from one recording, or are by one speaker or artist, can land on both sides; a score is then too
/// good. [`group_split`](crate::group_split) and [`fold_split`](crate::fold_split) keep them together.
///
/// # Errors
/// Where the reference raises a `ValueError`: when a fraction is not between 0 and 1, one part would be empty, or both
/// together are more than there is. No clips at all are refused as well.
pub fn train_test_split(n: usize, sizes: impl Into<SplitSizes>, seed: u64) -> Result<Split, Error> {
    let (n_train, n_test) = part_sizes(sizes.into(), n).context(Task::Split(n))?;
    let mut test = permutation(n, seed);
    let mut train = test.split_off(n_test);
    train.truncate(n_train);
    Ok(Split { train, test })
}

/// Splits `n` clips without shuffling, as `Dataset.train_test_split(…, shuffle=False)` does: the first are trained on,
/// those after them tested on.
///
/// A list that is sorted by class loses its last classes from training this way.
///
/// # Errors
/// As [`train_test_split`].
pub fn split_in_order(n: usize, sizes: impl Into<SplitSizes>) -> Result<Split, Error> {
    let (n_train, n_test) = part_sizes(sizes.into(), n).context(Task::Split(n))?;
    Ok(Split { train: (0..n_train).collect(), test: (n_train..n_train + n_test).collect() })
}

/// The order that `Dataset.shuffle(seed=seed)` brings `n` clips into: [`permutation(n, seed)`](crate::permutation).
pub fn shuffle(n: usize, seed: u64) -> Vec<usize> {
    permutation(n, seed)
}

/// The split that a dataset was published with.
///
/// # Errors
/// When one part is empty: the dataset has no such split.
pub fn published_split(train: Vec<usize>, test: Vec<usize>) -> Result<Split, Error> {
    match train.is_empty() || test.is_empty() {
        true => Err(ErrorKind::NoPublishedSplit).context(Task::Split(train.len() + test.len())),
        false => Ok(Split { train, test }),
    }
}
