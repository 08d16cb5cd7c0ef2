//! `earmark runs`: a list of runs, and two of them side by side.

use std::cmp::Reverse;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args as ClapArgs, Subcommand};
use earmark_train::{RunInfo, RunState, RunSummary};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::args::training::run::{find_run, runs_folder, runs_in};
use crate::exit::Done;
use crate::output::clock::duration;
use crate::output::escape::escape;
use crate::output::{columns, messages, stdout};

const EXAMPLES: &str = "\
Examples:
  earmark runs
  earmark runs experiments --json
  earmark runs diff runs/sample/20261127-101500 runs/sample/20261127-114000";

/// List training runs, or compare two of them.
///
/// Each run has a line: when it began, its model and dataset, the best accuracy on its held-out clips with the epoch, the
/// optimizer steps done, and whether it is finished or can be resumed. The newest comes first.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// Run folders, or folders with runs in them [default: runs]
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Diff(DiffArgs),
}

/// Compare two runs: the settings that differ, and the results side by side.
#[derive(Debug, ClapArgs)]
struct DiffArgs {
    /// First run folder
    #[arg(value_name = "RUN_A")]
    a: PathBuf,

    /// Second run folder
    #[arg(value_name = "RUN_B")]
    b: PathBuf,

    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    match &args.command {
        None => list(args),
        Some(Command::Diff(args)) => diff(args),
    }
}

fn list(args: &Args) -> Result<Done> {
    let folders = if args.folders.is_empty() { vec![runs_folder()] } else { args.folders.clone() };
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in &folders {
        let runs = runs_in(folder);
        if runs.is_empty() && !args.folders.is_empty() {
            bail!("there is no run in `{}`", folder.display());
        }
        paths.extend(runs);
    }
    paths.sort_by_cached_key(|run| Reverse((RunInfo::began(run), run.clone())));
    paths.dedup();
    if paths.is_empty() {
        messages::note(format_args!("there is no run in `{}` yet", runs_folder().display()));
    }

    let (mut runs, mut done) = (Vec::new(), Done::Well);
    for path in paths {
        match RunSummary::read(&path) {
            Ok(run) => runs.push((path, run)),
            Err(error) => {
                messages::warning(messages::failure(&error.into()));
                done = Done::InPart;
            }
        }
    }
    let mut out = stdout::stdout();
    if args.json {
        let runs: Vec<Value> = runs.iter().map(|(path, run)| to_json(path, run)).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&runs)?)?;
    } else if !runs.is_empty() {
        let header = ["run", "began", "model", "dataset", "best accuracy", "steps", "state"];
        writeln!(out, "{}", columns::left(header, runs.iter().map(|(path, run)| row(path, run))))?;
    }
    Ok(done)
}

fn row(path: &Path, run: &RunSummary) -> [String; 7] {
    let best = run.best().map_or_else(
        || NONE.to_owned(),
        |best| {
            let epoch = best.epoch.round();
            // Clips of the training part chose the epoch: their accuracy is not that of the held-out clips.
            let (score, clips) = match (run.split.validation.is_empty(), &run.report) {
                (false, Some(report)) if report.is_multi_label() => {
                    (report.mean_average_precision().unwrap_or_default(), "")
                }
                (false, Some(report)) => (report.accuracy, ""),
                (true, _) => (best.score(), ""),
                (false, None) => (best.score(), ", validation"),
            };
            let map = if best.multi_label.is_some() { " mAP" } else { "" };
            format!("{score:.4}{map} (epoch {epoch}{clips})")
        },
    );
    [
        path.display().to_string(),
        began(path),
        run.recipe.model.clone(),
        run.recipe.dataset.clone(),
        best,
        format!("{}/{}", run.step, run.steps),
        state(run.state).to_owned(),
    ]
}

/// What stands in a table where there is no value.
const NONE: &str = "–";

fn state(state: RunState) -> &'static str {
    match state {
        RunState::Planned => "dry run",
        RunState::Running => "running",
        RunState::Resumable => "resumable",
        RunState::Finished => "finished",
        _ => "stopped, nothing saved",
    }
}

/// When a run began, as the clock on the wall showed it.
fn began(run: &Path) -> String {
    let time = RunInfo::began(run).and_then(|time| Timestamp::try_from(time).ok());
    time.map_or_else(
        || NONE.to_owned(),
        |time| time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string(),
    )
}

fn to_json(path: &Path, run: &RunSummary) -> Value {
    let began = RunInfo::began(path).and_then(|time| Timestamp::try_from(time).ok());
    json!({
        "run": earmark_fs::text(path),
        "began": began.map(|time| time.to_string()),
        "seconds": run.info.as_ref().map(RunInfo::seconds),
        "command": run.info.as_ref().map(|info| &info.command).filter(|command| !command.is_empty()),
        "model": run.recipe.model,
        "dataset": run.recipe.dataset,
        "train_clips": run.split.train.len(),
        "validation_clips": run.split.validation.len(),
        "held_out_clips": run.split.test.len(),
        "best": run.best(),
        "step": run.step,
        "steps": run.steps,
        "state": state(run.state),
        "report": run.report,
    })
}

fn diff(args: &DiffArgs) -> Result<Done> {
    let [a, b] =
        [&args.a, &args.b].map(|path| find_run(Some(path)).and_then(|run| Ok(RunSummary::read(&run)?)));
    let (a, b) = (a?, b?);
    let rows_of = |run: &RunSummary| run.recipe.rows();
    let mut keys: Vec<String> = rows_of(&a).into_iter().chain(rows_of(&b)).map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    let value =
        |run: &RunSummary, key: &str| rows_of(run).into_iter().find(|row| row.0 == key).map(|row| row.1);
    let settings: Vec<_> = keys
        .into_iter()
        .map(|key| (value(&a, &key), value(&b, &key), key))
        .filter(|(of_a, of_b, _)| of_a != of_b)
        .collect();
    let same = a.has_same_held_out_clips(&b);

    let mut out = stdout::stdout();
    if args.json {
        let settings: Vec<Value> =
            settings.iter().map(|(a, b, key)| json!({"key": key, "a": a, "b": b})).collect();
        let (a, b) = (to_json(&args.a, &a), to_json(&args.b, &b));
        let all = json!({"settings": settings, "same_held_out_clips": same, "a": a, "b": b});
        writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        return Ok(Done::Well);
    }
    let [name_a, name_b] = [&args.a, &args.b].map(|path| escape(&path.display().to_string()).into_owned());
    let shown = |value: Option<String>| value.filter(|text| !text.is_empty()).unwrap_or(NONE.to_owned());
    let settings = settings.into_iter().map(|(a, b, key)| [key, shown(a), shown(b)]);
    writeln!(out, "{}\n", columns::left(["setting", &name_a, &name_b], settings))?;
    let results = results(&a).into_iter().zip(results(&b)).map(|((name, a), (_, b))| [name.to_owned(), a, b]);
    writeln!(out, "{}", columns::left(["result", &name_a, &name_b], results))?;
    if !same {
        messages::warning("the two runs held out other clips, so their scores are not comparable");
    }
    Ok(Done::Well)
}

/// What came of a run, name and value.
fn results(run: &RunSummary) -> [(&'static str, String); 10] {
    let best = run.best();
    let four = |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), |value| format!("{value:.4}"));
    let report = run.report.as_ref();
    let interval = report.map(|report| report.accuracy_interval);
    let seconds = run.info.as_ref().map(|info| Duration::from_secs_f64(info.seconds().clamp(0.0, 1e12)));
    [
        ("accuracy", four(report.map(|it| it.accuracy).or(best.map(|it| it.eval_accuracy)))),
        ("95 % interval", interval.map_or(NONE.to_owned(), |[low, high]| format!("{low:.3} to {high:.3}"))),
        ("macro F1", four(report.map(|report| report.macro_f1))),
        ("eval loss", four(report.map(|it| it.loss).or(best.map(|it| it.eval_loss)))),
        ("best epoch", best.map_or(NONE.to_owned(), |best| best.epoch.round().to_string())),
        ("train clips", run.split.train.len().to_string()),
        ("held-out clips", run.split.test.len().to_string()),
        ("steps", format!("{}/{}", run.step, run.steps)),
        ("training time", seconds.map_or(NONE.to_owned(), duration)),
        ("state", state(run.state).to_owned()),
    ]
}
