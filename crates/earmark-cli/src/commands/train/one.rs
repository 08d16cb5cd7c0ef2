//! One run, from its job to its results.

use std::io::Write as _;
use std::panic;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use earmark_data::Clip;
use earmark_train::{
    ErrorKind, Event, Finished, FoundBatchSize, Job, Outcome, Recipe, SplitFile, Start, ValFromTrain,
    is_out_of_memory,
};
use reqwest::Url;

use crate::args::training::run::{advise, resume_command};
use crate::commands::train::report_to::Reporter;
use crate::exit::Done;
use crate::output::escape::escape;
use crate::output::training::{TrainingProgress, clips, warn_about};
use crate::output::{messages, report, shell, stdout};
use crate::upload::background::{Checked, Pusher};

/// What is said when Ctrl-C asks for an end.
pub(crate) const STOPPING: &str = "stopping after this step (Ctrl-C again stops without saving)";

/// Trains; gives how it ended, and the results of a run that is finished. `target` is where its checkpoints are pushed, `report_to`
/// where its metrics are posted. A dry run only plans.
pub(crate) fn train(
    job: &Job,
    dry_run: bool,
    device_name: &str,
    target: Option<Checked>,
    report_to: Option<&Url>,
    stop: &AtomicBool,
) -> Result<(Done, Option<Finished>)> {
    let run = job.output.path();
    let Recipe { model, dataset, .. } = &job.recipe;
    messages::note(format_args!("device   {device_name}"));
    messages::note(format_args!("recipe   {model} on {dataset}"));
    messages::note(format_args!("output   {}", run.display()));

    let progress = TrainingProgress::new();
    let pusher = target.filter(|_| !dry_run).map(|target| Pusher::start(target, run));
    let reporter = report_to.filter(|_| !dry_run).map(|url| Reporter::start(url, run));
    let on_event = |event: &Event<'_>| {
        progress.show(event);
        if let (Event::Step(_) | Event::Epoch(_), Some(reporter)) = (event, &reporter) {
            reporter.look();
        }
        if let (Event::Epoch(epoch), Some(pusher)) = (event, &pusher) {
            pusher.saved(epoch.record.step);
        }
    };
    if dry_run {
        let plan = earmark_train::plan(job, &on_event, stop);
        progress.close();
        let plan = match plan {
            Err(error) if matches!(*error.kind, ErrorKind::Interrupted) => {
                return Ok((Done::Interrupted, None));
            }
            plan => plan.map_err(advise)?,
        };
        warn_about(&plan);
        messages::note(format_args!("clips    {}", clips(&plan)));
        messages::note(format_args!(
            "dry run  {} steps; wrote recipe.toml and split.json; nothing trained",
            plan.steps
        ));
        return Ok((Done::Well, None));
    }
    let outcome = earmark_train::train(job, &on_event, stop);
    progress.close();
    if let Some(reporter) = reporter {
        reporter.finish();
    }
    if let Some(pusher) = pusher {
        pusher.finish(matches!(outcome, Ok(Outcome::Finished(_))));
    }
    let can_go_on = outcome.as_ref().err().is_some_and(|error| {
        use ErrorKind::{BadClips, Io, Model, Optimizer, OutOfMemory, Pipeline};
        matches!(*error.kind, BadClips(_) | Io(_) | Model(_) | Optimizer(_) | OutOfMemory | Pipeline(_))
    });
    if can_go_on && job.output.holds_checkpoint() {
        let saved =
            messages::Text::from("saved up to the newest checkpoint; fix the problem, then continue with");
        messages::note(saved.then(format_args!("  {}", resume_command(run))));
    }
    match outcome.map_err(advise)? {
        Outcome::Finished(finished) => Ok((Done::Well, Some(*finished))),
        Outcome::Stopped { step, steps } => {
            let stopped = messages::Text::from(format_args!(
                "stopped after step {step} of {steps} and saved; continue with"
            ));
            messages::note(stopped.then(format_args!("  {}", resume_command(run))));
            Ok((Done::Interrupted, None))
        }
        Outcome::Abandoned => {
            match job.start {
                Start::Resume => {
                    let stopped = messages::Text::from("stopped before the next step; continue with");
                    messages::note(stopped.then(format_args!("  {}", resume_command(run))));
                }
                _ => messages::note("stopped before the first step: nothing was trained"),
            }
            Ok((Done::Interrupted, None))
        }
    }
}

/// The largest batch that memory has room for; `None` where it was interrupted.
pub(crate) fn find_batch_size(
    job: &Job,
    memory_limit: Option<u64>,
    stop: &AtomicBool,
) -> Result<Option<usize>> {
    messages::note("batch    looking for the largest that memory has room for");
    let progress = TrainingProgress::new();
    let on_event = |event: &Event<'_>| progress.show(event);
    let found = earmark_train::find_batch_size(job, memory_limit, &on_event, stop);
    progress.close();
    let FoundBatchSize { clips, peak_and_limit } = match found {
        Err(error) if matches!(*error.kind, ErrorKind::Interrupted) => return Ok(None),
        found => found.map_err(advise)?,
    };
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    match peak_and_limit {
        Some([peak, limit]) => messages::note(format_args!(
            "batch    {clips}: a step takes up to {:.1} of {:.1} GiB",
            gib(peak),
            gib(limit)
        )),
        None => messages::note(format_args!("batch    {clips}")),
    }
    Ok(Some(clips))
}

pub(crate) fn print_finished(job: &Job, finished: &Finished) -> Result<()> {
    let report = &finished.report;
    let shown = |path: &Path| escape(&path.display().to_string()).into_owned();
    let (run, model) = (job.output.path(), &finished.model);
    let ties = match finished.equally_accurate {
        0 | 1 => String::new(),
        equal if report.is_multi_label() => format!(", the earliest of {equal} with this mAP"),
        equal => format!(", the earliest of {equal} with this accuracy"),
    };
    let mut out = stdout::stdout();
    if !report.is_multi_label() {
        writeln!(out, "{}", report::confusion(report))?;
    }
    writeln!(out, "{}", report::per_class(report))?;
    writeln!(out, "{} on {} held-out clips\n", report::score(report), report.n)?;
    if job.recipe.val_from_train == ValFromTrain::None && finished.epochs > 1 {
        messages::note(
            "the held-out clips also chose the epoch, which flatters their score; --val-from-train 0.1 lets others choose it",
        );
    }
    if finished.stopped_early {
        let patience = job.recipe.early_stopping_patience;
        let epochs = if patience == 1 { "the last epoch was" } else { "its last epochs were" };
        let better = if report.is_multi_label() { "better by their mAP" } else { "more accurate" };
        writeln!(
            out,
            "stopped  after epoch {} of {}: {epochs} not {better}, and early_stopping_patience is {patience}",
            finished.epochs, job.recipe.epochs
        )?;
    }
    writeln!(out, "best     epoch {}{ties}", finished.best_epoch)?;
    writeln!(out, "run      {}\nmodel    {}", shown(run), shown(model))?;
    writeln!(out, "report   {}\n", shown(&run.join("report.html")))?;
    writeln!(out, "next:    {}", escape(&next_command(job, model)))?;
    Ok(())
}

/// What works as it stands: to classify a held-out clip, or where no clip is a file of its own, to score the run again.
fn next_command(job: &Job, model: &Path) -> String {
    let held_out = SplitFile::read(job.output.path()).map(|split| split.test).unwrap_or_default();
    let is_held_out =
        |clip: &&Clip| held_out.contains(&clip.name) && earmark_audio::has_audio_extension(&clip.path);
    let command = shell::command();
    match job.dataset.clips.iter().find(is_held_out) {
        Some(clip) => {
            let [clip, model] = [&clip.path, model].map(shell::argument);
            format!("{command} classify {clip} --model {model}")
        }
        None => format!("{command} eval {}", shell::argument(job.output.path())),
    }
}

/// A full device is no bug, so its panic is not printed: the run goes on with smaller batches and says so, or ends with an error.
pub(crate) fn quiet_when_out_of_memory() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !is_out_of_memory(panic.payload()) {
            usual(panic);
        }
    }));
}
