//! The loss of clips that may have any number of classes.

use burn::tensor::activation::log_sigmoid;
use burn::tensor::{DType, Tensor, TensorData};

/// `torch.nn.BCEWithLogitsLoss(pos_weight)`: each class of each clip is a yes or no of its own.
pub(crate) struct BinaryCrossEntropy {
    /// How much a clip of a class counts for it, beside one that is not of it; none where both count the same.
    pos_weight: Option<Vec<f32>>,
}

impl BinaryCrossEntropy {
    pub(crate) fn new(pos_weight: Option<Vec<f32>>) -> BinaryCrossEntropy {
        BinaryCrossEntropy { pos_weight }
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.pos_weight.is_none()
    }

    /// The mean over clips and classes; the logits are `[B, L]`.
    pub(crate) fn forward(&self, logits: Tensor<2>, classes: &[Vec<usize>]) -> Tensor<1> {
        let ([clips, all], device) = (logits.dims(), logits.device());
        let (mut yes, mut no) = (vec![0.0; clips * all], vec![1.0; clips * all]);
        for (clip, classes) in classes.iter().enumerate() {
            for &class in classes {
                yes[clip * all + class] = self.pos_weight.as_ref().map_or(1.0, |weights| weights[class]);
                no[clip * all + class] = 0.0;
            }
        }
        let [yes, no] = [yes, no]
            .map(|shares: Vec<f32>| Tensor::<2>::from_data(TensorData::new(shares, [clips, all]), &device));
        let logits = logits.cast(DType::F32);
        let likelihood = yes * log_sigmoid(logits.clone()) + no * log_sigmoid(logits.neg());
        likelihood.mean().neg()
    }

    /// The mean over clips and classes: batches of it, too, as every clip counts the same.
    pub(crate) fn of_logits(&self, logits: &[Vec<f32>], classes: &[Vec<usize>]) -> f64 {
        let clips = logits.iter().zip(classes);
        let sum: f64 = clips.map(|(row, classes)| of_clip(row, classes, self.pos_weight.as_deref())).sum();
        sum / logits.len().max(1) as f64
    }
}

/// The mean over the classes of one clip.
pub(crate) fn of_clip(logits: &[f32], classes: &[usize], pos_weight: Option<&[f32]>) -> f64 {
    let of_class = |(class, &logit): (usize, &f32)| {
        let logit = f64::from(logit);
        match classes.contains(&class) {
            true => pos_weight.map_or(1.0, |weights| f64::from(weights[class])) * softplus(-logit),
            false => softplus(logit),
        }
    };
    logits.iter().enumerate().map(of_class).sum::<f64>() / logits.len().max(1) as f64
}

/// ln(1 + exp(x)), for any x.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Clips that are not of the class for each that is, as PyTorch's documentation has it; 1 for a class without clips.
pub(crate) fn balanced(clips: usize, of_class: &[usize]) -> Vec<f32> {
    let weight = |&of_class: &usize| match of_class {
        0 => 1.0,
        of_class => (clips - of_class) as f32 / of_class as f32,
    };
    of_class.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    const LOGITS: [[f32; 3]; 2] = [[0.5, -1.0, 2.0], [30.0, -90.0, 0.25]];

    /// `torch.nn.functional.binary_cross_entropy_with_logits(logits, [[1, 0, 1], [0, 0, 0]], pos_weight=…)`, torch 2.9.0, float64.
    #[test]
    fn a_step_and_an_evaluation_have_the_loss_of_torch() {
        let classes = [vec![0, 2], vec![]];
        let rows = LOGITS.map(Vec::from);
        let device = Device::flex();
        for (pos_weight, want) in [(None, 5.290034350436707), (Some(vec![3.0, 1.0, 0.5]), 5.437482677576494)]
        {
            let loss = BinaryCrossEntropy { pos_weight };
            let evaluated = loss.of_logits(&rows, &classes);
            assert!((evaluated - want).abs() < 1e-12, "{evaluated} {want}");
            let step: f32 = loss.forward(Tensor::from_floats(LOGITS, &device), &classes).into_scalar();
            assert!((f64::from(step) - want).abs() < 1e-6, "{step} {want}");
        }
    }

    #[test]
    fn a_rare_class_weighs_as_its_absence_is_frequent() {
        assert_eq!(balanced(12, &[3, 6, 0, 12]), [3.0, 1.0, 1.0, 0.0]);
    }
}
