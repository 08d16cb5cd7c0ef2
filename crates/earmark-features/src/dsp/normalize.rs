//! Zero mean and unit variance in the reference's own arithmetic.
//!
//! `numpy` sums `f32` arrays pairwise, in `f32`. Following its order of additions makes the result equal bit for bit,
//! at the price of the few lines of [`pairwise_sum`].

/// `(x - mean) / sqrt(variance + 1e-7)`, with both moments taken over the first `counted` samples, and the squares divided by
/// `freedoms`: `counted`, or one less.
///
/// The reference is `zero_mean_unit_var_norm` of transformers 5.23.0 `feature_extraction_wav2vec2.py`.
pub(crate) fn zero_mean_unit_variance(samples: &mut [f32], counted: usize, freedoms: usize) {
    let head = &samples[..counted];
    let mean = pairwise_sum(head, |x| x) / counted as f32;
    let variance = pairwise_sum(head, |x| (x - mean) * (x - mean)) / freedoms as f32;
    let deviation = (variance + 1e-7).sqrt();
    for x in samples {
        *x = (*x - mean) / deviation;
    }
}

/// Sums below this many terms are not split further (`PW_BLOCKSIZE` of numpy 2.4 `loops_utils.h.src`).
const BLOCK: usize = 128;

/// `numpy.sum` of `term(x)` over a contiguous `f32` array: same additions, same order.
fn pairwise_sum(x: &[f32], term: impl Fn(f32) -> f32 + Copy) -> f32 {
    if x.len() < 8 {
        // numpy starts from -0.0, so that the sum of nothing but -0.0 keeps its sign; no sum here can tell.
        return x.iter().fold(0.0, |sum, &x| sum + term(x));
    }
    if x.len() > BLOCK {
        let half = x.len() / 2;
        let (left, right) = x.split_at(half - half % 8);
        return pairwise_sum(left, term) + pairwise_sum(right, term);
    }
    let (lanes, rest) = x.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for lane in lanes {
        for (sum, &x) in sums.iter_mut().zip(lane) {
            *sum += term(x);
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    let sum = ((a + b) + (c + d)) + ((e + f) + (g + h));
    rest.iter().fold(sum, |sum, &x| sum + term(x))
}
