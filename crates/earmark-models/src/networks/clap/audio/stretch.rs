use burn::tensor::{Int, Tensor, TensorData};

/// `[B, V, T, F]` to `length` frames, by bicubic interpolation from first frame to last: PyTorch's `interpolate` with
/// `align_corners=True`, which changes no bin here.
pub(crate) fn stretch(x: Tensor<4>, length: usize) -> Tensor<4> {
    let (frames, device) = (x.dims()[2], x.device());
    if frames == length {
        return x;
    }
    let taps: Vec<[(usize, f32); 4]> = (0..length).map(|i| taps(i, frames, length)).collect();
    let tap = |k: usize| {
        let frames: Vec<i64> = taps.iter().map(|taps| taps[k].0 as i64).collect();
        let weights: Vec<f32> = taps.iter().map(|taps| taps[k].1).collect();
        let frames: Tensor<1, Int> = Tensor::from_data(TensorData::new(frames, [length]), &device);
        let weights: Tensor<4> = Tensor::from_data(TensorData::new(weights, [1, 1, length, 1]), &device);
        x.clone().select(2, frames) * weights.cast(x.dtype())
    };
    tap(0) + tap(1) + tap(2) + tap(3)
}

/// Which four frames make frame `i`, and how much of each. In `f32` as PyTorch: where a position is rounded to changes
/// the fourth digit of the weights.
fn taps(i: usize, frames: usize, length: usize) -> [(usize, f32); 4] {
    const A: f32 = -0.75;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let scale = if length > 1 { (frames - 1) as f32 / (length - 1) as f32 } else { 0.0 };
    let position = scale * i as f32;
    let before = position.floor();
    let t = position - before;
    let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
    // Past the ends the first and last frame are repeated.
    let frame = |k: usize| (before as usize + k).saturating_sub(1).min(frames - 1);
    std::array::from_fn(|k| (frame(k), weights[k]))
}
