/// The learning rate of each optimizer step: up from 0 over the warm-up, then down to 0, linearly.
///
/// transformers 5.23.0 `get_linear_schedule_with_warmup`: the first step uses 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Schedule {
    peak: f64,
    warmup: u64,
    total: u64,
}

impl Schedule {
    pub(crate) fn new(peak: f64, warmup_ratio: f64, total: u64) -> Schedule {
        Schedule { peak, warmup: (warmup_ratio * total as f64).ceil() as u64, total }
    }

    /// The rate of the step that follows `done` finished ones.
    pub(crate) fn rate(&self, done: u64) -> f64 {
        let share = if done < self.warmup {
            done as f64 / self.warmup as f64
        } else {
            self.total.saturating_sub(done) as f64 / (self.total - self.warmup).max(1) as f64
        };
        self.peak * share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_course_warms_up_over_113_of_1130_steps() {
        let schedule = Schedule::new(5e-5, 0.1, 1130);
        assert_eq!(schedule.rate(0), 0.0);
        assert_eq!(schedule.rate(113), 5e-5);
        assert_eq!(schedule.rate(112), 5e-5 * (112.0 / 113.0));
        assert_eq!(schedule.rate(1129), 5e-5 * (1.0 / 1017.0));
        assert_eq!(schedule.rate(1130), 0.0);
    }

    #[test]
    fn without_warm_up_the_first_step_has_the_peak() {
        assert_eq!(Schedule::new(1e-3, 0.0, 10).rate(0), 1e-3);
    }

    #[test]
    fn all_warm_up_never_falls() {
        let schedule = Schedule::new(1.0, 1.0, 4);
        assert_eq!([0, 1, 2, 3].map(|done| schedule.rate(done)), [0.0, 0.25, 0.5, 0.75]);
    }
}
