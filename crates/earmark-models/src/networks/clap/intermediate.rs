use burn::module::Module;
use burn::tensor::Device;

use crate::config::activation::Activation;
use crate::layers::linear::Linear;

/// The first half of a feed-forward network, as the checkpoint groups it.
#[derive(Module, Debug)]
pub(super) struct Intermediate {
    pub(super) dense: Linear,
    #[module(skip)]
    pub(super) activation: Activation,
}

impl Intermediate {
    pub(super) fn zeros(inputs: usize, outputs: usize, activation: Activation, device: &Device) -> Self {
        Intermediate { dense: Linear::new(inputs, outputs, device), activation }
    }
}
