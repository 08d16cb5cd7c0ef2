//! What a step minimises.

use burn::tensor::{Device, Tensor};

use crate::clips::batch::Mix;
use crate::clips::targets::Targets;
use crate::recipe::Recipe;
use crate::step::binary_cross_entropy::BinaryCrossEntropy;
use crate::step::cross_entropy::CrossEntropy;

/// The loss of clips of one class each, or of any number of them.
pub(crate) enum Loss {
    CrossEntropy(CrossEntropy),
    BinaryCrossEntropy(BinaryCrossEntropy),
}

/// Targets and loss both follow from the recipe.
const OTHER_TARGETS: &str = "the loss is that of the targets";

impl Loss {
    /// `clips` are trained on, and `of_class` of them are of each class.
    pub(crate) fn new(recipe: &Recipe, clips: usize, of_class: &[usize], device: &Device) -> Loss {
        match recipe.multi_label {
            false => Loss::CrossEntropy(CrossEntropy::new(recipe, of_class, device)),
            true => Loss::BinaryCrossEntropy(BinaryCrossEntropy::new(recipe, clips, of_class)),
        }
    }

    /// Whether it is the one of an evaluation of any model: without weights and settings.
    pub(crate) fn is_plain(&self) -> bool {
        match self {
            Loss::CrossEntropy(loss) => loss.is_plain(),
            Loss::BinaryCrossEntropy(loss) => loss.is_plain(),
        }
    }

    /// How much clips count together.
    pub(crate) fn weight(&self, targets: &Targets) -> f64 {
        match (self, targets) {
            (Loss::CrossEntropy(loss), Targets::Class(classes)) => loss.weight(classes),
            _ => targets.len() as f64,
        }
    }

    /// The mean over clips; the logits are `[B, L]`. `mixes` is what is mixed into each clip, or empty.
    pub(crate) fn forward(&self, logits: Tensor<2>, targets: &Targets, mixes: &[Mix]) -> Tensor<1> {
        match (self, targets) {
            (Loss::CrossEntropy(loss), Targets::Class(classes)) => loss.forward(logits, classes, mixes),
            (Loss::BinaryCrossEntropy(loss), Targets::Classes(classes)) => loss.forward(logits, classes),
            _ => unreachable!("{OTHER_TARGETS}"),
        }
    }

    /// The mean over evaluated clips, as the reference's Trainer forms it: over the means of batches.
    pub(crate) fn of_logits(&self, logits: &[Vec<f32>], targets: &Targets, batch_size: usize) -> f64 {
        match (self, targets) {
            (Loss::CrossEntropy(loss), Targets::Class(classes)) => {
                loss.of_logits(logits, classes, batch_size)
            }
            (Loss::BinaryCrossEntropy(loss), Targets::Classes(classes)) => loss.of_logits(logits, classes),
            _ => unreachable!("{OTHER_TARGETS}"),
        }
    }
}
