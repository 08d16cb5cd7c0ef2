use earmark_labels::Scores;

use crate::evaluate::Evaluation;

/// A clip that was classified as another class than its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Mistake {
    /// The clip's name in its dataset.
    pub clip: String,
    /// The label of its own class.
    pub actual: String,
    /// The label with the highest score.
    pub predicted: String,
    /// That score.
    pub score: f32,
}

impl Evaluation {
    /// The clips that were classified wrongly, the highest score first. `names` are those of the evaluated clips, in their order,
    /// `labels` those of the classes, and `scores` turns logits into scores.
    ///
    /// # Panics
    /// When a class has no label.
    pub fn mistakes(&self, names: &[&str], labels: &[String], scores: Scores) -> Vec<Mistake> {
        let clips = names.iter().zip(&self.labels).zip(self.predicted()).zip(&self.logits);
        let mut mistakes: Vec<Mistake> = clips
            .filter(|(((_, actual), predicted), _)| *actual != predicted)
            .map(|(((name, actual), predicted), logits)| Mistake {
                clip: (*name).to_owned(),
                actual: labels[*actual].clone(),
                predicted: labels[predicted].clone(),
                score: scores.apply(logits)[predicted],
            })
            .collect();
        mistakes.sort_by(|a, b| b.score.total_cmp(&a.score));
        mistakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_the_wrong_clips_from_the_most_confident_on() {
        let evaluation = Evaluation {
            logits: vec![vec![3.0, 1.0], vec![0.5, 0.0], vec![4.0, 0.0], vec![0.0, 2.0]],
            labels: vec![0, 1, 1, 1],
            loss: 1.0,
        };
        let labels = ["hum", "hiss"].map(str::to_owned);
        let mistakes = evaluation.mistakes(&["a", "b", "c", "d"], &labels, Scores::Softmax);
        let rows: Vec<_> =
            mistakes.iter().map(|it| (it.clip.as_str(), it.actual.as_str(), it.predicted.as_str())).collect();
        assert_eq!(rows, [("c", "hiss", "hum"), ("b", "hiss", "hum")]);
        assert!((mistakes[0].score - 0.982).abs() < 1e-3, "{mistakes:?}");
    }
}
