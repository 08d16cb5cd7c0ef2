use burn::module::Module;
use burn::nn::{Dropout, Linear};
use burn::tensor::{Device, Tensor};

use crate::layers::activation::Activation;
use crate::layers::ops;
use crate::layers::padding_mask::PaddingMask;
use crate::layers::transformer::{LayerNorm, dropout, layer_norm, linear};
use crate::networks::speech::config::SpeechConfig;
use crate::networks::speech::positions::PosConvEmbed;
use crate::training::rng::TrainingRng;

/// Positions, then the transformer layers.
#[derive(Module, Debug)]
pub(super) struct Encoder {
    pub(super) pos_conv_embed: PosConvEmbed,
    layer_norm: LayerNorm,
    dropout: Dropout,
    layers: Vec<EncoderLayer>,
    stable: bool,
    layerdrop: f64,
}

impl Encoder {
    pub(super) fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        Encoder {
            pos_conv_embed: PosConvEmbed::zeros(config, device),
            layer_norm: layer_norm(config.hidden_size, config.layer_norm_eps, device),
            dropout: dropout(config.hidden_dropout),
            layers: (0..config.num_hidden_layers).map(|_| EncoderLayer::zeros(config, device)).collect(),
            stable: config.do_stable_layer_norm,
            layerdrop: config.layerdrop,
        }
    }

    /// `[B, T, D]` to the last hidden state. `each` is shown those before it: the first layer's input, then each layer's
    /// output but the last one's.
    pub(super) fn forward(
        &self,
        hidden: Tensor<3>,
        mask: Option<&PaddingMask>,
        mut rng: Option<&mut TrainingRng>,
        mut each: impl FnMut(&Tensor<3>),
    ) -> Tensor<3> {
        let device = hidden.device();
        // Padded frames are silenced before the positional convolution would carry them into real ones.
        let hidden = match mask {
            Some(mask) => {
                let keep = mask.keep(&device).cast(hidden.dtype());
                hidden * keep
            }
            None => hidden,
        };
        let bias = mask.map(|mask| mask.attention_bias(&device));
        let mut hidden = ops::add(hidden.clone(), self.pos_conv_embed.forward(hidden));
        if !self.stable {
            hidden = ops::layer_norm(&self.layer_norm, hidden);
        }
        hidden = ops::dropout(&self.dropout, hidden, rng.as_deref_mut());
        for layer in &self.layers {
            each(&hidden);
            let skipped = rng.as_deref_mut().is_some_and(|rng| rng.chance(self.layerdrop));
            if !skipped {
                hidden = layer.forward(hidden, bias.as_ref(), rng.as_deref_mut());
            }
        }
        if self.stable {
            hidden = ops::layer_norm(&self.layer_norm, hidden);
        }
        hidden
    }
}

/// One transformer block.
#[derive(Module, Debug)]
struct EncoderLayer {
    attention: Attention,
    layer_norm: LayerNorm,
    feed_forward: FeedForward,
    final_layer_norm: LayerNorm,
    dropout: Dropout,
    stable: bool,
}

impl EncoderLayer {
    fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        EncoderLayer {
            attention: Attention::zeros(config, device),
            layer_norm: layer_norm(config.hidden_size, config.layer_norm_eps, device),
            feed_forward: FeedForward::zeros(config, device),
            final_layer_norm: layer_norm(config.hidden_size, config.layer_norm_eps, device),
            dropout: dropout(config.hidden_dropout),
            stable: config.do_stable_layer_norm,
        }
    }

    fn forward(
        &self,
        hidden: Tensor<3>,
        bias: Option<&Tensor<4>>,
        mut rng: Option<&mut TrainingRng>,
    ) -> Tensor<3> {
        let (first, second) = (&self.layer_norm, &self.final_layer_norm);
        let mut attend = |hidden: Tensor<3>, x| {
            let attended = self.attention.forward(&x, bias, rng.as_deref_mut());
            let projection = &self.attention.out_proj;
            ops::linear_onto(hidden, projection, &self.dropout, attended, rng.as_deref_mut())
        };
        if self.stable {
            let hidden = attend(hidden.clone(), ops::layer_norm(first, hidden));
            self.feed_forward.onto(hidden.clone(), ops::layer_norm(second, hidden), rng)
        } else {
            let hidden = ops::layer_norm(first, attend(hidden.clone(), hidden));
            ops::layer_norm(second, self.feed_forward.onto(hidden.clone(), hidden, rng))
        }
    }
}

/// Multi-head self-attention.
#[derive(Module, Debug)]
struct Attention {
    k_proj: Linear,
    v_proj: Linear,
    q_proj: Linear,
    out_proj: Linear,
    dropout: Dropout,
    heads: usize,
}

impl Attention {
    fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        let square = || linear(config.hidden_size, config.hidden_size, true, device);
        Attention {
            k_proj: square(),
            v_proj: square(),
            q_proj: square(),
            out_proj: square(),
            dropout: dropout(config.attention_dropout),
            heads: config.num_attention_heads,
        }
    }

    /// What `out_proj` is to be given; `bias` is added to the scores, `[B, 1, 1, T]`.
    fn forward(
        &self,
        hidden: &Tensor<3>,
        bias: Option<&Tensor<4>>,
        rng: Option<&mut TrainingRng>,
    ) -> Tensor<3> {
        let [query, key, value] =
            [&self.q_proj, &self.k_proj, &self.v_proj].map(|layer| ops::linear(layer, hidden.clone()));
        ops::attention(query, key, value, self.heads, bias.cloned(), rng.map(|rng| (&self.dropout, rng)))
    }
}

/// Two linear layers with an activation between.
#[derive(Module, Debug)]
struct FeedForward {
    intermediate_dense: Linear,
    output_dense: Linear,
    intermediate_dropout: Dropout,
    output_dropout: Dropout,
    #[module(skip)]
    activation: Activation,
}

impl FeedForward {
    fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        FeedForward {
            intermediate_dense: linear(config.hidden_size, config.intermediate_size, true, device),
            output_dense: linear(config.intermediate_size, config.hidden_size, true, device),
            intermediate_dropout: dropout(config.activation_dropout),
            output_dropout: dropout(config.hidden_dropout),
            activation: config.hidden_act,
        }
    }

    /// `hidden` plus what becomes of `x`.
    fn onto(&self, hidden: Tensor<3>, x: Tensor<3>, mut rng: Option<&mut TrainingRng>) -> Tensor<3> {
        let wide = ops::linear_then(&self.intermediate_dense, self.activation, x);
        let wide = ops::dropout(&self.intermediate_dropout, wide, rng.as_deref_mut());
        ops::linear_onto(hidden, &self.output_dense, &self.output_dropout, wide, rng)
    }
}
