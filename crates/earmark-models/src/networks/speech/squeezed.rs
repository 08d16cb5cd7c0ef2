//! The encoders of SEW and SEW-D: `SEWEncoder` and `SEWDEncoder` of transformers 5.23.0.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use earmark_config::Blocks;

use crate::config::activation::Activation;
use crate::layers::dropout::Dropout;
use crate::layers::layer_norm::LayerNorm;
use crate::layers::linear::Linear;
use crate::layers::padding_mask::PaddingMask;
use crate::layers::residual;
use crate::networks::speech::config::SpeechConfig;
use crate::networks::speech::disentangled::DisentangledEncoder;
use crate::networks::speech::positions::WidePosConv;
use crate::networks::speech::transformer::EncoderLayer;
use crate::training::rng::TrainingRng;

/// Frames averaged, several at a time, and their positions; the transformer layers; and the frames again.
#[derive(Module, Debug)]
pub(super) struct SqueezedEncoder {
    pub(super) pos_conv_embed: WidePosConv,
    /// SEW has these three, and SEW-D has `encoder` in their place.
    layer_norm: Option<LayerNorm>,
    dropout: Dropout,
    layers: Vec<EncoderLayer>,
    encoder: Option<DisentangledEncoder>,
    upsample: Upsampling,
    layerdrop: f64,
}

impl SqueezedEncoder {
    pub(super) fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        let disentangled = config.blocks() == Blocks::SqueezedDisentangled;
        let layers = if disentangled { 0 } else { config.num_hidden_layers };
        SqueezedEncoder {
            pos_conv_embed: WidePosConv::zeros(config, config.squeeze_factor, device),
            layer_norm: (!disentangled)
                .then(|| LayerNorm::new(config.hidden_size, config.layer_norm_eps, device)),
            dropout: Dropout::new(config.hidden_dropout),
            layers: (0..layers).map(|_| EncoderLayer::zeros(config, false, device)).collect(),
            encoder: disentangled.then(|| DisentangledEncoder::zeros(config, device)),
            upsample: Upsampling::zeros(config, device),
            layerdrop: config.layerdrop,
        }
    }

    /// `[B, T, D]` to the last state of the layers, `[B, T / squeeze, D]`; `each` is shown every one.
    pub(super) fn forward(
        &self,
        hidden: Tensor<3>,
        mask: Option<&PaddingMask>,
        mut rng: Option<&mut TrainingRng>,
        mut each: impl FnMut(&Tensor<3>),
    ) -> Tensor<3> {
        let device = hidden.device();
        let hidden = match mask {
            Some(mask) => {
                let keep = mask.keep(&device).cast(hidden.dtype());
                hidden * keep
            }
            None => hidden,
        };
        let squeezed = self.upsample.squeeze_factor;
        let bias = mask.and_then(|mask| mask.pooled(squeezed)).map(|mask| mask.attention_bias(&device));
        let positions = self.pos_conv_embed.forward(hidden.clone()); // [B, T / squeeze, D]
        let hidden = residual::add(averages(hidden, squeezed), positions);
        if let Some(encoder) = &self.encoder {
            return encoder.forward(hidden, bias.as_ref(), rng, each);
        }
        let hidden = match &self.layer_norm {
            Some(norm) => norm.forward(hidden),
            None => hidden,
        };
        let mut hidden = self.dropout.forward(hidden, rng.as_deref_mut());
        for layer in &self.layers {
            each(&hidden);
            if !rng.as_deref_mut().is_some_and(|rng| rng.chance(self.layerdrop)) {
                hidden = layer.forward(hidden, bias.as_ref(), None, rng.as_deref_mut());
            }
        }
        each(&hidden);
        hidden
    }

    /// The last state as so many frames: `[B, T / squeeze, D]` to `[B, T, D]`. Those beyond the last whole group are zero.
    pub(super) fn finish(&self, hidden: Tensor<3>, frames: usize) -> Tensor<3> {
        let hidden = self.upsample.forward(hidden);
        let ([batch, found, width], device) = (hidden.dims(), hidden.device());
        match frames - found {
            0 => hidden,
            more => {
                let zeros = Tensor::<3>::zeros([batch, more, width], &device).cast(hidden.dtype());
                Tensor::cat(vec![hidden, zeros], 1)
            }
        }
    }
}

/// The mean of each whole group of `size` frames: `[B, T, D]` to `[B, T / size, D]`.
fn averages(hidden: Tensor<3>, size: usize) -> Tensor<3> {
    let [batch, frames, width] = hidden.dims();
    let groups = frames / size;
    let grouped = hidden.narrow(1, 0, groups * size).reshape([batch, groups, size, width]);
    grouped.mean_dim(2).squeeze_dim(2)
}

/// Each state becomes as many frames as it was made of.
#[derive(Module, Debug)]
struct Upsampling {
    projection: Linear, // D to squeeze times D
    #[module(skip)]
    activation: Activation,
    squeeze_factor: usize,
}

impl Upsampling {
    fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        let (width, squeeze_factor) = (config.hidden_size, config.squeeze_factor);
        Upsampling {
            projection: Linear::new(width, width * squeeze_factor, device),
            activation: config.feat_extract_activation,
            squeeze_factor,
        }
    }

    fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        let [batch, states, width] = hidden.dims();
        let wide = self.projection.forward_activated(hidden, self.activation);
        wide.reshape([batch, states * self.squeeze_factor, width])
    }
}
