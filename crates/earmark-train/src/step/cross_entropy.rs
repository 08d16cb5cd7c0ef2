//! The loss of clips of one class each.

use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use earmark_eval::cross_entropy;

use crate::clips::batch::Mix;
use crate::recipe::Recipe;

/// Cross-entropy, with smoothed labels, weights of the classes and the factor of the focal loss where the recipe says so.
///
/// As `torch.nn.CrossEntropyLoss(weight, label_smoothing)`, and without weights as the Trainer's `LabelSmoother`.
pub(crate) struct CrossEntropy {
    module: CrossEntropyLoss,
    smoothing: f64,
    focal_gamma: f64,
    /// One for each class; none where all clips count the same.
    weights: Option<Vec<f32>>,
}

impl CrossEntropy {
    /// `weights` is the weight of each class.
    pub(crate) fn new(recipe: &Recipe, weights: Option<Vec<f32>>, device: &Device) -> CrossEntropy {
        let smoothing = (recipe.label_smoothing > 0.0).then_some(recipe.label_smoothing as f32);
        let config = CrossEntropyLossConfig::new().with_smoothing(smoothing).with_weights(weights.clone());
        CrossEntropy {
            module: config.init(device),
            smoothing: recipe.label_smoothing,
            focal_gamma: recipe.focal_gamma,
            weights,
        }
    }

    /// Whether it is the plain cross-entropy.
    pub(crate) fn is_plain(&self) -> bool {
        self.smoothing == 0.0 && self.focal_gamma == 0.0 && self.weights.is_none()
    }

    /// How much clips of these classes count together: their number, unless the classes have weights.
    pub(crate) fn weight(&self, labels: &[usize]) -> f64 {
        match &self.weights {
            None => labels.len() as f64,
            Some(weights) => labels.iter().map(|&label| f64::from(weights[label])).sum(),
        }
    }

    /// The mean over clips; the logits are `[B, L]`. `mixes` is what is mixed into each clip, or empty.
    pub(crate) fn forward(&self, logits: Tensor<2>, labels: &[usize], mixes: &[Mix]) -> Tensor<1> {
        let logits = logits.cast(DType::F32);
        if self.focal_gamma > 0.0 {
            return self.focal(logits, labels);
        }
        if mixes.is_empty() {
            let targets = targets(labels, &logits.device());
            return self.module.forward(logits, targets);
        }
        let [clips, classes] = logits.dims();
        let mut shares = vec![(self.smoothing / classes as f64) as f32; clips * classes];
        for ((row, &label), mix) in shares.chunks_mut(classes).zip(labels).zip(mixes) {
            row[label] += ((1.0 - self.smoothing) * (1.0 - mix.share)) as f32;
            row[mix.class] += ((1.0 - self.smoothing) * mix.share) as f32;
        }
        let shares = Tensor::<2>::from_data(TensorData::new(shares, [clips, classes]), &logits.device());
        (log_softmax(logits, 1) * shares).sum().neg().div_scalar(clips as f64)
    }

    fn focal(&self, logits: Tensor<2>, labels: &[usize]) -> Tensor<1> {
        let (device, clips) = (logits.device(), labels.len());
        let of_class = log_softmax(logits, 1).gather(1, targets(labels, &device).reshape([clips, 1]));
        // A probability of exactly 1 would give a gradient of 0 · ∞ for a power below 1.
        let wrong = of_class.clone().exp().neg().add_scalar(1.0).clamp_min(1e-6);
        let weight = |&label: &usize| self.weights.as_ref().map_or(1.0, |weights| weights[label]);
        let weights: Vec<f32> = labels.iter().map(weight).collect();
        let weights = Tensor::<2>::from_data(TensorData::new(weights, [clips, 1]), &device);
        let sum = (of_class * wrong.powf_scalar(self.focal_gamma) * weights).sum();
        sum.neg().div_scalar(self.weight(labels))
    }

    /// The mean over evaluated clips, as the reference's Trainer forms it: over the means of batches.
    pub(crate) fn of_logits(&self, logits: &[Vec<f32>], labels: &[usize], batch_size: usize) -> f64 {
        let batches = logits.chunks(batch_size).zip(labels.chunks(batch_size));
        let sum: f64 = batches
            .map(|(logits, labels)| {
                let clips = logits.iter().zip(labels);
                let sum: f64 = clips.map(|(row, &label)| self.of_clip(row, label)).sum();
                sum / self.weight(labels) * labels.len() as f64
            })
            .sum();
        sum / labels.len().max(1) as f64
    }

    /// Of one clip, times its class's weight.
    fn of_clip(&self, logits: &[f32], label: usize) -> f64 {
        let weight = |class: usize| self.weights.as_ref().map_or(1.0, |weights| f64::from(weights[class]));
        let of_class = |class: usize| {
            let loss = cross_entropy(logits, class);
            let focus =
                if self.focal_gamma > 0.0 { (1.0 - (-loss).exp()).powf(self.focal_gamma) } else { 1.0 };
            weight(class) * focus * loss
        };
        let true_class = (1.0 - self.smoothing) * of_class(label);
        if self.smoothing == 0.0 {
            return true_class;
        }
        let all: f64 = (0..logits.len()).map(of_class).sum();
        true_class + self.smoothing / logits.len() as f64 * all
    }
}

/// clips / (classes × clips of the class), over the classes that have clips; 1 for one that has none, as no clip asks for it.
pub(crate) fn balanced(trained: &[usize]) -> Vec<f32> {
    let classes = trained.iter().filter(|&&clips| clips > 0).count();
    let clips: usize = trained.iter().sum();
    let weight = |&of_class: &usize| match of_class {
        0 => 1.0,
        of_class => (clips as f64 / (classes * of_class) as f64) as f32,
    };
    trained.iter().map(weight).collect()
}

/// Classes on a device, `[B]`.
fn targets(labels: &[usize], device: &Device) -> Tensor<1, Int> {
    let ids: Vec<i64> = labels.iter().map(|&id| id as i64).collect();
    Tensor::from_data(TensorData::new(ids, [labels.len()]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `sklearn.utils.class_weight.compute_class_weight("balanced", classes=[0, 1, 2], y=[0] * 8 + [1] * 2 + [2] * 2)`
    #[test]
    fn rare_classes_weigh_more() {
        assert_eq!(balanced(&[8, 2, 2]), [0.5, 2.0, 2.0]);
        assert_eq!(balanced(&[8, 0, 2, 2]), [0.5, 1.0, 2.0, 2.0]);
    }

    #[test]
    fn a_step_and_an_evaluation_have_the_same_loss() {
        let logits = [[0.5, -1.0, 2.0], [3.0, 0.25, -2.0], [0.0, 0.0, 1.0], [-1.0, 4.0, 0.5]];
        let labels = [2, 1, 0, 1];
        let device = Device::flex();
        for (is_balanced, label_smoothing, focal_gamma) in [
            (false, 0.0, 0.0),
            (false, 0.1, 0.0),
            (false, 0.0, 0.5),
            (true, 0.0, 2.0),
            (true, 0.0, 0.0),
            (true, 0.3, 0.0),
        ] {
            let recipe = Recipe { label_smoothing, focal_gamma, ..Recipe::new("name", "model", "data") };
            let weights = is_balanced.then(|| balanced(&[8, 2, 2]));
            let loss = CrossEntropy::new(&recipe, weights, &device);
            let got: f32 = loss.forward(Tensor::from_floats(logits, &device), &labels, &[]).into_scalar();
            let rows = logits.map(Vec::from);
            let want = loss.of_logits(&rows, &labels, 4);
            assert!((f64::from(got) - want).abs() < 1e-6, "{got} {want}");
            if !is_balanced && focal_gamma == 0.0 {
                let alone = labels.map(|class| Mix { class, share: 0.25 });
                let got: f32 =
                    loss.forward(Tensor::from_floats(logits, &device), &labels, &alone).into_scalar();
                assert!(
                    (f64::from(got) - want).abs() < 1e-6,
                    "a clip mixed with its own class: {got} {want}"
                );
                let others = [0, 2, 1, 0];
                let mixes = others.map(|class| Mix { class, share: 0.25 });
                let got: f32 =
                    loss.forward(Tensor::from_floats(logits, &device), &labels, &mixes).into_scalar();
                let want = 0.75 * want + 0.25 * loss.of_logits(&rows, &others, 4);
                assert!((f64::from(got) - want).abs() < 1e-6, "{got} {want}");
            }
            let is_plain = (is_balanced, label_smoothing, focal_gamma) == (false, 0.0, 0.0);
            assert_eq!(loss.is_plain(), is_plain);
        }
    }
}
