use rand::rngs::ChaCha8Rng;
use rand::seq::index;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

/// The random draws of one training step: which layers to drop, which spans to hide, and the seeds of dropout.
///
/// ChaCha, because its stream is the same on every machine: a resumed run draws what the uninterrupted one would have.
#[derive(Debug)]
pub struct Noise {
    draws: ChaCha8Rng,
    /// Of its own, so that how often dropout asks moves no other draw.
    dropout: ChaCha8Rng,
}

impl Noise {
    /// The draws of one step. Different seeds give unrelated draws.
    pub fn new(seed: u64) -> Self {
        let mut draws = ChaCha8Rng::seed_from_u64(seed);
        let dropout = ChaCha8Rng::seed_from_u64(draws.next_u64());
        Noise { draws, dropout }
    }

    /// What decides which numbers the next dropout drops.
    pub(crate) fn dropout_seed(&mut self) -> u64 {
        self.dropout.next_u64()
    }

    /// True with probability `p`. Draws nothing when `p` is 0.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        p > 0.0 && self.draws.random::<f64>() < p
    }

    /// Span masks: for each row `width` ones and zeros, the ones among the row's first `rows[i]` places. A row hides
    /// `share * rows[i] / length` spans (rounded at random, at least `least`, never more than fit), at distinct starts,
    /// overlaps allowed.
    ///
    /// The scheme of `_compute_mask_indices`, transformers 5.23.0; the draws are not NumPy's.
    pub(crate) fn spans(&mut self, rows: &[usize], width: usize, spans: &Spans) -> Vec<f32> {
        let mut hidden = vec![0.0; rows.len() * width];
        let rounding: f64 = self.draws.random();
        for (&row, hidden) in rows.iter().zip(hidden.chunks_exact_mut(width)) {
            // The reference refuses a span longer than the sequence; a short clip is no reason to stop training.
            if spans.length == 0 || spans.length > row {
                continue;
            }
            let wanted = (spans.share * row as f64 / spans.length as f64 + rounding) as usize;
            let wanted = wanted.max(spans.least);
            let starts = row - (spans.length - 1);
            let count = if wanted * spans.length > width { width / spans.length } else { wanted }.min(starts);
            for start in index::sample(&mut self.draws, starts, count) {
                hidden[start..start + spans.length].fill(1.0);
            }
        }
        hidden
    }
}

/// How much SpecAugment hides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spans {
    /// Share of the places to hide.
    pub(crate) share: f64,
    /// Places of a span.
    pub(crate) length: usize,
    /// Fewest spans a row.
    pub(crate) least: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_hide_the_share_that_was_asked_for() {
        let mut noise = Noise::new(7);
        let hidden = noise.spans(&[499; 200], 499, &Spans { share: 0.05, length: 10, least: 2 });
        let share = hidden.iter().sum::<f32>() / hidden.len() as f32;
        // Two or three spans of ten in 499 frames, fewer frames where spans overlap.
        assert!((0.035..0.06).contains(&share), "{share}");
    }

    #[test]
    fn a_span_longer_than_the_clip_hides_nothing() {
        let spans = Spans { share: 0.9, length: 10, least: 2 };
        assert_eq!(Noise::new(1).spans(&[5, 5], 5, &spans), vec![0.0; 10]);
    }

    #[test]
    fn padding_is_never_hidden() {
        let spans = Spans { share: 0.9, length: 10, least: 2 };
        let hidden = Noise::new(1).spans(&[30, 60], 60, &spans);
        assert!(hidden[..30].contains(&1.0) && !hidden[30..60].contains(&1.0));
    }

    #[test]
    fn the_same_seed_draws_the_same_spans() {
        let spans = Spans { share: 0.2, length: 10, least: 2 };
        let draw = |seed| Noise::new(seed).spans(&[100; 4], 100, &spans);
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
