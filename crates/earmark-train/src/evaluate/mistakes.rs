use earmark_labels::Scores;

use crate::clips::targets::Targets;
use crate::evaluate::Evaluation;
use crate::evaluate::multi_label::LEAST;

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
    /// The clips that were classified wrongly, the highest score first; where a clip may have any number of classes, those that have
    /// others than were found, and the score is that of the class that is most wrong. `names` are those of the evaluated clips, in their order,
    /// `labels` those of the classes, and `scores` turns logits into scores.
    ///
    /// # Panics
    /// When a class has no label.
    pub fn mistakes(&self, names: &[&str], labels: &[String], scores: Scores) -> Vec<Mistake> {
        let mut mistakes: Vec<Mistake> = match &self.targets {
            Targets::Class(actual) => {
                let clips = names.iter().zip(actual).zip(self.predicted()).zip(&self.logits);
                let wrong = clips.filter(|(((_, actual), predicted), _)| *actual != predicted);
                let mistake =
                    |(((name, actual), predicted), logits): (((&&str, &usize), usize), &Vec<f32>)| Mistake {
                        clip: (*name).to_owned(),
                        actual: labels[*actual].clone(),
                        predicted: labels[predicted].clone(),
                        score: scores.apply(logits)[predicted],
                    };
                wrong.map(mistake).collect()
            }
            Targets::Classes(actual) => {
                let clips = names.iter().zip(actual).zip(&self.logits);
                clips
                    .filter_map(|((name, actual), logits)| wrong_classes(name, actual, logits, labels))
                    .collect()
            }
        };
        mistakes.sort_by(|a, b| b.score.total_cmp(&a.score));
        mistakes
    }
}

/// A clip of any number of classes, if others were found.
fn wrong_classes(clip: &str, actual: &[usize], logits: &[f32], labels: &[String]) -> Option<Mistake> {
    let found: Vec<usize> = (0..logits.len()).filter(|&class| logits[class] >= LEAST).collect();
    let names = |classes: &[usize]| match classes {
        [] => "–".to_owned(),
        classes => classes.iter().map(|&class| labels[class].as_str()).collect::<Vec<_>>().join(", "),
    };
    let wrong = (0..logits.len()).filter(|class| actual.contains(class) != found.contains(class));
    let worst = wrong.max_by(|&a, &b| logits[a].abs().total_cmp(&logits[b].abs()))?;
    Some(Mistake {
        clip: clip.to_owned(),
        actual: names(actual),
        predicted: names(&found),
        score: Scores::Sigmoid.apply(&[logits[worst]])[0],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_of_several_classes_is_a_mistake_unless_they_are_those_found() {
        let evaluation = Evaluation {
            logits: vec![vec![2.0, 1.0, -1.0], vec![3.0, -0.5, -4.0], vec![-1.0, -1.0, -1.0]],
            targets: Targets::Classes(vec![vec![0, 1], vec![1], vec![]]),
            loss: 1.0,
        };
        let labels = ["hum", "hiss", "chirp"].map(str::to_owned);
        let mistakes = evaluation.mistakes(&["a", "b", "c"], &labels, Scores::Sigmoid);
        let rows: Vec<_> =
            mistakes.iter().map(|it| (it.clip.as_str(), it.actual.as_str(), it.predicted.as_str())).collect();
        assert_eq!(rows, [("b", "hiss", "hum")]);
        assert!((mistakes[0].score - 0.9526).abs() < 1e-4, "{mistakes:?}");
    }

    #[test]
    fn mistakes_are_the_wrong_clips_from_the_most_confident_on() {
        let evaluation = Evaluation {
            logits: vec![vec![3.0, 1.0], vec![0.5, 0.0], vec![4.0, 0.0], vec![0.0, 2.0]],
            targets: Targets::Class(vec![0, 1, 1, 1]),
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
