use earmark_eval::{ConfusionMatrix, cross_entropy};

use crate::evaluate::largest;
use crate::evaluate::report::EvaluationReport;

/// The scores of an evaluation, summed up clip by clip: its memory does not grow with the number of clips.
#[derive(Debug, Clone)]
pub struct Tally {
    confusion: ConfusionMatrix,
    /// The sum of the cross-entropies, in nats.
    loss: f64,
}

impl Tally {
    /// Of no clips, and so many classes.
    pub fn new(classes: usize) -> Tally {
        Tally { confusion: ConfusionMatrix::new(classes), loss: 0.0 }
    }

    /// Adds a clip of the class `actual` with its logits, one a class, and gives the most likely class.
    ///
    /// # Panics
    /// When `actual` is not a class, or there is not one logit for each class.
    pub fn add(&mut self, actual: usize, logits: &[f32]) -> usize {
        assert_eq!(logits.len(), self.confusion.classes(), "one logit for each class");
        let predicted = largest(logits);
        self.confusion.record(actual, predicted);
        self.loss += cross_entropy(logits, actual);
        predicted
    }

    /// Every metric of the clips so far.
    ///
    /// # Panics
    /// When there is not one label for each class.
    pub fn report(&self, dataset: &str, split: &str, model: &str, labels: &[String]) -> EvaluationReport {
        let loss = self.loss / (self.confusion.total() as f64).max(1.0);
        EvaluationReport::new(dataset, split, model, labels.to_vec(), self.confusion.clone(), loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Evaluation;

    #[test]
    fn a_tally_reports_what_an_evaluation_of_the_same_clips_does() {
        let logits: Vec<Vec<f32>> = (0..40)
            .map(|clip: i32| (0..3).map(|class| ((clip * 7 + class * 5) % 11) as f32 / 3.0).collect())
            .collect();
        let actual: Vec<usize> = (0..40).map(|clip| clip * 5 % 3).collect();
        let mut tally = Tally::new(3);
        let predicted: Vec<usize> =
            actual.iter().zip(&logits).map(|(&actual, logits)| tally.add(actual, logits)).collect();
        let losses = actual.iter().zip(&logits).map(|(&actual, logits)| cross_entropy(logits, actual));
        let loss = losses.sum::<f64>() / 40.0;
        let evaluation = Evaluation { logits, labels: actual, loss };
        assert_eq!(predicted, evaluation.predicted());
        let labels = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(tally.report("d", "s", "m", &labels), evaluation.report("d", "s", "m", &labels));
    }
}
