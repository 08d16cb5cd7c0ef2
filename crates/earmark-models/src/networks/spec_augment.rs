//! SpecAugment (arXiv:1904.08779): while training, spans of frames are replaced and spans of channels zeroed.

use burn::tensor::{Tensor, TensorData};

use crate::training::rng::TrainingRng;

/// What is masked of each clip while training.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpecAugment {
    /// Of the frames.
    pub(crate) time: Spans,
    /// Of the channels.
    pub(crate) features: Spans,
}

/// How much of a row is masked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spans {
    /// Share of the places to mask.
    pub(crate) share: f64,
    /// Length of a span.
    pub(crate) length: usize,
    /// Fewest spans of a row.
    pub(crate) least: usize,
}

impl SpecAugment {
    /// Masks hidden states `[B, T, D]`: frames become `mask_embed` `[D]`, channels zero. Frames are drawn from the first
    /// `lengths[b]` of clip b.
    pub(crate) fn forward(
        &self,
        mut hidden: Tensor<3>,
        lengths: &[usize],
        mask_embed: Option<Tensor<1>>,
        rng: &mut TrainingRng,
    ) -> Tensor<3> {
        let ([batch, frames, width], device) = (hidden.dims(), hidden.device());
        if let (Some(embed), true) = (mask_embed, self.time.share > 0.0) {
            let mask = TensorData::new(self.time.draw(lengths, frames, rng), [batch, frames, 1]);
            let mask = Tensor::<3>::from_data(mask, &device).cast(hidden.dtype());
            let keep = mask.clone().neg().add_scalar(1.0);
            let embed = embed.cast(mask.dtype()).reshape([1, 1, width]);
            hidden = hidden * keep + mask * embed;
        }
        if self.features.share > 0.0 {
            let drawn = self.features.draw(&vec![width; batch], width, rng);
            let mask = TensorData::new(drawn, [batch, 1, width]);
            let mask = Tensor::<3>::from_data(mask, &device).cast(hidden.dtype());
            hidden = hidden * mask.neg().add_scalar(1.0);
        }
        hidden
    }
}

impl Spans {
    /// For each row `width` ones and zeros, the ones among the row's first `rows[i]` places. A row has
    /// `share * rows[i] / length` spans (rounded at random, at least `least`, never more than fit), at distinct starts,
    /// overlaps allowed.
    ///
    /// The scheme of `_compute_mask_indices`, transformers 5.23.0; the draws are not NumPy's.
    fn draw(&self, rows: &[usize], width: usize, rng: &mut TrainingRng) -> Vec<f32> {
        let mut mask = vec![0.0; rows.len() * width];
        let rounding = rng.uniform();
        for (&row, mask) in rows.iter().zip(mask.chunks_exact_mut(width)) {
            // The reference refuses a span longer than the sequence; a short clip is no reason to stop training.
            if self.length == 0 || self.length > row {
                continue;
            }
            let wanted = (self.share * row as f64 / self.length as f64 + rounding) as usize;
            let wanted = wanted.max(self.least);
            let starts = row - (self.length - 1);
            let count = if wanted * self.length > width { width / self.length } else { wanted }.min(starts);
            for start in rng.distinct(starts, count) {
                mask[start..start + self.length].fill(1.0);
            }
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(spans: Spans, rows: &[usize], width: usize, seed: u64) -> Vec<f32> {
        spans.draw(rows, width, &mut TrainingRng::new(seed))
    }

    #[test]
    fn spans_mask_the_share_that_was_asked_for() {
        let mask = draw(Spans { share: 0.05, length: 10, least: 2 }, &[499; 200], 499, 7);
        let share = mask.iter().sum::<f32>() / mask.len() as f32;
        // Two or three spans of ten in 499 frames, fewer frames where spans overlap.
        assert!((0.035..0.06).contains(&share), "{share}");
    }

    #[test]
    fn a_span_longer_than_the_clip_masks_nothing() {
        assert_eq!(draw(Spans { share: 0.9, length: 10, least: 2 }, &[5, 5], 5, 1), vec![0.0; 10]);
    }

    #[test]
    fn padding_is_never_masked() {
        let mask = draw(Spans { share: 0.9, length: 10, least: 2 }, &[30, 60], 60, 1);
        assert!(mask[..30].contains(&1.0) && !mask[30..60].contains(&1.0));
    }

    #[test]
    fn the_same_seed_draws_the_same_spans() {
        let draw = |seed| draw(Spans { share: 0.2, length: 10, least: 2 }, &[100; 4], 100, seed);
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
