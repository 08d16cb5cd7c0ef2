use super::lbfgs::{Until, minimise};
use super::objective::Objective;
use super::standardise::Standardiser;

/// A linear probe: a multinomial logistic regression with an L2 penalty on standardised embeddings, as scikit-learn's
/// `make_pipeline(StandardScaler(), LogisticRegression(C=c))` fits it. The standardisation is part of its weights.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Probe {
    /// `[classes, width]`, row after row.
    pub weight: Vec<f64>,
    /// A number for each class.
    pub bias: Vec<f64>,
    /// The inverse of the strength of regularisation.
    pub c: f64,
}

/// scikit-learn stops at a gradient of 1e-4, which is not the minimum yet where the penalty is weak: with C = 100 that is a clip or
/// four of 300 (`tests.rs`).
const UNTIL: Until = Until { gradient: 1e-7, steps: 1000 };

/// The bias of a class that no row is of: softmax makes exactly 0 of it.
const NEVER: f64 = -1e4;

/// Rows to fit on, and where a fit of other strength ended.
pub(super) struct Fitting {
    scaling: Standardiser,
    objective: Objective,
    /// The classes that there are rows of, which the regression numbers by their places.
    present: Vec<usize>,
    classes: usize,
    parameters: Vec<f64>,
}

impl Fitting {
    /// Of rows of one length and their classes, below `classes`; at least one row.
    pub(super) fn new(rows: &[&[f32]], labels: &[usize], classes: usize) -> Fitting {
        let scaling = Standardiser::of(rows);
        let scaled = rows.iter().flat_map(|row| scaling.apply(row)).collect();
        let present: Vec<usize> = (0..classes).filter(|class| labels.contains(class)).collect();
        let place = |label| present.binary_search(label).expect("every label is present");
        let objective = Objective::new(scaled, labels.iter().map(place).collect(), present.len());
        let parameters = vec![0.0; objective.parameters()];
        Fitting { scaling, objective, present, classes, parameters }
    }

    /// Starts where the fit before ended.
    pub(super) fn fit(&mut self, c: f64) -> Probe {
        // Of two classes scikit-learn fits the difference, whose square is twice the sum of the squares of both.
        let penalty = if self.present.len() == 2 { c / 2.0 } else { c };
        let start = std::mem::take(&mut self.parameters);
        self.parameters = minimise(start, UNTIL, |parameters| self.objective.at(parameters, penalty));
        self.unscaled(c)
    }

    /// The same regression on embeddings that are not standardised.
    fn unscaled(&self, c: f64) -> Probe {
        let Standardiser { mean, scale } = &self.scaling;
        let width = mean.len();
        let (weights, intercepts) = self.parameters.split_at(self.present.len() * width);
        let mut probe = Probe { weight: vec![0.0; self.classes * width], bias: vec![NEVER; self.classes], c };
        let fitted = weights.chunks_exact(width).zip(intercepts).zip(&self.present);
        for ((row, intercept), &class) in fitted {
            let to = &mut probe.weight[class * width..(class + 1) * width];
            to.iter_mut().zip(row).zip(scale).for_each(|((to, weight), scale)| *to = weight / scale);
            probe.bias[class] =
                intercept - to.iter().zip(mean).map(|(weight, mean)| weight * mean).sum::<f64>();
        }
        probe
    }
}

impl Probe {
    /// Fits the classes of some rows, all of one length. A class that no row is of is never predicted.
    ///
    /// # Panics
    /// Without rows, when there is not a label for each, or a label is none of the classes.
    pub fn fit(rows: &[&[f32]], labels: &[usize], classes: usize, c: f64) -> Probe {
        assert!(!rows.is_empty() && rows.len() == labels.len(), "a label for each row, and at least one");
        assert!(labels.iter().all(|&label| label < classes), "each label is one of the classes");
        Fitting::new(rows, labels, classes).fit(c)
    }

    /// The logit of each class.
    ///
    /// # Panics
    /// When the row is not as long as those that were fitted on.
    pub fn logits(&self, row: &[f32]) -> Vec<f32> {
        assert_eq!(row.len() * self.bias.len(), self.weight.len(), "a row of the width that was fitted on");
        let logit = |(weights, bias): (&[f64], &f64)| {
            let products = weights.iter().zip(row).map(|(weight, &x)| weight * f64::from(x));
            (products.sum::<f64>() + bias) as f32
        };
        self.weight.chunks_exact(row.len()).zip(&self.bias).map(logit).collect()
    }

    /// The class with the highest logit, the first of equals.
    pub fn predict(&self, row: &[f32]) -> usize {
        crate::evaluate::largest(&self.logits(row))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
