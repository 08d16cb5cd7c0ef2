use earmark_error::Context as _;
use serde::{Deserialize, Serialize};

use crate::compare::mcnemar::McNemar;
use crate::error::{Error, Task};
use crate::intervals::bootstrap::{Bootstrap, BootstrapInterval};
use crate::intervals::clusters::Clusters;
use crate::scores::counted;

/// Two models on the same clips.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Clips that both classified.
    pub clips: usize,
    /// Share of them that the first model classifies correctly.
    pub first_accuracy: f64,
    /// Share of them that the second model classifies correctly.
    pub second_accuracy: f64,
    /// The second accuracy less the first, with the 95 % interval of the paired bootstrap: whole clusters are resampled, and each clip keeps
    /// both of its answers. The models differ when 0 is outside. It has no width when the models are right on the same clips.
    pub difference: BootstrapInterval,
    /// Whether they differ if clips are independent.
    pub mcnemar: McNemar,
}

impl Comparison {
    /// Compares which clips each of two models classified correctly; both in the same order of clips, that of `clusters`.
    ///
    /// For another metric than accuracy give [`Bootstrap::statistic`] its difference.
    ///
    /// # Errors
    /// [`ErrorKind::Count`](crate::ErrorKind::Count) when the lengths differ, and those of [`Bootstrap::mean`].
    pub fn new(
        first: &[bool],
        second: &[bool],
        clusters: &Clusters,
        bootstrap: &Bootstrap,
    ) -> Result<Self, Error> {
        counted("predictions of the second model", first.len(), second.len()).context(Task::Compare)?;
        let pairs = || first.iter().zip(second);
        let gained = |(first, second): (&bool, &bool)| f64::from(i8::from(*second) - i8::from(*first));
        let difference = bootstrap.mean(&pairs().map(gained).collect::<Vec<_>>(), clusters)?;
        let right = |model: &[bool]| model.iter().filter(|&&right| right).count() as f64 / model.len() as f64;
        let only =
            |one: bool| pairs().filter(|&(&first, &second)| first == one && second != one).count() as u64;
        Ok(Self {
            clips: first.len(),
            first_accuracy: right(first),
            second_accuracy: right(second),
            difference,
            mcnemar: McNemar::new(only(true), only(false)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    /// 40 clips; the second model is right where the first is, and on `gained` more.
    fn models(gained: usize) -> (Vec<bool>, Vec<bool>) {
        ((0..40).map(|row| row < 20).collect(), (0..40).map(|row| row < 20 + gained).collect())
    }

    #[test]
    fn a_model_that_is_right_on_more_of_the_same_clips_is_better() {
        let (first, second) = models(10);
        let got = Comparison::new(&first, &second, &Clusters::alone(40), &Bootstrap::default()).unwrap();
        assert_eq!((got.first_accuracy, got.second_accuracy, got.difference.estimate), (0.5, 0.75, 0.25));
        assert_eq!((got.mcnemar.only_first, got.mcnemar.only_second), (0, 10));
        assert!(got.difference.low > 0.1 && got.difference.high < 0.45, "{got:?}");
        assert!(got.mcnemar.p_value < 0.01);
        // The ten clips are of one recording: that may be chance.
        let keys: Vec<usize> = (0..40).map(|row| row / 10).collect();
        let grouped = Comparison::new(&first, &second, &Clusters::new(&keys), &Bootstrap::default()).unwrap();
        assert_eq!(grouped.difference.low, 0.0);
        let (same, _) = models(0);
        let none = Comparison::new(&same, &same, &Clusters::alone(40), &Bootstrap::default()).unwrap();
        assert_eq!((none.difference.low, none.difference.high, none.mcnemar.p_value), (0.0, 0.0, 1.0));
    }

    #[test]
    fn predictions_for_other_clips_are_refused() {
        let clusters = Clusters::alone(2);
        let compared = |first: &[bool], second: &[bool]| {
            Comparison::new(first, second, &clusters, &Bootstrap::default()).unwrap_err().kind
        };
        assert!(matches!(compared(&[true, false], &[true]), ErrorKind::Count { expected: 2, got: 1, .. }));
        assert!(matches!(compared(&[true], &[true]), ErrorKind::Count { expected: 2, got: 1, .. }));
    }
}
