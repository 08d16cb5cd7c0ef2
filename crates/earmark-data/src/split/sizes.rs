//! How large the parts of a split are.

use std::fmt;

/// How large one part of a split is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PartSize {
    /// A fraction between 0 and 1, both excluded. The number of test clips is rounded up, that of training clips down.
    Fraction(f64),
    /// A number of clips.
    Count(usize),
}

/// The size of the test part.
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
