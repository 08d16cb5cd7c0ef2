//! What stands behind the blocks of a checkpoint for speech translation (`add_adapter`): layers that shorten the sequence.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::layers::conv1d::{Conv1d, glu};
use crate::layers::dropout::Dropout;
use crate::layers::layer_norm::LayerNorm;
use crate::layers::linear::Linear;
use crate::layers::mlp::FeedForward;
use crate::layers::padding_mask::PaddingMask;
use crate::networks::conformer::{ConformerAttention, Passing};
use crate::networks::wav2vec2_bert::config::Wav2Vec2BertConfig;

/// The adapter: a projection where the widths differ, then its layers.
#[derive(Module, Debug)]
pub(super) struct Adapter {
    proj: Option<Linear>,
    proj_layer_norm: Option<LayerNorm>,
    layers: Vec<AdapterLayer>,
    #[module(skip)]
    config: Wav2Vec2BertConfig,
}

impl Adapter {
    pub(super) fn zeros(config: &Wav2Vec2BertConfig, device: &Device) -> Self {
        let width = config.adapter_width();
        let narrows = width != config.hidden_size;
        Adapter {
            proj: narrows.then(|| Linear::new(config.hidden_size, width, device)),
            proj_layer_norm: narrows.then(|| LayerNorm::new(width, config.layer_norm_eps, device)),
            layers: (0..config.num_adapter_layers).map(|_| AdapterLayer::zeros(config, device)).collect(),
            config: config.clone(),
        }
    }

    /// `[B, T, D]` to `[B, T', D']`, and which of its frames are real. Its convolutions do not mask padding, as the reference's do not,
    /// and carry it into the last real frames.
    pub(super) fn forward(
        &self,
        hidden: Tensor<3>,
        mask: Option<PaddingMask>,
    ) -> (Tensor<3>, Option<PaddingMask>) {
        let mut hidden = match (&self.proj, &self.proj_layer_norm) {
            (Some(proj), Some(norm)) => norm.forward(proj.forward(hidden)),
            _ => hidden,
        };
        let mut lengths = mask.map(|mask| mask.lengths().to_vec());
        let mut mask = None;
        for layer in &self.layers {
            let steps = self.config.convolved(hidden.dims()[1]);
            lengths.iter_mut().flatten().for_each(|length| *length = self.config.real_frames(*length));
            mask = lengths.as_ref().and_then(|lengths| {
                PaddingMask::new(lengths.iter().map(|&length| length.min(steps)).collect(), steps)
            });
            hidden = layer.forward(hidden, mask.as_ref());
        }
        (hidden, mask)
    }
}

/// A transformer block whose attention and whose residual are both of fewer frames than it is given.
#[derive(Module, Debug)]
struct AdapterLayer {
    residual_layer_norm: LayerNorm,
    residual_conv: Conv1d, // D to 2 D
    self_attn_layer_norm: LayerNorm,
    self_attn_conv: Conv1d, // D to 2 D
    self_attn: ConformerAttention,
    self_attn_dropout: Dropout,
    ffn_layer_norm: LayerNorm,
    ffn: FeedForward,
}

impl AdapterLayer {
    fn zeros(config: &Wav2Vec2BertConfig, device: &Device) -> Self {
        let width = config.adapter_width();
        let norm = || LayerNorm::new(width, config.layer_norm_eps, device);
        let conv = || {
            let conv = Conv1d::new(width, 2 * width, config.adapter_kernel_size, device);
            conv.with_stride(config.adapter_stride).with_padding(config.adapter_stride / 2)
        };
        let dropouts = [config.activation_dropout, config.hidden_dropout];
        AdapterLayer {
            residual_layer_norm: norm(),
            residual_conv: conv(),
            self_attn_layer_norm: norm(),
            self_attn_conv: conv(),
            self_attn: ConformerAttention::zeros(&config.adapter_blocks(), device),
            self_attn_dropout: Dropout::new(config.conformer_conv_dropout),
            ffn_layer_norm: norm(),
            ffn: FeedForward::new([width, config.intermediate_size], config.adapter_act, dropouts, device),
        }
    }

    fn forward(&self, hidden: Tensor<3>, mask: Option<&PaddingMask>) -> Tensor<3> {
        let bias = mask.map(|mask| mask.attention_bias(&hidden.device()));
        let residual = glu(self.residual_conv.forward(self.residual_layer_norm.forward(hidden.clone())));
        let hidden = glu(self.self_attn_conv.forward(self.self_attn_layer_norm.forward(hidden)));
        let passing = Passing::without_positions(bias);
        let dropout = &self.self_attn_dropout;
        let hidden = self.self_attn.forward_residual(hidden, residual, &passing, dropout, None);
        self.ffn.forward_residual(self.ffn_layer_norm.forward(hidden.clone()), hidden, None)
    }
}
