//! How well scores rank the clips of a class above the others, ties included.

use earmark_error::Context as _;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Task};
use crate::metrics::class::ratio;
use crate::scores::counted;

/// Area under the ROC curve of one class: the share of pairs of a clip of the class and another clip in which the first scores
/// higher; a tie is half a pair. `None` when all clips, or none, are of the class.
///
/// `scores` has the score of each clip for the class, of any scale, and `positive` which clips are of it.
///
/// # Errors
/// [`ErrorKind::Count`] when the two differ in length; [`ErrorKind::ValueNotFinite`] names the row of a score that is NaN or infinite.
pub fn roc_auc(scores: &[f64], positive: &[bool]) -> Result<Option<f64>, Error> {
    checked(scores, positive).context(Task::Evaluate)?;
    Ok(Curve::new(scores, positive).roc_auc())
}

/// Average precision of one class: the mean over its clips of the precision at their score, clips of equal score taken together,
/// without interpolation. `None` without clips of the class; scikit-learn gives 0 there.
///
/// The arguments are those of [`roc_auc`].
///
/// # Errors
/// As [`roc_auc`].
pub fn average_precision(scores: &[f64], positive: &[bool]) -> Result<Option<f64>, Error> {
    checked(scores, positive).context(Task::Evaluate)?;
    Ok(Curve::new(scores, positive).average_precision())
}

fn checked(scores: &[f64], positive: &[bool]) -> Result<(), ErrorKind> {
    counted("true labels", scores.len(), positive.len())?;
    match scores.iter().position(|score| !score.is_finite()) {
        None => Ok(()),
        Some(row) => Err(ErrorKind::ValueNotFinite { row, value: scores[row] }),
    }
}

/// The distinct scores from high to low, each with the positive and negative clips that have it or a higher one.
#[derive(Debug)]
pub(crate) struct Curve {
    pub(crate) points: Vec<Point>,
}

/// What a threshold at a score lets through.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Point {
    pub(crate) score: f64,
    pub(crate) positives: u64,
    pub(crate) negatives: u64,
}

impl Point {
    pub(crate) fn precision(&self) -> f64 {
        ratio(self.positives, self.positives + self.negatives).unwrap_or(0.0)
    }
}

impl Curve {
    /// `scores` must be finite, and as many as `positive`.
    pub(crate) fn new(scores: &[f64], positive: &[bool]) -> Self {
        let mut ranked: Vec<(f64, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut points: Vec<Point> = Vec::new();
        let mut so_far = Point::default();
        for (score, positive) in ranked {
            so_far.score = score;
            so_far.positives += u64::from(positive);
            so_far.negatives += u64::from(!positive);
            match points.last_mut() {
                // 0.0 and -0.0 are one score.
                Some(last) if last.score == score => *last = so_far,
                _ => points.push(so_far),
            }
        }
        Self { points }
    }

    /// The last point: all clips.
    pub(crate) fn totals(&self) -> Point {
        self.points.last().copied().unwrap_or_default()
    }

    fn steps(&self) -> impl Iterator<Item = (Point, &Point)> {
        let before = std::iter::once(Point::default()).chain(self.points.iter().copied());
        before.zip(&self.points)
    }

    pub(crate) fn roc_auc(&self) -> Option<f64> {
        let totals = self.totals();
        // Twice the number of pairs, which is whole.
        let won = |(before, point): (Point, &Point)| {
            u128::from(point.negatives - before.negatives)
                * (u128::from(before.positives) + u128::from(point.positives))
        };
        let pairs = 2 * u128::from(totals.positives) * u128::from(totals.negatives);
        (pairs > 0).then(|| self.steps().map(won).sum::<u128>() as f64 / pairs as f64)
    }

    pub(crate) fn average_precision(&self) -> Option<f64> {
        let positives = self.totals().positives;
        let gained = |(before, point): (Point, &Point)| {
            (point.positives - before.positives) as f64 * point.precision()
        };
        (positives > 0).then(|| self.steps().map(gained).sum::<f64>() / positives as f64)
    }
}

/// A score of each class, and its means over the classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassMeans {
    /// One entry a class; `None` where it is undefined.
    pub per_class: Vec<Option<f64>>,
    /// The mean over the classes that have a value; `None` when none has.
    #[serde(rename = "macro")]
    pub macro_average: Option<f64>,
    /// The mean over these classes, each counted by its clips.
    pub weighted: Option<f64>,
    /// The classes without a value, which no mean includes. (scikit-learn's mean is NaN with them for ROC-AUC, and counts them as 0 for
    /// average precision.)
    pub undefined: usize,
}

impl ClassMeans {
    /// The ROC-AUC of each class, whose curve and number of clips `curves` gives.
    pub(crate) fn roc_auc(curves: impl Iterator<Item = Curve>) -> Self {
        Self::of(curves.map(|curve| (curve.roc_auc(), curve.totals().positives)))
    }

    /// The average precision of each class: its macro average is the mAP.
    pub(crate) fn average_precision(curves: impl Iterator<Item = Curve>) -> Self {
        Self::of(curves.map(|curve| (curve.average_precision(), curve.totals().positives)))
    }

    fn of(classes: impl Iterator<Item = (Option<f64>, u64)>) -> Self {
        let classes: Vec<(Option<f64>, u64)> = classes.collect();
        let mean = |weight: &dyn Fn(u64) -> f64| {
            let defined = || classes.iter().filter_map(|&(value, support)| Some((value?, weight(support))));
            let total: f64 = defined().map(|(_, weight)| weight).sum();
            (total > 0.0).then(|| defined().map(|(value, weight)| value * weight).sum::<f64>() / total)
        };
        Self {
            macro_average: mean(&|_| 1.0),
            weighted: mean(&|support| support as f64),
            undefined: classes.iter().filter(|(value, _)| value.is_none()).count(),
            per_class: classes.into_iter().map(|(value, _)| value).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tie_is_half_a_pair() {
        let auc = |scores: &[f64], positive: &[bool]| roc_auc(scores, positive).unwrap();
        assert_eq!(auc(&[0.5, 0.5], &[true, false]), Some(0.5));
        assert_eq!(auc(&[0.0, -0.0], &[true, false]), Some(0.5));
        assert_eq!(auc(&[0.9, 0.1, 0.5], &[true, false, true]), Some(1.0));
        assert_eq!(auc(&[0.1, 0.9], &[true, false]), Some(0.0));
    }

    #[test]
    fn a_class_without_clips_or_with_all_of_them_has_no_roc_auc() {
        for positive in [[true, true], [false, false]] {
            assert_eq!(roc_auc(&[0.1, 0.2], &positive).unwrap(), None);
        }
        assert_eq!(average_precision(&[0.1, 0.2], &[false, false]).unwrap(), None);
        assert_eq!(average_precision(&[0.1, 0.2], &[true, true]).unwrap(), Some(1.0));
    }

    #[test]
    fn a_score_that_is_not_a_number_is_refused_by_its_row() {
        let error = roc_auc(&[0.1, f64::NAN], &[true, false]).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::ValueNotFinite { row: 1, .. }), "{error:?}");
        let error = average_precision(&[0.1], &[true, false]).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Count { expected: 1, got: 2, .. }), "{error:?}");
    }
}
