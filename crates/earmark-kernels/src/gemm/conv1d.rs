//! Convolution over time, as products: with the channels last, the frames under a kernel are rows of a matrix, which
//! overlap and need no copy.

use std::ops::Range;

use pulp::Arch;
use rayon::prelude::*;

use crate::gemm::linear::{Epilogue, linear, product_into};
use crate::gemm::matrix::{LINE, Matrix, MatrixMut};

/// Output frames that one task of a grouped or padded convolution takes.
const TASK_FRAMES: usize = 512;

/// Rows of the packed weight whose gradient one task takes, about, where there are groups or padding: enough to outweigh
/// its copy of the frames.
const TASK_ROWS: usize = 1536;

/// Products that may add to the same input frames one after another; for a longer kernel, they are gathered in one.
/// With the two of a kernel of 3 and a stride of 2, gathering is 6 % faster for 16 000 frames and no different for 2 000.
const PASSES: usize = 4;

/// The shape of a convolution over time, under PyTorch's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv1d {
    /// Channels of the input, in all groups together.
    pub in_channels: usize,
    /// Channels of the output, in all groups together.
    pub out_channels: usize,
    /// Frames under the kernel.
    pub kernel: usize,
    /// Input frames from one output frame to the next.
    pub stride: usize,
    /// Frames of zeros before the first and behind the last.
    pub padding: usize,
    /// Groups of channels that do not see one another.
    pub groups: usize,
}

impl Conv1d {
    /// How many frames `frames` frames become.
    pub fn out_frames(&self, frames: usize) -> usize {
        self.check();
        (frames + 2 * self.padding).checked_sub(self.kernel).map_or(0, |left| left / self.stride + 1)
    }

    /// Channels of one group.
    fn group(&self) -> [usize; 2] {
        [self.in_channels / self.groups, self.out_channels / self.groups]
    }

    fn check(&self) {
        let positive = [self.in_channels, self.out_channels, self.kernel, self.stride, self.groups];
        assert!(!positive.contains(&0), "a convolution with a zero in it: {self:?}");
        assert!(
            self.in_channels.is_multiple_of(self.groups) && self.out_channels.is_multiple_of(self.groups),
            "the channels do not divide into groups: {self:?}"
        );
    }

    /// The frames of `gradient`, once everything fits together.
    fn check_backward(&self, inputs: usize, gradient: &[f32]) -> usize {
        self.check();
        let whole =
            inputs.is_multiple_of(self.in_channels) && gradient.len().is_multiple_of(self.out_channels);
        assert!(whole, "the input or the gradient is not whole frames: {self:?}");
        let (most, frames) = (self.out_frames(inputs / self.in_channels), gradient.len() / self.out_channels);
        assert!(frames <= most, "a gradient of {frames} frames where there are {most}: {self:?}");
        frames
    }

    /// Whether the frames under the kernel are a view of the input.
    fn is_plain(&self) -> bool {
        self.groups == 1 && self.padding == 0
    }

    fn weights(&self) -> usize {
        self.in_channels / self.groups * self.out_channels * self.kernel
    }
}

/// Turns a weight as PyTorch stores it into what [`conv1d`] takes, in parallel.
///
/// - `weight`: `[out_channels, in_channels / groups, kernel]`
/// - returns `[groups, kernel, in_channels / groups, out_channels / groups]`
///
/// # Panics
///
/// If `weight` is not as long as `shape` says, or `shape` makes no sense.
pub fn pack_conv1d(shape: Conv1d, weight: &[f32]) -> Vec<f32> {
    shape.check();
    assert_eq!(weight.len(), shape.weights(), "the weight of {shape:?}");
    let [inputs, outputs] = shape.group();
    let rows = inputs * shape.kernel;
    let mut packed = vec![0.0; weight.len()];
    packed.par_chunks_mut(rows * outputs).zip(weight.par_chunks(rows * outputs)).for_each(
        |(packed, weight)| {
            let weight = Matrix::row_major(weight, outputs, rows).transposed();
            let tiles = MatrixMut::row_major(packed, rows, outputs).into_tiles(rows, LINE);
            tiles.into_par_iter().for_each(|mut tile| {
                weight.block(0..rows, tile.columns).for_each_row(|from, x| {
                    let [input, tap] = [from / shape.kernel, from % shape.kernel];
                    tile.matrix.row_mut(tap * inputs + input).copy_from_slice(x);
                });
            });
        },
    );
    packed
}

/// The inverse of [`pack_conv1d`], in parallel: for gradients, which are in the packed layout too.
///
/// - `packed`: `[groups, kernel, in_channels / groups, out_channels / groups]`
/// - returns `[out_channels, in_channels / groups, kernel]`
///
/// # Panics
///
/// If `packed` is not as long as `shape` says, or `shape` makes no sense.
pub fn unpack_conv1d(shape: Conv1d, packed: &[f32]) -> Vec<f32> {
    shape.check();
    assert_eq!(packed.len(), shape.weights(), "the packed weight of {shape:?}");
    let [inputs, outputs] = shape.group();
    let rows = inputs * shape.kernel;
    let mut weight = vec![0.0; packed.len()];
    weight.par_chunks_mut(rows * outputs).zip(packed.par_chunks(rows * outputs)).for_each(
        |(weight, packed)| {
            let tiles = MatrixMut::row_major(weight, outputs, rows).into_tiles(LINE, rows);
            tiles.into_par_iter().for_each(|mut tile| {
                for (input, tap) in
                    (0..inputs).flat_map(|input| (0..shape.kernel).step_by(LINE).map(move |tap| (input, tap)))
                {
                    let taps = LINE.min(shape.kernel - tap);
                    let from = (tap * inputs + input) * outputs + tile.rows.start;
                    Matrix::new(&packed[from..], [tile.rows.len(), taps], [1, inputs * outputs])
                        .for_each_row(|output, x| {
                            let row = tile.matrix.row_mut(output);
                            row[input * shape.kernel + tap..][..taps].copy_from_slice(x);
                        });
                }
            });
        },
    );
    weight
}

/// Convolves over time: `out = activation([out +] conv(x) + bias)`.
///
/// - `x`: `[frames, in_channels]`
/// - `packed`: the weight, from [`pack_conv1d`]
/// - `out`: `[frames', out_channels]` with `frames' <= shape.out_frames(frames)`: what does not fit is not computed
///
/// Without padding and groups nothing is copied; otherwise each task copies the frames it needs of its group.
///
/// # Panics
///
/// If a length is not what `shape` says, or `shape` makes no sense.
pub fn conv1d(shape: Conv1d, x: &[f32], packed: &[f32], epilogue: Epilogue, out: &mut [f32]) {
    shape.check();
    assert_eq!(packed.len(), shape.weights(), "the packed weight of {shape:?}");
    let whole = x.len().is_multiple_of(shape.in_channels) && out.len().is_multiple_of(shape.out_channels);
    assert!(whole, "the input or the output is not whole frames: {shape:?}");
    let (frames, out_frames) = (x.len() / shape.in_channels, out.len() / shape.out_channels);
    let most = shape.out_frames(frames);
    assert!(out_frames <= most, "{frames} frames become {most}, not {out_frames}: {shape:?}");
    epilogue.check(shape.out_channels);
    if out_frames == 0 {
        return;
    }

    let [inputs, outputs] = shape.group();
    let rows = shape.kernel * inputs;
    if shape.is_plain() {
        let frames = Matrix::new(x, [out_frames, rows], [shape.stride * inputs, 1]);
        return linear(frames, Matrix::row_major(packed, rows, outputs), epilogue, out);
    }

    let arch = Arch::new();
    let out = MatrixMut::row_major(out, out_frames, shape.out_channels);
    out.into_tiles(TASK_FRAMES, outputs).into_par_iter().for_each_init(Vec::new, |memory, mut tile| {
        let group = tile.columns.start / outputs;
        let first = tile.rows.start * shape.stride;
        let span = first..first + (tile.rows.len() - 1) * shape.stride + shape.kernel;
        copy_frames(x, shape.in_channels, group * inputs, inputs, span, shape.padding, memory);
        let frames = Matrix::new(memory, [tile.rows.len(), rows], [shape.stride * inputs, 1]);
        let weight = Matrix::row_major(&packed[group * rows * outputs..][..rows * outputs], rows, outputs);
        tile.matrix.product(1.0, frames, weight, epilogue.accumulate);
        epilogue.finish(arch, tile.columns.start, &mut tile.matrix);
    });
}

/// Copies one group's channels of some frames into `memory`, one frame behind another.
///
/// `span` counts from `padding` frames before the first; those that do not exist are zeros.
fn copy_frames(
    x: &[f32],
    channels: usize,
    first: usize,
    width: usize,
    span: Range<usize>,
    padding: usize,
    memory: &mut Vec<f32>,
) {
    memory.clear();
    for frame in span {
        match frame
            .checked_sub(padding)
            .and_then(|frame| x.get(frame * channels..)?.get(first..first + width))
        {
            Some(frame) => memory.extend_from_slice(frame),
            None => memory.resize(memory.len() + width, 0.0),
        }
    }
}

/// The gradient of a [`conv1d`] with respect to its packed weight: `framesᵀ · gradient`.
///
/// - `x`: `[frames, in_channels]`, the input
/// - `gradient`: `[frames', out_channels]`, with respect to the convolution before bias and activation
/// - returns `[groups, kernel, in_channels / groups, out_channels / groups]`: add that of the next clip of a batch to it,
///   and [`unpack_conv1d`] the sum
///
/// # Panics
///
/// If a length is not what `shape` says, or `shape` makes no sense.
pub fn conv1d_weight_gradient(shape: Conv1d, x: &[f32], gradient: &[f32]) -> Vec<f32> {
    let out_frames = shape.check_backward(x.len(), gradient);
    let [inputs, outputs] = shape.group();
    let rows = shape.kernel * inputs;
    let mut out = vec![0.0; shape.weights()];
    if out_frames == 0 {
        return out;
    }
    let gradient = Matrix::row_major(gradient, out_frames, shape.out_channels);
    if shape.is_plain() {
        let frames = Matrix::new(x, [out_frames, rows], [shape.stride * inputs, 1]);
        linear(frames.transposed(), gradient, Epilogue::default(), &mut out);
        return out;
    }

    let task = (TASK_ROWS / inputs).max(1) * inputs;
    out.par_chunks_mut(rows * outputs).enumerate().for_each(|(group, out)| {
        let gradient = gradient.block(0..out_frames, group * outputs..(group + 1) * outputs);
        let tiles = MatrixMut::row_major(out, rows, outputs).into_tiles(task, outputs);
        tiles.into_par_iter().for_each_init(Vec::new, |memory, mut tile| {
            let taps = tile.rows.start / inputs..tile.rows.end / inputs;
            let span = taps.start..taps.end + (out_frames - 1) * shape.stride;
            copy_frames(x, shape.in_channels, group * inputs, inputs, span, shape.padding, memory);
            let frames = Matrix::new(memory, [out_frames, tile.rows.len()], [shape.stride * inputs, 1]);
            tile.matrix.product(1.0, frames.transposed(), gradient, false);
        });
    });
    out
}

/// The gradient of a [`conv1d`] with respect to its input: `out[stride * t + tap - padding] += gradient[t] · weight[tap]ᵀ`.
///
/// - `packed`: the weight, from [`pack_conv1d`]
/// - `gradient`: `[frames', out_channels]`, with respect to the convolution before bias and activation
/// - `out`: `[frames, in_channels]`; what it held is lost
///
/// With padding, groups or a kernel of more than four strides, each thread copies the weight of the group that it is at, and
/// the frames it needs; otherwise nothing is copied.
///
/// # Panics
///
/// If a length is not what `shape` says, or `shape` makes no sense.
pub fn conv1d_input_gradient(shape: Conv1d, packed: &[f32], gradient: &[f32], out: &mut [f32]) {
    let out_frames = shape.check_backward(out.len(), gradient);
    assert_eq!(packed.len(), shape.weights(), "the packed weight of {shape:?}");
    if out_frames == 0 {
        out.fill(0.0);
    } else if shape.is_plain() && shape.kernel.div_ceil(shape.stride) <= PASSES {
        scatter(shape, packed, gradient, out_frames, out);
    } else {
        gather(shape, packed, gradient, out);
    }
}

/// The input's gradient where nothing is copied: one product for as many taps as there are frames in a stride.
///
/// What such taps reach from one frame of `gradient` is a row that follows the last frame's. So the first product replaces
/// what is in `out`, and each of the others, if there are any, adds to it from one stride further on.
fn scatter(shape: Conv1d, packed: &[f32], gradient: &[f32], out_frames: usize, out: &mut [f32]) {
    let (inputs, outputs) = (shape.in_channels, shape.out_channels);
    let stride = shape.stride * inputs;
    let untouched = if shape.kernel < shape.stride { 0 } else { out_frames * stride };
    out[untouched..].fill(0.0);
    let gradient = Matrix::row_major(gradient, out_frames, outputs);
    for (pass, weight) in packed.chunks(stride * outputs).enumerate() {
        let columns = weight.len() / outputs;
        let weight = Matrix::row_major(weight, columns, outputs).transposed();
        let under = MatrixMut::spread(&mut out[pass * stride..], out_frames, columns, stride);
        product_into(under, gradient, weight, Epilogue { accumulate: pass > 0, ..Epilogue::default() });
    }
}

/// The input's gradient as convolutions of `gradient`, one for every place of a frame within a stride.
///
/// Frame `stride * q + phase` of the padded input is under the taps `phase + stride * j` of the output frames `q - j`.
/// With these taps in descending order and each transposed, their frames of `gradient` follow one another.
fn gather(shape: Conv1d, packed: &[f32], gradient: &[f32], out: &mut [f32]) {
    let [inputs, outputs] = shape.group();
    let frames = out.len() / shape.in_channels;
    if shape.kernel < shape.stride {
        out.fill(0.0); // There are phases without a tap.
    }
    for phase in 0..shape.stride.min(shape.kernel) {
        let taps = (shape.kernel - phase).div_ceil(shape.stride);
        // The first `q` whose frame is not padding.
        let start = shape.padding.saturating_sub(phase).div_ceil(shape.stride);
        let first = start * shape.stride + phase - shape.padding;
        if first >= frames {
            continue;
        }
        let rows = taps * outputs;
        let (count, stride) = ((frames - first).div_ceil(shape.stride), shape.stride * shape.in_channels);
        let out = &mut out[first * shape.in_channels..];
        let mut tiles =
            MatrixMut::spread(out, count, shape.in_channels, stride).into_tiles(TASK_FRAMES, inputs);
        tiles.sort_by_key(|tile| tile.columns.start); // So that those of one group can share its weight.
        let scratch = || (Vec::new(), None, Vec::new());
        tiles.into_par_iter().for_each_init(scratch, |(weight, weight_of, memory), mut tile| {
            let group = tile.columns.start / inputs;
            if weight_of.replace(group) != Some(group) {
                weight.resize(rows * inputs, 0.0);
                for (j, weight) in weight.chunks_exact_mut(outputs * inputs).rev().enumerate() {
                    let tap = group * shape.kernel + phase + shape.stride * j;
                    let from = &packed[tap * inputs * outputs..][..inputs * outputs];
                    let from = Matrix::row_major(from, inputs, outputs).transposed();
                    for mut some in MatrixMut::row_major(weight, outputs, inputs).into_tiles(outputs, LINE) {
                        from.block(0..outputs, some.columns)
                            .for_each_row(|output, x| some.matrix.row_mut(output).copy_from_slice(x));
                    }
                }
            }
            let span = start + tile.rows.start..start + tile.rows.end + taps - 1;
            copy_frames(gradient, shape.out_channels, group * outputs, outputs, span, taps - 1, memory);
            let windows = Matrix::new(memory, [tile.rows.len(), rows], [outputs, 1]);
            tile.matrix.product(1.0, windows, Matrix::row_major(weight, rows, inputs), false);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Activation;
    use crate::testing::{noise, worst};

    /// PyTorch's definition, with its weight.
    fn reference(shape: Conv1d, x: &[f32], weight: &[f32], bias: &[f32], out_frames: usize) -> Vec<f64> {
        let [inputs, outputs] = shape.group();
        let frames = x.len() / shape.in_channels;
        let mut out = Vec::new();
        for frame in 0..out_frames {
            for channel in 0..shape.out_channels {
                let mut sum = f64::from(bias[channel]);
                for input in 0..inputs {
                    for tap in 0..shape.kernel {
                        let from = (frame * shape.stride + tap).wrapping_sub(shape.padding);
                        if from < frames {
                            let input_channel = channel / outputs * inputs + input;
                            sum += f64::from(x[from * shape.in_channels + input_channel])
                                * f64::from(weight[(channel * inputs + input) * shape.kernel + tap]);
                        }
                    }
                }
                out.push(sum.max(0.0));
            }
        }
        out
    }

    #[test]
    fn convolutions_match_f64() {
        let shape = |in_channels, out_channels, kernel, stride, padding, groups| Conv1d {
            in_channels,
            out_channels,
            kernel,
            stride,
            padding,
            groups,
        };
        let mut most: f64 = 0.0;
        for (shape, frames) in [
            (shape(1, 1, 1, 1, 0, 1), 1),
            (shape(1, 33, 10, 5, 0, 1), 10_007),
            (shape(17, 31, 3, 2, 0, 1), 101),
            (shape(32, 64, 2, 2, 0, 1), 66),
            (shape(8, 24, 128, 1, 64, 2), 50),
            (shape(96, 96, 128, 1, 64, 2), 7),
            (shape(6, 4, 3, 3, 2, 2), 1200),
            (shape(5, 3, 5, 2, 4, 1), 2),
            (shape(2, 2, 4, 1, 2, 2), 1100),
        ] {
            let [inputs, _] = shape.group();
            let x = noise(1, frames * shape.in_channels);
            let weight = noise(2, shape.weights());
            let bias = noise(3, shape.out_channels);
            let packed = pack_conv1d(shape, &weight);
            for out_frames in [shape.out_frames(frames), shape.out_frames(frames) - 1] {
                let mut out = vec![f32::NAN; out_frames * shape.out_channels];
                let epilogue =
                    Epilogue { bias: Some(&bias), activation: Activation::Relu, accumulate: false };
                conv1d(shape, &x, &packed, epilogue, &mut out);
                let exact = reference(shape, &x, &weight, &bias, out_frames);
                let error = worst(&out, &exact) / ((inputs * shape.kernel) as f64).sqrt();
                most = most.max(error);
                assert!(error < 5e-7, "{shape:?}: {error:e}");
            }
        }
        println!("worst difference over sqrt(k): {most:e}"); // Measured 2.8e-7.
    }

    #[test]
    fn an_even_kernel_with_half_its_padding_gives_one_frame_more() {
        let shape =
            Conv1d { in_channels: 2, out_channels: 2, kernel: 128, stride: 1, padding: 64, groups: 1 };
        assert_eq!(shape.out_frames(49), 50);
        let valid = Conv1d { padding: 0, ..shape };
        assert_eq!([127, 128, 129].map(|frames| valid.out_frames(frames)), [0, 1, 2]);
    }

    #[test]
    #[should_panic(expected = "10 frames become 4, not 5")]
    fn more_frames_than_there_are_is_refused() {
        let shape = Conv1d { in_channels: 1, out_channels: 1, kernel: 3, stride: 2, padding: 0, groups: 1 };
        conv1d(shape, &[0.0; 10], &[0.0; 3], Epilogue::default(), &mut [0.0; 5]);
    }

    /// The gradients of `sum(gradient * conv(x))`, which is linear in `x` and in the weight.
    #[test]
    fn gradients_match_f64() {
        let mut most: f64 = 0.0;
        for (in_channels, out_channels, kernel, stride, padding, groups, frames) in [
            (1, 3, 10, 5, 0, 1, 203),
            (5, 7, 3, 2, 0, 1, 60),
            (32, 33, 2, 2, 0, 1, 41),
            (4, 70, 3, 1, 0, 1, 700),
            (2, 2, 2, 3, 0, 1, 9),
            (3, 4, 9, 2, 0, 1, 100),
            (96, 96, 128, 1, 64, 2, 50),
            (4, 4, 128, 1, 64, 1, 1500),
            (40, 24, 5, 2, 3, 8, 33),
            (6, 4, 3, 3, 2, 2, 1200),
            (2, 2, 2, 3, 1, 1, 9),
            (4, 2, 3, 4, 5, 2, 2),
            (1, 1, 2, 1, 9, 1, 3),
        ] {
            let shape = Conv1d { in_channels, out_channels, kernel, stride, padding, groups };
            let [inputs, outputs] = shape.group();
            let (x, weight) = (noise(1, frames * in_channels), noise(2, shape.weights()));
            let packed = pack_conv1d(shape, &weight);
            for out_frames in [shape.out_frames(frames), shape.out_frames(frames) - 1] {
                let gradient = noise(3, out_frames * out_channels);
                let (mut of_weight, mut of_x) = (vec![0.0; weight.len()], vec![0.0; x.len()]);
                for t in 0..out_frames {
                    for tap in 0..kernel {
                        let from = (t * stride + tap).wrapping_sub(padding);
                        if from >= frames {
                            continue;
                        }
                        for output in 0..out_channels {
                            let g = f64::from(gradient[t * out_channels + output]);
                            for input in 0..inputs {
                                let from = from * in_channels + output / outputs * inputs + input;
                                let i = (output * inputs + input) * kernel + tap;
                                of_weight[i] += g * f64::from(x[from]);
                                of_x[from] += g * f64::from(weight[i]);
                            }
                        }
                    }
                }
                let mut out = vec![f32::NAN; x.len()];
                conv1d_input_gradient(shape, &packed, &gradient, &mut out);
                let unpacked = unpack_conv1d(shape, &conv1d_weight_gradient(shape, &x, &gradient));
                let errors = [
                    worst(&unpacked, &of_weight) / (out_frames as f64).sqrt().max(1.0),
                    worst(&out, &of_x) / ((kernel * outputs) as f64).sqrt(),
                ];
                most = errors.into_iter().fold(most, f64::max);
                assert!(errors.iter().all(|&error| error < 2e-6), "{shape:?}: {errors:?}");
            }
        }
        println!("worst difference over sqrt(terms): {most:e}"); // Measured 1.1e-6.
    }

    #[test]
    fn unpacking_is_the_inverse_of_packing() {
        for (in_channels, out_channels, kernel, groups) in
            [(1, 1, 1, 1), (1, 40, 10, 1), (17, 31, 3, 1), (96, 64, 128, 2), (34, 18, 19, 2), (4, 8, 33, 4)]
        {
            let shape = Conv1d { in_channels, out_channels, kernel, stride: 1, padding: 0, groups };
            let weight = noise(1, shape.weights());
            assert_eq!(unpack_conv1d(shape, &pack_conv1d(shape, &weight)), weight, "{shape:?}");
        }
    }

    #[test]
    #[should_panic(expected = "a gradient of 5 frames where there are 4")]
    fn a_gradient_of_more_frames_than_there_are_is_refused() {
        let shape = Conv1d { in_channels: 1, out_channels: 1, kernel: 3, stride: 2, padding: 0, groups: 1 };
        conv1d_input_gradient(shape, &[0.0; 3], &[0.0; 5], &mut [0.0; 10]);
    }
}
