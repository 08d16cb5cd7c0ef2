use std::f64::consts::PI;

use crate::recipe::{Recipe, ScheduleKind};

/// The share of the peak learning rate that each optimizer step uses: up from 0 over the warm-up, then as its kind says.
///
/// transformers 5.23.0 `optimization.py`: with a warm-up the first step uses 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Schedule {
    kind: ScheduleKind,
    warmup: u64,
    total: u64,
}

impl Schedule {
    pub(crate) fn new(recipe: &Recipe, total: u64) -> Schedule {
        let warmup = match recipe.schedule {
            ScheduleKind::Constant => 0,
            _ => (recipe.warmup_ratio * total as f64).ceil() as u64,
        };
        Schedule { kind: recipe.schedule, warmup, total }
    }

    /// The share of the step that follows `done` finished ones.
    pub(crate) fn share(&self, done: u64) -> f64 {
        if done < self.warmup {
            return done as f64 / self.warmup as f64;
        }
        let steps = (self.total - self.warmup).max(1) as f64;
        match self.kind {
            ScheduleKind::Linear => self.total.saturating_sub(done) as f64 / steps,
            ScheduleKind::Cosine => {
                let progress = (done - self.warmup) as f64 / steps;
                // Half a cosine: `num_cycles` of the reference is 0.5.
                (0.5 * (1.0 + (PI * progress).cos())).max(0.0)
            }
            ScheduleKind::Constant | ScheduleKind::ConstantWithWarmup => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(schedule: ScheduleKind, warmup_ratio: f64, total: u64) -> Schedule {
        Schedule::new(&Recipe { schedule, warmup_ratio, ..Recipe::new("name", "model", "data") }, total)
    }

    #[test]
    fn the_course_warms_up_over_113_of_1130_steps() {
        let schedule = schedule(ScheduleKind::Linear, 0.1, 1130);
        assert_eq!(schedule.share(0), 0.0);
        assert_eq!(schedule.share(113), 1.0);
        assert_eq!(schedule.share(112), 112.0 / 113.0);
        assert_eq!(schedule.share(1129), 1.0 / 1017.0);
        assert_eq!(schedule.share(1130), 0.0);
    }

    #[test]
    fn without_warm_up_the_first_step_has_the_peak() {
        assert_eq!(schedule(ScheduleKind::Linear, 0.0, 10).share(0), 1.0);
        assert_eq!(schedule(ScheduleKind::Cosine, 0.0, 10).share(0), 1.0);
    }

    #[test]
    fn all_warm_up_never_falls() {
        let schedule = schedule(ScheduleKind::Linear, 1.0, 4);
        assert_eq!([0, 1, 2, 3].map(|done| schedule.share(done)), [0.0, 0.25, 0.5, 0.75]);
    }

    #[test]
    fn a_cosine_is_half_way_down_in_the_middle() {
        let schedule = schedule(ScheduleKind::Cosine, 0.2, 10);
        assert_eq!([0, 1, 2].map(|done| schedule.share(done)), [0.0, 0.5, 1.0]);
        assert!((schedule.share(6) - 0.5).abs() < 1e-15);
        assert!(schedule.share(9) > 0.0 && schedule.share(10) < 1e-15);
    }

    #[test]
    fn a_constant_rate_rises_only_where_it_says_so() {
        let rising = schedule(ScheduleKind::ConstantWithWarmup, 0.5, 4);
        assert_eq!([0, 1, 2, 3].map(|done| rising.share(done)), [0.0, 0.5, 1.0, 1.0]);
        let constant = schedule(ScheduleKind::Constant, 0.5, 4);
        assert_eq!([0, 1, 2, 3].map(|done| constant.share(done)), [1.0; 4]);
    }
}
