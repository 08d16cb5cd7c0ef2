use serde::{Deserialize, Deserializer, Serialize};

use crate::metrics::class::{Averages, ClassCounts, ClassReport, ratio};

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
        sum(self.rows.iter().map(|row| sum(row.iter().copied())))
    }

    /// Clips on the diagonal.
    pub fn correct(&self) -> u64 {
        sum((0..self.classes()).map(|class| self.rows[class][class]))
    }

    /// Share of clips on the diagonal; 0 without clips.
    pub fn accuracy(&self) -> f64 {
        ratio(self.correct(), self.total()).unwrap_or(0.0)
    }

    /// The counts of one class.
    ///
    /// # Panics
    ///
    /// When `class` is not below [`classes`](Self::classes).
    pub fn class_counts(&self, class: usize) -> ClassCounts {
        ClassCounts {
            correct: self.rows[class][class],
            predicted: sum(self.rows.iter().map(|row| row[class])),
            support: sum(self.rows[class].iter().copied()),
        }
    }

    /// The scores of one class.
    ///
    /// # Panics
    ///
    /// When `class` is not below [`classes`](Self::classes).
    pub fn class_report(&self, class: usize, label: impl Into<String>) -> ClassReport {
        self.class_counts(class).report(label)
    }

    /// Macro, weighted and micro averages over the classes.
    pub fn averages(&self) -> Averages {
        let counts: Vec<ClassCounts> = (0..self.classes()).map(|class| self.class_counts(class)).collect();
        Averages::of(&counts)
    }

    /// Mean F1 over the classes that occur, as an actual or a predicted one; 0 without clips.
    pub fn macro_f1(&self) -> f64 {
        self.averages().macro_average.f1
    }

    /// Classes that are some clip's own or predicted one.
    pub fn occurring(&self) -> impl Iterator<Item = usize> {
        (0..self.classes()).filter(|&class| self.class_counts(class).occurs())
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

fn sum(counts: impl Iterator<Item = u64>) -> u64 {
    // Counts read from a file may be anything; our own never come near the end of u64.
    counts.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_actual_classes() {
        let matrix = ConfusionMatrix::from_pairs(3, [(0, 1), (0, 1), (2, 0)]);
        assert_eq!(matrix.rows(), [[0, 2, 0], [0, 0, 0], [1, 0, 0]]);
        assert_eq!(matrix.occurring().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_matrix_that_is_not_square_is_refused() {
        let error = serde_json::from_str::<ConfusionMatrix>("[[1, 2], [3]]").unwrap_err();
        assert!(error.to_string().contains("row 1"), "{error}");
    }

    #[test]
    fn counts_of_a_file_do_not_overflow() {
        let most = u64::MAX;
        let matrix: ConfusionMatrix = serde_json::from_str(&format!("[[{most}, {most}], [0, 1]]")).unwrap();
        assert_eq!((matrix.total(), matrix.class_counts(0).support), (most, most));
        assert!(matrix.averages().micro.f1 <= 1.0);
    }
}
