use burn::tensor::Tensor;

use crate::config::activation::Activation;
use crate::layers::dropout::Dropout;
use crate::layers::linear::Linear;
use crate::training::rng::TrainingRng;

/// The feed-forward network of a transformer block: two linear layers with an activation between. Checkpoints keep the layers
/// under different names and at different depths, so it borrows them.
pub(crate) struct Mlp<'a> {
    pub(crate) inner: &'a Linear,
    pub(crate) activation: Activation,
    pub(crate) outer: &'a Linear,
    /// After the activation.
    pub(crate) inner_dropout: Option<&'a Dropout>,
    /// Before the sum.
    pub(crate) dropout: Option<&'a Dropout>,
}

impl Mlp<'_> {
    /// `residual + outer(activation(inner(x)))`, `[B, T, D]`.
    pub(crate) fn forward_residual(
        &self,
        x: Tensor<3>,
        residual: Tensor<3>,
        mut rng: Option<&mut TrainingRng>,
    ) -> Tensor<3> {
        let mut wide = self.inner.forward_activated(x, self.activation); // [B, T, W]
        if let Some(dropout) = self.inner_dropout {
            wide = dropout.forward(wide, rng.as_deref_mut());
        }
        match self.dropout {
            Some(dropout) => self.outer.forward_dropout_residual(wide, residual, dropout, rng),
            None => self.outer.forward_residual(wide, residual),
        } // [B, T, D]
    }
}
