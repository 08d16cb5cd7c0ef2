//! The blocks of Wav2Vec2-Conformer and Wav2Vec2-BERT: a convolution and an attention between two halves of a feed-forward network.
//!
//! | here                     | paper (arXiv:2005.08100)         | transformers 5.23.0 `modeling_wav2vec2_bert.py`       |
//! |--------------------------|----------------------------------|-------------------------------------------------------|
//! | [`ConformerLayer`]       | Conformer block                  | `Wav2Vec2BertEncoderLayer`                            |
//! | [`ConformerAttention`]   | multi-headed self-attention module | `Wav2Vec2BertSelfAttention`                         |
//! | [`ConformerConvolution`] | convolution module               | `Wav2Vec2BertConvolutionModule`                       |
//! | [`EmbedPositions`]       | arXiv:1901.02860, arXiv:2104.09864 | `Wav2Vec2BertRelPositionalEmbedding`, `…Rotary…`    |
//!
//! Shapes: B clips, T frames, D hidden size, H heads.

mod attention;
mod config;
mod convolution;
mod passing;
mod positions;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::layers::dropout::Dropout;
use crate::layers::layer_norm::LayerNorm;
use crate::layers::mlp::FeedForward;
use crate::layers::residual;
use crate::training::gradient_checkpointing::checkpointed;
use crate::training::rng::TrainingRng;

use convolution::ConformerConvolution;

pub(crate) use attention::ConformerAttention;
pub use config::PositionEmbeddings;
pub(crate) use config::{ConformerConfig, Convolution};
pub(crate) use passing::Passing;
pub(crate) use positions::EmbedPositions;

/// One block.
#[derive(Module, Debug)]
pub(crate) struct ConformerLayer {
    ffn1_layer_norm: LayerNorm,
    ffn1: FeedForward,
    self_attn_layer_norm: LayerNorm,
    self_attn_dropout: Dropout,
    self_attn: ConformerAttention,
    conv_module: ConformerConvolution,
    ffn2_layer_norm: LayerNorm,
    ffn2: FeedForward,
    final_layer_norm: LayerNorm,
}

impl ConformerLayer {
    pub(crate) fn zeros(config: &ConformerConfig, device: &Device) -> Self {
        let norm = || LayerNorm::new(config.width, config.epsilon, device);
        let feed_forward = || {
            let dropouts = [config.activation_dropout, config.hidden_dropout];
            FeedForward::new([config.width, config.inner], config.activation, dropouts, device)
        };
        ConformerLayer {
            ffn1_layer_norm: norm(),
            ffn1: feed_forward(),
            self_attn_layer_norm: norm(),
            self_attn_dropout: Dropout::new(config.attention_dropout),
            self_attn: ConformerAttention::zeros(config, device),
            conv_module: ConformerConvolution::zeros(config, device),
            ffn2_layer_norm: norm(),
            ffn2: feed_forward(),
            final_layer_norm: norm(),
        }
    }

    /// `[B, T, D]` to the same.
    pub(crate) fn forward(
        &self,
        hidden: Tensor<3>,
        passing: &Passing,
        mut rng: Option<&mut TrainingRng>,
    ) -> Tensor<3> {
        let first = (self.ffn1_layer_norm.clone(), self.ffn1.clone());
        let hidden = checkpointed(&first, hidden, None, rng.as_deref_mut(), |(norm, ffn), hidden, _, rng| {
            let normed = norm.forward(hidden.clone());
            residual::add(hidden, ffn.forward(normed, rng) * 0.5)
        });

        let attention =
            (self.self_attn_layer_norm.clone(), self.self_attn.clone(), self.self_attn_dropout.clone());
        let of_all = passing.clone();
        let hidden =
            checkpointed(&attention, hidden, None, rng.as_deref_mut(), move |attention, hidden, _, rng| {
                let (norm, attention, dropout) = attention;
                attention.forward_residual(norm.forward(hidden.clone()), hidden, &of_all, dropout, rng)
            });

        // Its graph is kept: a batch norm counts what it has seen, and would count a second pass.
        let convolved = self.conv_module.forward(hidden.clone(), passing.keep.as_ref(), rng.as_deref_mut());
        let hidden = residual::add(hidden, convolved);

        let last = (self.ffn2_layer_norm.clone(), self.ffn2.clone(), self.final_layer_norm.clone());
        checkpointed(&last, hidden, None, rng, |(norm, ffn, last), hidden, _, rng| {
            let normed = norm.forward(hidden.clone());
            last.forward(residual::add(hidden, ffn.forward(normed, rng) * 0.5))
        })
    }
}
