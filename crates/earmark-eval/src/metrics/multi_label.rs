use earmark_error::Context as _;

use crate::error::{Error, ErrorKind, Task};
use crate::metrics::class::ClassCounts;
use crate::metrics::loss::log_loss;
use crate::metrics::ranking::{ClassMeans, Curve};
use crate::metrics::reliability::Reliability;
use crate::scores::{ScoreMatrix, counted};

/// Scores and the true labels of clips that may have any number of them.
///
/// ```
/// use earmark_eval::{Averages, MultiLabel, ScoreMatrix};
///
/// let scores = ScoreMatrix::new(2, vec![0.9, 0.6, 0.2, 0.7, 0.1, 0.3])?;
/// let clips = MultiLabel::new(scores, vec![true, true, false, true, false, false])?;
/// assert_eq!(clips.average_precision().macro_average, Some(1.0)); // the mAP
/// assert_eq!(Averages::of(&clips.counts(&[0.5, 0.5])?).micro.f1, 1.0);
/// # Ok::<(), earmark_eval::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MultiLabel {
    scores: ScoreMatrix,
    truth: Vec<bool>,
}

impl MultiLabel {
    /// `truth` tells for each clip and class, row after row as the scores lie, whether the clip is of the class. Scores are probabilities
    /// for the methods that say so, and of any scale for the others.
    ///
    /// # Errors
    /// [`ErrorKind::NoClips`]; [`ErrorKind::Count`] when `truth` is not as long as the scores.
    pub fn new(scores: ScoreMatrix, truth: Vec<bool>) -> Result<Self, Error> {
        checked(&scores, &truth).context(Task::Evaluate)?;
        Ok(Self { scores, truth })
    }

    /// The scores.
    pub fn scores(&self) -> &ScoreMatrix {
        &self.scores
    }

    /// Whether each clip is of a class.
    ///
    /// # Panics
    /// When there is no such class.
    pub fn is(&self, class: usize) -> Vec<bool> {
        let classes = self.scores.classes();
        assert!(class < classes, "class {class} of {classes}");
        self.truth[class..].iter().step_by(classes).copied().collect()
    }

    /// Counts of each class when a clip is predicted to be of the classes whose score is at least their threshold.
    ///
    /// # Errors
    /// [`ErrorKind::Count`] when there is not one threshold for each class.
    pub fn counts(&self, thresholds: &[f64]) -> Result<Vec<ClassCounts>, Error> {
        counted("thresholds", self.scores.classes(), thresholds.len()).context(Task::Evaluate)?;
        let mut counts = vec![ClassCounts::default(); thresholds.len()];
        for (row, truth) in self.scores.rows().zip(self.truth.chunks_exact(thresholds.len())) {
            for (class, counts) in counts.iter_mut().enumerate() {
                let predicted = row[class] >= thresholds[class];
                counts.predicted += u64::from(predicted);
                counts.support += u64::from(truth[class]);
                counts.correct += u64::from(predicted && truth[class]);
            }
        }
        Ok(counts)
    }

    /// Share of the clips whose predicted labels, as for [`counts`](Self::counts), are exactly the true ones: scikit-learn's
    /// `accuracy_score` of label indicators.
    ///
    /// # Errors
    /// As [`counts`](Self::counts).
    pub fn exact_match(&self, thresholds: &[f64]) -> Result<f64, Error> {
        counted("thresholds", self.scores.classes(), thresholds.len()).context(Task::Evaluate)?;
        let exact =
            self.scores.rows().zip(self.truth.chunks_exact(thresholds.len())).filter(|(row, truth)| {
                row.iter()
                    .zip(thresholds)
                    .zip(*truth)
                    .all(|((score, least), &truth)| (score >= least) == truth)
            });
        Ok(exact.count() as f64 / self.scores.clips() as f64)
    }

    /// Mean binary cross-entropy in nats over clips and classes, probabilities clipped at 2.2e-16.
    ///
    /// # Errors
    /// [`ErrorKind::NotAProbability`] names the row of a score that is not from 0 to 1.
    pub fn log_loss(&self) -> Result<f64, Error> {
        self.check_probabilities().context(Task::Evaluate)?;
        let of = |(&score, &truth): (&f64, &bool)| log_loss(if truth { score } else { 1.0 - score });
        let values = self.scores.values();
        Ok(values.iter().zip(&self.truth).map(of).sum::<f64>() / values.len() as f64)
    }

    /// ROC-AUC of each class.
    pub fn roc_auc(&self) -> ClassMeans {
        ClassMeans::roc_auc(self.curves())
    }

    /// Average precision of each class; the macro average is the mAP.
    pub fn average_precision(&self) -> ClassMeans {
        ClassMeans::average_precision(self.curves())
    }

    /// ROC-AUC of all pairs of a clip and a class as one list: the micro average.
    pub fn micro_roc_auc(&self) -> Option<f64> {
        Curve::new(self.scores.values(), &self.truth).roc_auc()
    }

    /// Average precision of all pairs of a clip and a class as one list: the micro average.
    pub fn micro_average_precision(&self) -> Option<f64> {
        Curve::new(self.scores.values(), &self.truth).average_precision()
    }

    /// Reliability of the scores of each class.
    ///
    /// # Errors
    /// As [`log_loss`](Self::log_loss); [`ErrorKind::TooFew`] without bins.
    pub fn class_reliability(&self, bins: usize) -> Result<Vec<Reliability>, Error> {
        self.check_probabilities().context(Task::Evaluate)?;
        let of = |class| Reliability::new(&self.scores.column(class), &self.is(class), bins);
        (0..self.scores.classes()).map(of).collect()
    }

    fn curves(&self) -> impl Iterator<Item = Curve> {
        (0..self.scores.classes()).map(|class| Curve::new(&self.scores.column(class), &self.is(class)))
    }

    fn check_probabilities(&self) -> Result<(), ErrorKind> {
        let classes = self.scores.classes();
        let values = self.scores.values();
        match values.iter().position(|score| !(0.0..=1.0).contains(score)) {
            None => Ok(()),
            Some(at) => {
                Err(ErrorKind::NotAProbability { row: at / classes, class: at % classes, value: values[at] })
            }
        }
    }
}

/// Refuses what is not a truth value for each score.
pub(crate) fn checked(scores: &ScoreMatrix, truth: &[bool]) -> Result<(), ErrorKind> {
    counted("true labels", scores.values().len(), truth.len())?;
    if truth.is_empty() { Err(ErrorKind::NoClips) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::class::Averages;

    fn clips() -> MultiLabel {
        let scores = ScoreMatrix::new(2, vec![0.9, 0.5, 0.2, 0.7, 0.6, 0.1]).unwrap();
        MultiLabel::new(scores, vec![true, false, false, true, true, false]).unwrap()
    }

    #[test]
    fn a_score_at_its_threshold_is_a_prediction() {
        let counts = clips().counts(&[0.9, 0.5]).unwrap();
        assert_eq!(counts[0], ClassCounts { correct: 1, predicted: 1, support: 2 });
        assert_eq!(counts[1], ClassCounts { correct: 1, predicted: 2, support: 1 });
        assert!((Averages::of(&counts).micro.f1 - 2.0 / 3.0).abs() < 1e-15);
        assert!((clips().exact_match(&[0.6, 0.6]).unwrap() - 1.0).abs() < 1e-15);
        assert!(clips().counts(&[0.5]).is_err());
    }

    #[test]
    fn truth_that_does_not_fit_is_refused() {
        let scores = ScoreMatrix::new(2, vec![0.9, 0.5]).unwrap();
        assert!(matches!(MultiLabel::new(scores, vec![true]).unwrap_err().kind, ErrorKind::Count { .. }));
        let logits = ScoreMatrix::new(1, vec![0.5, -2.0]).unwrap();
        let logits = MultiLabel::new(logits, vec![true, false]).unwrap();
        let error = logits.log_loss().unwrap_err();
        assert!(matches!(error.kind, ErrorKind::NotAProbability { row: 1, class: 0, .. }), "{error:?}");
        assert_eq!(logits.roc_auc().macro_average, Some(1.0));
    }
}
