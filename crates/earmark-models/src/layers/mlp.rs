use burn::module::Module;
use burn::tensor::{Device, Tensor};

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

/// The same with weights of its own, by fairseq's names: Wav2Vec2 and its kin.
#[derive(Module, Debug)]
pub(crate) struct FeedForward {
    intermediate_dense: Linear,
    output_dense: Linear,
    intermediate_dropout: Dropout,
    output_dropout: Dropout,
    #[module(skip)]
    activation: Activation,
}

impl FeedForward {
    /// From `width` to `inner` and back, with a dropout after each: `intermediate` and `output`.
    pub(crate) fn new(
        [width, inner]: [usize; 2],
        activation: Activation,
        [intermediate, output]: [f64; 2],
        device: &Device,
    ) -> Self {
        FeedForward {
            intermediate_dense: Linear::new(width, inner, device),
            output_dense: Linear::new(inner, width, device),
            intermediate_dropout: Dropout::new(intermediate),
            output_dropout: Dropout::new(output),
            activation,
        }
    }

    /// `residual` plus what becomes of `x`, `[B, T, D]`.
    pub(crate) fn forward_residual(
        &self,
        x: Tensor<3>,
        residual: Tensor<3>,
        rng: Option<&mut TrainingRng>,
    ) -> Tensor<3> {
        let mlp = Mlp {
            inner: &self.intermediate_dense,
            activation: self.activation,
            outer: &self.output_dense,
            inner_dropout: Some(&self.intermediate_dropout),
            dropout: Some(&self.output_dropout),
        };
        mlp.forward_residual(x, residual, rng)
    }

    /// What becomes of `x`, `[B, T, D]`.
    pub(crate) fn forward(&self, x: Tensor<3>, mut rng: Option<&mut TrainingRng>) -> Tensor<3> {
        let wide = self.intermediate_dense.forward_activated(x, self.activation); // [B, T, W]
        let wide = self.intermediate_dropout.forward(wide, rng.as_deref_mut());
        self.output_dropout.forward(self.output_dense.forward(wide), rng) // [B, T, D]
    }
}
