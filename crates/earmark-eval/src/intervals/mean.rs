use statrs::distribution::{ContinuousCDF as _, StudentsT};

/// What several measurements of one thing say: their mean, and how far it may be off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanInterval {
    /// The mean.
    pub mean: f64,
    /// The standard deviation of the measurements, with n − 1.
    pub deviation: f64,
    /// The 95 % interval of the mean by Student's t. For measurements that are independent: folds that share their training clips
    /// are not quite.
    pub interval: [f64; 2],
}

impl MeanInterval {
    /// `None` for fewer than two measurements.
    pub fn new(values: &[f64]) -> Option<MeanInterval> {
        if values.len() < 2 {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (squares / (n - 1.0)).sqrt();
        let t = StudentsT::new(0.0, 1.0, n - 1.0).ok()?.inverse_cdf(0.975);
        let half_width = t * deviation / n.sqrt();
        Some(MeanInterval { mean, deviation, interval: [mean - half_width, mean + half_width] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.t.interval(0.95, 4, loc=x.mean(), scale=scipy.stats.sem(x))` of SciPy 1.17.1.
    #[test]
    fn five_measurements_have_the_interval_that_scipy_gives() {
        let got = MeanInterval::new(&[0.8, 0.85, 0.75, 0.9, 0.7]).unwrap();
        assert!((got.mean - 0.8).abs() < 1e-15);
        assert!((got.deviation - 0.079_056_941_504_209_5).abs() < 1e-14);
        for (got, want) in got.interval.into_iter().zip([0.701_837_841_926_122_2, 0.898_162_158_073_877_9]) {
            assert!((got - want).abs() < 1e-7, "{got} {want}");
        }
    }

    #[test]
    fn one_measurement_has_no_spread() {
        assert_eq!(MeanInterval::new(&[0.5]), None);
        assert_eq!(MeanInterval::new(&[0.5, 0.5]).unwrap().interval, [0.5, 0.5]);
    }
}
