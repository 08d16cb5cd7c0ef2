//! A classification head that is one linear layer, as a linear probe fits it, in the form that the reference's classes have.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};

use crate::hidden_states::Layer;

/// A linear layer over the pooled hidden states of a layer, behind a layer norm where [`NetworkConfig::head_norm`](crate::NetworkConfig::head_norm) says so.
#[derive(Debug, Clone, Copy)]
pub struct LinearHead<'a> {
    /// Which hidden states it reads, pooled as the network's head pools them.
    pub layer: Layer,
    /// `[L, D]`
    pub weight: &'a [f32],
    /// `[L]`
    pub bias: &'a [f32],
}

/// What softmax makes exactly 0 of.
const NOTHING: f32 = -1e4;

/// How a head weights the hidden states.
#[derive(Debug)]
pub(crate) enum LayerWeights {
    /// Not: it reads the last.
    None,
    /// As the checkpoint does.
    Kept,
    /// By these.
    New(Vec<f32>),
}

impl LayerWeights {
    /// Of a head that reads `layer` of states up to `last`; `sums` where it does so by a weighted sum.
    pub(crate) fn of(layer: Layer, sums: bool, last: usize) -> LayerWeights {
        match layer {
            Layer::Number(number) if sums => {
                let weight = |state| if state == number { 0.0 } else { NOTHING };
                LayerWeights::New((0..=last).map(weight).collect())
            }
            Layer::Weighted => LayerWeights::Kept,
            _ => LayerWeights::None,
        }
    }

    pub(crate) fn parameter(
        self,
        kept: Option<&Param<Tensor<1>>>,
        device: &Device,
    ) -> Option<Param<Tensor<1>>> {
        match self {
            LayerWeights::None => None,
            LayerWeights::Kept => kept.cloned(),
            LayerWeights::New(weights) => {
                let count = weights.len();
                Some(Param::from_tensor(Tensor::from_data(TensorData::new(weights, [count]), device)))
            }
        }
    }
}
