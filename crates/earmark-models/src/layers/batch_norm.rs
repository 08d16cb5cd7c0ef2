use burn::nn::BatchNorm;
use burn::tensor::Tensor;

/// burn's batch norm in the dtype of its scale: `[B, C, …]` to the same.
pub(crate) fn batch_norm<const D: usize>(norm: &BatchNorm, x: Tensor<D>) -> Tensor<D> {
    norm.forward(x.cast(norm.gamma.dtype()))
}
