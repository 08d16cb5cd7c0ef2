use burn::nn::BatchNorm;
use burn::tensor::{Tensor, module};

/// Batch norm (arXiv:1502.03167) in the dtype of its scale: `[B, C, …]` to the same. While training it norms by the statistics of the
/// batch, and keeps them as PyTorch does: the variance that it keeps has one freedom less than the one that it divides by. burn's own
/// keeps the latter.
pub(crate) fn batch_norm<const D: usize>(norm: &BatchNorm, x: Tensor<D>) -> Tensor<D> {
    let x = x.cast(norm.gamma.dtype());
    if !(x.device().is_autodiff() && norm.training.is_enabled()) {
        return norm.forward(x);
    }
    let numbers = x.dims().iter().product::<usize>() / x.dims()[1];
    let batch = module::batch_norm_train(x, norm.gamma.val(), norm.beta.val(), norm.epsilon);
    let unbiased = numbers as f64 / (numbers.max(2) - 1) as f64;
    for (kept, found) in
        [(&norm.running_mean, batch.mean.detach()), (&norm.running_var, batch.variance.detach() * unbiased)]
    {
        let before = kept.value_sync().to_device(&found.device());
        kept.update((before * (1.0 - norm.momentum) + found * norm.momentum).detach());
    }
    batch.output
}
