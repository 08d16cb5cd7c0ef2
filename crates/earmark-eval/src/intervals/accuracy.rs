use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::intervals::bootstrap::Bootstrap;
use crate::intervals::clusters::Clusters;
use crate::intervals::wilson::wilson_interval;

/// How an interval of an accuracy was computed; in JSON `wilson` or `cluster-bootstrap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntervalMethod {
    /// [`wilson_interval`]: no two clips belong together, or all clips are right, or all wrong, which leaves nothing to resample.
    Wilson,
    /// [`Bootstrap::mean`] over the clusters.
    ClusterBootstrap,
}

impl fmt::Display for IntervalMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IntervalMethod::Wilson => "wilson",
            IntervalMethod::ClusterBootstrap => "cluster-bootstrap",
        })
    }
}

/// An accuracy with its 95 % interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccuracyInterval {
    /// Share of the clips that are right.
    pub accuracy: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How it was computed.
    pub method: IntervalMethod,
    /// How many independent things there are: clusters, or clips where no two belong together.
    pub clusters: usize,
}

/// The interval of an accuracy that is honest about clips that belong together: Wilson's where none do, else the cluster bootstrap. Where
/// clips belong together and all are right, or all wrong, it is Wilson's of as many clips as there are clusters.
///
/// `correct` tells of each clip whether it was classified correctly.
///
/// # Errors
/// Those of [`Bootstrap::mean`], also where the interval is Wilson's.
pub fn accuracy_interval(
    correct: &[bool],
    clusters: &Clusters,
    bootstrap: &Bootstrap,
) -> Result<AccuracyInterval, Error> {
    let right = correct.iter().filter(|&&correct| correct).count();
    let all_or_none = right == 0 || right == correct.len();
    let wilson = |right: usize, of: usize| {
        let [low, high] = wilson_interval(right as u64, of as u64);
        let accuracy = right as f64 / of as f64;
        AccuracyInterval { accuracy, low, high, method: IntervalMethod::Wilson, clusters: of }
    };
    if correct.len() == clusters.clips() && !correct.is_empty() {
        if clusters.are_single_clips() {
            return Ok(wilson(right, correct.len()));
        }
        if all_or_none && clusters.len() > 1 {
            return Ok(wilson(if right == 0 { 0 } else { clusters.len() }, clusters.len()));
        }
    }
    let values: Vec<f64> = correct.iter().map(|&correct| f64::from(u8::from(correct))).collect();
    let interval = bootstrap.mean(&values, clusters)?;
    Ok(AccuracyInterval {
        accuracy: interval.estimate,
        low: interval.low,
        high: interval.high,
        method: IntervalMethod::ClusterBootstrap,
        clusters: interval.clusters,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn interval(correct: &[bool], clusters: &Clusters) -> AccuracyInterval {
        accuracy_interval(correct, clusters, &Bootstrap::default()).unwrap()
    }

    #[test]
    fn independent_clips_have_wilsons_interval() {
        let correct = [true, true, false, true];
        let got = interval(&correct, &Clusters::new(&[3, 1, 2, 0]));
        assert_eq!((got.method, [got.low, got.high]), (IntervalMethod::Wilson, wilson_interval(3, 4)));
    }

    #[test]
    fn clips_that_belong_together_have_a_wider_interval_than_as_many_independent_ones() {
        // 20 recordings of ten clips; of most recordings all clips are right.
        let keys: Vec<usize> = (0..200).map(|row| row / 10).collect();
        let correct: Vec<bool> = keys.iter().map(|&key| key % 4 != 0).collect();
        let got = interval(&correct, &Clusters::new(&keys));
        let [low, high] = wilson_interval(150, 200);
        assert_eq!((got.method, got.clusters, got.accuracy), (IntervalMethod::ClusterBootstrap, 20, 0.75));
        assert!(got.high - got.low > 2.5 * (high - low), "{got:?}");
        assert_eq!(serde_json::to_value(&got).unwrap()["method"], "cluster-bootstrap");
    }

    #[test]
    fn a_perfect_score_has_an_interval_of_as_many_clips_as_there_are_clusters() {
        let keys: Vec<usize> = (0..100).map(|row| row / 10).collect();
        for (right, wilson) in [(true, wilson_interval(10, 10)), (false, wilson_interval(0, 10))] {
            let got = interval(&[right; 100], &Clusters::new(&keys));
            assert_eq!(([got.low, got.high], got.method), (wilson, IntervalMethod::Wilson));
        }
    }

    #[test]
    fn one_recording_alone_has_no_interval() {
        for correct in [[true, true], [true, false]] {
            let error =
                accuracy_interval(&correct, &Clusters::new(&[0, 0]), &Bootstrap::default()).unwrap_err();
            assert!(matches!(error.kind, ErrorKind::OneCluster), "{error:?}");
        }
        assert!(accuracy_interval(&[], &Clusters::alone(0), &Bootstrap::default()).is_err());
    }
}
