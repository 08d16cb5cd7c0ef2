//! Whether scores are probabilities: of the clips with a confidence of 0.8, four fifths should be right.

use earmark_error::Context as _;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Task};
use crate::scores::counted;

/// Clips of similar confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Clips in it.
    pub clips: u64,
    /// Their mean confidence.
    pub confidence: f64,
    /// The share of them that is right.
    pub accuracy: f64,
    /// The lowest confidence of a clip in it.
    pub lowest: f64,
    /// The highest.
    pub highest: f64,
}

/// A reliability diagram: bins of equal mass, from low to high confidence.
///
/// The bins are those of scikit-learn's `calibration_curve(strategy="quantile")`: their borders are quantiles of the confidences,
/// interpolated as `numpy.percentile` does, and a confidence on a border belongs to the bin below. So clips of one confidence share a
/// bin, whatever their order; bins that ties leave empty are not listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// The bins that have clips.
    pub bins: Vec<ReliabilityBin>,
}

impl Reliability {
    /// Bins where nothing else is asked for, as in the literature.
    pub const BINS: usize = 15;

    /// Sorts clips into at most `bins` bins.
    ///
    /// `confidence` is a probability for each clip, and `right` whether what it was given for is true: for one label a clip the
    /// highest score and whether that class is the clip's; for a single class its score and whether the clip is of it.
    ///
    /// # Errors
    /// [`ErrorKind::NoClips`]; [`ErrorKind::TooFew`] without bins; [`ErrorKind::Count`] when the two differ in length;
    /// [`ErrorKind::NotAProbability`] names the row of a confidence that is NaN or not from 0 to 1.
    pub fn new(confidence: &[f64], right: &[bool], bins: usize) -> Result<Self, Error> {
        Self::checked(confidence, right, bins).context(Task::Evaluate)
    }

    fn checked(confidence: &[f64], right: &[bool], bins: usize) -> Result<Self, ErrorKind> {
        counted("true labels", confidence.len(), right.len())?;
        if confidence.is_empty() {
            return Err(ErrorKind::NoClips);
        }
        if bins == 0 {
            return Err(ErrorKind::TooFew { what: "the number of bins", least: 1, got: bins });
        }
        if let Some(row) = confidence.iter().position(|value| !(0.0..=1.0).contains(value)) {
            return Err(ErrorKind::NotAProbability { row, class: 0, value: confidence[row] });
        }
        Ok(Self::of(confidence, right, bins))
    }

    /// Of probabilities, as many as `right` and at least one.
    pub(crate) fn of(confidence: &[f64], right: &[bool], bins: usize) -> Self {
        let mut sorted: Vec<(f64, bool)> = confidence.iter().copied().zip(right.iter().copied()).collect();
        sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut rest = sorted.as_slice();
        let mut filled = Vec::new();
        for bin in 1..=bins {
            let inside = match bin < bins {
                true => {
                    let border = border(&sorted, bin, bins);
                    rest.partition_point(|&(confidence, _)| confidence <= border)
                }
                false => rest.len(),
            };
            let (clips, after) = rest.split_at(inside);
            rest = after;
            filled.extend(bin_of(clips));
        }
        Self { bins: filled }
    }

    /// Expected calibration error: the mean over clips of how far their bin's accuracy is from its confidence, 0 to 1.
    pub fn ece(&self) -> f64 {
        let clips: u64 = self.bins.iter().map(|bin| bin.clips).sum();
        let gaps = self.bins.iter().map(|bin| bin.clips as f64 * (bin.accuracy - bin.confidence).abs());
        gaps.sum::<f64>() / clips.max(1) as f64
    }
}

fn bin_of(clips: &[(f64, bool)]) -> Option<ReliabilityBin> {
    let (lowest, highest) = (clips.first()?.0, clips.last()?.0);
    let count = clips.len() as f64;
    Some(ReliabilityBin {
        clips: clips.len() as u64,
        confidence: clips.iter().map(|&(confidence, _)| confidence).sum::<f64>() / count,
        accuracy: clips.iter().filter(|&&(_, right)| right).count() as f64 / count,
        lowest,
        highest,
    })
}

/// The upper border of a bin, rounded as NumPy 2.4 rounds it: a border that should be a clip's confidence decides by its last bit where
/// that clip belongs.
fn border(sorted: &[(f64, bool)], bin: usize, bins: usize) -> f64 {
    // `numpy.linspace(0, 1, bins + 1)[bin] * 100`, and `numpy.percentile` divides by 100 again.
    let quantile = bin as f64 * (1.0 / bins as f64) * 100.0 / 100.0;
    let position = (sorted.len() - 1) as f64 * quantile;
    let below = (position.floor() as usize).min(sorted.len() - 1);
    let above = (below + 1).min(sorted.len() - 1);
    let (a, b, t) = (sorted[below].0, sorted[above].0, position - position.floor());
    if t < 0.5 { a + (b - a) * t } else { b - (b - a) * (1.0 - t) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_of_one_confidence_share_a_bin() {
        let confidence = [0.9; 10];
        let right: Vec<bool> = (0..10).map(|clip| clip < 7).collect();
        let reliability = Reliability::new(&confidence, &right, 5).unwrap();
        assert_eq!(reliability.bins.len(), 1);
        assert_eq!((reliability.bins[0].clips, reliability.bins[0].accuracy), (10, 0.7));
        assert!((reliability.ece() - 0.2).abs() < 1e-12);
    }

    #[test]
    fn bins_have_equal_mass() {
        let confidence: Vec<f64> = (0..100).map(|clip| (f64::from(clip) / 100.0).powi(4)).collect();
        let reliability = Reliability::new(&confidence, &[true; 100], 10).unwrap();
        assert_eq!(reliability.bins.iter().map(|bin| bin.clips).collect::<Vec<_>>(), [10; 10]);
        assert!(reliability.bins.windows(2).all(|pair| pair[0].highest < pair[1].lowest));
    }

    #[test]
    fn what_is_no_probability_is_refused_by_its_row() {
        for bad in [f64::NAN, 1.5, -0.1] {
            let error = Reliability::new(&[0.5, bad], &[true, true], 2).unwrap_err();
            assert!(matches!(error.kind, ErrorKind::NotAProbability { row: 1, .. }), "{error:?}");
        }
        assert!(matches!(Reliability::new(&[], &[], 2).unwrap_err().kind, ErrorKind::NoClips));
        assert!(matches!(Reliability::new(&[0.5], &[true], 0).unwrap_err().kind, ErrorKind::TooFew { .. }));
    }
}
