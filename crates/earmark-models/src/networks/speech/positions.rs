use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Tensor};

use crate::config::activation::Activation;
use crate::layers::batch_norm::batch_norm;
use crate::layers::conv1d::Conv1d;
use crate::layers::weight_norm_conv1d::WeightNormConv1d;
use crate::networks::speech::config::SpeechConfig;

/// Convolutional positions: a wide grouped convolution over the frames, whose output is added to them.
#[derive(Module, Debug)]
pub(super) struct PosConvEmbed {
    conv: PosConv,
    batch_norm: Option<BatchNorm>,
    #[module(skip)]
    activation: Activation,
}

/// The checkpoint's keys are the same but for the parts of the weight.
#[derive(Module, Debug)]
enum PosConv {
    WeightNorm(WeightNormConv1d),
    Plain(Conv1d),
}

impl PosConvEmbed {
    pub(super) fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        let (width, kernel) = (config.hidden_size, config.num_conv_pos_embeddings);
        let groups = config.num_conv_pos_embedding_groups;
        PosConvEmbed {
            conv: match config.conv_pos_batch_norm {
                true => PosConv::Plain(Conv1d::grouped(width, kernel, groups, device)),
                false => PosConv::WeightNorm(WeightNormConv1d::new(width, kernel, groups, device)),
            },
            batch_norm: config.conv_pos_batch_norm.then(|| BatchNormConfig::new(width).init(device)),
            activation: config.feat_extract_activation,
        }
    }

    /// `[B, T, D]` to the positions to add to it, of the same shape.
    pub(super) fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        let hidden = match &self.batch_norm {
            Some(norm) => batch_norm(norm, hidden.swap_dims(1, 2)).swap_dims(1, 2),
            None => hidden,
        };
        match &self.conv {
            PosConv::WeightNorm(conv) => conv.forward_activated(hidden, self.activation),
            PosConv::Plain(conv) => conv.forward_activated(hidden, self.activation),
        }
    }
}
