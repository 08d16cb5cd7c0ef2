//! One training run, from the first clip to the model folder.

pub(crate) mod job; // Read first: what a run needs,
pub(crate) mod event; // and what it reports.
pub(crate) mod time_spent;
pub(crate) mod split;
mod order;
pub(crate) mod output_folder;
pub(crate) mod model_setup;
pub(crate) mod start;
pub(crate) mod batch_size;
pub(crate) mod training;
pub(crate) mod export;
pub(crate) mod summary;

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use earmark_error::Attempt as _;

use crate::error::{Doing, Error, ErrorKind};
use crate::run::event::Callback;
use crate::run::job::{Job, Outcome, Plan};
use crate::run::training::Run;

/// Runs a job to its end, or until `stop` becomes true.
///
/// The recipe and the split are in the run folder before the first step. Each epoch ends with an evaluation and a
/// checkpoint; files, checkpoints and the model are on the disk before they get their names, so a power cut leaves the last
/// whole ones.
///
/// # Errors
/// When the clips, the model or the recipe cannot be used, the run diverges, or a file cannot be written.
pub fn train(job: &Job, on_event: &Callback<'_>, stop: &AtomicBool) -> Result<Outcome, Error> {
    let mut run = match Run::open(job, on_event, stop) {
        Err(error) if matches!(*error.kind, ErrorKind::Interrupted) => return Ok(Outcome::Abandoned),
        opened => opened?,
    };
    let finished = match run.fit(stop)? {
        ControlFlow::Continue(()) => run.finish(stop),
        ControlFlow::Break(()) => Err(Doing("cannot go on".to_owned()).failed(ErrorKind::Interrupted)),
    };
    match finished {
        Ok(finished) => Ok(Outcome::Finished(Box::new(finished))),
        Err(error) if matches!(*error.kind, ErrorKind::Interrupted) => {
            Ok(Outcome::Stopped { step: run.state.global_step, steps: run.plan.steps })
        }
        Err(error) => Err(error),
    }
}

/// Does everything that [`train`] does before the first step: the clips and the model are read, the recipe and the
/// split are written.
///
/// # Errors
/// As [`train`].
pub fn plan(job: &Job, on_event: &Callback<'_>, stop: &AtomicBool) -> Result<Plan, Error> {
    Ok(Run::open(job, on_event, stop)?.plan)
}
