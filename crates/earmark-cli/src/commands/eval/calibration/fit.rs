//! A calibration fitted on one half of the clips, and measured on the other.

use anyhow::{Result, bail};
use earmark_eval::{Method, MultiLabel, Quality, Reliability, ScoreMatrix, SingleLabel, Temperature};
use earmark_labels::Scores;

/// Labelled clips.
pub(super) struct Half {
    logits: ScoreMatrix,
    /// The class of each.
    truth: Vec<usize>,
    /// Softmax or sigmoid.
    scores: Scores,
}

impl Half {
    /// Some of the clips whose logits and classes are given; `scores` is what the model's logits become.
    pub(super) fn new(
        logits: &[Vec<f32>],
        truth: &[usize],
        rows: &[usize],
        classes: usize,
        scores: Scores,
    ) -> Result<Half> {
        let matrix = ScoreMatrix::from_rows(classes, rows.iter().map(|&row| &logits[row]))?;
        Ok(Half { logits: matrix, truth: rows.iter().map(|&row| truth[row]).collect(), scores })
    }

    pub(super) fn clips(&self) -> usize {
        self.truth.len()
    }

    /// A temperature for softmax, Platt's fit of each class for sigmoid.
    pub(super) fn fit(&self) -> Result<Method> {
        if self.scores == Scores::Sigmoid {
            return Ok(Method::fit_platt(&self.logits, &self.memberships())?);
        }
        let Temperature { temperature, at_bound } = Temperature::fit(&self.logits, &self.truth)?;
        let [lowest, highest] = Temperature::RANGE;
        if !at_bound {
            return Ok(Method::Temperature { temperature });
        }
        let why = if temperature == lowest {
            "a still lower one is better on them, as it is where a model is right on every clip: use more clips, or harder ones"
        } else {
            "a still higher one is better on them, as it is where a model is no better than chance: check the labels of the clips"
        };
        bail!("no temperature from {lowest} to {highest} fits {} clips: {why}", self.clips())
    }

    /// Before calibration, or after it.
    pub(super) fn quality(&self, method: Option<&Method>) -> Result<Quality> {
        let probabilities = match (method, self.scores) {
            (Some(method), _) => method.matrix(&self.logits)?,
            (None, Scores::Sigmoid) => self.logits.sigmoid(),
            (None, _) => self.logits.softmax(),
        };
        let clips = self.clips() as u64;
        if self.scores == Scores::Sigmoid {
            let clips_of = MultiLabel::new(probabilities, self.memberships())?;
            let classes = clips_of.class_reliability(Reliability::BINS)?;
            let ece = classes.iter().map(Reliability::ece).sum::<f64>() / classes.len() as f64;
            return Ok(Quality { clips, ece, log_loss: clips_of.log_loss()? });
        }
        let clips_of = SingleLabel::new(probabilities, self.truth.clone())?;
        let ece = clips_of.reliability(Reliability::BINS)?.ece();
        Ok(Quality { clips, ece, log_loss: clips_of.log_loss()? })
    }

    /// Whether each clip is of each class. A dataset has one class a clip.
    fn memberships(&self) -> Vec<bool> {
        let classes = 0..self.logits.classes();
        self.truth.iter().flat_map(|&truth| classes.clone().map(move |class| class == truth)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four clips of two classes with one margin, three of them right.
    fn half(margin: f32, truth: [usize; 4], scores: Scores) -> Half {
        let logits = [[margin, 0.0], [margin, 0.0], [0.0, margin], [0.0, margin]].map(Vec::from);
        Half::new(&logits, &truth, &[0, 1, 2, 3], 2, scores).unwrap()
    }

    #[test]
    fn a_model_that_is_too_sure_becomes_as_sure_as_it_is_right() {
        let clips = half(4.0, [0, 1, 1, 1], Scores::Softmax);
        let method = clips.fit().unwrap();
        let after = clips.quality(Some(&method)).unwrap();
        // The confidence of every clip is 0.75, which is the accuracy; the loss is the entropy.
        let entropy = -(0.75 * 0.75_f64.ln() + 0.25 * 0.25_f64.ln());
        assert!(after.ece < 1e-9 && (after.log_loss - entropy).abs() < 1e-9, "{after:?}");
        let before = clips.quality(None).unwrap();
        let sure = 1.0 / (1.0 + (-4.0_f64).exp());
        assert!((before.ece - (sure - 0.75)).abs() < 1e-12, "{before:?}");
        assert!((before.log_loss - (0.25 * 4.0 - sure.ln())).abs() < 1e-12, "{before:?}");
    }

    #[test]
    fn clips_that_have_no_best_temperature_are_refused_with_the_reason() {
        let refused = |truth| half(1.0, truth, Scores::Softmax).fit().unwrap_err().to_string();
        assert!(refused([0, 0, 1, 1]).contains("harder"));
        assert!(refused([1, 1, 0, 0]).contains("chance"));
    }

    #[test]
    fn a_sigmoid_is_measured_class_by_class() {
        let clips = half(2.0, [0, 1, 1, 1], Scores::Sigmoid);
        let [p, q] = [2.0_f64, 0.0].map(|logit| 1.0 / (1.0 + (-logit).exp()));
        let before = clips.quality(None).unwrap();
        // Of the clips with `p` for class 0 one of two is of it, and for class 1 both; with `q` none and one of two.
        let ece = ((p - 0.5) + q) / 2.0 / 2.0 + ((1.0 - p) + 0.0) / 2.0 / 2.0;
        assert!((before.ece - ece).abs() < 1e-12, "{before:?}, {ece}");
        let Method::Platt { classes } = clips.fit().unwrap() else { panic!("a temperature") };
        assert!(classes.iter().all(Option::is_some));
    }
}
