use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Tensor};
use earmark_config::Positions;

use crate::backend;
use crate::config::activation::Activation;
use crate::layers::batch_norm::batch_norm;
use crate::layers::conv1d::Conv1d;
use crate::layers::layer_norm::standardised;
use crate::layers::weight_norm_conv1d::WeightNormConv1d;
use crate::networks::speech::config::SpeechConfig;

/// Convolutional positions: grouped convolutions over the frames, whose output is added to them.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it in a network; burn has no boxed modules")]
pub(super) enum PosConvEmbed {
    /// Wav2Vec2 and its kin.
    Wide(WidePosConv),
    /// data2vec.
    Stacked(StackedPosConv),
}

impl PosConvEmbed {
    pub(super) fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        match config.positions() {
            Some(Positions::Convolutions) => PosConvEmbed::Stacked(StackedPosConv::zeros(config, device)),
            Some(Positions::Convolution | Positions::GatedBias) | None => {
                PosConvEmbed::Wide(WidePosConv::zeros(config, 1, device))
            }
        }
    }

    /// `[B, T, D]` to the positions to add to it, of the same shape.
    pub(super) fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        match self {
            PosConvEmbed::Wide(conv) => conv.forward(hidden),
            PosConvEmbed::Stacked(layers) => layers.forward(hidden),
        }
    }
}

/// One wide convolution.
#[derive(Module, Debug)]
pub(super) struct WidePosConv {
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

impl WidePosConv {
    /// Every `stride` frames.
    pub(super) fn zeros(config: &SpeechConfig, stride: usize, device: &Device) -> Self {
        let (width, kernel) = (config.hidden_size, config.num_conv_pos_embeddings);
        let groups = config.num_conv_pos_embedding_groups;
        WidePosConv {
            conv: match config.conv_pos_batch_norm {
                true => PosConv::Plain(Conv1d::grouped(width, kernel, groups, device)),
                false => {
                    let conv = WeightNormConv1d::new(width, kernel, groups, device);
                    PosConv::WeightNorm(conv.with_stride(stride))
                }
            },
            batch_norm: config.conv_pos_batch_norm.then(|| BatchNormConfig::new(width).init(device)),
            activation: config.feat_extract_activation,
        }
    }

    /// `[B, T, D]` to `[B, T / stride, D]`.
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

/// Several convolutions one after the other, each normed without weights of its own.
#[derive(Module, Debug)]
pub(super) struct StackedPosConv {
    layers: Vec<PosConvLayer>,
}

#[derive(Module, Debug)]
struct PosConvLayer {
    conv: Conv1d,
    #[module(skip)]
    activation: Activation,
}

impl StackedPosConv {
    fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        let (width, kernel) = (config.hidden_size, config.conv_pos_kernel_size);
        let layer = |_| PosConvLayer {
            conv: Conv1d::grouped(width, kernel, config.num_conv_pos_embedding_groups, device),
            activation: config.feat_extract_activation,
        };
        StackedPosConv { layers: (0..config.num_conv_pos_embeddings).map(layer).collect() }
    }

    fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        // The reference takes PyTorch's default here, not the config's.
        const NORM_EPSILON: f64 = 1e-5;
        self.layers.iter().fold(hidden, |hidden, layer| {
            backend::activate(standardised(layer.conv.forward(hidden), NORM_EPSILON), layer.activation)
        })
    }
}
