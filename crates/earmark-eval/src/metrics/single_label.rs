use earmark_error::Context as _;

use crate::error::{Error, ErrorKind, Task};
use crate::metrics::confusion::ConfusionMatrix;
use crate::metrics::loss::log_loss;
use crate::metrics::ranking::{ClassMeans, Curve};
use crate::metrics::reliability::Reliability;
use crate::scores::{ScoreMatrix, argmax, counted};

/// Scores and the one true class of each clip.
///
/// ```
/// use earmark_eval::{ScoreMatrix, SingleLabel};
///
/// let scores = ScoreMatrix::new(2, vec![0.9, 0.1, 0.4, 0.6, 0.7, 0.3])?;
/// let clips = SingleLabel::new(scores, vec![0, 1, 1])?;
/// assert_eq!(clips.confusion().correct(), 2);
/// assert_eq!(clips.roc_auc().macro_average, Some(1.0));
/// # Ok::<(), earmark_eval::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SingleLabel {
    scores: ScoreMatrix,
    truth: Vec<usize>,
}

impl SingleLabel {
    /// `scores` are probabilities for the methods that say so, and of any scale for the others; `truth` is the class of each clip.
    ///
    /// # Errors
    /// [`ErrorKind::NoClips`]; [`ErrorKind::Count`] when there is not one class for each row; [`ErrorKind::ClassOutOfRange`] names the
    /// row of a class that the scores do not have.
    pub fn new(scores: ScoreMatrix, truth: Vec<usize>) -> Result<Self, Error> {
        checked(&scores, &truth).context(Task::Evaluate)?;
        Ok(Self { scores, truth })
    }

    /// The scores.
    pub fn scores(&self) -> &ScoreMatrix {
        &self.scores
    }

    /// The true class of each clip.
    pub fn truth(&self) -> &[usize] {
        &self.truth
    }

    /// Whether the highest score of each clip, the first of equals, is that of its class. For intervals and comparisons.
    pub fn correct(&self) -> Vec<bool> {
        self.correct_in_top(1)
    }

    /// Whether the class of each clip is among its `k` highest scores. Of equal scores the lower class comes first, as it does in what
    /// `classify` prints; so the top 1 is the prediction. (scikit-learn lets the higher class come first.)
    pub fn correct_in_top(&self, k: usize) -> Vec<bool> {
        let rank = |(row, &class): (&[f64], &usize)| {
            let before =
                |(other, &score): (usize, &f64)| score > row[class] || (score == row[class] && other < class);
            row.iter().enumerate().filter(|&it| before(it)).count()
        };
        self.scores.rows().zip(&self.truth).map(rank).map(|rank| rank < k).collect()
    }

    /// Share of the clips whose class is among their `k` highest scores; the accuracy for `k` = 1.
    pub fn top_k_accuracy(&self, k: usize) -> f64 {
        let correct = self.correct_in_top(k);
        correct.iter().filter(|&&correct| correct).count() as f64 / correct.len() as f64
    }

    /// Clips by true and predicted class.
    pub fn confusion(&self) -> ConfusionMatrix {
        let pairs = self.truth.iter().copied().zip(self.scores.predicted());
        ConfusionMatrix::from_pairs(self.scores.classes(), pairs)
    }

    /// The loss of each clip in nats: `-ln` of the probability of its class, which is clipped at 2.2e-16, as scikit-learn does. Their mean
    /// is the log loss.
    ///
    /// # Errors
    /// [`ErrorKind::NotAProbability`] or [`ErrorKind::NotADistribution`] names the row when scores are no softmax probabilities.
    pub fn losses(&self) -> Result<Vec<f64>, Error> {
        self.check_probabilities().context(Task::Evaluate)?;
        Ok(self.scores.rows().zip(&self.truth).map(|(row, &class)| log_loss(row[class])).collect())
    }

    /// Mean of [`losses`](Self::losses).
    ///
    /// # Errors
    /// As there.
    pub fn log_loss(&self) -> Result<f64, Error> {
        let losses = self.losses()?;
        Ok(losses.iter().sum::<f64>() / losses.len() as f64)
    }

    /// ROC-AUC of each class against the rest.
    pub fn roc_auc(&self) -> ClassMeans {
        ClassMeans::roc_auc(self.curves())
    }

    /// Average precision of each class against the rest.
    pub fn average_precision(&self) -> ClassMeans {
        ClassMeans::average_precision(self.curves())
    }

    /// Reliability of the predictions: the confidence of a clip is its highest score.
    ///
    /// # Errors
    /// As [`losses`](Self::losses); [`ErrorKind::TooFew`] without bins.
    pub fn reliability(&self, bins: usize) -> Result<Reliability, Error> {
        self.check_probabilities().context(Task::Evaluate)?;
        let confidence: Vec<f64> = self.scores.rows().map(|row| row[argmax(row)]).collect();
        Reliability::new(&confidence, &self.correct(), bins)
    }

    /// Reliability of the scores of each class; the mean of their [ECEs](Reliability::ece) is the class-wise ECE.
    ///
    /// # Errors
    /// As [`reliability`](Self::reliability).
    pub fn class_reliability(&self, bins: usize) -> Result<Vec<Reliability>, Error> {
        self.check_probabilities().context(Task::Evaluate)?;
        let of = |class| Reliability::new(&self.scores.column(class), &self.is(class), bins);
        (0..self.scores.classes()).map(of).collect()
    }

    fn is(&self, class: usize) -> Vec<bool> {
        self.truth.iter().map(|&truth| truth == class).collect()
    }

    fn curves(&self) -> impl Iterator<Item = Curve> {
        (0..self.scores.classes()).map(|class| Curve::new(&self.scores.column(class), &self.is(class)))
    }

    fn check_probabilities(&self) -> Result<(), ErrorKind> {
        /// Probabilities that were rounded to bf16 miss 1 by up to 2e-3.
        const SLACK: f64 = 1e-2;
        for (row, scores) in self.scores.rows().enumerate() {
            if let Some(class) = scores.iter().position(|score| !(0.0..=1.0).contains(score)) {
                return Err(ErrorKind::NotAProbability { row, class, value: scores[class] });
            }
            let sum: f64 = scores.iter().sum();
            if (sum - 1.0).abs() > SLACK {
                return Err(ErrorKind::NotADistribution { row, sum });
            }
        }
        Ok(())
    }
}

/// Refuses what is not one class of `scores` for each clip.
pub(crate) fn checked(scores: &ScoreMatrix, truth: &[usize]) -> Result<(), ErrorKind> {
    counted("true labels", scores.clips(), truth.len())?;
    if truth.is_empty() {
        return Err(ErrorKind::NoClips);
    }
    let classes = scores.classes();
    match truth.iter().position(|&class| class >= classes) {
        None => Ok(()),
        Some(row) => Err(ErrorKind::ClassOutOfRange { row, class: truth[row], classes }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clips(classes: usize, scores: &[f64], truth: &[usize]) -> SingleLabel {
        SingleLabel::new(ScoreMatrix::new(classes, scores.to_vec()).unwrap(), truth.to_vec()).unwrap()
    }

    #[test]
    fn truth_that_does_not_fit_the_scores_is_refused_by_its_row() {
        let scores = || ScoreMatrix::new(2, vec![0.5; 4]).unwrap();
        let error = SingleLabel::new(scores(), vec![0, 2]).unwrap_err();
        let ErrorKind::ClassOutOfRange { row, class, classes } = error.kind else { panic!("{error:?}") };
        assert_eq!((row, class, classes), (1, 2, 2));
        let error = SingleLabel::new(scores(), vec![0]).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Count { expected: 2, got: 1, .. }), "{error:?}");
        let none = SingleLabel::new(ScoreMatrix::new(2, vec![]).unwrap(), vec![]).unwrap_err();
        assert!(matches!(none.kind, ErrorKind::NoClips), "{none:?}");
    }

    #[test]
    fn the_top_1_is_the_prediction_also_with_ties() {
        let tied = clips(3, &[0.4, 0.4, 0.2, 0.4, 0.4, 0.2], &[0, 1]);
        assert_eq!((tied.correct(), tied.correct_in_top(2)), (vec![true, false], vec![true, true]));
        assert_eq!(tied.top_k_accuracy(1), tied.confusion().accuracy());
        assert_eq!(tied.top_k_accuracy(0), 0.0);
    }

    #[test]
    fn logits_have_no_log_loss_and_no_calibration_error() {
        let logits = clips(2, &[0.5, 0.5, 3.0, -1.0], &[0, 0]);
        assert!(matches!(
            logits.log_loss().unwrap_err().kind,
            ErrorKind::NotAProbability { row: 1, class: 0, .. }
        ));
        let sigmoid = clips(2, &[0.5, 0.5, 0.9, 0.8], &[0, 0]);
        assert!(matches!(
            sigmoid.reliability(5).unwrap_err().kind,
            ErrorKind::NotADistribution { row: 1, .. }
        ));
        assert_eq!(logits.confusion().accuracy(), 1.0);
    }
}
