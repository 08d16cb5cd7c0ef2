use earmark_error::Context as _;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Task};
use crate::scores::{counted, sigmoid};

/// Platt scaling of one class: the probability of a logit `z` is `sigmoid(slope * z + intercept)` (J. Platt, 1999).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Platt {
    /// What the logit is multiplied by. Below 0 the model ranks the clips of the class below the others.
    pub slope: f64,
    /// What is added.
    pub intercept: f64,
}

impl Platt {
    /// Leaves the probability what it is: `sigmoid(z)`.
    pub const IDENTITY: Self = Self { slope: 1.0, intercept: 0.0 };

    /// The probability of a logit.
    pub fn probability(&self, logit: f64) -> f64 {
        sigmoid(self.slope.mul_add(logit, self.intercept))
    }

    /// Fits one class on held-out clips: `logits` are those of the class and `positive` tells which clips are of it. `None` when all of
    /// them, or none, are, or when logits are so large that they overflow: nothing can be fitted then.
    ///
    /// The targets are Platt's, `(P + 1) / (P + 2)` and `1 / (N + 2)` for P clips of the class and N others, so that the fit is finite also
    /// where a threshold separates the two. Newton's method with backtracking, as H.-T. Lin, C.-J. Lin and R. Weng (2007) write it.
    ///
    /// # Errors
    /// [`ErrorKind::Count`] when the two differ in length; [`ErrorKind::ValueNotFinite`] names the row of a logit that is NaN or infinite.
    pub fn fit(logits: &[f64], positive: &[bool]) -> Result<Option<Self>, Error> {
        counted("true labels", logits.len(), positive.len()).context(Task::Calibrate)?;
        if let Some(row) = logits.iter().position(|logit| !logit.is_finite()) {
            return Err(ErrorKind::ValueNotFinite { row, value: logits[row] }).context(Task::Calibrate);
        }
        let positives = positive.iter().filter(|&&positive| positive).count();
        if positives == 0 || positives == positive.len() {
            return Ok(None);
        }
        let negatives = (positive.len() - positives) as f64;
        let positives = positives as f64;
        let targets = [1.0 / (negatives + 2.0), (positives + 1.0) / (positives + 2.0)];
        let clips: Vec<(f64, f64)> =
            logits.iter().zip(positive).map(|(&z, &positive)| (z, targets[usize::from(positive)])).collect();
        let fitted = newton(&clips, ((positives + 1.0) / (negatives + 1.0)).ln());
        // Logits beyond 1e150 overflow.
        Ok(Some(fitted).filter(|it| it.slope.is_finite() && it.intercept.is_finite()))
    }
}

/// Minimises the cross-entropy of logits and targets, from the best fit without a slope on.
fn newton(clips: &[(f64, f64)], intercept: f64) -> Platt {
    // In units of the logits' spread the two parameters are of one size, so that the ridge below is small beside the Hessian.
    let count = clips.len() as f64;
    let mean = clips.iter().map(|(z, _)| z).sum::<f64>() / count;
    let spread = (clips.iter().map(|(z, _)| (z - mean).powi(2)).sum::<f64>() / count).sqrt();
    let scale = if spread > 0.0 && spread.is_finite() { spread } else { 1.0 };
    let clips: Vec<(f64, f64)> = clips.iter().map(|&(z, target)| ((z - mean) / scale, target)).collect();
    let mut at = Platt { slope: 0.0, intercept };
    for _ in 0..100 {
        let (gradient, [aa, ab, bb]) = derivatives(&clips, at);
        let determinant = aa * bb - ab * ab;
        let step = [
            -(bb * gradient[0] - ab * gradient[1]) / determinant,
            -(aa * gradient[1] - ab * gradient[0]) / determinant,
        ];
        let falls = gradient[0] * step[0] + gradient[1] * step[1];
        let (loss, steepness) = (loss_of(&clips, at), gradient[0].hypot(gradient[1]));
        let after = |share: f64| Platt {
            slope: share.mul_add(step[0], at.slope),
            intercept: share.mul_add(step[1], at.intercept),
        };
        // Near the minimum the loss does not show any more which step is the better one, and the gradient still does.
        let better = |share: &f64| {
            let next = after(*share);
            let [a, b] = derivatives(&clips, next).0;
            loss_of(&clips, next) <= loss + 1e-4 * share * falls || a.hypot(b) < 0.5 * steepness
        };
        let mut halved = std::iter::successors(Some(1.0), |share| Some(share / 2.0)).take(40);
        let Some(next) = halved.find(better).map(after) else { break };
        let moved = (next.slope - at.slope).abs() + (next.intercept - at.intercept).abs();
        at = next;
        if moved < 1e-14 {
            break;
        }
    }
    Platt { slope: at.slope / scale, intercept: at.intercept - at.slope * mean / scale }
}

/// `-(t ln p + (1 - t) ln(1 - p))` summed, written so that nothing overflows.
fn loss_of(clips: &[(f64, f64)], at: Platt) -> f64 {
    let of = |&(z, target): &(f64, f64)| {
        let logit = at.slope.mul_add(z, at.intercept);
        logit.max(0.0) - target * logit + (-logit.abs()).exp().ln_1p()
    };
    clips.iter().map(of).sum()
}

/// The gradient, and the Hessian's three values with a ridge of 1e-12 that keeps it invertible.
fn derivatives(clips: &[(f64, f64)], at: Platt) -> ([f64; 2], [f64; 3]) {
    const RIDGE: f64 = 1e-12;
    let (mut gradient, mut hessian) = ([0.0; 2], [RIDGE, 0.0, RIDGE]);
    for &(z, target) in clips {
        let p = at.probability(z);
        let (error, curvature) = (p - target, p * (1.0 - p));
        gradient[0] += error * z;
        gradient[1] += error;
        hessian[0] += curvature * z * z;
        hessian[1] += curvature * z;
        hessian[2] += curvature;
    }
    (gradient, hessian)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_is_finite_where_a_threshold_separates_the_clips() {
        let logits = [-3.0, -2.0, -1.0, 1.0, 2.0];
        let fitted = Platt::fit(&logits, &[false, false, false, true, true]).unwrap().unwrap();
        assert!(fitted.slope > 0.0 && fitted.slope < 10.0, "{fitted:?}");
        assert!(fitted.probability(2.0) > 0.6 && fitted.probability(-3.0) < 0.3);
    }

    #[test]
    fn logits_that_tell_nothing_give_the_share_of_the_class() {
        let fitted = Platt::fit(&[2.0; 6], &[true, false, false, false, false, false]).unwrap().unwrap();
        // The targets are 2/3 for the one clip and 1/7 for the five.
        let share = (2.0 / 3.0 + 5.0 / 7.0) / 6.0;
        assert!((fitted.probability(2.0) - share).abs() < 1e-9, "{fitted:?}");
    }

    #[test]
    fn a_class_without_clips_is_not_fitted() {
        assert_eq!(Platt::fit(&[1.0, 2.0], &[false, false]).unwrap(), None);
        assert_eq!(Platt::fit(&[1.0, 2.0], &[true, true]).unwrap(), None);
        assert_eq!(Platt::fit(&[], &[]).unwrap(), None);
        let error = Platt::fit(&[1.0, f64::INFINITY], &[true, false]).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::ValueNotFinite { row: 1, .. }), "{error:?}");
    }

    #[test]
    fn logits_of_any_size_are_fitted() {
        for scale in [1e-12, 1e12] {
            let logits = [-1.0, 0.5, 0.0, 1.0].map(|z| z * scale);
            let fitted = Platt::fit(&logits, &[false, true, false, true]).unwrap().unwrap();
            let unscaled = Platt::fit(&[-1.0, 0.5, 0.0, 1.0], &[false, true, false, true]).unwrap().unwrap();
            assert!((fitted.probability(0.3 * scale) - unscaled.probability(0.3)).abs() < 1e-9);
        }
    }
}
