//! Which run is meant, and what to do about what goes wrong in one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use earmark_train::ErrorKind;

use crate::output::causes::brief;
use crate::output::shell;

/// Where runs are kept: `EARMARK_RUNS`, or `runs` here.
pub(crate) fn runs_folder() -> PathBuf {
    std::env::var_os("EARMARK_RUNS").map_or_else(|| PathBuf::from("runs"), PathBuf::from)
}

/// The run that was named, or else the newest, finished or not.
pub(crate) fn find_run(named: Option<&Path>) -> Result<PathBuf> {
    match named {
        Some(run) if run.join("recipe.toml").is_file() => Ok(run.to_path_buf()),
        Some(run) => bail!("`{}` is not a run folder: it has no recipe.toml", run.display()),
        None => newest_run(),
    }
}

/// How the time a run began becomes its folder's name.
pub(crate) const STAMP: &str = "%Y%m%d-%H%M%S";

/// The run that began last, of those that did: a dry run leaves no metrics.jsonl.
fn newest_run() -> Result<PathBuf> {
    let runs = runs_folder();
    let mut newest = None;
    for recipe in fs::read_dir(&runs).into_iter().flatten().flatten() {
        for run in fs::read_dir(recipe.path()).into_iter().flatten().flatten() {
            let path = run.path();
            if path.join("recipe.toml").is_file() && path.join("metrics.jsonl").is_file() {
                newest = newest.max(Some((age(&run.file_name().to_string_lossy()), path)));
            }
        }
    }
    match newest {
        Some((_, path)) => Ok(path),
        None => {
            bail!("no run in `{}` yet: start one with `{} train --sample`", runs.display(), shell::command())
        }
    }
}

/// What orders runs by the time they began: the time, and the number of those of one second.
fn age(name: &str) -> (String, u64) {
    let mut parts = name.splitn(3, '-');
    let time = [parts.next().unwrap_or_default(), parts.next().unwrap_or_default()].join("-");
    (time, parts.next().and_then(|number| number.parse().ok()).unwrap_or(1))
}

/// `earmark train --resume RUN`.
pub(crate) fn resume_command(run: &Path) -> String {
    format!("{} train --resume {}", shell::command(), shell::argument(run))
}

/// An error with what to do about it, where a flag of this command is what helps.
pub(crate) fn advise(error: earmark_train::Error) -> anyhow::Error {
    let advice = match &*error.kind {
        ErrorKind::BadClips(_) => "repair or remove them, or pass --skip-bad to leave them out",
        ErrorKind::NotANumber { .. } => "remove them, or repair them",
        ErrorKind::Occupied(held) if held.iter().any(|name| name == "recipe.toml") => {
            "choose another --output, or go on with the run in it by `earmark train --resume`"
        }
        ErrorKind::Occupied(_) => "choose another --output",
        ErrorKind::OtherLabels { .. } | ErrorKind::OtherHead { .. } => {
            "pass --new-head to replace the model's head"
        }
        ErrorKind::Diverged { .. } => "lower --lr, or raise --warmup-ratio",
        ErrorKind::OutOfMemory => "shorten the clips by --max-duration, or take --device cpu",
        ErrorKind::NoSuchPrecision(_) => "take --precision fp32",
        _ => return error.into(),
    };
    let earmark_train::Error { doing, kind, .. } = error;
    anyhow::anyhow!("{}; {advice}", brief(&*kind)).context(doing)
}
