//! What layers do, the same for every network.
//!
//! A product is computed in the number type of its weights, a norm in that of its scale, and a softmax in f32, whatever
//! their input has: so the types of the parameters alone decide how a network computes ([`half_products`](crate::half_products)).

use burn::nn::{Dropout, LayerNorm, Linear};
use burn::tensor::activation::softmax;
use burn::tensor::{DType, Tensor};

use crate::activation::Activation;

/// `x W + b`: `[…, I]` to `[…, O]`.
pub(crate) fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    layer.forward(x.cast(layer.weight.dtype()))
}

/// [`linear`], then the activation.
pub(crate) fn linear_then<const D: usize>(layer: &Linear, activation: Activation, x: Tensor<D>) -> Tensor<D> {
    activation.forward(linear(layer, x))
}

/// Each row brought to mean 0 and variance 1, scaled and shifted.
pub(crate) fn layer_norm<const D: usize>(norm: &LayerNorm, x: Tensor<D>) -> Tensor<D> {
    norm.forward(x.cast(norm.gamma.dtype()))
}

/// `hidden + update`, in the number type of `hidden`.
pub(crate) fn add<const D: usize>(hidden: Tensor<D>, update: Tensor<D>) -> Tensor<D> {
    let dtype = hidden.dtype();
    hidden + update.cast(dtype)
}

/// Multi-head attention of projected queries, keys and values: `[B, T, D]` each, and the result.
///
/// - `bias` is added to the scores: `[B, H, T, T]`, or with 1 for any of them. Never a boolean mask: burn-tch reads it the
///   other way round.
/// - `dropout` is that of the attention probabilities.
pub(crate) fn attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    heads: usize,
    bias: Option<Tensor<4>>,
    dropout: &Dropout,
) -> Tensor<3> {
    let [batch, steps, width] = query.dims();
    let size = width / heads;
    let split = |x: Tensor<3>| x.reshape([batch, steps, heads, size]).swap_dims(1, 2); // [B, H, T, D / H]
    let query = split(query) * (size as f64).powf(-0.5);
    let scores = query.matmul(split(key).transpose()).cast(DType::F32); // [B, H, T, T]
    let scores = match bias {
        Some(bias) => scores + bias.cast(DType::F32),
        None => scores,
    };
    let weights = dropout.forward(softmax(scores, 3)).cast(value.dtype());
    let attended = weights.matmul(split(value)); // [B, H, T, D / H]
    attended.swap_dims(1, 2).reshape([batch, steps, width])
}
