//! The CPU: `earmark-kernels`, for `f32` tensors without a graph.

use std::sync::Arc;

use burn::backend::{Flex, flex::FlexTensor};
use burn::tensor::{DType, Device, Tensor, TensorData};
use earmark_kernels::{self as kernels, Attended, Attention, Bias, Conv1d, Dropout, Epilogue, Matrix};

use crate::backend::operands::{
    Affine, ConvNorm, ConvWeight, Convolution, DropoutMask, Norm, Padding, StackedConv, WeightCache,
};
use crate::backend::plain::{self, Operations};
use crate::backend::taps;
use crate::config::activation::Activation;

/// burn's CPU device, without a graph.
pub(super) struct Cpu;

/// What is in another dtype is computed as on any device.
impl Operations for Cpu {
    fn linear<const D: usize>(x: Tensor<D>, affine: Affine, activation: Option<Activation>) -> Tensor<D> {
        if !(takes(&x) && takes(&affine.weight)) {
            return plain::linear::<Self, D>(x, affine, activation);
        }
        let mut shape = x.dims();
        shape[D - 1] = affine.weight.dims()[1];
        let product = Product::new(x, affine, activation);
        filled(shape, |out| product.write(false, out))
    }

    fn linear_residual<const D: usize>(x: Tensor<D>, affine: Affine, residual: Tensor<D>) -> Tensor<D> {
        if !(takes(&x) && takes(&affine.weight) && takes(&residual)) {
            return plain::linear_residual::<Self, D>(x, affine, residual);
        }
        let product = Product::new(x, affine, None);
        tensor(Rows::of(residual).rewritten(|out| product.write(true, out)))
    }

    fn layer_norm<const D: usize>(x: Tensor<D>, norm: Norm) -> Tensor<D> {
        if !(takes(&x) && takes(&norm.gamma)) {
            return plain::layer_norm(x, norm);
        }
        let (gamma, beta, epsilon) = (Rows::of(norm.gamma), Rows::of(norm.beta), norm.epsilon as f32);
        let (shape, x) = (x.dims(), Rows::of(x));
        if x.0.is_unique() {
            return tensor(x.rewritten(|x| kernels::layer_norm(x, gamma.values(), beta.values(), epsilon)));
        }
        filled(shape, |out| {
            kernels::layer_norm_into(x.values(), gamma.values(), beta.values(), epsilon, out);
        })
    }

    fn activate<const D: usize>(x: Tensor<D>, activation: Activation) -> Tensor<D> {
        if !takes(&x) {
            return plain::activate(x, activation);
        }
        tensor(Rows::of(x).rewritten(|x| kernels::Activation::from(activation).apply(x)))
    }

    fn attention(
        query: Tensor<3>,
        key: Tensor<3>,
        value: Tensor<3>,
        heads: usize,
        bias: Option<Tensor<4>>,
        mask: Option<DropoutMask>,
    ) -> Tensor<3> {
        if !(takes(&query) && takes(&key) && takes(&value) && bias.as_ref().is_none_or(takes)) {
            return plain::attention::<Self>(query, key, value, heads, bias, mask);
        }
        let sizes = attention_of(query.dims(), key.dims()[1], heads);
        let (shape, bias) = (query.dims(), bias.map(|bias| Scores::of(&sizes, bias.dims(), primitive(bias))));
        let [query, key, value] = [query, key, value].map(Rows::of);
        filled(shape, |out| {
            kernels::attention(sizes, attended([&query, &key, &value], bias.as_ref(), None), out);
        })
    }

    fn conv1d(x: Tensor<3>, conv: Convolution<'_>, activation: Option<Activation>) -> Tensor<3> {
        if !(takes(&x) && takes(&conv.weight.v) && conv.bias.as_ref().is_none_or(takes)) {
            return plain::conv1d::<Self>(x, conv, activation);
        }
        let (shape, batch) = (shape_of(&conv), x.dims()[0]);
        let packed = packed(conv.weight, shape, conv.cache);
        let (x, bias) = (Rows::of(x), conv.bias.map(Rows::of));
        tensor(convolved(shape, &x, batch, &packed, bias.as_ref(), conv.padding, activation))
    }

    /// A stretch of frames goes through all layers before the next begins, so that what lies between them stays in the
    /// cache: at 30 s the first layer alone would give 196 MB.
    fn conv_stack(waveforms: Tensor<2>, layers: Vec<StackedConv<'_>>) -> Tensor<3> {
        /// Frames of the last layer; 17 MB after the first with the usual strides and 512 channels.
        const STRETCH: usize = 128;
        let all_taken = takes(&waveforms) && layers.iter().all(|layer| takes(&layer.conv.weight.v));
        let only_first_over_time =
            layers.iter().skip(1).all(|layer| !matches!(layer.norm, Some(ConvNorm::OverTime(_))));
        if !(all_taken && only_first_over_time) {
            return plain::conv_stack::<Self>(waveforms, layers);
        }
        let [batch, samples] = waveforms.dims();
        let samples_last = waveforms.clone().unsqueeze_dim(2); // [B, S, 1]
        let layers: Vec<Stage> = layers.into_iter().map(|layer| Stage::new(layer, &samples_last)).collect();
        drop(samples_last);
        let frames = layers.iter().fold(samples, |length, layer| layer.shape.out_frames(length));
        let channels = layers.last().map_or(1, |layer| layer.shape.out_channels);
        let waveforms = Rows::of(waveforms);
        filled([batch, frames, channels], |out| {
            let clips = waveforms.values().chunks(samples).zip(out.chunks_mut(frames * channels));
            let mut buffers = [Vec::new(), Vec::new()];
            for (clip, (waveform, out)) in clips.enumerate() {
                for (i, out) in out.chunks_mut(STRETCH * channels).enumerate() {
                    stretch(&layers, clip, waveform, i * STRETCH, &mut buffers, out);
                }
            }
        })
    }
}

/// Whether the kernels take a tensor: plain `f32` in this device's memory, without a graph.
fn takes<const D: usize>(tensor: &Tensor<D>) -> bool {
    let device = tensor.device();
    // Devices are equal with and without a graph.
    tensor.dtype() == DType::F32 && device == Device::flex() && !device.is_autodiff()
}

/// The kernels' description of an attention of queries `[B, Q, D]`.
pub(super) fn attention_of([batch, queries, columns]: [usize; 3], keys: usize, heads: usize) -> Attention {
    let width = columns / heads;
    Attention { batch, queries, keys, heads, width, scale: (width as f32).sqrt().recip() }
}

/// What is added to the scores of an attention, `[B, H, Q, T]` or with 1 for any of them.
#[derive(Debug, Clone)]
pub(super) struct Scores {
    rows: Rows,
    strides: [usize; 4],
}

impl Scores {
    pub(super) fn of(sizes: &Attention, dims: [usize; 4], bias: FlexTensor) -> Scores {
        let wanted = [sizes.batch, sizes.heads, sizes.queries, sizes.keys];
        let (mut strides, mut stride) = ([0; 4], 1);
        for axis in (0..4).rev() {
            assert!(dims[axis] == wanted[axis] || dims[axis] == 1, "a bias {dims:?} to scores {wanted:?}");
            strides[axis] = if dims[axis] == 1 { 0 } else { stride };
            stride *= dims[axis];
        }
        Scores { rows: bias.into(), strides }
    }
}

/// The operands of the kernels.
pub(super) fn attended<'a>(
    [q, k, v]: [&'a Rows; 3],
    bias: Option<&'a Scores>,
    mask: Option<DropoutMask>,
) -> Attended<'a> {
    let bias = bias.map(|Scores { rows, strides }| Bias { data: rows.values(), strides: *strides });
    let dropout = mask.map(|DropoutMask { keep, seed }| Dropout { keep, seed });
    Attended { q: q.values(), k: k.values(), v: v.values(), bias, dropout }
}

fn primitive<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    tensor.try_into_primitive::<Flex>().expect("checked by `takes`")
}

fn tensor<const D: usize>(primitive: FlexTensor) -> Tensor<D> {
    Tensor::from_primitive::<Flex>(primitive)
}

/// A tensor of `shape` that `write` fills.
fn filled<const D: usize>(shape: [usize; D], write: impl FnOnce(&mut [f32])) -> Tensor<D> {
    let mut values = vec![0.0; shape.iter().product()];
    write(&mut values);
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// Numbers that lie row by row in memory.
#[derive(Debug, Clone)]
pub(super) struct Rows(FlexTensor);

impl From<FlexTensor> for Rows {
    /// Copies them if they lie otherwise.
    fn from(tensor: FlexTensor) -> Rows {
        Rows(if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() })
    }
}

impl Rows {
    fn of<const D: usize>(tensor: Tensor<D>) -> Rows {
        primitive(tensor).into()
    }

    pub(super) fn values(&self) -> &[f32] {
        self.0.as_slice().expect("contiguous f32")
    }

    /// The same numbers as `write` leaves them: in place where no other tensor shares them, otherwise in a copy.
    pub(super) fn rewritten(mut self, write: impl FnOnce(&mut [f32])) -> FlexTensor {
        let (start, end) = self.0.layout().contiguous_offsets().expect("contiguous");
        write(&mut self.0.storage_mut::<f32>()[start..end]);
        self.0
    }
}

impl From<Activation> for kernels::Activation {
    fn from(activation: Activation) -> kernels::Activation {
        match activation {
            Activation::Gelu => kernels::Activation::Gelu,
            Activation::Relu => kernels::Activation::Relu,
            Activation::Silu => kernels::Activation::Silu,
        }
    }
}

fn epilogue(bias: Option<&Rows>, activation: Option<Activation>) -> Epilogue<'_> {
    Epilogue {
        bias: bias.map(Rows::values),
        activation: activation.map_or(kernels::Activation::None, Into::into),
        ..Epilogue::default()
    }
}

/// The product of a linear layer.
struct Product {
    /// `[…, I]`
    x: Rows,
    /// `[I, O]`, in whatever order it lies.
    weight: FlexTensor,
    bias: Option<Rows>,
    activation: Option<Activation>,
}

impl Product {
    fn new<const D: usize>(x: Tensor<D>, affine: Affine, activation: Option<Activation>) -> Product {
        Product {
            x: Rows::of(x),
            weight: primitive(affine.weight),
            bias: affine.bias.map(Rows::of),
            activation,
        }
    }

    /// Writes the product to `out`, or adds it to what is there.
    fn write(&self, add: bool, out: &mut [f32]) {
        let layout = self.weight.layout();
        let [inputs, outputs] = [0, 1].map(|axis| layout.shape()[axis]);
        let strides =
            [0, 1].map(|axis| usize::try_from(layout.strides()[axis]).expect("weights are never flipped"));
        let weight = &self.weight.storage::<f32>()[layout.start_offset()..];
        let weight = Matrix::new(weight, [inputs, outputs], strides);
        let x = Matrix::row_major(self.x.values(), self.x.values().len() / inputs, inputs);
        let epilogue = epilogue(self.bias.as_ref(), self.activation);
        kernels::linear(x, weight, Epilogue { accumulate: add, ..epilogue }, out);
    }
}

/// The tensors that a packed weight was made of. Holding on to them keeps others from writing to them in place: the same
/// tensor has the same numbers.
#[derive(Clone)]
struct Sources(Vec<FlexTensor>);

impl PartialEq for Sources {
    fn eq(&self, other: &Sources) -> bool {
        let same = |(a, b): (&FlexTensor, &FlexTensor)| {
            Arc::ptr_eq(&a.data_arc(), &b.data_arc()) && a.layout() == b.layout()
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }
}

/// The weight as the kernels want it. Packing the convolutions of a base model takes as long as half a second of sound, so it
/// is done once.
fn packed(weight: ConvWeight, shape: Conv1d, cache: &WeightCache) -> Arc<Vec<f32>> {
    let v = primitive(weight.v);
    match weight.g.map(primitive) {
        None => cache.get(&Sources(vec![v.clone()]), || kernels::pack_conv1d(shape, Rows::from(v).values())),
        Some(g) => cache.get(&Sources(vec![v.clone(), g.clone()]), || {
            let (v, g) = (Rows::from(v), Rows::from(g));
            let mut weight = vec![0.0; v.values().len()];
            kernels::weight_norm(v.values(), g.values(), &mut weight);
            kernels::pack_conv1d(shape, &weight)
        }),
    }
}

/// The kernels' description of a convolution.
pub(super) fn shape_of(conv: &Convolution<'_>) -> Conv1d {
    let [out_channels, inputs, kernel] = conv.weight.v.dims();
    Conv1d {
        in_channels: inputs * conv.groups,
        out_channels,
        kernel,
        stride: conv.stride,
        padding: if conv.padding == Padding::Same { kernel / 2 } else { 0 },
        groups: conv.groups,
    }
}

/// A convolution of `batch` clips with a packed weight, as a tensor `[B, T', O]`.
pub(super) fn convolved(
    shape: Conv1d,
    x: &Rows,
    batch: usize,
    packed: &[f32],
    bias: Option<&Rows>,
    padding: Padding,
    activation: Option<Activation>,
) -> FlexTensor {
    let clip = x.values().len() / batch;
    let steps = clip / shape.in_channels;
    let frames = match padding {
        Padding::Same => steps / shape.stride,
        _ => shape.out_frames(steps),
    };
    let mut out = vec![0.0; batch * frames * shape.out_channels];
    for (x, out) in x.values().chunks(clip).zip(out.chunks_mut(frames * shape.out_channels)) {
        kernels::conv1d(shape, x, packed, epilogue(bias, activation), out);
    }
    FlexTensor::from_data(TensorData::new(out, [batch, frames, shape.out_channels]))
}

/// A layer of [`Operations::conv_stack`], ready to run.
struct Stage {
    shape: Conv1d,
    weights: Weights,
    norm: Option<(Rows, Rows, f32)>,
    activation: kernels::Activation,
}

/// A packed weight and a bias.
enum Weights {
    Shared(Arc<Vec<f32>>, Option<Rows>),
    /// `[B, K, O]` and `[B, 1, O]`: of each clip its own, with its norm over time in them.
    OfEachClip(Rows, Rows, usize),
}

impl Stage {
    /// `waveforms` `[B, S, 1]` are the input of the layer, if it is normed over time: only the first is.
    fn new(StackedConv { conv, norm, activation }: StackedConv<'_>, waveforms: &Tensor<3>) -> Stage {
        let shape = shape_of(&conv);
        let activation = activation.into();
        match norm {
            Some(ConvNorm::OverTime(norm)) => {
                let weight = plain::normed_weight::<Cpu>(conv.weight);
                let (weight, bias) = taps::norm_into_taps(waveforms, weight, norm, conv.stride);
                let weights = Weights::OfEachClip(Rows::of(weight), Rows::of(bias), waveforms.dims()[0]);
                Stage { shape, weights, norm: None, activation }
            }
            norm => {
                let weights =
                    Weights::Shared(packed(conv.weight, shape, conv.cache), conv.bias.map(Rows::of));
                let norm = match norm {
                    Some(ConvNorm::OverChannels(norm)) => {
                        Some((Rows::of(norm.gamma), Rows::of(norm.beta), norm.epsilon as f32))
                    }
                    _ => None,
                };
                Stage { shape, weights, norm, activation }
            }
        }
    }

    fn weights(&self, clip: usize) -> (&[f32], Option<&[f32]>) {
        match &self.weights {
            Weights::Shared(packed, bias) => (packed, bias.as_ref().map(Rows::values)),
            Weights::OfEachClip(packed, bias, batch) => {
                let of_clip = |rows: &'_ Rows| rows.values().len() / batch;
                let (packed_length, bias_length) = (of_clip(packed), of_clip(bias));
                let packed = &packed.values()[clip * packed_length..][..packed_length];
                (packed, Some(&bias.values()[clip * bias_length..][..bias_length]))
            }
        }
    }

    fn run(&self, clip: usize, hidden: &[f32], out: &mut [f32]) {
        let (packed, bias) = self.weights(clip);
        let epilogue = Epilogue { bias, ..Epilogue::default() };
        match &self.norm {
            None => {
                let epilogue = Epilogue { activation: self.activation, ..epilogue };
                kernels::conv1d(self.shape, hidden, packed, epilogue, out);
            }
            Some((gamma, beta, epsilon)) => {
                kernels::conv1d(self.shape, hidden, packed, epilogue, out);
                kernels::layer_norm(out, gamma.values(), beta.values(), *epsilon);
                self.activation.apply(out);
            }
        }
    }
}

/// Fills `out` with the frames of a clip from the `from`th on. What lies between two layers alternates between the buffers.
fn stretch(
    layers: &[Stage],
    clip: usize,
    waveform: &[f32],
    from: usize,
    buffers: &mut [Vec<f32>; 2],
    out: &mut [f32],
) {
    let Some((last, before)) = layers.split_last() else { return };
    // What each layer has to give, from the last back to the samples: where it begins, and how many frames it is.
    let (mut from, mut length) = (from, out.len() / last.shape.out_channels);
    let mut sizes = Vec::with_capacity(layers.len());
    for Stage { shape, .. } in layers.iter().rev() {
        sizes.push(length * shape.out_channels);
        (from, length) = (from * shape.stride, (length - 1) * shape.stride + shape.kernel);
    }
    let [mut ready, mut next] = buffers.each_mut();
    let mut hidden = &waveform[from..from + length];
    for (layer, size) in before.iter().zip(sizes.into_iter().rev()) {
        if next.len() < size {
            next.resize(size, 0.0);
        }
        layer.run(clip, hidden, &mut next[..size]);
        std::mem::swap(&mut ready, &mut next);
        hidden = &ready[..size];
    }
    last.run(clip, hidden, out);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use rayon::prelude::*;

    use super::*;

    /// Rayon tasks that ask for the weights that are being packed, as those of other forward passes do.
    #[test]
    fn packing_holds_no_lock_while_rayon_works() {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let cache = WeightCache::default();
            let sources = |x: [f32; 2]| Sources(vec![primitive(Tensor::<1>::from_data(x, &Device::flex()))]);
            let (outer, inner) = (sources([3.0, 4.0]), sources([1.0, 2.0]));
            let packed = cache.get(&outer, || {
                let asked = (0..64).into_par_iter().map(|_| cache.get(&inner, || vec![1.0, 2.0])[0]);
                vec![3.0, asked.sum()]
            });
            let again = cache.get(&outer, || panic!("it is packed already"));
            sender.send((packed.to_vec(), Arc::ptr_eq(&packed, &again)))
        });
        let (packed, same) = receiver.recv_timeout(Duration::from_secs(60)).expect("no deadlock");
        assert_eq!(packed, [3.0, 64.0]);
        assert!(same, "what was packed is kept");
    }
}
