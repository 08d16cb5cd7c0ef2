use burn::module::{Initializer, Module, Param};
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Tensor};

use crate::backend::cpu::{Packed, Weight};
use crate::layers::activation::Activation;
use crate::layers::conv1d::grouped_conv1d;
use crate::layers::ops;
use crate::networks::speech::config::SpeechConfig;

/// Convolutional positions: a wide grouped convolution over the frames, whose output is added to them.
#[derive(Module, Debug)]
pub(super) struct PosConvEmbed {
    conv: PosConv,
    batch_norm: Option<BatchNorm>,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    packed: Packed,
}

/// The convolution's weights, `[D, D / groups, K]`: as they are, or as direction and length.
#[derive(Module, Debug)]
enum PosConv {
    WeightNorm(WeightNormConv),
    Plain(Conv1d),
}

/// Weight norm over the kernel axis: each of the K taps has its own length `weight_g`, shared by all channels.
#[derive(Module, Debug)]
struct WeightNormConv {
    weight_g: Param<Tensor<3>>, // [1, 1, K]
    weight_v: Param<Tensor<3>>, // [D, D / groups, K]
    bias: Param<Tensor<1>>,
    groups: usize,
}

impl PosConvEmbed {
    pub(super) fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        let (width, kernel) = (config.hidden_size, config.num_conv_pos_embeddings);
        let groups = config.num_conv_pos_embedding_groups;
        let conv = if config.conv_pos_batch_norm {
            let conv = Conv1dConfig::new(width, width, kernel)
                .with_groups(groups)
                .with_padding(burn::nn::PaddingConfig1d::Explicit(kernel / 2, kernel / 2))
                .with_initializer(Initializer::Zeros)
                .init(device);
            PosConv::Plain(conv)
        } else {
            PosConv::WeightNorm(WeightNormConv {
                weight_g: Initializer::Zeros.init([1, 1, kernel], device),
                weight_v: Initializer::Zeros.init([width, width / groups, kernel], device),
                bias: Initializer::Zeros.init([width], device),
                groups,
            })
        };
        PosConvEmbed {
            conv,
            batch_norm: config.conv_pos_batch_norm.then(|| BatchNormConfig::new(width).init(device)),
            activation: config.feat_extract_activation,
            packed: Packed::default(),
        }
    }

    /// `[B, T, D]` to the positions to add to it, of the same shape.
    pub(super) fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        let hidden = match &self.batch_norm {
            Some(norm) => ops::batch_norm(norm, hidden.swap_dims(1, 2)).swap_dims(1, 2),
            None => hidden,
        };
        let (weight, bias, groups) = match &self.conv {
            PosConv::Plain(conv) => {
                (conv.weight.val().into(), conv.bias.as_ref().map(Param::val), conv.groups)
            }
            PosConv::WeightNorm(conv) => {
                let (taps, lengths) = (conv.weight_v.val(), Some(conv.weight_g.val()));
                (Weight { taps, lengths }, Some(conv.bias.val()), conv.groups)
            }
        };
        grouped_conv1d(hidden, weight, bias, groups, self.activation, &self.packed)
    }
}
