//! The learning rates of a network's parts.

use std::collections::BTreeMap;

use burn::module::{ParamGroup, ParamId};
use burn::optim::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use earmark_models::{Classifier, Part, parts};

use crate::recipe::Recipe;

/// The peak learning rate of every parameter.
pub(crate) struct Rates {
    peak: f64,
    /// Those with another peak.
    groups: Vec<(ParamGroup, f64)>,
}

impl Rates {
    /// The network's parameters have the ids that they are trained with.
    pub(crate) fn new(recipe: &Recipe, network: &Classifier) -> Rates {
        let parts = parts(network);
        let layers =
            parts.iter().filter_map(|(_, part)| if let Part::Layer(n) = part { Some(n + 1) } else { None });
        let layers = layers.max().unwrap_or(0);
        // By the peak's bits, which order numbers above 0.
        let mut groups: BTreeMap<u64, Vec<ParamId>> = BTreeMap::new();
        for (id, part) in parts {
            let peak = peak(recipe, part, layers);
            if peak != recipe.lr {
                groups.entry(peak.to_bits()).or_default().push(id);
            }
        }
        let groups = groups.into_iter().map(|(peak, ids)| (ParamGroup::from_ids(ids), f64::from_bits(peak)));
        Rates { peak: recipe.lr, groups: groups.collect() }
    }

    /// The rate that most parameters have at this share of the peak: the one that is logged.
    pub(crate) fn base(&self, share: f64) -> f64 {
        self.peak * share
    }

    /// The rates at this share of the peaks.
    pub(crate) fn at(&self, share: f64) -> ModuleLearningRate {
        let base = ModuleLrScheduler::new(self.base(share));
        let with = |all: ModuleLrScheduler, (group, peak): &(ParamGroup, f64)| {
            all.with_group(group.clone(), peak * share)
        };
        self.groups.iter().fold(base, with).step()
    }
}

/// The peak of a part of a network with so many layers.
fn peak(recipe: &Recipe, part: Part, layers: usize) -> f64 {
    let below = match part {
        Part::Head => return recipe.head_lr.unwrap_or(recipe.lr),
        Part::FinalNorm => 0,
        Part::Layer(layer) => layers - layer,
        Part::Embeddings | Part::FeatureEncoder => layers + 1,
    };
    recipe.lr * recipe.layer_lr_decay.powi(below as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layer_has_a_share_of_the_rate_above_it() {
        let mut recipe = Recipe { lr: 1.0, layer_lr_decay: 0.5, ..Recipe::new("name", "model", "data") };
        let parts = [
            Part::FeatureEncoder,
            Part::Embeddings,
            Part::Layer(0),
            Part::Layer(1),
            Part::FinalNorm,
            Part::Head,
        ];
        assert_eq!(parts.map(|part| peak(&recipe, part, 2)), [0.125, 0.125, 0.25, 0.5, 1.0, 1.0]);
        recipe.head_lr = Some(3.0);
        assert_eq!(peak(&recipe, Part::Head, 2), 3.0);
        assert_eq!(peak(&recipe, Part::FinalNorm, 2), 1.0);
    }
}
