//! What the optimizer moves, and the average of it.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use earmark_models::{Classifier, Lora};

/// A network, and its adapters where it is trained by those.
#[derive(Module, Debug)]
pub(crate) struct Trained {
    pub(crate) network: Classifier,
    pub(crate) lora: Lora,
}

impl Trained {
    /// The network as it answers: with its adapters in its weights.
    pub(crate) fn merged(&self) -> Classifier {
        self.lora.merged(self.network.clone())
    }
}

/// The average after one more step: `decay · average + (1 - decay) · current`, and the statistics of batch norms as they are.
///
/// `torch.optim.swa_utils.AveragedModel` with `get_ema_multi_avg_fn(decay)`, torch 2.9.0, whose average begins as the first step's
/// weights.
pub(crate) fn averaged(average: Option<Classifier>, current: &Classifier, decay: f64) -> Classifier {
    let Some(average) = average else { return current.clone() };
    let mut weights = Weights(GradientsParams::new());
    current.visit(&mut weights);
    average.map(&mut Average { current: weights.0, share: 1.0 - decay, is_statistic: Vec::new() })
}

/// The weights by their ids.
struct Weights(GradientsParams);

impl ModuleVisitor for Weights {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.register(param.id, param.val());
    }
}

struct Average {
    current: GradientsParams,
    share: f64,
    /// For each module on the path to the parameter, whether it is a statistic that is kept as it is.
    is_statistic: Vec<bool>,
}

impl ModuleMapper for Average {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.is_statistic.push(matches!(name, "running_mean" | "running_var"));
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.is_statistic.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(current) = self.current.remove::<D>(param.id) else { return param };
        let (id, average, mapper) = param.consume();
        let moved = match self.is_statistic.last() {
            Some(true) => current,
            _ => average.clone() + (current - average).mul_scalar(self.share),
        };
        Param::from_mapped_value(id, moved, mapper)
    }
}
