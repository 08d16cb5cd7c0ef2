use rand::rngs::ChaCha8Rng;
use rand::seq::index;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

/// The random draws of one training step that burn does not make: which layers to drop, which spans to hide.
///
/// ChaCha, because its stream is the same on every machine: a resumed run draws what the uninterrupted one would have.
#[derive(Debug)]
pub struct Noise(ChaCha8Rng);

impl Noise {
    /// The draws of one step. Different seeds give unrelated draws.
    pub fn new(seed: u64) -> Self {
        Noise(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A fresh 64-bit number, to seed a device with.
    pub fn next_seed(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// True with probability `p`. Draws nothing when `p` is 0.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        p > 0.0 && self.0.random::<f64>() < p
    }

    /// Span masks, `rows * length` ones and zeros: each row hides `prob * length / span` spans (rounded at random, at
    /// least `min_spans`, never more than fit), at distinct starts, overlaps allowed.
    ///
    /// The scheme of `_compute_mask_indices`, transformers 5.23.0; the draws are not NumPy's.
    pub(crate) fn spans(
        &mut self,
        rows: usize,
        length: usize,
        prob: f64,
        span: usize,
        min_spans: usize,
    ) -> Vec<f32> {
        let mut hidden = vec![0.0; rows * length];
        // The reference refuses a span longer than the sequence; a short clip is no reason to stop training.
        if span == 0 || span > length {
            return hidden;
        }
        let rounding: f64 = self.0.random();
        let wanted = ((prob * length as f64 / span as f64 + rounding) as usize).max(min_spans);
        let starts = length - (span - 1);
        let count = if wanted * span > length { length / span } else { wanted }.min(starts);
        for row in hidden.chunks_exact_mut(length) {
            for start in index::sample(&mut self.0, starts, count) {
                row[start..start + span].fill(1.0);
            }
        }
        hidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_hide_the_share_that_was_asked_for() {
        let mut noise = Noise::new(7);
        let hidden = noise.spans(200, 499, 0.05, 10, 2);
        let share = hidden.iter().sum::<f32>() / hidden.len() as f32;
        // Two or three spans of ten in 499 frames, fewer frames where spans overlap.
        assert!((0.035..0.06).contains(&share), "{share}");
    }

    #[test]
    fn a_span_longer_than_the_clip_hides_nothing() {
        assert_eq!(Noise::new(1).spans(2, 5, 0.9, 10, 2), vec![0.0; 10]);
    }

    #[test]
    fn the_same_seed_draws_the_same_spans() {
        assert_eq!(Noise::new(3).spans(4, 100, 0.2, 10, 2), Noise::new(3).spans(4, 100, 0.2, 10, 2));
        assert_ne!(Noise::new(3).spans(4, 100, 0.2, 10, 2), Noise::new(4).spans(4, 100, 0.2, 10, 2));
    }
}
