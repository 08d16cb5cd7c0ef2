//! What some checkpoints have beside the encoder: an adapter behind it that shortens the sequence (`add_adapter`, of speech
//! translation), and small networks in its layers that a language has of its own (`adapter_attn_dim`, of MMS, arXiv:2305.13516).

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::config::activation::Activation;
use crate::layers::conv1d::{Conv1d, glu};
use crate::layers::layer_norm::LayerNorm;
use crate::layers::linear::Linear;
use crate::networks::speech::config::SpeechConfig;

/// Convolutions behind the encoder, each of which leaves one frame of `adapter_stride`.
#[derive(Module, Debug)]
pub(super) struct Adapter {
    proj: Option<Linear>,
    proj_layer_norm: Option<LayerNorm>,
    layers: Vec<AdapterLayer>,
}

impl Adapter {
    pub(super) fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        let width = config.adapter_width();
        let narrows = width != config.hidden_size;
        Adapter {
            proj: narrows.then(|| Linear::new(config.hidden_size, width, device)),
            // PyTorch's epsilon, not the config's.
            proj_layer_norm: narrows.then(|| LayerNorm::new(width, 1e-5, device)),
            layers: (0..config.num_adapter_layers).map(|_| AdapterLayer::zeros(config, device)).collect(),
        }
    }

    /// `[B, T, D]` to `[B, T', D']`. Like the reference it does not mask padding, which reaches real frames.
    pub(super) fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        let projected = match (&self.proj, &self.proj_layer_norm) {
            (Some(proj), Some(norm)) => norm.forward(proj.forward(hidden)),
            _ => hidden,
        };
        self.layers.iter().fold(projected, |hidden, layer| layer.forward(hidden))
    }
}

/// A convolution to twice the channels, of which one half gates the other.
#[derive(Module, Debug)]
struct AdapterLayer {
    conv: Conv1d,
}

impl AdapterLayer {
    fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        let width = config.adapter_width();
        let conv = Conv1d::new(width, 2 * width, config.adapter_kernel_size, device);
        AdapterLayer { conv: conv.with_stride(config.adapter_stride).with_padding(1) }
    }

    fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        glu(self.conv.forward(hidden))
    }
}

/// The network of a language in a layer: narrow, then wide again.
#[derive(Module, Debug)]
pub(super) struct AttnAdapterLayer {
    norm: LayerNorm,
    linear_1: Linear,
    linear_2: Linear,
}

impl AttnAdapterLayer {
    pub(super) fn zeros(width: usize, inner: usize, device: &Device) -> Self {
        AttnAdapterLayer {
            norm: LayerNorm::new(width, 1e-5, device),
            linear_1: Linear::new(width, inner, device),
            linear_2: Linear::new(inner, width, device),
        }
    }

    /// `[B, T, D]` and what is made of it.
    pub(super) fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        let narrow = self.linear_1.forward_activated(self.norm.forward(hidden.clone()), Activation::Relu);
        self.linear_2.forward_residual(narrow, hidden)
    }
}
