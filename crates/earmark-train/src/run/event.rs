use crate::clips::conflicts::LabelConflict;
use crate::error::{BadClip, BrokenCheckpoint};
use crate::evaluate::records::EpochRecord;
use crate::run::job::Plan;
use crate::run::time_spent::TimeSpent;

/// What happens during a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Some of the clips have been prepared.
    Checking {
        /// Clips prepared.
        done: usize,
        /// Clips there are.
        total: usize,
    },
    /// Clips left out because the recipe says `skip_bad`.
    LeftOut(&'a [BadClip]),
    /// Sound files that are in the dataset several times, with different labels.
    LabelConflicts(&'a [LabelConflict]),
    /// Checkpoints that cannot be read, newer than the one that the run resumes from.
    PassedOver(&'a [BrokenCheckpoint]),
    /// Parameters that the checkpoint does not have, randomly initialised.
    NewParameters(&'a [String]),
    /// Training begins.
    Started(&'a Plan),
    /// The device had no memory for a batch. From now on a forward pass has fewer clips, and their gradients add up, so that a
    /// step still averages over all of its clips.
    LessMemory {
        /// Clips of one forward pass.
        clips: usize,
    },
    /// An optimizer step is done.
    Step(StepDone),
    /// Some of the clips that choose the epoch, or in the end of the held-out ones, have been evaluated.
    Evaluating {
        /// Clips evaluated.
        done: usize,
        /// Clips there are.
        total: usize,
    },
    /// An epoch is over, evaluated and saved.
    Epoch(EpochDone),
}

/// One optimizer step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepDone {
    /// Steps done so far.
    pub step: u64,
    /// Its mean loss.
    pub loss: f64,
    /// The learning rate it used.
    pub lr: f64,
    /// The gradient's norm before clipping; not finite when the step was skipped.
    pub grad_norm: f64,
    /// Clips it averaged over.
    pub clips: usize,
    /// Whether a gradient overflowed, so that the weights stayed as they were; under `fp16` only.
    pub skipped: bool,
}

/// One epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochDone {
    /// Counted from 1.
    pub epoch: u64,
    /// Mean loss of its steps, in nats.
    pub train_loss: f64,
    /// Clips per second of training, without evaluation and saving, since this process began the epoch.
    pub clips_per_second: f64,
    /// Where the time went since this process began the epoch.
    pub time: TimeSpent,
    /// Loss and accuracy on the clips that choose the epoch.
    pub record: EpochRecord,
    /// Whether no earlier epoch was as accurate.
    pub best: bool,
}

/// Called with each event of a run.
pub type Callback<'a> = dyn Fn(&Event<'_>) + Sync + 'a;
