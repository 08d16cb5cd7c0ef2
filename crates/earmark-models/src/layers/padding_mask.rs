use burn::tensor::{Device, Tensor, TensorData};

/// Which steps of a padded batch are real: the first `lengths[b]` of row b.
#[derive(Debug, Clone)]
pub struct PaddingMask {
    lengths: Vec<usize>,
    steps: usize,
}

impl PaddingMask {
    /// `None` when every step is real: then masking would change nothing but the time it takes.
    pub(crate) fn new(lengths: Vec<usize>, steps: usize) -> Option<PaddingMask> {
        lengths.iter().any(|&length| length < steps).then_some(PaddingMask { lengths, steps })
    }

    /// Real steps of each row.
    pub(crate) fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Of groups of `size` steps, where a group is real if one of its steps is. What is left of the last one is none.
    pub(crate) fn pooled(&self, size: usize) -> Option<PaddingMask> {
        let steps = self.steps / size;
        PaddingMask::new(self.lengths.iter().map(|length| length.div_ceil(size).min(steps)).collect(), steps)
    }

    /// Of the first `steps`.
    pub(crate) fn cut(&self, steps: usize) -> Option<PaddingMask> {
        PaddingMask::new(self.lengths.iter().map(|&length| length.min(steps)).collect(), steps)
    }

    fn each_step(&self, real: f32, padded: f32) -> TensorData {
        let row = |&length: &usize| (0..self.steps).map(move |t| if t < length { real } else { padded });
        let values: Vec<f32> = self.lengths.iter().flat_map(row).collect();
        TensorData::new(values, [self.lengths.len(), self.steps])
    }

    /// 1 for a real step, 0 for padding: `[B, T, 1]`.
    pub(crate) fn keep(&self, device: &Device) -> Tensor<3> {
        Tensor::<2>::from_data(self.each_step(1.0, 0.0), device).unsqueeze_dim(2)
    }

    /// What attention adds to its scores, `[B, 1, 1, T]`: 0 for a real step, and for padding a number so low that its
    /// softmax is exactly 0.
    ///
    /// Finite, so that half precision and empty rows stay free of NaN.
    pub(crate) fn attention_bias(&self, device: &Device) -> Tensor<4> {
        let [batch, steps] = [self.lengths.len(), self.steps];
        Tensor::<2>::from_data(self.each_step(0.0, -3e4), device).reshape([batch, 1, 1, steps])
    }

    /// Real steps of each row, `[B, 1]`.
    fn counts(&self, device: &Device) -> Tensor<2> {
        let counts: Vec<f32> = self.lengths.iter().map(|&n| n as f32).collect();
        Tensor::from_data(TensorData::new(counts, [self.lengths.len(), 1]), device)
    }
}

/// The mean over the real steps: `[B, T, P]` to `[B, P]`.
pub(crate) fn masked_mean(states: Tensor<3>, mask: Option<&PaddingMask>) -> Tensor<2> {
    match mask {
        None => states.mean_dim(1).squeeze_dim(1),
        Some(mask) => {
            let device = states.device();
            let (keep, counts) = (mask.keep(&device), mask.counts(&device));
            let sum: Tensor<2> = (states.cast(keep.dtype()) * keep).sum_dim(1).squeeze_dim(1);
            sum / counts
        }
    }
}
