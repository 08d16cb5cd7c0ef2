//! What a multinomial logistic regression minimises: the mean cross-entropy plus the squares of its weights.

use burn::tensor::{DType, Device, Tensor, TensorData};

/// The objective for some rows. Parameters are the weights `[K, D]`, row after row, then the K intercepts.
pub(super) struct Objective {
    /// `[N, D]`
    rows: Tensor<2>,
    labels: Vec<usize>,
    classes: usize,
    width: usize,
    device: Device,
}

impl Objective {
    /// Of standardised rows, one behind the other, and their classes.
    pub(super) fn new(rows: Vec<f64>, labels: Vec<usize>, classes: usize) -> Objective {
        let device = Device::flex();
        let width = rows.len() / labels.len();
        let rows = matrix(rows, [labels.len(), width], &device);
        Objective { rows, labels, classes, width, device }
    }

    pub(super) fn parameters(&self) -> usize {
        self.classes * (self.width + 1)
    }

    /// Value and gradient. `c` is the inverse of the strength of regularisation, which the intercepts are free of.
    pub(super) fn at(&self, parameters: &[f64], c: f64) -> (f64, Vec<f64>) {
        let (classes, count) = (self.classes, self.labels.len() as f64);
        let (weights, intercepts) = parameters.split_at(classes * self.width);
        let weight = matrix(weights.to_vec(), [classes, self.width], &self.device);
        let mut rows = numbers(self.rows.clone().matmul(weight.transpose())); // [N, K]
        let mut loss = 0.0;
        let mut gradient = vec![0.0; parameters.len()];
        let (of_weights, of_intercepts) = gradient.split_at_mut(weights.len());
        for (row, &label) in rows.chunks_exact_mut(classes).zip(&self.labels) {
            row.iter_mut().zip(intercepts).for_each(|(logit, intercept)| *logit += intercept);
            let largest = row.iter().copied().fold(f64::MIN, f64::max);
            let label_logit = row[label] - largest;
            row.iter_mut().for_each(|logit| *logit = (*logit - largest).exp());
            let sum: f64 = row.iter().sum();
            loss += sum.ln() - label_logit;
            // From here on the gradient by the logits.
            row.iter_mut().for_each(|share| *share /= sum * count);
            row[label] -= 1.0 / count;
            row.iter().zip(&mut *of_intercepts).for_each(|(by_logit, sum)| *sum += by_logit);
        }
        let by_logits = matrix(rows, [self.labels.len(), classes], &self.device);
        let by_weights = numbers(by_logits.transpose().matmul(self.rows.clone())); // [K, D]
        let shrink = 1.0 / (c * count);
        let squares: f64 = weights.iter().map(|weight| weight * weight).sum();
        for ((gradient, by_weight), weight) in of_weights.iter_mut().zip(by_weights).zip(weights) {
            *gradient = by_weight + shrink * weight;
        }
        (loss / count + shrink * squares / 2.0, gradient)
    }
}

fn matrix(values: Vec<f64>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F64))
}

fn numbers(tensor: Tensor<2>) -> Vec<f64> {
    tensor.into_data().try_into_vec().expect("a product of 64-bit floats is of 64-bit floats")
}
