//! Which clips are trained on and which tested on: drawn clip by clip as `datasets` draws them, or whole groups at a time.

mod groups;
mod stratified;

use std::fmt;

use crate::error::{Error, ErrorKind, Task};
use crate::random;

pub use groups::{fold_split, group_split, k_folds};
pub use stratified::stratified_split;

/// How large one part of a split is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PartSize {
    /// A share between 0 and 1, both excluded. The clips of a test part are rounded up, those of a training part down.
    Fraction(f64),
    /// So many clips.
    Count(usize),
}

/// How much of a dataset is kept for testing.
pub type TestSize = PartSize;

impl fmt::Display for PartSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartSize::Fraction(part) => part.fmt(f),
            PartSize::Count(clips) => write!(f, "{clips} clips"),
        }
    }
}

/// How large the two parts of a split are: `test_size` and `train_size` of `Dataset.train_test_split`.
///
/// A function that takes `impl Into<SplitSizes>` takes a [`TestSize`] alone as well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SplitSizes {
    /// The test part; the rest is trained on.
    Test(PartSize),
    /// The training part; the rest is tested on.
    Train(PartSize),
    /// Both; what neither takes is in neither.
    Both {
        /// The training part.
        train: PartSize,
        /// The test part.
        test: PartSize,
    },
}

impl From<TestSize> for SplitSizes {
    fn from(test: TestSize) -> SplitSizes {
        SplitSizes::Test(test)
    }
}

impl fmt::Display for SplitSizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SplitSizes::Test(test) => write!(f, "a test size of {test}"),
            SplitSizes::Train(train) => write!(f, "a train size of {train}"),
            SplitSizes::Both { train, test } => {
                write!(f, "a train size of {train} with a test size of {test}")
            }
        }
    }
}

impl SplitSizes {
    /// The clips of the two parts, train and test, of `n` clips.
    fn of(self, n: usize) -> Result<(usize, usize), ErrorKind> {
        let (train, test) = match self {
            SplitSizes::Test(test) => (None, Some(test)),
            SplitSizes::Train(train) => (Some(train), None),
            SplitSizes::Both { train, test } => (Some(train), Some(test)),
        };
        if let (Some(PartSize::Fraction(train)), Some(PartSize::Fraction(test))) = (train, test)
            && train + test > 1.0
        {
            return Err(ErrorKind::Oversized { sizes: self, clips: n });
        }
        let train = train.map(|size| count(size, "train", n, f64::floor)).transpose()?;
        let test = test.map(|size| count(size, "test", n, f64::ceil)).transpose()?;
        let (train, test) = match (train, test) {
            (None, Some(test)) => (n.saturating_sub(test), test.min(n)),
            (Some(train), None) => (train.min(n), n.saturating_sub(train)),
            (train, test) => (train.unwrap_or_default(), test.unwrap_or_default()),
        };
        if train == 0 || test == 0 {
            return Err(ErrorKind::EmptyPart { sizes: self, train, test });
        }
        if train.saturating_add(test) > n {
            return Err(ErrorKind::Oversized { sizes: self, clips: n });
        }
        Ok((train, test))
    }
}

fn count(size: PartSize, part: &'static str, n: usize, round: fn(f64) -> f64) -> Result<usize, ErrorKind> {
    match size {
        PartSize::Fraction(share) if share > 0.0 && share < 1.0 => Ok(round(share * n as f64) as usize),
        PartSize::Fraction(share) => Err(ErrorKind::NotAFraction { part, share }),
        PartSize::Count(clips) => Ok(clips),
    }
}

/// Positions of the clips to train on and to test on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Clips to train on.
    pub train: Vec<usize>,
    /// Clips to test on.
    pub test: Vec<usize>,
}

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
/// good. [`group_split`] and [`fold_split`] keep them together.
///
/// # Errors
/// Where the reference raises a `ValueError`: when a fraction is not between 0 and 1, one part would be empty, or both
/// together are more than there is. No clips at all are refused as well.
pub fn train_test_split(n: usize, sizes: impl Into<SplitSizes>, seed: u64) -> Result<Split, Error> {
    let (n_train, n_test) = sizes.into().of(n).map_err(|kind| Task::Split(n).failed(kind))?;
    let mut test = random::permutation(n, seed);
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
    let (n_train, n_test) = sizes.into().of(n).map_err(|kind| Task::Split(n).failed(kind))?;
    Ok(Split { train: (0..n_train).collect(), test: (n_train..n_train + n_test).collect() })
}

/// The order that `Dataset.shuffle(seed=seed)` brings `n` clips into: [`permutation(n, seed)`](crate::permutation).
pub fn shuffle(n: usize, seed: u64) -> Vec<usize> {
    random::permutation(n, seed)
}

/// The split that a dataset was published with.
///
/// # Errors
/// When one part is empty: the dataset has no such split.
pub fn published_split(train: Vec<usize>, test: Vec<usize>) -> Result<Split, Error> {
    match train.is_empty() || test.is_empty() {
        true => Err(Task::Split(train.len() + test.len()).failed(ErrorKind::NoPublishedSplit)),
        false => Ok(Split { train, test }),
    }
}
