use earmark_error::Context as _;
use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, SeedableRng as _};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Task};
use crate::intervals::bca::Resampled;
use crate::intervals::clusters::Clusters;
use crate::scores::counted;

/// Resamples whole clusters of clips, with replacement, and computes a number anew from each such set.
///
/// The same seed gives the same interval on every machine and with any number of threads: each replicate has its own stream of ChaCha.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// Resampled sets; at least 100.
    pub replicates: usize,
    /// Determines which clusters each of them has.
    pub seed: u64,
}

impl Default for Bootstrap {
    /// 2,000 replicates: another seed moves an end of the interval by about a fiftieth of its width.
    fn default() -> Self {
        Self { replicates: 2_000, seed: 42 }
    }
}

/// A number with its 95 % interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BootstrapInterval {
    /// The number, of all clips.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Clusters that were resampled. With fewer than 20 of them the interval covers less often than it should.
    pub clusters: usize,
    /// Resampled sets.
    pub replicates: usize,
    /// Of these, the sets for which the number is undefined, which are left out.
    pub undefined: usize,
}

impl Bootstrap {
    /// Values of the jackknife at most: of more clusters it leaves out several at a time.
    const JACKKNIFE: usize = 200;

    /// The mean of a value of each clip: 1 and 0 for right and wrong give the accuracy, [losses](crate::SingleLabel::losses) the log loss.
    ///
    /// # Errors
    /// [`ErrorKind::Count`] when there is not one value for each clip; [`ErrorKind::ValueNotFinite`] names the row of a value that is NaN
    /// or infinite; [`ErrorKind::NoClips`], [`ErrorKind::OneCluster`]; [`ErrorKind::TooFew`] with fewer than 100 replicates.
    pub fn mean(&self, values: &[f64], clusters: &Clusters) -> Result<BootstrapInterval, Error> {
        let sums = || {
            counted("values", clusters.clips(), values.len())?;
            if let Some(row) = values.iter().position(|value| !value.is_finite()) {
                return Err(ErrorKind::ValueNotFinite { row, value: values[row] });
            }
            let sum = |rows: &Vec<usize>| rows.iter().map(|&row| values[row]).sum::<f64>();
            Ok(clusters.members().iter().map(|rows| (sum(rows), rows.len() as f64)).collect::<Vec<_>>())
        };
        let sums = sums().context(Task::Resample)?;
        self.interval(clusters.len(), |drawn| {
            let (sum, clips) = drawn
                .iter()
                .fold((0.0, 0.0), |(sum, clips), &cluster| (sum + sums[cluster].0, clips + sums[cluster].1));
            Some(sum / clips)
        })
        .context(Task::Resample)
    }

    /// Any number that can be computed from some of the clips, such as the macro F1 or the difference of two models' mAP.
    ///
    /// `statistic` gets the rows of a resampled set, where a row may be several times, and returns `None` where the number is undefined.
    /// It is called once for each replicate, and once more for each cluster, at most 200 times.
    ///
    /// ```
    /// use earmark_eval::{Bootstrap, Clusters, ConfusionMatrix};
    ///
    /// let (truth, predicted) = ([0, 1, 1, 0, 1, 0], [0, 1, 0, 0, 1, 1]);
    /// let clusters = Clusters::new(&["a", "a", "b", "b", "c", "c"]);
    /// let macro_f1 = |rows: &[usize]| {
    ///     let pairs = rows.iter().map(|&row| (truth[row], predicted[row]));
    ///     Some(ConfusionMatrix::from_pairs(2, pairs).macro_f1())
    /// };
    /// let interval = Bootstrap::default().statistic(&clusters, macro_f1)?;
    /// assert!(interval.low < interval.estimate && interval.estimate < interval.high);
    /// # Ok::<(), earmark_eval::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NoClips`], [`ErrorKind::OneCluster`]; [`ErrorKind::TooFew`] with fewer than 100 replicates;
    /// [`ErrorKind::Undefined`] when the number is undefined or not finite for all clips, or for more than half of the replicates.
    pub fn statistic(
        &self,
        clusters: &Clusters,
        statistic: impl Fn(&[usize]) -> Option<f64> + Sync,
    ) -> Result<BootstrapInterval, Error> {
        self.interval(clusters.len(), |drawn| {
            let rows: Vec<usize> =
                drawn.iter().flat_map(|&cluster| clusters.members()[cluster].iter().copied()).collect();
            statistic(&rows)
        })
        .context(Task::Resample)
    }

    /// Of a number that can be computed from some of the clusters.
    fn interval(
        &self,
        clusters: usize,
        of: impl Fn(&[usize]) -> Option<f64> + Sync,
    ) -> Result<BootstrapInterval, ErrorKind> {
        match clusters {
            0 => return Err(ErrorKind::NoClips),
            1 => return Err(ErrorKind::OneCluster),
            _ if self.replicates < 100 => {
                let what = "the number of bootstrap replicates";
                return Err(ErrorKind::TooFew { what, least: 100, got: self.replicates });
            }
            _ => {}
        }
        let of = |drawn: &[usize]| of(drawn).filter(|value| value.is_finite());
        let all: Vec<usize> = (0..clusters).collect();
        let estimate = of(&all).ok_or(ErrorKind::Undefined { undefined: 1, samples: 1 })?;
        let replicate = |replicate: usize| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(replicate as u64);
            let drawn: Vec<usize> = all.iter().map(|_| below(clusters, &mut rng)).collect();
            of(&drawn)
        };
        let replicates: Vec<f64> = (0..self.replicates).into_par_iter().filter_map(replicate).collect();
        let undefined = self.replicates - replicates.len();
        if undefined > self.replicates / 2 {
            return Err(ErrorKind::Undefined { undefined, samples: self.replicates });
        }
        let groups = clusters.min(Self::JACKKNIFE);
        let without = |group: usize| {
            let rest: Vec<usize> = all.iter().copied().filter(|cluster| cluster % groups != group).collect();
            of(&rest)
        };
        let jackknife: Option<Vec<f64>> = (0..groups).into_par_iter().map(without).collect();
        let resampled =
            Resampled { estimate, replicates, jackknife: jackknife.unwrap_or_default(), clusters };
        let [low, high] = resampled.interval();
        Ok(BootstrapInterval { estimate, low, high, clusters, replicates: self.replicates, undefined })
    }
}

/// A number from 0 to below `most`: the same from the same stream whatever version of `rand` there is.
fn below(most: usize, rng: &mut ChaCha8Rng) -> usize {
    ((u128::from(rng.next_u64()) * most as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 30 clusters of one to five clips, each clip right or wrong.
    fn clips() -> (Vec<f64>, Clusters) {
        let keys: Vec<usize> = (0..30).flat_map(|cluster| vec![cluster; 1 + cluster % 5]).collect();
        let values = keys.iter().enumerate().map(|(row, cluster)| f64::from(u8::from(row * cluster % 7 > 1)));
        (values.collect(), Clusters::new(&keys))
    }

    #[test]
    fn an_interval_does_not_depend_on_the_number_of_threads() {
        let (values, clusters) = clips();
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Bootstrap::default().mean(&values, &clusters).unwrap())
        };
        let one = with(1);
        assert_eq!(one, with(3));
        assert!(one.low < one.estimate && one.estimate < one.high, "{one:?}");
        assert_ne!(one, Bootstrap { seed: 1, ..Bootstrap::default() }.mean(&values, &clusters).unwrap());
    }

    #[test]
    fn the_mean_is_one_of_the_statistics() {
        let (values, clusters) = clips();
        let mean =
            |rows: &[usize]| Some(rows.iter().map(|&row| values[row]).sum::<f64>() / rows.len() as f64);
        let bootstrap = Bootstrap { replicates: 300, seed: 7 };
        assert_eq!(
            bootstrap.statistic(&clusters, mean).unwrap(),
            bootstrap.mean(&values, &clusters).unwrap()
        );
    }

    #[test]
    fn undefined_replicates_are_counted_and_too_many_are_refused() {
        let clusters = Clusters::alone(10);
        let bootstrap = Bootstrap::default();
        let has = |row: usize| move |rows: &[usize]| rows.contains(&row).then_some(rows.len() as f64);
        // A set of ten draws lacks a given one of ten with probability 0.9^10 = 0.35.
        let interval = bootstrap.statistic(&clusters, has(3)).unwrap();
        assert!((550..850).contains(&interval.undefined), "{interval:?}");
        let both = |rows: &[usize]| has(3)(rows).and(has(4)(rows)).and(has(5)(rows));
        let error = bootstrap.statistic(&clusters, both).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Undefined { samples: 2_000, .. }), "{error:?}");
        assert!(bootstrap.statistic(&clusters, |_| Some(f64::NAN)).is_err());
    }

    #[test]
    fn what_cannot_be_resampled_is_refused() {
        let kind = |values: &[f64], clusters: &Clusters| {
            Bootstrap::default().mean(values, clusters).unwrap_err().kind
        };
        assert!(matches!(kind(&[1.0, 0.0], &Clusters::new(&[1, 1])), ErrorKind::OneCluster));
        assert!(matches!(kind(&[], &Clusters::alone(0)), ErrorKind::NoClips));
        assert!(matches!(kind(&[1.0], &Clusters::alone(2)), ErrorKind::Count { expected: 2, got: 1, .. }));
        let not_finite = kind(&[1.0, f64::NAN], &Clusters::alone(2));
        assert!(matches!(not_finite, ErrorKind::ValueNotFinite { row: 1, .. }));
        let few = Bootstrap { replicates: 99, seed: 0 }.mean(&[1.0, 0.0], &Clusters::alone(2)).unwrap_err();
        assert!(matches!(few.kind, ErrorKind::TooFew { least: 100, got: 99, .. }));
    }
}
