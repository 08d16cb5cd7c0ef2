//! How fast a training goes, and when it will be done.

use std::time::{Duration, Instant};

use earmark_train::Plan;

/// Measures a training from its events. Of a resumed run, only what this process does counts.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    last: Option<Instant>,
    steps: u64,
    clips: usize,
    training: Duration,
    evaluations: u32,
    evaluating: Duration,
}

impl Pace {
    /// Training begins.
    pub(crate) fn begin(&mut self) {
        self.last = Some(Instant::now());
    }

    /// A step over so many clips is done.
    pub(crate) fn step(&mut self, clips: usize) {
        let lap = self.lap();
        self.training += lap;
        self.steps += 1;
        self.clips += clips;
    }

    /// An epoch is evaluated and saved.
    pub(crate) fn epoch(&mut self) {
        let lap = self.lap();
        self.evaluating += lap;
        self.evaluations += 1;
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        self.last.replace(now).map_or(Duration::ZERO, |last| now - last)
    }

    /// Clips trained on in a second, evaluations apart.
    pub(crate) fn clips_per_second(&self) -> f64 {
        self.clips as f64 / self.training.as_secs_f64().max(1e-9)
    }

    /// The time until the run is done after `step`, with the evaluations that are still to come; `None` before the first step.
    pub(crate) fn left(&self, plan: &Plan, step: u64) -> Option<Duration> {
        let each = |time: Duration, count: f64| time.as_secs_f64() / count;
        if self.steps == 0 {
            return None;
        }
        let steps = plan.steps.saturating_sub(step) as f64 * each(self.training, self.steps as f64);
        let epochs = epochs(plan) - step / plan.steps_per_epoch.max(1);
        let evaluations = match self.evaluations {
            0 => 0.0,
            some => epochs as f64 * each(self.evaluating, some.into()),
        };
        Duration::try_from_secs_f64(steps + evaluations).ok()
    }
}

/// Epochs of the run.
pub(crate) fn epochs(plan: &Plan) -> u64 {
    plan.steps / plan.steps_per_epoch.max(1)
}

/// Clips of `epoch`, counted from 1, that are done after `step`.
pub(crate) fn clips_done(plan: &Plan, epoch: u64, step: u64) -> usize {
    let steps = step.saturating_sub((epoch.max(1) - 1) * plan.steps_per_epoch);
    usize::try_from(steps).unwrap_or(usize::MAX).saturating_mul(plan.clips_per_step).min(plan.train)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten epochs of 18 clips in steps of 4.
    fn plan() -> Plan {
        Plan {
            train: 18,
            validation: 0,
            test: 6,
            clips_per_step: 4,
            steps_per_epoch: 5,
            steps: 50,
            done: 0,
            parameters: 100,
            frozen: 0,
            adapters: 0,
            multi_label: false,
            labels: vec![],
            untrained: vec![],
            untested: vec![],
        }
    }

    #[test]
    fn the_clips_of_an_epoch_are_counted_from_its_first_step_also_after_a_resume() {
        let done = |epoch, step| clips_done(&plan(), epoch, step);
        assert_eq!((done(1, 0), done(1, 4), done(1, 5)), (0, 16, 18));
        assert_eq!((done(2, 5), done(2, 6), done(10, 50)), (0, 4, 18));
        assert_eq!(epochs(&plan()), 10);
    }

    #[test]
    fn the_time_left_is_that_of_the_whole_run_with_its_evaluations() {
        let seconds = Duration::from_secs;
        // Resumed after step 20: five steps of 2 s, and an evaluation of 3 s.
        let pace = Pace {
            steps: 5,
            training: seconds(10),
            evaluations: 1,
            evaluating: seconds(3),
            ..Pace::default()
        };
        assert_eq!(pace.left(&plan(), 25), Some(seconds(25 * 2 + 5 * 3)));
        assert_eq!(pace.left(&plan(), 50), Some(seconds(0)));
        assert_eq!(Pace::default().left(&plan(), 25), None);
    }
}
