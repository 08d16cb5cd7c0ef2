use std::ops::AddAssign;
use std::time::Duration;

/// Where the time of a training went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeSpent {
    /// Waiting for the next batch: decoding and extraction are slower than the device.
    pub waiting: Duration,
    /// Forward and backward passes, and the optimizer.
    pub computing: Duration,
    /// Evaluating the held-out clips.
    pub evaluating: Duration,
    /// Writing checkpoints.
    pub saving: Duration,
}

impl TimeSpent {
    /// Optimizer steps alone, with the waiting for their batches.
    pub(crate) fn training(&self) -> Duration {
        self.waiting + self.computing
    }
}

impl AddAssign for TimeSpent {
    fn add_assign(&mut self, other: TimeSpent) {
        self.waiting += other.waiting;
        self.computing += other.computing;
        self.evaluating += other.evaluating;
        self.saving += other.saving;
    }
}
