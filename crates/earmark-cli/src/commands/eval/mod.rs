//! `earmark eval`.

mod args; // The flags,
mod subject; // the model and the clips that they name,
mod results; // and what is written of the scores.

use std::io::Write as _;
use std::num::NonZero;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Result;
use earmark_train::{Cache, Clips, ErrorKind, OutputFolder, Preparation, evaluate};

pub(crate) use self::args::Args;
use self::results::{warn_of_changes, warn_of_gaps, write_clips, write_report};
use self::subject::{Subject, number_by_model};
use crate::args::run::advise;
use crate::exit::Done;
use crate::interrupt;
use crate::output::progress::bar;
use crate::output::{messages, report as tables, stdout};

pub(crate) fn run(args: &Args) -> Result<Done> {
    // There is nothing to save: whoever loads a model or writes a file meanwhile is not waited for.
    let stop = interrupt::asked("stopping: nothing is scored", Some(Duration::from_millis(800)))?;
    match score(args, &stop) {
        Err(error) if is_interrupted(&error) => Ok(Done::Interrupted),
        done => done,
    }
}

fn is_interrupted(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<earmark_train::Error>();
    error.is_some_and(|error| matches!(*error.kind, ErrorKind::Interrupted))
}

fn score(args: &Args, stop: &AtomicBool) -> Result<Done> {
    let (device, _) = args.compute.open()?;
    // Now, so that nothing is scored in vain, and nobody else writes to it meanwhile.
    let output = args.output.as_ref().map(OutputFolder::create).transpose().map_err(advise)?;
    let cache = Cache::of_user();
    let subject = match &args.model {
        Some(model) => Subject::of_model(args, model, &device, cache.clone(), stop)?,
        None => Subject::of_run(args, &device)?,
    };
    let Subject { learner, model, recipe, dataset, part, mut left_out, held_out } = subject;
    let dataset = number_by_model(dataset, &learner)?;
    let bar = bar(dataset.clips.len() as u64, "{msg} {bar:30} {pos}/{len} clips {eta} left");
    bar.set_message("decoding");
    let mut progress = |done| bar.set_position(done as u64);
    let preparation = Preparation::new(&learner, &recipe);
    let opened = Clips::open(&dataset, preparation, cache, recipe.skip_bad, &mut progress, stop);
    let (clips, bad) = opened.map_err(advise)?;
    left_out.extend(bad);
    warn_of_changes(&clips, &held_out);
    bar.set_message("evaluating");
    bar.reset();
    let mut rows: Vec<usize> = (0..clips.clips().len()).collect();
    let batch_size = args.eval_batch_size.map_or(recipe.eval_batch_size, NonZero::get).max(1);
    let evaluation = loop {
        match evaluate(&learner.network, &device, &clips, &rows, batch_size, &mut progress, stop) {
            Err(mut error) => match &mut *error.kind {
                ErrorKind::NotANumber { rows: bad, clips } if recipe.skip_bad => {
                    rows.retain(|row| !bad.contains(row));
                    left_out.append(clips);
                }
                _ => return Err(advise(error)),
            },
            Ok(evaluation) => break evaluation,
        }
    };
    bar.finish_and_clear();

    for clip in &left_out {
        messages::warning(format_args!("left out {}: {}", clip.path.display(), clip.why));
    }
    if !left_out.is_empty() {
        messages::warning(format_args!("left out {} in all, as --skip-bad asks", left_out.len()));
    }
    let report = evaluation.report(&dataset.name, &part, &model, learner.config.labels());
    warn_of_gaps(&report);
    if let Some(folder) = &output {
        write_report(folder.path(), &report)?;
        let names: Vec<&str> = rows.iter().map(|&row| clips.clips()[row].name.as_str()).collect();
        write_clips(folder.path(), &names, &evaluation, &learner)?;
    }
    let mut out = stdout::stdout();
    writeln!(out, "{}\n{}", tables::confusion(&report), tables::per_class(&report))?;
    writeln!(out, "{} on {} clips", tables::score(&report), report.n)?;
    Ok(if left_out.is_empty() { Done::Well } else { Done::InPart })
}
