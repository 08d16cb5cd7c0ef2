//! A run among several: trained, gone on with, or read.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result};
use earmark_train::{EvaluationReport, OutputFolder, Recipe, RunState, RunSummary};
use reqwest::Url;
use serde_json::Value;

use crate::args::training::run::advise;
use crate::commands::train::one::train;
use crate::commands::train::start::Prepared;
use crate::exit::{Done, usage};
use crate::output::messages;

/// Trains a run, or goes on with it, or reads what is finished.
pub(crate) fn train_member(
    prepared: Prepared,
    folder: &Path,
    dry_run: bool,
    device_name: &str,
    report_to: Option<&Url>,
    stop: &AtomicBool,
) -> Result<(Done, Option<EvaluationReport>)> {
    let before = if folder.join("recipe.toml").is_file() { Some(RunSummary::read(folder)?) } else { None };
    if let Some(before) = &before {
        check_same(before, &prepared.recipe, folder)?;
    }
    let job = match before.map(|before| (before.state, before.report)) {
        Some((RunState::Finished, Some(report))) => {
            messages::note("finished before");
            return Ok((Done::Well, Some(report)));
        }
        Some((RunState::Resumable, _)) => prepared.resumed(OutputFolder::open_run(folder).map_err(advise)?),
        found => {
            if let Some((RunState::Lost, _)) = found {
                // It was killed before its first checkpoint: there is nothing in it to go on from.
                drop(OutputFolder::open_run(folder).map_err(advise)?);
                fs::remove_dir_all(folder)
                    .with_context(|| format!("cannot remove `{}`", folder.display()))?;
            }
            prepared.job(OutputFolder::create_run(folder).map_err(advise)?)
        }
    };
    let (done, finished) = train(&job, dry_run, device_name, None, report_to, stop)?;
    Ok((done, finished.map(|finished| finished.report)))
}

/// Refuses to go on with a run of another recipe.
fn check_same(before: &RunSummary, recipe: &Recipe, folder: &Path) -> Result<()> {
    let recipe = Recipe {
        earmark: before.recipe.earmark.clone(),
        device: before.recipe.device.clone(),
        ..recipe.clone()
    };
    let (was, is) = (before.recipe.rows(), recipe.rows());
    let differs =
        is.iter().find(|row| !was.contains(row)).or_else(|| was.iter().find(|row| !is.contains(row)));
    match differs {
        None => Ok(()),
        Some((key, _)) => Err(usage(format_args!(
            "`{}` was trained with another `{key}`: give the same arguments, or choose another --output",
            folder.display()
        ))),
    }
}

/// Writes what several runs found together.
pub(crate) fn write_json(path: &Path, json: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(json)? + "\n";
    earmark_fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}
