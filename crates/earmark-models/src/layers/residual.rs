use burn::tensor::Tensor;

/// `residual + x`, in the dtype of `residual`: the sum stays exact where products are in half precision.
pub(crate) fn add<const D: usize>(residual: Tensor<D>, x: Tensor<D>) -> Tensor<D> {
    let dtype = residual.dtype();
    residual + x.cast(dtype)
}
