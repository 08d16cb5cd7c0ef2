//! Which part of a network each parameter belongs to, for what trains some parts otherwise than others.

use burn::module::{ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use earmark_config::Family;

use crate::architecture::Architecture;
use crate::checkpoint::keys;
use crate::checkpoint::module_path::ModulePath;

/// A part of a network, from its input to its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The convolutions over samples that Wav2Vec2 and its kin begin with: what `freeze_feature_encoder` of the reference means.
    FeatureEncoder,
    /// What makes the input of the first layer: projections, positions, tokens, and the norms among them.
    Embeddings,
    /// A transformer layer, the first is 0.
    Layer(usize),
    /// What stands behind the last layer: a norm, or SEW's way back to all frames.
    FinalNorm,
    /// The classification head: everything outside the base model.
    Head,
}

/// The id and the part of every parameter.
pub fn parts<M: Architecture>(network: &M) -> Vec<(ParamId, Part)> {
    struct Parts {
        place: Place,
        found: Vec<(ParamId, Part)>,
    }
    impl ModuleVisitor for Parts {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.place.at.enter(name, container);
        }

        fn exit_module(&mut self, _name: &str, container: &str) {
            self.place.at.exit(container);
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.found.push((param.id, self.place.part()));
        }
    }
    let mut visitor = Parts { place: Place::new(network), found: Vec::new() };
    network.visit(&mut visitor);
    visitor.found
}

/// The same network, with no gradient for the parameters of the parts that `freezes` names, as `requires_grad = False` does.
/// On a device with autodiff nothing is computed backwards that only they would need.
#[must_use]
pub fn freeze<M: Architecture>(network: M, freezes: impl Fn(Part) -> bool) -> M {
    struct Freeze<F> {
        place: Place,
        freezes: F,
    }
    impl<F: Fn(Part) -> bool> ModuleMapper for Freeze<F> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.place.at.enter(name, container);
        }

        fn exit_module(&mut self, _name: &str, container: &str) {
            self.place.at.exit(container);
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if (self.freezes)(self.place.part()) { param.set_require_grad(false) } else { param }
        }
    }
    let place = Place::new(&network);
    network.map(&mut Freeze { place, freezes })
}

/// Where a visitor or a mapper is.
struct Place {
    at: ModulePath,
    family: &'static Family,
    final_norm: Option<&'static str>,
}

impl Place {
    fn new<M: Architecture>(network: &M) -> Place {
        Place { at: ModulePath::default(), family: network.family(), final_norm: network.final_norm() }
    }

    fn part(&self) -> Part {
        let name = keys::in_file(&self.family.keys, &self.at.joined());
        if self.family.keys.is_head(&name) {
            return Part::Head;
        }
        let path = name.strip_prefix(self.family.keys.base).unwrap_or(&name);
        if self.final_norm.is_some_and(|norm| path.strip_prefix(norm).is_some_and(|it| it.starts_with('.'))) {
            return Part::FinalNorm;
        }
        if path.starts_with("feature_extractor.") {
            return Part::FeatureEncoder;
        }
        // SEW-D has an encoder in its encoder, CED none.
        let below = path.strip_prefix("encoder.").unwrap_or(path);
        let mut fields = below.strip_prefix("encoder.").unwrap_or(below).split('.');
        match [fields.next(), fields.next()].map(Option::unwrap_or_default) {
            ["layers" | "layer" | "blocks", number] => number.parse().map_or(Part::Embeddings, Part::Layer),
            _ => Part::Embeddings,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use burn::module::Module as _;

    use super::*;
    use crate::checkpoint::weights::Checkpoint;
    use crate::test_support::{device, golden_dir};
    use crate::{Classifier, Head, ModelConfig};

    fn classifier(model: &str) -> Classifier {
        let dir = golden_dir(model);
        let (config, checkpoint) = (ModelConfig::read(&dir).unwrap(), Checkpoint::open(&dir).unwrap());
        let (network, _) =
            Classifier::load(config.network(), 3, &checkpoint, Head::New, 1, &device()).unwrap();
        network
    }

    fn counts(network: &Classifier) -> BTreeMap<Part, usize> {
        let mut counts = BTreeMap::new();
        for (_, part) in parts(network) {
            *counts.entry(part).or_default() += 1;
        }
        counts
    }

    #[test]
    fn every_parameter_is_of_one_part() {
        use Part::{Embeddings, FeatureEncoder, FinalNorm, Head, Layer};
        for (model, wanted) in [
            ("speech/group", vec![FeatureEncoder, Embeddings, Layer(0), Layer(1), Head]),
            ("speech/wavlm", vec![FeatureEncoder, Embeddings, Layer(0), Layer(1), Head]),
            ("speech/layer-stable", vec![FeatureEncoder, Embeddings, Layer(0), Layer(1), FinalNorm, Head]),
            ("ast/unbiased", vec![Embeddings, Layer(0), Layer(1), FinalNorm, Head]),
            ("whisper/weighted", vec![Embeddings, Layer(0), Layer(1), Layer(2), FinalNorm, Head]),
            ("speech/sew", vec![FeatureEncoder, Embeddings, Layer(0), Layer(1), FinalNorm, Head]),
            ("ced/short", vec![Embeddings, Layer(0), Layer(1), FinalNorm, Head]),
            ("speech/sew-d", vec![FeatureEncoder, Embeddings, Layer(0), Layer(1), FinalNorm, Head]),
        ] {
            let counts = counts(&classifier(model));
            assert_eq!(counts.keys().copied().collect::<Vec<_>>(), wanted, "{model}");
            assert!(counts[&Layer(1)] <= counts[&Layer(0)], "{model}: {counts:?}");
            if let Some(norm) = counts.get(&FinalNorm) {
                assert_eq!(*norm, 2, "{model}");
            }
        }
        // The convolutions and the norm of the first.
        assert_eq!(counts(&classifier("speech/group"))[&FeatureEncoder], 7 + 2);
        // projector, classifier, and the weights of the hidden states.
        assert_eq!(counts(&classifier("speech/weighted"))[&Head], 5);
    }

    #[test]
    fn what_is_frozen_has_no_gradient_and_the_rest_has() {
        struct Trained(Vec<ParamId>);
        impl ModuleVisitor for Trained {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if param.val().is_require_grad() {
                    self.0.push(param.id);
                }
            }
        }
        let network = classifier("speech/group").train();
        let frozen = freeze(network.clone(), |part| part <= Part::Layer(0));
        let mut trained = Trained(Vec::new());
        // Out of training and back, as after an evaluation.
        frozen.valid().train().visit(&mut trained);
        let mut wanted = parts(&network);
        wanted.retain(|(_, part)| *part > Part::Layer(0));
        assert_eq!(trained.0, wanted.into_iter().map(|(id, _)| id).collect::<Vec<_>>());
    }
}
