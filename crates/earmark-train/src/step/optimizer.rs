//! AdamW with the reference's global clipping, over burn-optim.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;

use crate::recipe::Recipe;

/// burn's AdamW with the recipe's numbers. Biases and norms do not decay, as in the reference.
pub(crate) fn adamw(recipe: &Recipe) -> ModuleOptimizer {
    let [beta_1, beta_2] = recipe.adam_betas;
    let config = AdamWConfig::new()
        .with_beta_1(beta_1 as f32)
        .with_beta_2(beta_2 as f32)
        .with_epsilon(recipe.adam_epsilon as f32)
        .with_weight_decay(recipe.weight_decay as f32);
    let all = ModuleOptimizer::from(config.build());
    if recipe.weight_decay == 0.0 {
        return all;
    }
    let undecayed =
        ParamGroup::from_regex(r"(^|\.)(gamma|beta|bias)$").expect("the pattern is fixed and valid");
    all.with_group(undecayed, config.with_weight_decay(0.0).build(), None)
}

/// Gives every parameter its place in the network as its id.
///
/// burn draws ids at random and keys the optimizer's moments by them. With ids that follow from the position, a network that is
/// read from a checkpoint finds its moments again.
pub(crate) fn number_parameters<M: Module>(network: M) -> M {
    struct Number(u64);
    impl ModuleMapper for Number {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.0 += 1;
            let (_, tensor, mapper) = param.consume();
            Param::from_mapped_value(ParamId::from(self.0), tensor, mapper)
        }
    }
    network.map(&mut Number(0))
}

/// Divides the gradients by `scale`, then scales them so that their L2 norm over all parameters together is at most `max`,
/// and returns the norm before the second. Where that is not finite, the gradients cannot be used.
///
/// `torch.nn.utils.clip_grad_norm_` of 2.9.0, ε included; burn's own clipping works on each parameter by itself.
/// `max` of 0 clips nothing.
pub(crate) fn clip_grad_norm<M: Module>(
    network: &M,
    gradients: &mut GradientsParams,
    max: f64,
    scale: f64,
) -> f64 {
    struct Squares<'a> {
        gradients: &'a GradientsParams,
        sums: Vec<Tensor<1>>,
    }
    impl ModuleVisitor for Squares<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.get::<D>(param.id) {
                self.sums.push(gradient.square().sum());
            }
        }
    }
    struct Scale<'a> {
        gradients: &'a mut GradientsParams,
        by: f32,
    }
    impl ModuleVisitor for Scale<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.remove::<D>(param.id) {
                self.gradients.register(param.id, gradient.mul_scalar(self.by));
            }
        }
    }
    let mut squares = Squares { gradients, sums: Vec::new() };
    network.visit(&mut squares);
    if squares.sums.is_empty() {
        return 0.0;
    }
    // One read from the device for all parameters.
    let norm: f32 = Tensor::cat(squares.sums, 0).sum().sqrt().into_scalar();
    let norm = f64::from(norm) / scale;
    let clip = if max > 0.0 && norm > max { max / (norm + 1e-6) } else { 1.0 };
    if clip != 1.0 || scale != 1.0 {
        network.visit(&mut Scale { gradients, by: (clip / scale) as f32 });
    }
    norm
}
