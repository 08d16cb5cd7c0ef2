//! The bias-corrected and accelerated (BCa) interval of bootstrap replicates (B. Efron, 1987), made wider where there are few clusters.
//!
//! With 20 to 100 clusters of unequal size the plain percentile interval is too narrow, for three reasons that each have their remedy:
//! the replicates spread less than the estimate does (the jackknife's standard error, which is not too small, scales them), a normal
//! quantile is used with an estimated spread (Student's t with one degree of freedom less than clusters takes its place), and the
//! estimate is skewed (BCa). What that makes of the coverage is measured in `tests/eval/coverage.rs`.

use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

/// What is known of an estimate from resampling.
#[derive(Debug)]
pub(crate) struct Resampled {
    pub(crate) estimate: f64,
    /// The estimates of resampled sets of clips; at least one.
    pub(crate) replicates: Vec<f64>,
    /// The estimates without each of some disjoint groups of clusters; empty when one is undefined.
    pub(crate) jackknife: Vec<f64>,
    pub(crate) clusters: usize,
}

impl Resampled {
    /// Both ends at 95 %.
    pub(crate) fn interval(mut self) -> [f64; 2] {
        self.replicates.sort_unstable_by(f64::total_cmp);
        let (estimate, sorted) = (self.estimate, &self.replicates);
        if sorted.first() == sorted.last() {
            return [estimate.min(sorted[0]), estimate.max(sorted[0])];
        }
        let normal = Normal::standard();
        let count = sorted.len() as f64;
        let below = sorted.partition_point(|&it| it < estimate);
        let up_to = sorted.partition_point(|&it| it <= estimate);
        // Half of those that are equal; never none and never all, whose quantile is infinite.
        let share = (0.5 * (below + up_to) as f64 / count).clamp(0.5 / count, 1.0 - 0.5 / count);
        let bias = normal.inverse_cdf(share);
        let acceleration = self.acceleration();
        let width = self.width();
        let end = |z: f64| {
            let z = bias + z;
            let stretched = z / (1.0 - acceleration * z);
            // Beyond its pole the formula comes back from the other side.
            let beyond = acceleration * z >= 1.0;
            let share = if beyond { f64::from(u8::from(z > 0.0)) } else { normal.cdf(bias + stretched) };
            quantile(sorted, share)
        };
        [end(-width).min(estimate), end(width).max(estimate)]
    }

    /// By how many standard deviations of the replicates each end lies off.
    fn width(&self) -> f64 {
        let clusters = self.clusters as f64;
        let t = StudentsT::new(0.0, 1.0, clusters - 1.0).map_or(f64::NAN, |t| t.inverse_cdf(0.975));
        // Without a value for each cluster there is no scale: of many clusters it would be 1 anyway.
        if self.jackknife.len() < self.clusters {
            return t * (clusters / (clusters - 1.0)).sqrt();
        }
        let deviations = self.deviations();
        let squares: f64 = deviations.iter().map(|d| d * d).sum();
        let error = (squares * (clusters - 1.0) / clusters).sqrt();
        let mean = self.replicates.iter().sum::<f64>() / self.replicates.len() as f64;
        let variance = self.replicates.iter().map(|it| (it - mean).powi(2)).sum::<f64>();
        t * error / (variance / self.replicates.len() as f64).sqrt()
    }

    /// A sixth of the skewness of the clusters' influence on the estimate.
    fn acceleration(&self) -> f64 {
        let deviations = self.deviations();
        let squares: f64 = deviations.iter().map(|d| d * d).sum();
        let cubes: f64 = deviations.iter().map(|d| d * d * d).sum();
        if squares > 0.0 { cubes / (6.0 * squares.powf(1.5)) } else { 0.0 }
    }

    fn deviations(&self) -> Vec<f64> {
        let mean = self.jackknife.iter().sum::<f64>() / self.jackknife.len().max(1) as f64;
        self.jackknife.iter().map(|it| mean - it).collect()
    }
}

/// A quantile of sorted values, interpolated between neighbours.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = (position.floor() as usize).min(sorted.len() - 1);
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicates_that_are_all_equal_give_that_value() {
        let resampled =
            Resampled { estimate: 1.0, replicates: vec![1.0; 9], jackknife: vec![1.0; 4], clusters: 4 };
        assert_eq!(resampled.interval(), [1.0, 1.0]);
    }

    #[test]
    fn many_clusters_of_one_kind_have_the_normal_interval() {
        // Replicates at the quantiles of the standard normal distribution; 1,000 clusters of equal but opposite influence.
        let replicates =
            (1..10_000).map(|i| Normal::standard().inverse_cdf(f64::from(i) / 10_000.0)).collect();
        let influence = 1.0 / 999.0_f64.sqrt();
        let jackknife = (0..1000).map(|i| if i % 2 == 0 { influence } else { -influence }).collect();
        let [low, high] = Resampled { estimate: 0.0, replicates, jackknife, clusters: 1000 }.interval();
        // 1.9623 is the 97.5 % quantile of Student's t with 999 degrees of freedom; the replicates end at ±3.7.
        assert!((high - 1.9623).abs() < 5e-3 && (low + 1.9623).abs() < 5e-3, "{low} {high}");
    }

    #[test]
    fn two_clusters_give_all_that_the_replicates_span() {
        let replicates = vec![0.0, 0.25, 0.5, 0.5, 0.75, 1.0];
        let resampled = Resampled { estimate: 0.5, replicates, jackknife: vec![0.0, 1.0], clusters: 2 };
        let [low, high] = resampled.interval();
        assert!(low < 1e-9 && high == 1.0, "{low} {high}");
    }
}
