use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use crate::backend::{self, Affine};
use crate::config::activation::Activation;
use crate::layers::dropout::Dropout;
use crate::training::rng::TrainingRng;

/// `x W + b`.
#[derive(Module, Debug)]
pub(crate) struct Linear {
    pub(crate) weight: Param<Tensor<2>>, // [I, O]; a file has [O, I]
    pub(crate) bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    pub(crate) fn new(inputs: usize, outputs: usize, device: &Device) -> Self {
        Linear {
            weight: Initializer::Zeros.init([inputs, outputs], device),
            bias: Some(Initializer::Zeros.init([outputs], device)),
        }
    }

    /// Of a weight `[O, I]` and a bias `[O]`.
    pub(crate) fn of_values(weight: &[f32], bias: &[f32], device: &Device) -> Self {
        let (outputs, inputs) = (bias.len(), weight.len() / bias.len());
        let weight = TensorData::new(weight.to_vec(), [outputs, inputs]);
        Linear {
            weight: Param::from_tensor(Tensor::<2>::from_data(weight, device).transpose()),
            bias: Some(Param::from_tensor(Tensor::from_data(
                TensorData::new(bias.to_vec(), [outputs]),
                device,
            ))),
        }
    }

    /// A layer that changes nothing.
    pub(crate) fn identity(width: usize, device: &Device) -> Self {
        Linear { weight: Param::from_tensor(Tensor::eye(width, device)), ..Linear::new(width, width, device) }
    }

    /// The same layer, without its bias unless `bias`.
    pub(crate) fn with_bias(self, bias: bool) -> Self {
        Linear { bias: self.bias.filter(|_| bias), ..self }
    }

    /// `[…, I]` to `[…, O]`.
    pub(crate) fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        backend::linear(x, self.affine(), None)
    }

    /// The activation of what [`forward`](Self::forward) gives.
    pub(crate) fn forward_activated<const D: usize>(
        &self,
        x: Tensor<D>,
        activation: Activation,
    ) -> Tensor<D> {
        backend::linear(x, self.affine(), Some(activation))
    }

    /// `residual` plus what [`forward`](Self::forward) gives, in the dtype of `residual`.
    pub(crate) fn forward_residual<const D: usize>(&self, x: Tensor<D>, residual: Tensor<D>) -> Tensor<D> {
        backend::linear_residual(x, self.affine(), residual)
    }

    /// The same with dropout before the sum: how the halves of a transformer block end.
    pub(crate) fn forward_dropout_residual<const D: usize>(
        &self,
        x: Tensor<D>,
        residual: Tensor<D>,
        dropout: &Dropout,
        rng: Option<&mut TrainingRng>,
    ) -> Tensor<D> {
        match dropout.mask(rng) {
            None => self.forward_residual(x, residual),
            Some(mask) => {
                let dtype = residual.dtype();
                residual + backend::dropout(self.forward(x), mask).cast(dtype)
            }
        }
    }

    fn affine(&self) -> Affine {
        Affine { weight: self.weight.val(), bias: self.bias.as_ref().map(Param::val) }
    }
}
