//! What the operations are given beside their input.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::Tensor;

use crate::config::activation::Activation;

/// The parameters of a linear layer: `x W + b`.
pub(crate) struct Affine {
    /// `[I, O]`
    pub(crate) weight: Tensor<2>,
    /// `[O]`
    pub(crate) bias: Option<Tensor<1>>,
}

/// The parameters of a norm: what it normalises is scaled by `gamma` and shifted by `beta`.
pub(crate) struct Norm {
    pub(crate) gamma: Tensor<1>,
    pub(crate) beta: Tensor<1>,
    pub(crate) epsilon: f64,
}

/// Which numbers a dropout zeroes: the same for the same seed and shape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DropoutMask {
    /// Chance of each number to stay; those that do are divided by it.
    pub(crate) keep: f64,
    pub(crate) seed: u64,
}

/// A convolution over time, channels last: `[B, T, I]` to `[B, T', O]`.
pub(crate) struct Convolution<'a> {
    pub(crate) weight: ConvWeight,
    /// `[O]`
    pub(crate) bias: Option<Tensor<1>>,
    /// Not above K where there is no padding.
    pub(crate) stride: usize,
    pub(crate) padding: Padding,
    pub(crate) groups: usize,
    /// The layer's.
    pub(crate) cache: &'a WeightCache,
}

/// The weight of a convolution.
pub(crate) struct ConvWeight {
    /// `[O, I / groups, K]`
    pub(crate) v: Tensor<3>,
    /// `[1, 1, K]`: with a weight norm (arXiv:1602.07868) the length that each of the K taps is brought to, over all channels.
    pub(crate) g: Option<Tensor<3>>,
}

/// The zeros around the input of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Padding {
    None,
    /// So many on both sides.
    Zeros(usize),
    /// One less than the kernel before the first frame: as many frames out as in, and none sees one after it.
    Before,
    /// Half a kernel on both sides, and as many frames out as in, or as there are whole strides: the one more that an even kernel
    /// makes is left out.
    Same,
}

/// A convolution of a stack: convolution, norm, activation. Neither padded nor grouped.
pub(crate) struct StackedConv<'a> {
    pub(crate) conv: Convolution<'a>,
    pub(crate) norm: Option<ConvNorm>,
    pub(crate) activation: Activation,
}

/// The norm between a convolution and its activation.
pub(crate) enum ConvNorm {
    /// Each channel over the time of its clip: a group norm with a group for each channel. It undoes a bias before it.
    OverTime(Norm),
    /// Each frame over its channels: a layer norm.
    OverChannels(Norm),
}

/// What a backend made of a layer's weights to compute faster, for as long as they are the same. A layer has one and hands
/// it over; what is in it is the backend's business.
#[derive(Clone, Default)]
pub(crate) struct WeightCache(Arc<Mutex<Option<Entry>>>);

/// Of which tensors it was made, as the backend tells them apart, and what.
struct Entry {
    sources: Box<dyn std::any::Any + Send>,
    values: Arc<Vec<f32>>,
}

impl fmt::Debug for WeightCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeightCache")
    }
}

impl WeightCache {
    /// What was made of these `sources`; otherwise `make` makes it.
    pub(super) fn get<S: Clone + PartialEq + Send + 'static>(
        &self,
        sources: &S,
        make: impl FnOnce() -> Vec<f32>,
    ) -> Arc<Vec<f32>> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = &*lock()
            && entry.sources.downcast_ref() == Some(sources)
        {
            return Arc::clone(&entry.values);
        }
        // Not under the lock: a thread that waits for the rayon tasks of `make` may take up another task that asks for this
        // lock, too. Threads that come here at once make the same numbers each.
        let values = Arc::new(make());
        *lock() = Some(Entry { sources: Box::new(sources.clone()), values: Arc::clone(&values) });
        values
    }
}
