use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, ChiSquared, ContinuousCDF as _, DiscreteCDF as _};

/// How the p-value was computed; in JSON `exact` or `chi-square`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum McNemarTest {
    /// Of the binomial distribution, with fewer than 25 clips on which only one model is right.
    Exact,
    /// Of the chi-square distribution with one degree of freedom and the continuity correction, with more.
    ChiSquare,
}

/// McNemar's test of whether two models are right equally often, for clips that are independent. Where clips belong together its p-value
/// is too small, and the interval of [`Comparison`](crate::Comparison) is what counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Clips that only the first model classifies correctly.
    pub only_first: u64,
    /// Clips that only the second model classifies correctly.
    pub only_second: u64,
    /// Which distribution the p-value is of.
    pub test: McNemarTest,
    /// Probability of at least this difference if the models were equally good; two-sided.
    pub p_value: f64,
}

impl McNemar {
    /// Clips with one right answer from which the chi-square distribution is used, as is common.
    const EXACT_BELOW: u64 = 25;

    /// Tests the numbers of clips on which only one of the models is right.
    pub fn new(only_first: u64, only_second: u64) -> Self {
        let discordant = only_first.saturating_add(only_second);
        let (test, p_value) = if discordant < Self::EXACT_BELOW {
            (McNemarTest::Exact, exact(only_first.min(only_second), discordant))
        } else {
            (McNemarTest::ChiSquare, chi_square(only_first.abs_diff(only_second), discordant))
        };
        Self { only_first, only_second, test, p_value }
    }
}

fn exact(fewer: u64, discordant: u64) -> f64 {
    let binomial = Binomial::new(0.5, discordant).expect("0.5 is a probability");
    (2.0 * binomial.cdf(fewer)).min(1.0)
}

fn chi_square(difference: u64, discordant: u64) -> f64 {
    // Not below 0: two equal numbers would otherwise be told apart by the correction itself.
    let corrected = difference.saturating_sub(1) as f64;
    let statistic = corrected * corrected / discordant as f64;
    ChiSquared::new(1.0).expect("one degree of freedom").sf(statistic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_that_are_right_on_the_same_clips_do_not_differ() {
        let same = McNemar::new(0, 0);
        assert_eq!((same.test, same.p_value), (McNemarTest::Exact, 1.0));
        assert_eq!(McNemar::new(50, 50).p_value, 1.0);
        assert_eq!(McNemar::new(12, 12).p_value, 1.0);
    }

    #[test]
    fn the_order_of_the_models_does_not_matter() {
        for (first, second) in [(3, 9), (40, 11)] {
            assert_eq!(McNemar::new(first, second).p_value, McNemar::new(second, first).p_value);
        }
    }

    #[test]
    fn counts_of_any_size_have_a_p_value() {
        assert_eq!(McNemar::new(u64::MAX, 0).p_value, 0.0);
        assert_eq!(McNemar::new(u64::MAX, u64::MAX).p_value, 1.0);
    }
}
