//! The encoder of Wav2Vec2-Conformer: `Wav2Vec2ConformerEncoder` of transformers 5.23.0.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::layers::dropout::Dropout;
use crate::layers::layer_norm::LayerNorm;
use crate::layers::padding_mask::PaddingMask;
use crate::networks::conformer::{ConformerLayer, EmbedPositions, Passing};
use crate::networks::speech::config::SpeechConfig;
use crate::networks::speech::positions::PosConvEmbed;
use crate::training::rng::TrainingRng;

/// Conformer blocks, then a norm.
#[derive(Module, Debug)]
pub(super) struct ConformerEncoder {
    embed_positions: EmbedPositions,
    /// In every checkpoint, and in no forward pass: it is kept for the files that are written.
    pos_conv_embed: PosConvEmbed,
    layer_norm: LayerNorm,
    dropout: Dropout,
    layers: Vec<ConformerLayer>,
    layerdrop: f64,
}

impl ConformerEncoder {
    pub(super) fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        let blocks = config.conformer();
        ConformerEncoder {
            embed_positions: EmbedPositions::new(&blocks, device),
            pos_conv_embed: PosConvEmbed::zeros(config, device),
            layer_norm: LayerNorm::new(config.hidden_size, config.layer_norm_eps, device),
            dropout: Dropout::new(config.hidden_dropout),
            layers: (0..config.num_hidden_layers).map(|_| ConformerLayer::zeros(&blocks, device)).collect(),
            layerdrop: config.layerdrop,
        }
    }

    /// `[B, T, D]` to the last hidden state; `each` is shown those before it.
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
        let mut hidden = self.dropout.forward(hidden, rng.as_deref_mut());
        let passing = Passing {
            positions: self.embed_positions.of(hidden.dims()[1], &device),
            bias: mask.map(|mask| mask.attention_bias(&device)),
            // Only Wav2Vec2-BERT keeps its convolutions from padded frames.
            keep: None,
        };
        for layer in &self.layers {
            each(&hidden);
            if !rng.as_deref_mut().is_some_and(|rng| rng.chance(self.layerdrop)) {
                hidden = layer.forward(hidden, &passing, rng.as_deref_mut());
            }
        }
        each(&hidden);
        self.layer_norm.forward(hidden)
    }
}
