//! What a step minimises.

use burn::tensor::{Device, Tensor};

use crate::clips::batch::Mix;
use crate::clips::targets::Targets;
use crate::error::ErrorKind;
use crate::recipe::{ClassWeights, Recipe};
use crate::step::binary_cross_entropy::{self, BinaryCrossEntropy};
use crate::step::cross_entropy::{self, CrossEntropy};

/// The loss of clips of one class each, or of any number of them.
#[expect(clippy::large_enum_variant, reason = "a run has one")]
pub(crate) enum Loss {
    CrossEntropy(CrossEntropy),
    BinaryCrossEntropy(BinaryCrossEntropy),
}

/// Targets and loss both follow from the recipe.
const OTHER_TARGETS: &str = "the loss is that of the targets";

impl Loss {
    /// `clips` are trained on, and `of_class` of them are of each of the classes, which are called `labels`.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] for the weight of a class that there is not.
    pub(crate) fn new(
        recipe: &Recipe,
        labels: &[String],
        clips: usize,
        of_class: &[usize],
        device: &Device,
    ) -> Result<Loss, ErrorKind> {
        let weights = match (&recipe.class_weights, recipe.multi_label) {
            (ClassWeights::None, _) => None,
            (ClassWeights::Balanced, false) => Some(cross_entropy::balanced(of_class)),
            (ClassWeights::Balanced, true) => Some(binary_cross_entropy::balanced(clips, of_class)),
            (ClassWeights::Named(weights), _) => Some(by_class(weights, labels)?),
        };
        Ok(match recipe.multi_label {
            false => Loss::CrossEntropy(CrossEntropy::new(recipe, weights, device)),
            true => Loss::BinaryCrossEntropy(BinaryCrossEntropy::new(weights)),
        })
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

/// The weight of each class, 1 where it is not named.
fn by_class(weights: &[(String, f64)], labels: &[String]) -> Result<Vec<f32>, ErrorKind> {
    if let Some((unknown, _)) = weights.iter().find(|(class, _)| !labels.contains(class)) {
        let why = format!("names `{unknown}`, which is no class; the classes are {}", labels.join(", "));
        return Err(ErrorKind::Value { key: "class_weights", why });
    }
    let of = |label: &String| {
        weights.iter().find(|(class, _)| class == label).map_or(1.0, |(_, weight)| *weight as f32)
    };
    Ok(labels.iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_that_are_not_named_weigh_1_and_others_are_refused() {
        let labels = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(by_class(&[("b".to_owned(), 2.5)], &labels).unwrap(), [1.0, 2.5, 1.0]);
        let error = by_class(&[("d".to_owned(), 2.5)], &labels).unwrap_err().to_string();
        assert!(error.contains("`class_weights` names `d`") && error.contains("a, b, c"), "{error}");
    }
}
