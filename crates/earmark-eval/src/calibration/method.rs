use earmark_error::Context as _;
use serde::{Deserialize, Serialize};

use crate::calibration::platt::Platt;
use crate::error::{Error, ErrorKind, Task};
use crate::scores::{ScoreMatrix, counted, softmax};

/// How logits become calibrated probabilities. In JSON `{"method": "temperature", "temperature": 1.6}` or
/// `{"method": "platt", "classes": [{"slope": 0.9, "intercept": -0.2}, null]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case")]
pub enum Method {
    /// For classes that exclude each other: `softmax(logits / temperature)`.
    Temperature {
        /// Above 0.
        temperature: f64,
    },
    /// For classes that do not: one fit a class.
    Platt {
        /// In class order; `None` for a class that could not be fitted, whose probability stays `sigmoid(logit)`.
        classes: Vec<Option<Platt>>,
    },
}

impl Method {
    /// Fits every class of `logits` by itself. `truth` tells for each clip and class, row after row as the logits lie, whether the clip is of
    /// the class.
    ///
    /// # Errors
    /// [`ErrorKind::NoClips`], or [`ErrorKind::Count`] when the two do not fit together.
    pub fn fit_platt(logits: &ScoreMatrix, truth: &[bool]) -> Result<Self, Error> {
        crate::metrics::multi_label::checked(logits, truth).context(Task::Calibrate)?;
        let fit = |class: usize| {
            let positive: Vec<bool> = truth[class..].iter().step_by(logits.classes()).copied().collect();
            Platt::fit(&logits.column(class), &positive)
        };
        Ok(Self::Platt { classes: (0..logits.classes()).map(fit).collect::<Result<_, _>>()? })
    }

    /// The calibrated probabilities of one clip's logits, in class order.
    ///
    /// # Errors
    /// [`ErrorKind::Count`] when these are not as many as the classes that were fitted. (A temperature fits any number.)
    pub fn probabilities(&self, logits: &[f32]) -> Result<Vec<f64>, Error> {
        let mut row: Vec<f64> = logits.iter().copied().map(f64::from).collect();
        self.checked(row.len()).context(Task::Calibrate)?;
        self.apply(&mut row);
        Ok(row)
    }

    /// The calibrated probabilities of many clips.
    ///
    /// # Errors
    /// As [`probabilities`](Self::probabilities).
    pub fn matrix(&self, logits: &ScoreMatrix) -> Result<ScoreMatrix, Error> {
        self.checked(logits.classes()).context(Task::Calibrate)?;
        Ok(logits.mapped(|row| self.apply(row)))
    }

    fn checked(&self, classes: usize) -> Result<(), ErrorKind> {
        match self {
            Method::Temperature { .. } => Ok(()),
            Method::Platt { classes: fitted } => counted("logits", fitted.len(), classes),
        }
    }

    fn apply(&self, row: &mut [f64]) {
        match self {
            Method::Temperature { temperature } => {
                // With the largest logit moved to zero first, no temperature of a file makes a quotient overflow to NaN.
                let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                row.iter_mut().for_each(|logit| *logit = (*logit - largest) / temperature);
                softmax(row);
            }
            Method::Platt { classes } => {
                for (logit, class) in row.iter_mut().zip(classes) {
                    *logit = class.unwrap_or(Platt::IDENTITY).probability(*logit);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_was_not_fitted_keeps_its_sigmoid() {
        let logits = ScoreMatrix::new(2, vec![1.0, -1.0, -2.0, 0.5, 0.3, 0.0]).unwrap();
        let method = Method::fit_platt(&logits, &[true, false, false, false, false, false]).unwrap();
        let Method::Platt { classes } = &method else { panic!("{method:?}") };
        assert!(classes[0].is_some() && classes[1].is_none());
        let probabilities = method.probabilities(&[0.0, 0.0]).unwrap();
        assert!(probabilities[0] != 0.5 && probabilities[1] == 0.5, "{probabilities:?}");
        assert!(matches!(
            method.probabilities(&[0.0]).unwrap_err().kind,
            ErrorKind::Count { expected: 2, got: 1, .. }
        ));
        assert_eq!(method.matrix(&logits).unwrap().row(0), method.probabilities(&[1.0, -1.0]).unwrap());
    }

    #[test]
    fn no_temperature_or_fit_of_a_file_makes_a_probability_that_is_no_number() {
        let platt = |slope, intercept| Some(Platt { slope, intercept });
        for method in [
            Method::Temperature { temperature: f64::MIN_POSITIVE },
            Method::Temperature { temperature: f64::MAX },
            Method::Platt { classes: vec![platt(f64::MAX, f64::MIN), platt(f64::MIN, f64::MAX)] },
        ] {
            for logits in [[f32::MAX, f32::MIN], [f32::MIN, f32::MIN], [1.0, 1.0 + f32::EPSILON], [0.0, -0.0]]
            {
                let got = method.probabilities(&logits).unwrap();
                assert!(got.iter().all(|p| (0.0..=1.0).contains(p)), "{method:?} {logits:?} {got:?}");
            }
        }
    }

    #[test]
    fn a_temperature_leaves_the_order_of_the_classes() {
        let method = Method::Temperature { temperature: 2.0 };
        let got = method.probabilities(&[2.0, 0.0]).unwrap();
        assert!((got[0] - 1.0 / (1.0 + (-1.0_f64).exp())).abs() < 1e-15 && got[0] + got[1] == 1.0, "{got:?}");
    }
}
