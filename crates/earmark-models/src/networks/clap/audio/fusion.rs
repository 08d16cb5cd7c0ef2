use burn::module::Module;
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Relu};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};

use crate::layers::batch_norm::batch_norm;
use crate::layers::conv2d::Conv2d;

/// Attentional feature fusion (arXiv:2009.14082): how much of the global view, and how much of the local ones.
#[derive(Module, Debug)]
pub(super) struct Fusion {
    local_att: Vec<FusionStep>,
    global_att: Vec<FusionStep>,
}

/// The checkpoint numbers the steps, those without weights too.
#[derive(Module, Debug)]
enum FusionStep {
    Pool(AdaptiveAvgPool2d),
    Conv(Conv2d),
    Norm(BatchNorm),
    Relu(Relu),
}

impl Fusion {
    pub(super) fn zeros(width: usize, narrower: usize, device: &Device) -> Self {
        let inner = width / narrower;
        let conv = |inputs, outputs| {
            FusionStep::Conv(Conv2d::new([inputs, outputs], [1, 1], [1, 1], [0, 0], device))
        };
        let norm = |channels| FusionStep::Norm(BatchNormConfig::new(channels).init(device));
        let steps = || {
            vec![
                conv(width, inner),
                norm(inner),
                FusionStep::Relu(Relu::new()),
                conv(inner, width),
                norm(width),
            ]
        };
        let pool = FusionStep::Pool(AdaptiveAvgPool2dConfig::new([1, 1]).init());
        Fusion { local_att: steps(), global_att: std::iter::once(pool).chain(steps()).collect() }
    }

    pub(super) fn forward(&self, global: Tensor<4>, local: Tensor<4>) -> Tensor<4> {
        let both = global.clone() + local.clone();
        let run = |steps: &[FusionStep]| steps.iter().fold(both.clone(), |x, step| step.forward(x));
        let share = sigmoid(run(&self.local_att) + run(&self.global_att)).cast(global.dtype());
        (global * share.clone() + local * (share.neg() + 1.0)) * 2.0
    }
}

impl FusionStep {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            FusionStep::Pool(pool) => pool.forward(x),
            FusionStep::Conv(conv) => conv.forward(x),
            FusionStep::Norm(norm) => batch_norm(norm, x),
            FusionStep::Relu(relu) => relu.forward(x),
        }
    }
}
