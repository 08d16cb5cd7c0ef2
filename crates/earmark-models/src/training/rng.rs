use rand::rngs::ChaCha8Rng;
use rand::seq::index;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

/// The random number generator of one training step: for layerdrop, SpecAugment's spans and the seeds of dropout masks.
///
/// ChaCha, because its stream is the same on every machine: a resumed run draws what the uninterrupted one would have.
#[derive(Debug)]
pub struct TrainingRng {
    draws: ChaCha8Rng,
    /// A second stream, so that the number of dropout layers moves no other draw.
    dropout: ChaCha8Rng,
}

impl TrainingRng {
    /// The generator of one step. Different seeds give unrelated draws.
    pub fn new(seed: u64) -> Self {
        let mut draws = ChaCha8Rng::seed_from_u64(seed);
        let dropout = ChaCha8Rng::seed_from_u64(draws.next_u64());
        TrainingRng { draws, dropout }
    }

    /// The seed of the next dropout mask.
    pub(crate) fn dropout_seed(&mut self) -> u64 {
        self.dropout.next_u64()
    }

    /// True with probability `p`. Draws nothing when `p` is 0.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        p > 0.0 && self.draws.random::<f64>() < p
    }

    /// Span masks: for each row `width` ones and zeros, the ones among the row's first `rows[i]` places. A row has
    /// `share * rows[i] / length` spans (rounded at random, at least `least`, never more than fit), at distinct starts,
    /// overlaps allowed.
    ///
    /// The scheme of `_compute_mask_indices`, transformers 5.23.0; the draws are not NumPy's.
    pub(crate) fn spans(&mut self, rows: &[usize], width: usize, spans: &Spans) -> Vec<f32> {
        let mut mask = vec![0.0; rows.len() * width];
        let rounding: f64 = self.draws.random();
        for (&row, mask) in rows.iter().zip(mask.chunks_exact_mut(width)) {
            // The reference refuses a span longer than the sequence; a short clip is no reason to stop training.
            if spans.length == 0 || spans.length > row {
                continue;
            }
            let wanted = (spans.share * row as f64 / spans.length as f64 + rounding) as usize;
            let wanted = wanted.max(spans.least);
            let starts = row - (spans.length - 1);
            let count = if wanted * spans.length > width { width / spans.length } else { wanted }.min(starts);
            for start in index::sample(&mut self.draws, starts, count) {
                mask[start..start + spans.length].fill(1.0);
            }
        }
        mask
    }
}

/// How much SpecAugment masks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spans {
    /// Share of the places to mask.
    pub(crate) share: f64,
    /// Length of a span.
    pub(crate) length: usize,
    /// Fewest spans of a row.
    pub(crate) least: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_mask_the_share_that_was_asked_for() {
        let mut rng = TrainingRng::new(7);
        let mask = rng.spans(&[499; 200], 499, &Spans { share: 0.05, length: 10, least: 2 });
        let share = mask.iter().sum::<f32>() / mask.len() as f32;
        // Two or three spans of ten in 499 frames, fewer frames where spans overlap.
        assert!((0.035..0.06).contains(&share), "{share}");
    }

    #[test]
    fn a_span_longer_than_the_clip_masks_nothing() {
        let spans = Spans { share: 0.9, length: 10, least: 2 };
        assert_eq!(TrainingRng::new(1).spans(&[5, 5], 5, &spans), vec![0.0; 10]);
    }

    #[test]
    fn padding_is_never_masked() {
        let spans = Spans { share: 0.9, length: 10, least: 2 };
        let mask = TrainingRng::new(1).spans(&[30, 60], 60, &spans);
        assert!(mask[..30].contains(&1.0) && !mask[30..60].contains(&1.0));
    }

    #[test]
    fn the_same_seed_draws_the_same_spans() {
        let spans = Spans { share: 0.2, length: 10, least: 2 };
        let draw = |seed| TrainingRng::new(seed).spans(&[100; 4], 100, &spans);
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
