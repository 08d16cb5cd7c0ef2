//! `earmark eval`.

mod args; // The flags,
mod subject; // the model and the clips that they name,
mod results; // and what is written of the scores.

use std::io::Write as _;
use std::num::NonZero;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::Result;
use earmark_labels::Scores;
use earmark_train::{Cache, Clips, ErrorKind, OutputFolder, Preparation, evaluate};

pub(crate) use self::args::Args;
use self::results::{warn_of_changes, warn_of_gaps, write_clips, write_report};
use self::subject::{Subject, number_by_model};
use crate::args::training::run::advise;
use crate::exit::Done;
use crate::interrupt;
use crate::output::escape::escape;
use crate::output::progress::bar;
use crate::output::training::warn_of_conflicts;
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
    let started = Instant::now();
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
    let opened_model = started.elapsed();
    let bar = bar(dataset.clips.len() as u64, "{msg} {bar:30} {pos}/{len} clips");
    bar.set_message("decoding");
    let mut progress = |done| bar.set_position(done as u64);
    let preparation = Preparation::new(&learner, &recipe);
    let opened = Clips::open(&dataset, preparation, cache, recipe.skip_bad, &mut progress, stop);
    let (clips, bad) = opened.map_err(advise)?;
    left_out.extend(bad);
    warn_of_changes(&clips, &held_out);
    warn_of_conflicts(&clips.label_conflicts(learner.config.labels()));
    let decoded = started.elapsed();
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
    let [opening, decoding, forward] =
        [opened_model, decoded - opened_model, started.elapsed() - decoded].map(|it| it.as_secs_f64());
    messages::detail(format_args!(
        "time     opening model and dataset {opening:.1} s, preparing clips {decoding:.1} s, forward passes {forward:.1} s"
    ));

    for clip in &left_out {
        messages::warning(format_args!("left out {}: {}", clip.path.display(), clip.why));
    }
    if !left_out.is_empty() {
        messages::warning(format_args!("left out {} in all, as --skip-bad asks", left_out.len()));
    }
    let report = evaluation.report(&dataset.name, &part, &model, learner.config.labels());
    warn_of_gaps(&report, args.model.is_none());
    let names: Vec<&str> = rows.iter().map(|&row| clips.clips()[row].name.as_str()).collect();
    if let Some(folder) = &output {
        write_report(folder.path(), &report)?;
        write_clips(folder.path(), &names, &evaluation, &learner)?;
    }
    let mut out = stdout::stdout();
    writeln!(out, "{}\n{}", tables::confusion(&report), tables::per_class(&report))?;
    let which = if args.model.is_none() { "held-out clips" } else { "clips" };
    writeln!(out, "{} on {} {which}", tables::score(&report), report.n)?;
    let scores = Scores::for_problem_type(learner.config.problem_type());
    let mistakes = evaluation.mistakes(&names, learner.config.labels(), scores);
    if let Some(mistakes) = tables::mistakes(&mistakes) {
        let all = match &output {
            Some(folder) => {
                format!("every clip is in {}", folder.path().join("predictions.parquet").display())
            }
            None => "pass -o DIR to write every clip to DIR/predictions.parquet".to_owned(),
        };
        writeln!(out, "\n{mistakes}{}", escape(&all))?;
    }
    Ok(if left_out.is_empty() { Done::Well } else { Done::InPart })
}
