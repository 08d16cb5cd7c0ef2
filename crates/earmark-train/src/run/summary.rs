//! What the folder of a run tells without its weights, for lists and comparisons of runs.

use std::path::Path;

use earmark_error::Context as _;
use serde_json::Value;

use crate::artifacts::checkpoint;
use crate::artifacts::run_info::RunInfo;
use crate::error::{Doing, Error};
use crate::evaluate::records::EpochRecord;
use crate::evaluate::report::EvaluationReport;
use crate::recipe::Recipe;
use crate::run::output_folder::OutputFolder;
use crate::run::split::SplitFile;

/// A line for each of ten million steps.
const LIMIT: u64 = 2 << 30;

/// A run, read from its folder.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// Its settings.
    pub recipe: Recipe,
    /// When, where and by which command it was trained; `None` for a run that has not begun, and for one of an earlier version.
    pub info: Option<RunInfo>,
    /// Its clips.
    pub split: SplitFile,
    /// The evaluation of each epoch so far.
    pub epochs: Vec<EpochRecord>,
    /// Optimizer steps done; of a run that can be resumed, those that its newest checkpoint holds.
    pub step: u64,
    /// Optimizer steps in all.
    pub steps: u64,
    /// How far it got.
    pub state: RunState,
    /// The scores of its model on the held-out clips, once it is finished.
    pub report: Option<EvaluationReport>,
}

/// How far a run got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunState {
    /// A dry run: nothing has been trained.
    Planned,
    /// A process is training it.
    Running,
    /// It stopped, and has a checkpoint to resume from.
    Resumable,
    /// It stopped before its first checkpoint.
    Lost,
    /// All steps are done, and `model/` is there.
    Finished,
}

impl RunSummary {
    /// Reads `recipe.toml`, `split.json`, and what else there is.
    ///
    /// # Errors
    /// When one of these two is missing, or a file of the run is broken.
    pub fn read(run: &Path) -> Result<RunSummary, Error> {
        let (recipe, split) = (Recipe::read(run)?, SplitFile::read(run)?);
        let path = run.join("metrics.jsonl");
        let doing = || Doing(format!("cannot read `{}`", path.display()));
        let log = match path.exists() {
            true => Some(earmark_fs::read_to_string(&path, LIMIT).with_context(doing)?),
            false => None,
        };
        let (mut epochs, mut step) = (Vec::new(), 0);
        // The last line of a run that was killed may be cut short: it has no line break.
        let lines = log.iter().flat_map(|log| log.split_inclusive('\n')).filter(|line| line.ends_with('\n'));
        for line in lines {
            let line: Value = serde_json::from_str(line).with_context(doing)?;
            step = line.get("step").and_then(Value::as_u64).unwrap_or(step);
            if line.get("eval_accuracy").is_some() {
                epochs.push(serde_json::from_value::<EpochRecord>(line).with_context(doing)?);
            }
        }
        let report = read_report(run)?.filter(|_| run.join("model").is_dir());
        let checkpoint = checkpoint::all(run)?.last().copied();
        let state = match (&report, checkpoint) {
            _ if OutputFolder::is_in_use(run) => RunState::Running,
            (Some(_), _) => RunState::Finished,
            (None, Some(done)) => {
                step = done;
                RunState::Resumable
            }
            (None, None) if log.is_none() => RunState::Planned,
            (None, None) => RunState::Lost,
        };
        let steps = recipe.steps_per_epoch(split.train.len()).saturating_mul(recipe.epochs);
        Ok(RunSummary { info: RunInfo::read(run).ok(), recipe, split, epochs, step, steps, state, report })
    }

    /// The evaluation of the best epoch so far: the most accurate, the earliest of equals.
    pub fn best(&self) -> Option<&EpochRecord> {
        self.epochs.iter().reduce(|best, epoch| if epoch.score() > best.score() { epoch } else { best })
    }

    /// Whether both runs held out the same clips. Where the files know them, their bytes are compared, too.
    pub fn has_same_held_out_clips(&self, other: &RunSummary) -> bool {
        let names = |run: &RunSummary| {
            let mut names = run.split.test.clone();
            names.sort();
            names
        };
        let bytes = |run: &RunSummary| {
            let mut bytes = run.split.test_sha256.clone();
            bytes.sort();
            bytes
        };
        let is_known = |run: &RunSummary| !run.split.test_sha256.is_empty();
        if is_known(self) && is_known(other) {
            bytes(self) == bytes(other)
        } else {
            names(self) == names(other)
        }
    }
}

fn read_report(run: &Path) -> Result<Option<EvaluationReport>, Error> {
    let path = run.join("report.json");
    if !path.exists() {
        return Ok(None);
    }
    let doing = || Doing(format!("cannot read `{}`", path.display()));
    serde_json::from_slice(&earmark_fs::read(&path, LIMIT).with_context(doing)?).with_context(doing)
}
