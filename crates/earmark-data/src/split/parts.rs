use crate::error::ErrorKind;
use crate::split::sizes::{PartSize, SplitSizes};

/// Positions of the clips to train on and to test on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Clips to train on.
    pub train: Vec<usize>,
    /// Clips to test on.
    pub test: Vec<usize>,
}

/// How many of `n` clips are trained on, and how many tested on.
pub(super) fn part_sizes(sizes: SplitSizes, n: usize) -> Result<(usize, usize), ErrorKind> {
    let (train, test) = match sizes {
        SplitSizes::Test(test) => (None, Some(test)),
        SplitSizes::Train(train) => (Some(train), None),
        SplitSizes::Both { train, test } => (Some(train), Some(test)),
    };
    if let (Some(PartSize::Fraction(train)), Some(PartSize::Fraction(test))) = (train, test)
        && train + test > 1.0
    {
        return Err(ErrorKind::Oversized { sizes, clips: n });
    }
    let train = train.map(|size| count(size, "train", n, f64::floor)).transpose()?;
    let test = test.map(|size| count(size, "test", n, f64::ceil)).transpose()?;
    let (train, test) = match (train, test) {
        (None, Some(test)) => (n.saturating_sub(test), test.min(n)),
        (Some(train), None) => (train.min(n), n.saturating_sub(train)),
        (train, test) => (train.unwrap_or_default(), test.unwrap_or_default()),
    };
    if train == 0 || test == 0 {
        return Err(ErrorKind::EmptyPart { sizes, train, test });
    }
    if train.saturating_add(test) > n {
        return Err(ErrorKind::Oversized { sizes, clips: n });
    }
    Ok((train, test))
}

fn count(size: PartSize, part: &'static str, n: usize, round: fn(f64) -> f64) -> Result<usize, ErrorKind> {
    match size {
        PartSize::Fraction(share) if share > 0.0 && share < 1.0 => Ok(round(share * n as f64) as usize),
        PartSize::Fraction(share) => Err(ErrorKind::NotAFraction { part, share }),
        PartSize::Count(clips) => Ok(clips),
    }
}
