use serde::{Deserialize, Serialize};

/// The number that the loss is multiplied by, so that small gradients do not vanish in 16-bit floats.
///
/// `torch.amp.GradScaler` of 2.9.0: it halves when a gradient overflows, and that step is not taken; it doubles after
/// 2 000 steps without one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct LossScale {
    scale: f64,
    /// Steps since it last changed.
    good: u64,
}

impl Default for LossScale {
    fn default() -> Self {
        LossScale { scale: 65_536.0, good: 0 }
    }
}

impl LossScale {
    const PATIENCE: u64 = 2_000;

    pub(crate) fn factor(&self) -> f64 {
        self.scale
    }

    /// The scale for the next step, given whether the gradients of this one were finite.
    #[must_use]
    pub(crate) fn after(self, finite: bool) -> LossScale {
        match (finite, self.good + 1) {
            (false, _) => LossScale { scale: self.scale / 2.0, good: 0 },
            (true, Self::PATIENCE) => LossScale { scale: self.scale * 2.0, good: 0 },
            (true, good) => LossScale { good, ..self },
        }
    }

    /// Whether no scale will help: a gradient that overflows below this does so without one, too.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.scale < 2_f64.powi(-10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_at_an_overflow_and_doubles_after_two_thousand_good_steps() {
        let overflowed = LossScale::default().after(true).after(false);
        assert_eq!(overflowed, LossScale { scale: 32_768.0, good: 0 });
        let almost = (0..1_999).fold(overflowed, |scale, _| scale.after(true));
        assert_eq!(almost.factor(), 32_768.0);
        assert_eq!(almost.after(true), LossScale { scale: 65_536.0, good: 0 });
        // An overflow restarts the count.
        assert_eq!(almost.after(false).after(true).factor(), 16_384.0);
    }

    #[test]
    fn gives_up_below_a_thousandth() {
        let halved = |times| (0..times).fold(LossScale::default(), |scale, _| scale.after(false));
        assert!(!halved(26).is_hopeless());
        assert!(halved(27).is_hopeless());
    }
}
