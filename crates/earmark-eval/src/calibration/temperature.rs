use earmark_error::Context as _;

use crate::error::{Error, Task};
use crate::metrics::single_label::checked;
use crate::scores::{ScoreMatrix, softmax};

/// Temperature scaling: logits are divided by one number before softmax, which leaves every prediction what it is (C. Guo et al., 2017).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Temperature {
    /// Above 1 the model was too sure of itself, below 1 not sure enough.
    pub temperature: f64,
    /// Whether this is an end of [`RANGE`](Self::RANGE), because the loss falls still further beyond it: a model that is right on every clip
    /// of the fit has no best temperature, and one that is no better than chance neither. More clips, or other ones, are needed.
    pub at_bound: bool,
}

impl Temperature {
    /// The temperatures that a fit may find.
    pub const RANGE: [f64; 2] = [0.05, 20.0];

    /// The temperature with the lowest mean cross-entropy on held-out clips, which the model was not trained on.
    ///
    /// `logits` are those of the model and `truth` is the class of each clip.
    ///
    /// # Errors
    /// When the two do not fit together, as for [`SingleLabel::new`](crate::SingleLabel::new).
    pub fn fit(logits: &ScoreMatrix, truth: &[usize]) -> Result<Self, Error> {
        checked(logits, truth).context(Task::Calibrate)?;
        // The loss is convex in the inverse of the temperature, so its slope has at most one zero.
        let [lowest, highest] = Self::RANGE;
        let (mut low, mut high) = (1.0 / highest, 1.0 / lowest);
        if slope(logits, truth, low) >= 0.0 {
            return Ok(Self { temperature: highest, at_bound: true });
        }
        if slope(logits, truth, high) <= 0.0 {
            return Ok(Self { temperature: lowest, at_bound: true });
        }
        // Bisection on a logarithmic scale: 60 halvings of a factor of 400 reach the last bit.
        for _ in 0..60 {
            let middle = (low * high).sqrt();
            match slope(logits, truth, middle) < 0.0 {
                true => low = middle,
                false => high = middle,
            }
        }
        Ok(Self { temperature: 1.0 / (low * high).sqrt(), at_bound: false })
    }
}

/// The slope of the summed cross-entropy in the inverse temperature: the logit that is expected less the one of the true class.
fn slope(logits: &ScoreMatrix, truth: &[usize], inverse: f64) -> f64 {
    let mut probabilities = vec![0.0; logits.classes()];
    let mut of_clip = |(row, &class): (&[f64], &usize)| {
        probabilities.iter_mut().zip(row).for_each(|(to, logit)| *to = inverse * logit);
        softmax(&mut probabilities);
        row.iter().zip(&probabilities).map(|(logit, p)| p * (logit - row[class])).sum::<f64>()
    };
    logits.rows().zip(truth).map(&mut of_clip).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn matrix(classes: usize, values: &[f64]) -> ScoreMatrix {
        ScoreMatrix::new(classes, values.to_vec()).unwrap()
    }

    #[test]
    fn the_temperature_makes_the_confidence_the_accuracy() {
        // Always the same two logits, right three times of four: 0.75 = sigmoid(ln 3), so 4 / T = ln 3.
        let logits = matrix(2, &[4.0, 0.0, 4.0, 0.0, 0.0, 4.0, 0.0, 4.0]);
        let fitted = Temperature::fit(&logits, &[0, 1, 1, 1]).unwrap();
        assert!((fitted.temperature - 4.0 / 3.0_f64.ln()).abs() < 1e-12 && !fitted.at_bound, "{fitted:?}");
    }

    #[test]
    fn clips_that_have_no_best_temperature_give_a_bound_and_tell_so() {
        let logits = matrix(2, &[1.0, 0.0, 0.0, 1.0]);
        let right = Temperature::fit(&logits, &[0, 1]).unwrap();
        assert_eq!(right, Temperature { temperature: 0.05, at_bound: true });
        let wrong = Temperature::fit(&logits, &[1, 0]).unwrap();
        assert_eq!(wrong, Temperature { temperature: 20.0, at_bound: true });
        let equal = Temperature::fit(&matrix(2, &[1.0, 1.0]), &[0]).unwrap();
        assert!(equal.at_bound && equal.temperature == 20.0);
        assert!(matches!(Temperature::fit(&logits, &[0]).unwrap_err().kind, ErrorKind::Count { .. }));
    }
}
