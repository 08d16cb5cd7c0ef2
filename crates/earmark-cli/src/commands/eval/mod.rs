//! `earmark eval`, and `earmark calibrate`, which scores clips as well.

mod args; // The flags,
mod subject; // the model and the clips that they name,
mod model; // and the prompts of a model that reads labels.
mod score; // Their scores,
mod shard;
mod progress;
mod record; // how they are kept,
mod saved;
mod summary; // summed up,
mod page; // shown,
mod results; // and written.
mod multi_label; // The same of clips that may have any number of classes.
mod merge; // The parts of an evaluation as one.
mod compare; // Two evaluations of the same clips.
mod published; // Evaluations that have a name.
mod calibration; // What is fitted on the scores: probabilities, and thresholds.

use std::sync::Arc;

use anyhow::Result;

pub(crate) use self::args::Args;
use self::args::{ScoreArgs, What};
pub(crate) use self::calibration::args::Args as CalibrateArgs;
pub(crate) use self::calibration::calibrate::run as calibrate;
use self::progress::{PATIENCE, Position};
use crate::exit::Done;
use crate::interrupt;

pub(crate) fn run(args: &Args) -> Result<Done> {
    match &args.what {
        None => score(&args.score),
        Some(What::Compare(args)) => compare::run(args),
        Some(What::Merge(args)) => merge::run(args),
    }
}

fn score(args: &ScoreArgs) -> Result<Done> {
    let position = Arc::new(Position::new("an evaluation with -o DIR can be resumed"));
    let notice = match args.output {
        Some(_) => "stopping; the same command resumes the evaluation (Ctrl-C again quits at once)",
        None => "stopping (Ctrl-C again quits at once)",
    };
    let last = Arc::clone(&position);
    let stop = interrupt::asked_then(notice, PATIENCE, move || last.interrupted())?;
    let score = |args: &ScoreArgs| match score::score(args, &position, &stop) {
        Err(error) if score::is_interrupted(&error) => {
            position.interrupted();
            Ok((Done::Interrupted, None))
        }
        done => done,
    };
    match published::named(args.run.as_deref()) {
        Some(evaluations) => published::run(evaluations, args, score),
        None => score(args).map(|(done, _)| done),
    }
}
