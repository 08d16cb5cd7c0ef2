use std::fmt;

use crate::error::{Error, ErrorKind, Task};
use crate::rng;

/// How much of a dataset is kept for testing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TestSize {
    /// A part between 0 and 1, both excluded; the number of clips is rounded up.
    Fraction(f64),
    /// So many clips.
    Count(usize),
}

impl fmt::Display for TestSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TestSize::Fraction(part) => part.fmt(f),
            TestSize::Count(clips) => write!(f, "{clips} clips"),
        }
    }
}

/// Positions of the clips to train on and to test on, each in shuffled order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Clips to train on.
    pub train: Vec<usize>,
    /// Clips to test on.
    pub test: Vec<usize>,
}

/// Splits `n` clips as `Dataset.train_test_split(test_size, seed=seed)` does (`datasets` 5.2.0, `arrow_dataset.py`): the
/// test part is the start of [`permutation(n, seed)`](crate::permutation), the training part is the rest.
///
/// ```
/// use earmark_data::{TestSize, train_test_split};
///
/// let split = train_test_split(10, TestSize::Count(3), 0)?;
/// assert_eq!(split.test, [4, 6, 2]);
/// assert_eq!(split.train, [7, 3, 5, 9, 0, 8, 1]);
/// # Ok::<(), earmark_data::Error>(())
/// ```
///
/// # Errors
/// When the fraction is not between 0 and 1, or one part would be empty.
pub fn train_test_split(n: usize, test_size: TestSize, seed: u64) -> Result<Split, Error> {
    let failed = |kind| Task::Split(n).failed(kind);
    let n_test = match test_size {
        TestSize::Fraction(part) if part > 0.0 && part < 1.0 => (part * n as f64).ceil() as usize,
        TestSize::Fraction(part) => return Err(failed(ErrorKind::NotAFraction(part))),
        TestSize::Count(clips) => clips,
    };
    if n_test == 0 || n_test >= n {
        let (test, train) = (n_test.min(n), n.saturating_sub(n_test));
        return Err(failed(ErrorKind::EmptyPart { test_size, train, test }));
    }
    let mut test = rng::permutation(n, seed);
    let train = test.split_off(n_test);
    Ok(Split { train, test })
}
