use burn::module::Module;
use burn::tensor::{Device, Tensor};
use earmark_config::Positions;

use crate::layers::attention::MultiHeadAttention;
use crate::layers::dropout::Dropout;
use crate::layers::layer_norm::LayerNorm;
use crate::layers::mlp::FeedForward;
use crate::layers::padding_mask::PaddingMask;
use crate::layers::residual;
use crate::networks::speech::adapter::AttnAdapterLayer;
use crate::networks::speech::config::SpeechConfig;
use crate::networks::speech::position_bias::GatedPositionBias;
use crate::networks::speech::positions::PosConvEmbed;
use crate::training::gradient_checkpointing::checkpointed;
use crate::training::rng::TrainingRng;

/// Positions, then the transformer layers.
#[derive(Module, Debug)]
pub(super) struct TransformerEncoder {
    pub(super) pos_conv_embed: PosConvEmbed,
    layer_norm: LayerNorm,
    dropout: Dropout,
    layers: Vec<EncoderLayer>,
    /// Whether the norm stands behind the layers and not before them.
    pub(super) stable: bool,
    layerdrop: f64,
}

impl TransformerEncoder {
    pub(super) fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        TransformerEncoder {
            pos_conv_embed: PosConvEmbed::zeros(config, device),
            layer_norm: LayerNorm::new(config.hidden_size, config.layer_norm_eps, device),
            dropout: Dropout::new(config.hidden_dropout),
            layers: (0..config.num_hidden_layers)
                .map(|i| EncoderLayer::zeros(config, i == 0, device))
                .collect(),
            stable: config.do_stable_layer_norm,
            layerdrop: config.layerdrop,
        }
    }

    /// `[B, T, D]` to the last hidden state. `each` is shown every state: the first layer's input, then each layer's output, the
    /// last one before the norm of a stable encoder.
    pub(super) fn forward(
        &self,
        hidden: Tensor<3>,
        mask: Option<&PaddingMask>,
        mut rng: Option<&mut TrainingRng>,
        mut each: impl FnMut(&Tensor<3>),
    ) -> Tensor<3> {
        let device = hidden.device();
        // Padded frames are zeroed before the positional convolution would carry them into real ones.
        let hidden = match mask {
            Some(mask) => {
                let keep = mask.keep(&device).cast(hidden.dtype());
                hidden * keep
            }
            None => hidden,
        };
        let bias = mask.map(|mask| mask.attention_bias(&device)); // [B, 1, 1, T]
        let distances = self
            .layers
            .first()
            .and_then(|first| first.position_bias.as_ref()?.of_distances(hidden.dims()[1]));
        let mut hidden = residual::add(hidden.clone(), self.pos_conv_embed.forward(hidden));
        if !self.stable {
            hidden = self.layer_norm.forward(hidden);
        }
        hidden = self.dropout.forward(hidden, rng.as_deref_mut());
        for (i, layer) in self.layers.iter().enumerate() {
            each(&hidden);
            // The reference never skips the layer that has the biases of distances.
            let may_skip = i > 0 || distances.is_none();
            let skipped = may_skip && rng.as_deref_mut().is_some_and(|rng| rng.chance(self.layerdrop));
            if !skipped {
                let (shared, bias) = (distances.clone(), bias.clone());
                hidden = checkpointed(
                    layer,
                    hidden,
                    shared,
                    rng.as_deref_mut(),
                    move |layer, hidden, distances, rng| {
                        layer.forward(hidden, bias.as_ref(), distances.as_ref(), rng)
                    },
                );
            }
        }
        each(&hidden);
        if self.stable {
            hidden = self.layer_norm.forward(hidden);
        }
        hidden
    }
}

/// One transformer block, normed before each half (stable) or after it.
#[derive(Module, Debug)]
pub(super) struct EncoderLayer {
    attention: MultiHeadAttention,
    position_bias: Option<GatedPositionBias>,
    layer_norm: LayerNorm,
    feed_forward: FeedForward,
    final_layer_norm: LayerNorm,
    adapter_layer: Option<AttnAdapterLayer>,
    dropout: Dropout,
    stable: bool,
}

impl EncoderLayer {
    pub(super) fn zeros(config: &SpeechConfig, is_first: bool, device: &Device) -> Self {
        let width = config.hidden_size;
        let norm = || LayerNorm::new(width, config.layer_norm_eps, device);
        let (heads, dropout) = (config.num_attention_heads, config.attention_dropout);
        EncoderLayer {
            attention: MultiHeadAttention::new(width, heads, dropout, device),
            position_bias: (config.positions() == Some(Positions::GatedBias))
                .then(|| GatedPositionBias::zeros(config, is_first, device)),
            layer_norm: norm(),
            feed_forward: config.feed_forward(device),
            final_layer_norm: norm(),
            adapter_layer: config.attn_adapter().map(|inner| AttnAdapterLayer::zeros(width, inner, device)),
            dropout: Dropout::new(config.hidden_dropout),
            stable: config.do_stable_layer_norm,
        }
    }

    /// `[B, T, D]` to the same.
    pub(super) fn forward(
        &self,
        hidden: Tensor<3>,
        bias: Option<&Tensor<4>>,
        distances: Option<&Tensor<4>>,
        mut rng: Option<&mut TrainingRng>,
    ) -> Tensor<3> {
        let mut attend = |x: Tensor<3>, residual| {
            let gated = self.position_bias.as_ref().zip(distances);
            let gated = gated.map(|(gate, distances)| gate.forward(x.clone(), distances.clone()));
            let both = match (gated, bias) {
                (Some(gated), Some(bias)) => Some(gated + bias.clone()),
                (gated, bias) => gated.or_else(|| bias.cloned()),
            };
            self.attention.forward_residual(x, residual, both.as_ref(), &self.dropout, rng.as_deref_mut())
        };
        if self.stable {
            let hidden = attend(self.layer_norm.forward(hidden.clone()), hidden);
            let normed = self.final_layer_norm.forward(hidden.clone());
            let hidden = self.feed_forward.forward_residual(normed, hidden, rng);
            match &self.adapter_layer {
                Some(adapter) => adapter.forward(hidden),
                None => hidden,
            }
        } else {
            let hidden = self.layer_norm.forward(attend(hidden.clone(), hidden));
            let hidden = self.feed_forward.forward_residual(hidden.clone(), hidden, rng);
            self.final_layer_norm.forward(hidden)
        }
    }
}
