//! The metrics of an evaluation.
//!
//! Precision, recall and F1 follow scikit-learn 1.9.1 with `zero_division=0`.

use serde::{Deserialize, Deserializer, Serialize};

/// The mean of the losses of some steps: the train loss of an epoch, or of a line of `metrics.jsonl`.
pub(crate) fn mean(losses: &[f64]) -> f64 {
    losses.iter().sum::<f64>() / losses.len().max(1) as f64
}

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

/// Clips counted by actual and predicted class.
///
/// Invariant: the matrix is square, also when it was read from a file. In JSON it is an array of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ConfusionMatrix {
    rows: Vec<Vec<u64>>,
}

impl ConfusionMatrix {
    /// An empty matrix of `classes` rows and columns.
    pub fn new(classes: usize) -> Self {
        Self { rows: vec![vec![0; classes]; classes] }
    }

    /// Counts `(actual, predicted)` class ids.
    ///
    /// # Panics
    ///
    /// When an id is not below `classes`.
    pub fn from_pairs(classes: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut matrix = Self::new(classes);
        for (actual, predicted) in pairs {
            matrix.record(actual, predicted);
        }
        matrix
    }

    /// Counts one clip.
    ///
    /// # Panics
    ///
    /// When an id is not below [`classes`](Self::classes).
    pub fn record(&mut self, actual: usize, predicted: usize) {
        self.rows[actual][predicted] += 1;
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.rows.len()
    }

    /// The counts: `rows()[actual][predicted]`.
    pub fn rows(&self) -> &[Vec<u64>] {
        &self.rows
    }

    /// Clips counted.
    pub fn total(&self) -> u64 {
        self.rows.iter().map(|row| sum(row)).fold(0, u64::saturating_add)
    }

    /// Clips on the diagonal.
    pub fn correct(&self) -> u64 {
        (0..self.classes()).map(|class| self.rows[class][class]).fold(0, u64::saturating_add)
    }

    /// Share of clips on the diagonal; 0 without clips.
    pub fn accuracy(&self) -> f64 {
        ratio(self.correct(), self.total())
    }

    /// The scores of one class.
    ///
    /// # Panics
    ///
    /// When `class` is not below [`classes`](Self::classes).
    pub fn class_report(&self, class: usize, label: impl Into<String>) -> ClassReport {
        let found = self.rows[class][class];
        let support = sum(&self.rows[class]);
        let predicted = self.predicted(class);
        ClassReport {
            label: label.into(),
            precision: ratio(found, predicted),
            recall: ratio(found, support),
            // 2·found / (support + predicted) is the harmonic mean without its 0/0 when nothing is found.
            f1: ratio(found.saturating_mul(2), support.saturating_add(predicted)),
            support,
        }
    }

    /// Mean F1 over the classes that occur, as an actual or a predicted one; 0 without clips.
    ///
    /// A class that does neither is no part of the mean, as in `f1_score(average="macro")`: a split that lacks half of
    /// a model's classes would otherwise halve its score.
    pub fn macro_f1(&self) -> f64 {
        let scores: Vec<f64> = self.occurring().map(|class| self.class_report(class, "").f1).collect();
        if scores.is_empty() { 0.0 } else { scores.iter().sum::<f64>() / scores.len() as f64 }
    }

    /// Classes that are some clip's own or predicted one.
    pub(crate) fn occurring(&self) -> impl Iterator<Item = usize> {
        (0..self.classes()).filter(|&class| sum(&self.rows[class]) > 0 || self.predicted(class) > 0)
    }

    fn predicted(&self, class: usize) -> u64 {
        self.rows.iter().map(|row| row[class]).fold(0, u64::saturating_add)
    }
}

impl<'de> Deserialize<'de> for ConfusionMatrix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rows = Vec::<Vec<u64>>::deserialize(deserializer)?;
        match rows.iter().position(|row| row.len() != rows.len()) {
            None => Ok(Self { rows }),
            Some(row) => Err(serde::de::Error::custom(format_args!(
                "row {row} of the confusion matrix has {} columns, expected one per row, {}",
                rows[row].len(),
                rows.len(),
            ))),
        }
    }
}

/// The 95 % Wilson score interval of `correct / total`; `[0, 1]` when nothing was counted.
///
/// Unlike the normal approximation it stays inside 0 to 1 and has a width at 100 %. (E. B. Wilson, 1927.)
pub fn wilson_interval(correct: u64, total: u64) -> [f64; 2] {
    /// The 97.5 % quantile of the normal distribution.
    const Z: f64 = 1.959_963_984_540_054;
    if total == 0 {
        return [0.0, 1.0];
    }
    let (n, p) = (total as f64, ratio(correct, total));
    let centre = p + Z * Z / (2.0 * n);
    let half_width = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    [((centre - half_width) / scale).max(0.0), ((centre + half_width) / scale).min(1.0)]
}

/// Cross-entropy in nats of one clip: `-log softmax(logits)[class]`.
///
/// # Panics
///
/// When `class` is not below the number of logits.
pub(crate) fn cross_entropy(logits: &[f32], class: usize) -> f64 {
    let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
    sum.ln() - (f64::from(logits[class]) - largest)
}

fn sum(row: &[u64]) -> u64 {
    // Counts read from a file may be anything; our own never come near the end of u64.
    row.iter().copied().fold(0, u64::saturating_add)
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 40 pairs over 6 classes. Class 4 is never predicted, class 5 neither occurs nor is predicted.
    /// Made, as are the numbers below, by `python tests/golden-free/metrics.py`.
    const ACTUAL: [usize; 40] = [
        2, 1, 3, 0, 0, 4, 0, 2, 4, 0, 4, 1, 0, 0, 3, 3, 0, 1, 0, 4, 3, 0, 4, 0, 1, 4, 0, 4, 4, 3, 0, 1, 0, 4,
        1, 2, 3, 1, 4, 0,
    ];
    const PREDICTED: [usize; 40] = [
        2, 1, 0, 0, 2, 0, 0, 3, 3, 3, 3, 1, 0, 0, 0, 3, 0, 3, 0, 0, 3, 0, 3, 0, 0, 2, 0, 3, 3, 3, 0, 1, 0, 2,
        3, 2, 3, 0, 2, 0,
    ];

    fn matrix() -> ConfusionMatrix {
        ConfusionMatrix::from_pairs(6, ACTUAL.into_iter().zip(PREDICTED))
    }

    fn close(got: f64, want: f64) {
        // Worst gap measured over this module: 2.2e-16.
        assert!((got - want).abs() <= 1e-15, "{got} is not {want}");
    }

    #[test]
    fn scores_of_each_class_are_those_of_scikit_learn() {
        let want: [(f64, f64, f64, u64); 6] = [
            (0.6666666666666666, 0.8571428571428571, 0.75, 14),
            (1.0, 0.42857142857142855, 0.6, 7),
            (0.3333333333333333, 0.6666666666666666, 0.4444444444444444, 3),
            (0.3076923076923077, 0.6666666666666666, 0.42105263157894735, 6),
            (0.0, 0.0, 0.0, 10),
            (0.0, 0.0, 0.0, 0),
        ];
        for (class, (precision, recall, f1, support)) in want.into_iter().enumerate() {
            let got = matrix().class_report(class, "");
            close(got.precision, precision);
            close(got.recall, recall);
            close(got.f1, f1);
            assert_eq!(got.support, support);
        }
    }

    #[test]
    fn accuracy_and_macro_f1_are_those_of_scikit_learn() {
        close(matrix().accuracy(), 0.525);
        close(matrix().macro_f1(), 0.44309941520467844);
    }

    #[test]
    fn rows_are_actual_classes() {
        let rows: [[u64; 6]; 6] = [
            [12, 0, 1, 1, 0, 0],
            [2, 3, 0, 2, 0, 0],
            [0, 0, 2, 1, 0, 0],
            [2, 0, 0, 4, 0, 0],
            [2, 0, 3, 5, 0, 0],
            [0, 0, 0, 0, 0, 0],
        ];
        assert_eq!(matrix().rows(), rows);
    }

    #[test]
    fn wilson_intervals_are_those_of_scipy() {
        for (correct, total, low, high) in [
            (83, 100, 0.7445199523239887, 0.8910643388594006),
            (0, 10, 0.0, 0.27753279986288926),
            (10, 10, 0.7224672001371109, 1.0),
            (1, 1, 0.20654931437723745, 1.0),
            (9807, 11005, 0.8851841701701645, 0.8968236398434993),
        ] {
            let interval = wilson_interval(correct, total);
            close(interval[0], low);
            close(interval[1], high);
        }
        assert_eq!(wilson_interval(0, 0), [0.0, 1.0]);
    }

    #[test]
    fn cross_entropy_is_that_of_scipy_and_survives_large_logits() {
        let logits = [2.0, -1.0, 0.5, 1000.0];
        close(cross_entropy(&logits[..3], 2), 1.7413112966571571);
        assert_eq!(cross_entropy(&logits, 3), 0.0);
        assert_eq!(cross_entropy(&logits, 0), 998.0);
        assert!(cross_entropy(&[f32::NAN, 0.0], 1).is_nan());
    }

    #[test]
    fn a_matrix_that_is_not_square_is_refused() {
        let error = serde_json::from_str::<ConfusionMatrix>("[[1, 2], [3]]").unwrap_err();
        assert!(error.to_string().contains("row 1"), "{error}");
    }
}
