//! The CPU's own kernels (`earmark-kernels`), for tensors that lie there as plain `f32` and that nothing is learned through.
//!
//! Each function is one of `ops.rs` or `conv.rs`, which ask [`takes`] first and otherwise do the same in burn's operations:
//! on another device, in another number type, or while a graph is recorded.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use burn::backend::{Flex, flex::FlexTensor};
use burn::nn::Linear;
use burn::tensor::{DType, Device, Tensor, TensorData};
use earmark_kernels::{self as kernels, Attention, Bias, Conv1d, Epilogue, Matrix};

use crate::layers::activation::Activation;
use crate::layers::transformer::LayerNorm;

/// Whether a tensor is one that these functions take: never where `EARMARK_PLAIN` is set, which is how the tests run on burn's
/// operations, and how a wrong result is traced to the one or the other.
pub(crate) fn takes<const D: usize>(tensor: &Tensor<D>) -> bool {
    is_ours(tensor) && !tensor.device().is_autodiff()
}

/// The same, whether something is learned through it or not.
pub(crate) fn is_ours<const D: usize>(tensor: &Tensor<D>) -> bool {
    static WANTED: LazyLock<bool> = LazyLock::new(|| std::env::var_os("EARMARK_PLAIN").is_none());
    // Devices are equal with and without a graph.
    *WANTED && tensor.dtype() == DType::F32 && tensor.device() == Device::flex()
}

fn strided<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    tensor.try_into_primitive::<Flex>().expect("a tensor that `takes` was asked about")
}

/// Numbers that lie row by row in memory.
pub(crate) struct Rows(FlexTensor);

impl From<FlexTensor> for Rows {
    /// Copies them if they lie otherwise.
    fn from(tensor: FlexTensor) -> Rows {
        Rows(if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() })
    }
}

impl Rows {
    fn of<const D: usize>(tensor: Tensor<D>) -> Rows {
        strided(tensor).into()
    }

    pub(crate) fn values(&self) -> &[f32] {
        self.0.as_slice().expect("contiguous f32")
    }

    /// The same numbers as `write` leaves them; in their place where no other tensor has them, too.
    pub(crate) fn rewritten(mut self, write: impl FnOnce(&mut [f32])) -> FlexTensor {
        let (start, end) = self.0.layout().contiguous_offsets().expect("contiguous");
        write(&mut self.0.storage_mut::<f32>()[start..end]);
        self.0
    }
}

fn tensor<const D: usize>(flex: FlexTensor) -> Tensor<D> {
    Tensor::from_primitive::<Flex>(flex)
}

/// Weights as the kernels want them, kept for as long as they are made of the same tensors.
///
/// Packing the convolutions of a base model takes as long as hearing half a second. What is kept holds on to the tensors it was
/// made of, so that nobody can write to them in their place: the same tensor has the same numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Packed(Arc<Mutex<Option<Kept>>>);

/// Tensors, and what was made of them.
type Kept = (Vec<FlexTensor>, Arc<Vec<f32>>);

impl Packed {
    fn get<const N: usize>(
        &self,
        of: [&FlexTensor; N],
        pack: impl FnOnce([&[f32]; N]) -> Vec<f32>,
    ) -> Arc<Vec<f32>> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |(a, b): (&FlexTensor, &FlexTensor)| {
            Arc::ptr_eq(&a.data_arc(), &b.data_arc()) && a.layout() == b.layout()
        };
        if let Some((tensors, packed)) = &*lock()
            && tensors.iter().zip(of).all(same)
        {
            return Arc::clone(packed);
        }
        // Not under the lock: a thread that waits for the tasks of `pack` may take up another of rayon's, which asks for this
        // lock, too. Threads that come here at once pack the same numbers each.
        let rows = of.map(|tensor| Rows::from(tensor.clone()));
        let packed = Arc::new(pack(rows.each_ref().map(Rows::values)));
        *lock() = Some((of.map(FlexTensor::clone).to_vec(), Arc::clone(&packed)));
        packed
    }
}

/// The weight of a convolution, before it is packed.
pub(crate) struct Weight {
    /// `[O, I / groups, K]`
    pub(crate) taps: Tensor<3>,
    /// `[1, 1, K]`: with a weight norm the length that each of the K taps is to be brought to.
    pub(crate) lengths: Option<Tensor<3>>,
}

impl From<Tensor<3>> for Weight {
    fn from(taps: Tensor<3>) -> Weight {
        Weight { taps, lengths: None }
    }
}

impl Weight {
    fn packed(self, shape: Conv1d, kept: &Packed) -> Arc<Vec<f32>> {
        let taps = strided(self.taps);
        match self.lengths {
            None => kept.get([&taps], |[taps]| kernels::pack_conv1d(shape, taps)),
            Some(lengths) => kept.get([&taps, &strided(lengths)], |[taps, lengths]| {
                let mut weight = vec![0.0; taps.len()];
                kernels::weight_norm(taps, lengths, &mut weight);
                kernels::pack_conv1d(shape, &weight)
            }),
        }
    }
}

/// A tensor of `shape` that `write` fills.
fn filled<const D: usize>(shape: [usize; D], write: impl FnOnce(&mut [f32])) -> Tensor<D> {
    let mut values = vec![0.0; shape.iter().product()];
    write(&mut values);
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
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

pub(crate) fn activate<const D: usize>(activation: Activation, x: Tensor<D>) -> Tensor<D> {
    tensor(Rows::of(x).rewritten(|x| kernels::Activation::from(activation).apply(x)))
}

/// The product with a layer's weight, then the activation; or with `onto`, that plus the product.
pub(crate) fn linear<const D: usize>(
    layer: &Linear,
    activation: Option<Activation>,
    x: Tensor<D>,
    onto: Option<Tensor<D>>,
) -> Tensor<D> {
    let mut shape = x.dims();
    let (x, weight) = (Rows::of(x), strided(layer.weight.val()));
    let bias = layer.bias.as_ref().map(|bias| Rows::of(bias.val()));
    let layout = weight.layout();
    let (inputs, outputs) = (layout.shape()[0], layout.shape()[1]);
    let strides =
        [0, 1].map(|axis| usize::try_from(layout.strides()[axis]).expect("weights are never flipped"));
    let weight = Matrix::new(&weight.storage::<f32>()[layout.start_offset()..], [inputs, outputs], strides);
    let x = Matrix::row_major(x.values(), x.values().len() / inputs, inputs);
    let epilogue = epilogue(bias.as_ref(), activation);
    shape[D - 1] = outputs;
    match onto {
        None => filled(shape, |out| kernels::linear(x, weight, epilogue, out)),
        Some(onto) => tensor(
            Rows::of(onto)
                .rewritten(|out| kernels::linear(x, weight, Epilogue { accumulate: true, ..epilogue }, out)),
        ),
    }
}

pub(crate) fn layer_norm<const D: usize>(norm: &LayerNorm, x: Tensor<D>) -> Tensor<D> {
    let (gamma, beta, shape) = (Rows::of(norm.gamma.val()), Rows::of(norm.beta.val()), x.dims());
    let (x, epsilon) = (Rows::of(x), norm.epsilon as f32);
    if x.0.is_unique() {
        return tensor(x.rewritten(|x| kernels::layer_norm(x, gamma.values(), beta.values(), epsilon)));
    }
    filled(shape, |out| {
        kernels::layer_norm_into(x.values(), gamma.values(), beta.values(), epsilon, out);
    })
}

/// Of `[B, T, D]` each; `bias` as `[B, H, T, T]`, with 1 for any of them.
pub(crate) fn attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    heads: usize,
    bias: Option<Tensor<4>>,
) -> Tensor<3> {
    let shape @ [batch, steps, columns] = query.dims();
    let [query, key, value] = [query, key, value].map(Rows::of);
    let bias = bias.map(|bias| {
        let (dims, wanted) = (bias.dims(), [batch, heads, steps, steps]);
        let (mut strides, mut stride) = ([0; 4], 1);
        for axis in (0..4).rev() {
            assert!(dims[axis] == wanted[axis] || dims[axis] == 1, "a bias {dims:?} to scores {wanted:?}");
            strides[axis] = if dims[axis] == 1 { 0 } else { stride };
            stride *= dims[axis];
        }
        (Rows::of(bias), strides)
    });
    let bias = bias.as_ref().map(|(rows, strides)| Bias { data: rows.values(), strides: *strides });
    let width = columns / heads;
    let scale = (width as f32).sqrt().recip();
    let sizes = Attention { batch, queries: steps, keys: steps, heads, width, scale };
    filled(shape, |out| {
        kernels::attention(sizes, query.values(), key.values(), value.values(), bias, out);
    })
}

/// `x` `[B, T, I]` and `weight` `[O, I / groups, K]` to `[B, T', O]`, at most `most` frames of it.
pub(crate) fn conv1d(
    x: Tensor<3>,
    (weight, kept): (Weight, &Packed),
    bias: Option<Tensor<1>>,
    [stride, padding, groups]: [usize; 3],
    most: usize,
    activation: Option<Activation>,
) -> Tensor<3> {
    let ([batch, _, in_channels], [out_channels, _, kernel]) = (x.dims(), weight.taps.dims());
    let (x, bias) = (Rows::of(x), bias.map(Rows::of));
    let shape = Conv1d { in_channels, out_channels, kernel, stride, padding, groups };
    let packed = weight.packed(shape, kept);
    tensor(convolved(shape, &x, batch, &packed, bias.as_ref(), most, activation))
}

/// [`conv1d`] of `batch` clips with a packed weight.
pub(crate) fn convolved(
    shape: Conv1d,
    x: &Rows,
    batch: usize,
    packed: &[f32],
    bias: Option<&Rows>,
    most: usize,
    activation: Option<Activation>,
) -> FlexTensor {
    let clip = x.values().len() / batch;
    let frames = shape.out_frames(clip / shape.in_channels).min(most);
    let mut out = vec![0.0; batch * frames * shape.out_channels];
    for (x, out) in x.values().chunks(clip).zip(out.chunks_mut(frames * shape.out_channels)) {
        kernels::conv1d(shape, x, packed, epilogue(bias, activation), out);
    }
    FlexTensor::from_data(TensorData::new(out, [batch, frames, shape.out_channels]))
}

/// A convolution of [`conv_stack`].
pub(crate) struct Layer<'a> {
    /// `[O, I, K]`
    pub(crate) weight: Tensor<3>,
    pub(crate) packed: &'a Packed,
    pub(crate) bias: Option<Tensor<1>>,
    pub(crate) stride: usize,
    /// Over the channels of a frame, before the activation.
    pub(crate) norm: Option<&'a LayerNorm>,
    pub(crate) activation: Activation,
}

/// Convolutions one after the other: `[B, S]` samples to `[B, T, C]` frames. `first` has the weight `[B, K, O]` and the bias
/// `[B, 1, O]` of the first layer where each clip has its own.
///
/// A stretch of frames goes through all layers before the next begins, so that what lies between them stays in the cache: at
/// 30 s the first layer alone would give 196 MB.
pub(crate) fn conv_stack(
    waveforms: Tensor<2>,
    layers: Vec<Layer<'_>>,
    first: Option<(Tensor<3>, Tensor<3>)>,
) -> Tensor<3> {
    /// Frames of the last layer; 17 MB after the first with the usual strides and 512 channels.
    const STRETCH: usize = 128;
    let [batch, samples] = waveforms.dims();
    let layers: Vec<Stage> = layers.into_iter().map(Stage::new).collect();
    let frames = layers.iter().fold(samples, |length, layer| layer.shape.out_frames(length));
    let channels = layers.last().map_or(1, |layer| layer.shape.out_channels);
    let (waveforms, first) =
        (Rows::of(waveforms), first.map(|(weight, bias)| (Rows::of(weight), Rows::of(bias))));
    filled([batch, frames, channels], |out| {
        let clips = waveforms.values().chunks(samples).zip(out.chunks_mut(frames * channels));
        let mut buffers = [Vec::new(), Vec::new()];
        for (clip, (waveform, out)) in clips.enumerate() {
            let own = first.as_ref().map(|(weight, bias)| {
                let (taps, channels) = (weight.values().len() / batch, bias.values().len() / batch);
                (&weight.values()[clip * taps..][..taps], &bias.values()[clip * channels..][..channels])
            });
            for (i, out) in out.chunks_mut(STRETCH * channels).enumerate() {
                stretch(&layers, own, waveform, i * STRETCH, &mut buffers, out);
            }
        }
    })
}

/// A layer of [`conv_stack`], ready to run.
struct Stage {
    shape: Conv1d,
    packed: Arc<Vec<f32>>,
    bias: Option<Rows>,
    norm: Option<(Rows, Rows, f32)>,
    activation: kernels::Activation,
}

impl Stage {
    fn new(layer: Layer<'_>) -> Stage {
        let [out_channels, in_channels, kernel] = layer.weight.dims();
        let shape = Conv1d { in_channels, out_channels, kernel, stride: layer.stride, padding: 0, groups: 1 };
        let norm =
            |norm: &LayerNorm| (Rows::of(norm.gamma.val()), Rows::of(norm.beta.val()), norm.epsilon as f32);
        Stage {
            shape,
            packed: Weight::from(layer.weight).packed(shape, layer.packed),
            bias: layer.bias.map(Rows::of),
            norm: layer.norm.map(norm),
            activation: layer.activation.into(),
        }
    }

    /// Its weight and bias, unless others are given.
    fn weights<'a>(&'a self, others: Option<(&'a [f32], &'a [f32])>) -> (&'a [f32], Option<&'a [f32]>) {
        match others {
            Some((weight, bias)) => (weight, Some(bias)),
            None => (&self.packed, self.bias.as_ref().map(Rows::values)),
        }
    }

    fn run(&self, hidden: &[f32], packed: &[f32], bias: Option<&[f32]>, out: &mut [f32]) {
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

/// The frames of `out`, the first of which is the `from`th of its clip. `first` are weight and bias of the first layer, if they
/// are not its own; what lies between two layers alternates between the buffers.
fn stretch(
    layers: &[Stage],
    first: Option<(&[f32], &[f32])>,
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
    for (depth, (layer, size)) in before.iter().zip(sizes.into_iter().rev()).enumerate() {
        if next.len() < size {
            next.resize(size, 0.0);
        }
        let (packed, bias) = layer.weights(first.filter(|_| depth == 0));
        layer.run(hidden, packed, bias, &mut next[..size]);
        std::mem::swap(&mut ready, &mut next);
        hidden = &ready[..size];
    }
    let (packed, bias) = last.weights(first.filter(|_| before.is_empty()));
    last.run(hidden, packed, bias, out);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use rayon::prelude::*;

    use super::*;

    /// Tasks of rayon's that ask for the weights that are being packed, as those of other forward passes do.
    #[test]
    fn packing_holds_no_lock_while_rayon_works() {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let kept = Packed::default();
            let tensor = |x: [f32; 2]| strided(Tensor::<1>::from_data(x, &Device::flex()));
            let (outer, inner) = (tensor([3.0, 4.0]), tensor([1.0, 2.0]));
            let packed = kept.get([&outer], |[x]| {
                let asked = (0..64).into_par_iter().map(|_| kept.get([&inner], |[x]| x.to_vec())[0]);
                vec![x[0], asked.sum()]
            });
            let again = kept.get([&outer], |_| panic!("it is packed already"));
            sender.send((packed.to_vec(), Arc::ptr_eq(&packed, &again)))
        });
        let (packed, same) = receiver.recv_timeout(Duration::from_secs(60)).expect("no deadlock");
        assert_eq!(packed, [3.0, 64.0]);
        assert!(same, "what was packed is kept");
    }
}
