//! A part of an evaluation, for jobs that share it.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Part `index`, from 0, of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shard {
    pub(super) index: usize,
    pub(super) count: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((index, count)) if index < count => Ok(Shard { index, count }),
            _ => Err("expected I/N with I from 0 to N-1, such as 0/4".to_owned()),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl Shard {
    /// The rows of this part among `clips`: whole batches that follow one another, so that each batch is one of the whole
    /// evaluation.
    pub(super) fn rows(self, clips: usize, batch_size: usize) -> Range<usize> {
        let batches = clips.div_ceil(batch_size) as u128;
        let first = |index: usize| {
            let batch = (batches * index as u128 / self.count as u128) as usize;
            batch.saturating_mul(batch_size).min(clips)
        };
        first(self.index)..first(self.index + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_clip_once_and_begin_where_batches_do() {
        for (clips, batch_size, count) in [(100, 8, 4), (7, 8, 4), (0, 8, 3), (1000, 1, 7), (65, 8, 9)] {
            let parts: Vec<_> =
                (0..count).map(|index| Shard { index, count }.rows(clips, batch_size)).collect();
            assert_eq!((parts[0].start, parts[count - 1].end), (0, clips));
            assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start), "{parts:?}");
            assert!(parts.iter().all(|part| part.start % batch_size == 0 || part.start == clips));
        }
    }

    #[test]
    fn a_part_is_counted_from_0() {
        assert_eq!("3/4".parse(), Ok(Shard { index: 3, count: 4 }));
        for wrong in ["4/4", "0/0", "1", "-1/4", "a/b", "1/4/5"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
