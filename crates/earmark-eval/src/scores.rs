use earmark_error::Context as _;

use crate::error::{Error, ErrorKind, Task};

/// The scores of clips: one row a clip, one column a class. Probabilities or logits; each use tells which it takes.
///
/// Invariant: at least one class, every row has all classes, and every score is finite.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreMatrix {
    values: Vec<f64>,
    classes: usize,
}

impl ScoreMatrix {
    /// Takes the scores row after row: those of clip `i` are `values[i * classes..][..classes]`.
    ///
    /// # Errors
    /// [`ErrorKind::NoClasses`]; [`ErrorKind::Count`] when the last row is not whole; [`ErrorKind::NotFinite`] names the row and the
    /// class of a score that is NaN or infinite.
    pub fn new(classes: usize, values: Vec<f64>) -> Result<Self, Error> {
        Self::checked(classes, values).context(Task::Evaluate)
    }

    /// Copies rows of `f32`, such as logits or the scores of `predictions.parquet`.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`ErrorKind::Count`] when a row has not `classes` scores.
    pub fn from_rows<R: AsRef<[f32]>>(
        classes: usize,
        rows: impl IntoIterator<Item = R>,
    ) -> Result<Self, Error> {
        let mut values = Vec::new();
        for row in rows {
            let row = row.as_ref();
            counted("scores in a row", classes, row.len()).context(Task::Evaluate)?;
            values.extend(row.iter().copied().map(f64::from));
        }
        Self::new(classes, values)
    }

    fn checked(classes: usize, values: Vec<f64>) -> Result<Self, ErrorKind> {
        if classes == 0 {
            return Err(ErrorKind::NoClasses);
        }
        let rest = values.len() % classes;
        if rest > 0 {
            return Err(ErrorKind::Count { what: "scores in the last row", expected: classes, got: rest });
        }
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(Self { values, classes }),
            Some(at) => {
                Err(ErrorKind::NotFinite { row: at / classes, class: at % classes, value: values[at] })
            }
        }
    }

    /// Number of rows.
    pub fn clips(&self) -> usize {
        self.values.len() / self.classes
    }

    /// Number of columns; at least one.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The scores of each clip, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.classes)
    }

    /// The scores of one clip.
    ///
    /// # Panics
    /// When there is no such clip.
    pub fn row(&self, clip: usize) -> &[f64] {
        &self.values[clip * self.classes..][..self.classes]
    }

    /// The scores of one class, clip after clip.
    ///
    /// # Panics
    /// When there is no such class.
    pub fn column(&self, class: usize) -> Vec<f64> {
        assert!(class < self.classes, "class {class} of {}", self.classes);
        self.values[class.min(self.values.len())..].iter().step_by(self.classes).copied().collect()
    }

    /// All scores, row after row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The class with the highest score of each clip; the first of equals, as `numpy.argmax`.
    pub fn predicted(&self) -> Vec<usize> {
        self.rows().map(argmax).collect()
    }

    /// These logits as probabilities that sum to one in each row.
    pub fn softmax(&self) -> Self {
        let mut values = self.values.clone();
        for row in values.chunks_exact_mut(self.classes) {
            softmax(row);
        }
        Self { values, classes: self.classes }
    }

    /// These logits as an independent probability each.
    pub fn sigmoid(&self) -> Self {
        Self { values: self.values.iter().copied().map(sigmoid).collect(), classes: self.classes }
    }

    /// Every row of another table of the same shape, made by `change`, which must leave scores finite.
    pub(crate) fn mapped(&self, mut change: impl FnMut(&mut [f64])) -> Self {
        let mut values = self.values.clone();
        values.chunks_exact_mut(self.classes).for_each(&mut change);
        Self { values, classes: self.classes }
    }
}

/// The position of the highest score; the first of equals.
pub(crate) fn argmax(row: &[f64]) -> usize {
    (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

/// Turns logits into probabilities that sum to one. With the largest logit moved to zero no exponential overflows.
pub(crate) fn softmax(row: &mut [f64]) {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    row.iter_mut().for_each(|value| *value = (*value - largest).exp());
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|value| *value /= sum);
}

/// The probability of a logit.
pub(crate) fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// Refuses a number of things that is not the expected one.
pub(crate) fn counted(what: &'static str, expected: usize, got: usize) -> Result<(), ErrorKind> {
    if expected == got { Ok(()) } else { Err(ErrorKind::Count { what, expected, got }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_that_is_not_finite_is_refused_by_its_row_and_class() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = ScoreMatrix::new(2, vec![0.5, 0.5, 0.1, bad]).unwrap_err();
            assert!(matches!(error.kind, ErrorKind::NotFinite { row: 1, class: 1, .. }), "{error:?}");
        }
        let error = ScoreMatrix::from_rows(1, [[f32::NAN]]).unwrap_err();
        let chain = earmark_error::chain(&error);
        assert_eq!(
            chain,
            "cannot evaluate these scores: row 0 has the score NaN for class 0; scores must be finite"
        );
    }

    #[test]
    fn a_row_that_is_not_whole_is_refused() {
        let error = ScoreMatrix::new(3, vec![0.0; 7]).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Count { expected: 3, got: 1, .. }), "{error:?}");
        let error = ScoreMatrix::from_rows(2, [vec![1.0_f32, 0.0], vec![1.0]]).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Count { expected: 2, got: 1, .. }), "{error:?}");
        assert!(matches!(ScoreMatrix::new(0, vec![]).unwrap_err().kind, ErrorKind::NoClasses));
        assert!(ScoreMatrix::new(3, vec![]).unwrap().column(2).is_empty());
    }

    #[test]
    fn the_first_of_equal_scores_is_predicted() {
        let scores = ScoreMatrix::new(3, vec![0.2, 0.4, 0.4, 0.3, 0.3, 0.3]).unwrap();
        assert_eq!(scores.predicted(), [1, 0]);
        assert_eq!((scores.column(1), scores.row(1)), (vec![0.4, 0.3], &[0.3, 0.3, 0.3][..]));
    }

    #[test]
    fn huge_logits_do_not_overflow() {
        let logits = ScoreMatrix::new(2, vec![1e300, 0.0, -1e300, -1e300]).unwrap();
        assert_eq!(logits.softmax().values(), [1.0, 0.0, 0.5, 0.5]);
        assert_eq!(logits.sigmoid().values(), [1.0, 0.5, 0.0, 0.0]);
    }
}
