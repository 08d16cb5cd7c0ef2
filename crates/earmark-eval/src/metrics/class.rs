use serde::{Deserialize, Serialize};

/// How well one class is found. A ratio with nothing below the line is 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    /// The class's name.
    pub label: String,
    /// Of the clips said to be this class, the share that is.
    pub precision: f64,
    /// Of the clips that are this class, the share found.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Clips of this class.
    pub support: u64,
}

impl ClassReport {
    /// Precision, recall and F1 as `format` writes them, or dashes for a class without clips, of which they say nothing.
    pub fn cells(&self, format: impl Fn(f64) -> String) -> [String; 3] {
        match self.support {
            0 => std::array::from_fn(|_| "–".to_owned()),
            _ => [self.precision, self.recall, self.f1].map(format),
        }
    }
}

/// The clips of one class, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClassCounts {
    /// Clips of the class that were predicted to be of it.
    pub correct: u64,
    /// Clips predicted to be of the class.
    pub predicted: u64,
    /// Clips of the class.
    pub support: u64,
}

impl ClassCounts {
    /// `correct / predicted`; `None` when the class was never predicted.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.correct, self.predicted)
    }

    /// `correct / support`; `None` without clips of the class.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.correct, self.support)
    }

    /// The harmonic mean of precision and recall; `None` when the class neither has clips nor was predicted.
    pub fn f1(&self) -> Option<f64> {
        // 2·correct / (support + predicted) is the harmonic mean without its 0/0 when nothing is found.
        ratio(self.correct.saturating_mul(2), self.support.saturating_add(self.predicted))
    }

    /// Whether the class has clips or was predicted. Macro averages are over these classes.
    pub fn occurs(&self) -> bool {
        self.support > 0 || self.predicted > 0
    }

    /// As a row of the table of classes.
    pub fn report(&self, label: impl Into<String>) -> ClassReport {
        let Prf { precision, recall, f1 } = Prf::of(self);
        ClassReport { label: label.into(), precision, recall, f1, support: self.support }
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            correct: self.correct.saturating_add(other.correct),
            predicted: self.predicted.saturating_add(other.predicted),
            support: self.support.saturating_add(other.support),
        }
    }
}

/// Precision, recall and F1, of a class or averaged. What is undefined counts as 0: scikit-learn's `zero_division=0`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Prf {
    /// Of what was predicted, the share that is right.
    pub precision: f64,
    /// Of what there is, the share that was found.
    pub recall: f64,
    /// The harmonic mean of the two; averaged, it is the mean of the classes' F1 and not the F1 of the means.
    pub f1: f64,
}

impl Prf {
    fn of(counts: &ClassCounts) -> Self {
        Self {
            precision: counts.precision().unwrap_or(0.0),
            recall: counts.recall().unwrap_or(0.0),
            f1: counts.f1().unwrap_or(0.0),
        }
    }

    /// The mean over classes with these weights; zeros when the weights are zeros.
    fn mean<'a>(classes: impl Iterator<Item = (&'a ClassCounts, f64)>) -> Self {
        let (mut sum, mut total) = (Self::default(), 0.0);
        for (counts, weight) in classes {
            let of = Self::of(counts);
            sum.precision += weight * of.precision;
            sum.recall += weight * of.recall;
            sum.f1 += weight * of.f1;
            total += weight;
        }
        if total == 0.0 {
            return Self::default();
        }
        Self { precision: sum.precision / total, recall: sum.recall / total, f1: sum.f1 / total }
    }
}

/// Precision, recall and F1 over all classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Averages {
    /// Each class that [occurs](ClassCounts::occurs) counts the same, as in `f1_score(average="macro")`: a split that lacks half of a
    /// model's classes would otherwise halve its score.
    #[serde(rename = "macro")]
    pub macro_average: Prf,
    /// Each class counts by its clips.
    pub weighted: Prf,
    /// Over the summed counts: of clips with one label each all three are the accuracy.
    pub micro: Prf,
    /// Mean recall of the classes that have clips; 0 without clips.
    pub balanced_accuracy: f64,
    /// How many classes the macro average is over.
    pub classes: usize,
    /// Of these, the classes that were never predicted: their precision is undefined and counts as 0.
    pub undefined_precision: usize,
    /// Of these, the classes without clips: their recall is undefined and counts as 0.
    pub undefined_recall: usize,
}

impl Averages {
    /// Averages of the counts of every class.
    pub fn of(classes: &[ClassCounts]) -> Self {
        let occurring = || classes.iter().filter(|counts| counts.occurs());
        let with_clips = occurring().filter(|counts| counts.support > 0);
        Self {
            macro_average: Prf::mean(occurring().map(|counts| (counts, 1.0))),
            weighted: Prf::mean(occurring().map(|counts| (counts, counts.support as f64))),
            micro: Prf::of(&classes.iter().fold(ClassCounts::default(), ClassCounts::plus)),
            balanced_accuracy: Prf::mean(with_clips.map(|counts| (counts, 1.0))).recall,
            classes: occurring().count(),
            undefined_precision: occurring().filter(|counts| counts.predicted == 0).count(),
            undefined_recall: occurring().filter(|counts| counts.support == 0).count(),
        }
    }
}

/// `part / whole`; `None` when there is no whole.
pub(crate) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_undefined_counts_as_zero_and_is_counted() {
        // Never predicted; without clips; neither.
        let counts = [
            ClassCounts { correct: 2, predicted: 3, support: 2 },
            ClassCounts { correct: 0, predicted: 0, support: 2 },
            ClassCounts { correct: 0, predicted: 1, support: 0 },
            ClassCounts::default(),
        ];
        let averages = Averages::of(&counts);
        assert_eq!((averages.classes, averages.undefined_precision, averages.undefined_recall), (3, 1, 1));
        assert!((averages.macro_average.recall - 1.0 / 3.0).abs() < 1e-15);
        assert!((averages.balanced_accuracy - 0.5).abs() < 1e-15);
        assert_eq!((counts[1].precision(), counts[2].recall(), counts[3].f1()), (None, None, None));
        assert_eq!(Averages::of(&[]).macro_average, Prf::default());
    }
}
