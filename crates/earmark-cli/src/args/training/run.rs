//! Which run is meant, and what to do about what goes wrong in one.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use anyhow::{Result, bail};
use earmark_train::{ErrorKind, RunInfo, RunState, RunSummary};

use crate::output::causes::brief;
use crate::output::{messages, shell};

/// Where runs are kept: `EARMARK_RUNS`, or `runs` here.
pub(crate) fn runs_folder() -> PathBuf {
    std::env::var_os("EARMARK_RUNS").map_or_else(|| PathBuf::from("runs"), PathBuf::from)
}

/// How the time a run began becomes its folder's name.
pub(crate) const STAMP: &str = "%Y%m%d-%H%M%S";

/// The run that was named, or else the newest, finished or not, which is then printed.
pub(crate) fn find_run(named: Option<&Path>) -> Result<PathBuf> {
    match named {
        Some(run) if is_run(run) => Ok(run.to_path_buf()),
        Some(run) => bail!("`{}` is not a run folder: it has no recipe.toml", run.display()),
        None => {
            let run = newest_run()?;
            messages::note(format_args!("run      {}, the newest", run.display()));
            Ok(run)
        }
    }
}

/// The run that was named, or else the newest that was interrupted; where there is none, the newest.
pub(crate) fn find_resumable(named: Option<&Path>) -> Result<PathBuf> {
    let runs = if named.is_none() { runs_in(&runs_folder()) } else { Vec::new() };
    let can_resume = |run: &PathBuf| RunSummary::read(run).is_ok_and(|it| it.state == RunState::Resumable);
    match runs.into_iter().filter(can_resume).max_by_key(|run| (RunInfo::began(run), run.clone())) {
        Some(run) => {
            messages::note(format_args!("run      {}, the newest that was interrupted", run.display()));
            Ok(run)
        }
        None => find_run(named),
    }
}

fn is_run(folder: &Path) -> bool {
    folder.join("recipe.toml").is_file()
}

/// The run in a folder, or those up to three folders below it, as in `runs/RECIPE/TIME`.
pub(crate) fn runs_in(folder: &Path) -> Vec<PathBuf> {
    const DEEPEST: usize = 3;
    fn gather(folder: &Path, depth: usize, runs: &mut Vec<PathBuf>) {
        if is_run(folder) {
            runs.push(folder.to_path_buf());
        } else if depth < DEEPEST {
            let below = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
            below.filter(|path| path.is_dir()).for_each(|path| gather(&path, depth + 1, runs));
        }
    }
    let mut runs = Vec::new();
    gather(folder, 0, &mut runs);
    runs
}

/// The run that began last. A dry run began nothing: it has no metrics.jsonl.
fn newest_run() -> Result<PathBuf> {
    let runs = runs_folder();
    let began = runs_in(&runs).into_iter().filter(|run| run.join("metrics.jsonl").is_file());
    match began.max_by_key(|run| (RunInfo::began(run), run.clone())) {
        Some(run) => Ok(run),
        None => {
            bail!("no run in `{}` yet: start one with `{} train --sample`", runs.display(), shell::command())
        }
    }
}

/// `earmark train --resume RUN`.
pub(crate) fn resume_command(run: &Path) -> String {
    format!("{} train --resume {}", shell::command(), shell::argument(run))
}

/// Whether a split failed because of its size.
fn is_test_size(kind: &earmark_data::ErrorKind) -> bool {
    use earmark_data::ErrorKind::{EmptyPart, FewerThanClasses, LargeGroups, NotAFraction, Oversized};
    matches!(
        kind,
        EmptyPart { .. }
            | FewerThanClasses { .. }
            | LargeGroups { .. }
            | NotAFraction { .. }
            | Oversized { .. }
    )
}

/// What ended a run: its loss or gradient was no number any more, and what to do about it.
#[derive(Debug)]
struct Diverged(String);

impl fmt::Display for Diverged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Diverged {}

/// Whether a run ended because its loss or gradient was no number any more: then others, with other settings, may end well.
pub(crate) fn has_diverged(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Diverged>().is_some()
}

/// An error with what to do about it, where a flag of this command is what helps.
pub(crate) fn advise(error: earmark_train::Error) -> anyhow::Error {
    let advice = match &*error.kind {
        ErrorKind::BadClips(_) => "repair or remove them, or pass --skip-bad to leave them out",
        ErrorKind::Data(error) if is_test_size(&error.kind) => "choose another --test-size",
        ErrorKind::NotANumber { .. } => "remove them, or repair them",
        ErrorKind::Occupied(held) if held.iter().any(|name| name == "recipe.toml") => {
            "choose another --output, or name the folder to resume the run in it: `earmark train --resume DIR`"
        }
        ErrorKind::Occupied(_) => "choose another --output",
        ErrorKind::OtherLabels { .. } | ErrorKind::OtherHead { .. } => {
            "pass --new-head to replace the model's head"
        }
        ErrorKind::Config(earmark_models::ErrorKind::OtherTask(_)) => "pass --new-head to do so",
        ErrorKind::Diverged { .. } => "lower --lr, or raise --warmup-ratio",
        ErrorKind::OutOfMemory => "shorten the clips by --max-duration, or take --device cpu",
        ErrorKind::NoSuchPrecision(_) => "take --precision fp32",
        _ => return error.into(),
    };
    let earmark_train::Error { doing, kind, .. } = error;
    let said = format!("{}; {advice}", brief(&*kind));
    match *kind {
        ErrorKind::Diverged { .. } => anyhow::Error::new(Diverged(said)).context(doing),
        _ => anyhow::Error::msg(said).context(doing),
    }
}
