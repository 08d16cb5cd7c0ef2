use std::fmt;
use std::str::FromStr;

use earmark_error::Attempt as _;

use crate::error::{Error, ErrorKind, Reading};

/// How logits become scores: `function_to_apply` of transformers 5.23.0, `pipelines/audio_classification.py`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scores {
    /// For classes that exclude each other: probabilities that sum to one.
    #[default]
    Softmax,
    /// For classes that do not exclude each other: an independent probability for each.
    Sigmoid,
    /// The logits themselves.
    None,
}

impl Scores {
    /// The choice of the reference pipeline for a `problem_type` of `config.json`: logits for
    /// `regression`, sigmoid for `multi_label_classification`, softmax for everything else.
    pub fn for_problem_type(problem_type: Option<&str>) -> Scores {
        match problem_type {
            Some("regression") => Scores::None,
            Some("multi_label_classification") => Scores::Sigmoid,
            _ => Scores::Softmax,
        }
    }

    /// One score for each of a clip's logits. NaN stays NaN.
    pub fn apply(self, logits: &[f32]) -> Vec<f32> {
        match self {
            Scores::Softmax => softmax(logits),
            Scores::Sigmoid => logits.iter().map(|&x| sigmoid(x)).collect(),
            Scores::None => logits.to_vec(),
        }
    }
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    // With the largest logit moved to zero no exponential overflows; the quotients are unchanged.
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exps: Vec<f32> = logits.iter().map(|x| (x - largest).exp()).collect();
    // In f64 the sum does not depend on the order of the classes, for any number of classes a model has.
    let sum = exps.iter().map(|&x| f64::from(x)).sum::<f64>() as f32;
    exps.into_iter().map(|x| x / sum).collect()
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scores::Softmax => "softmax",
            Scores::Sigmoid => "sigmoid",
            Scores::None => "none",
        })
    }
}

impl FromStr for Scores {
    type Err = Error;

    fn from_str(name: &str) -> Result<Scores, Error> {
        match name {
            "softmax" => Ok(Scores::Softmax),
            "sigmoid" => Ok(Scores::Sigmoid),
            "none" => Ok(Scores::None),
            _ => Err(Reading("scores").failed(ErrorKind::UnknownScores { name: name.to_owned() })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.tensor(LOGITS).softmax(-1)` and `.sigmoid()`, torch 2.9.0, float32.
    const LOGITS: [f32; 5] = [-2.25, 0.0, 0.5, 3.125, -0.75];
    const SOFTMAX: [f32; 5] = [0.0040559405, 0.038481697, 0.06344559, 0.87583935, 0.018177465];
    const SIGMOID: [f32; 5] = [0.09534947, 0.5, 0.62245935, 0.95791227, 0.3208213];

    #[track_caller]
    fn worst(got: &[f32], want: &[f32]) -> f32 {
        assert_eq!(got.len(), want.len());
        got.iter().zip(want).map(|(g, w)| (g - w).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn softmax_and_sigmoid_match_torch() {
        // Worst measured: 0. `exp` is each system's own, so a last bit may differ: 6e-8 at one.
        assert!(worst(&Scores::Softmax.apply(&LOGITS), &SOFTMAX) <= 6e-8);
        assert!(worst(&Scores::Sigmoid.apply(&LOGITS), &SIGMOID) <= 6e-8);
        assert_eq!(Scores::None.apply(&LOGITS), LOGITS);
    }

    #[test]
    fn huge_logits_do_not_overflow() {
        assert_eq!(Scores::Softmax.apply(&[1e30, 0.0, 1e30]), [0.5, 0.0, 0.5]);
        assert_eq!(Scores::Sigmoid.apply(&[1e30, -1e30]), [1.0, 0.0]);
    }

    #[test]
    fn a_logit_that_is_not_a_number_stays_visible() {
        assert!(Scores::Softmax.apply(&[0.0, f32::NAN]).iter().all(|x| x.is_nan()));
        assert!(Scores::Sigmoid.apply(&[0.0, f32::NAN])[1].is_nan());
    }

    #[test]
    fn no_logits_give_no_scores() {
        assert!(Scores::Softmax.apply(&[]).is_empty());
    }

    #[test]
    fn the_problem_type_chooses_as_the_reference_does() {
        assert_eq!(Scores::for_problem_type(None), Scores::Softmax);
        assert_eq!(Scores::for_problem_type(Some("single_label_classification")), Scores::Softmax);
        assert_eq!(Scores::for_problem_type(Some("multi_label_classification")), Scores::Sigmoid);
        assert_eq!(Scores::for_problem_type(Some("regression")), Scores::None);
    }

    #[test]
    fn scores_are_named_as_they_print() {
        for scores in [Scores::Softmax, Scores::Sigmoid, Scores::None] {
            assert_eq!(scores.to_string().parse::<Scores>().unwrap(), scores);
        }
        let error = "argmax".parse::<Scores>().unwrap_err();
        assert_eq!(error.kind, ErrorKind::UnknownScores { name: "argmax".into() });
    }
}
