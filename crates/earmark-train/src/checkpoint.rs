use std::fs;
use std::path::{Path, PathBuf};

use burn::optim::{ModuleOptimizer, OptimizerRecord};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, While as _};
use crate::landing::land_folder;
use crate::loss_scale::LossScale;
use crate::metrics::{EpochRecord, StepRecord};
use earmark_pipeline::Pretrained;

const STATE: &str = "trainer_state.json";
const OPTIMIZER: &str = "optimizer.bpk";

/// Where a run stands, apart from its weights and the optimizer's moments.
///
/// Orders and random draws are functions of the seed, the epoch and the step, so the step is all it takes to go on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Optimizer steps done.
    pub(crate) global_step: u64,
    /// Whether the epoch that `global_step` ends has been evaluated.
    pub(crate) evaluated: bool,
    /// The step of the best checkpoint so far, and its accuracy.
    pub(crate) best: Option<Best>,
    /// Steps not taken because a gradient overflowed; the learning rate did not move with them.
    #[serde(default)]
    pub(crate) skipped: u64,
    /// What the loss is multiplied by under `fp16`.
    #[serde(default)]
    pub(crate) loss_scale: LossScale,
    /// Clips of one forward pass, where the device had no room for the recipe's batch.
    #[serde(default)]
    pub(crate) most_clips: Option<usize>,
    /// Losses of the steps since the last line of `metrics.jsonl`.
    pub(crate) pending: Vec<f64>,
    /// Losses of the steps of an epoch that is not over.
    pub(crate) epoch_losses: Vec<f64>,
    /// Every line of `metrics.jsonl` about steps.
    pub(crate) steps: Vec<StepRecord>,
    /// Every line of `metrics.jsonl` about epochs.
    pub(crate) epochs: Vec<EpochRecord>,
}

/// The checkpoint that will be the model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    pub(crate) step: u64,
    pub(crate) accuracy: f64,
}

/// `checkpoint-<step>` in a run folder.
pub(crate) fn folder(run: &Path, step: u64) -> PathBuf {
    run.join(format!("checkpoint-{step}"))
}

/// Writes a checkpoint: the model as `transformers` reads it, the optimizer, and the state; whole or not at all.
pub(crate) fn save(
    run: &Path,
    learner: &Pretrained,
    optimizer: &ModuleOptimizer,
    state: &State,
) -> Result<(), Error> {
    land_folder(&folder(run, state.global_step), |dir| {
        let doing = || format!("cannot write the checkpoint of step {}", state.global_step);
        learner.save(dir)?;
        optimizer
            .save(dir.join(OPTIMIZER))
            .map_err(|e| ErrorKind::Optimizer(e.to_string()).while_(doing()))?;
        let text = serde_json::to_vec_pretty(state).while_(doing)?;
        fs::write(dir.join(STATE), text).while_(doing)
    })
}

/// The newest checkpoint of a run: its folder and state.
pub(crate) fn newest(run: &Path) -> Result<(PathBuf, State), Error> {
    let steps = all(run)?;
    let Some(&step) = steps.last() else {
        return Err(ErrorKind::NoCheckpoint.while_(format!("cannot resume `{}`", run.display())));
    };
    let dir = folder(run, step);
    let doing = || format!("cannot resume from `{}`", dir.display());
    let state = serde_json::from_slice(&fs::read(dir.join(STATE)).while_(doing)?).while_(doing)?;
    Ok((dir, state))
}

/// The optimizer with the moments a checkpoint holds.
pub(crate) fn restore(optimizer: ModuleOptimizer, dir: &Path) -> Result<ModuleOptimizer, Error> {
    let path = dir.join(OPTIMIZER);
    let record = OptimizerRecord::load(&path).map_err(|e| {
        ErrorKind::Optimizer(e.to_string()).while_(format!("cannot read `{}`", path.display()))
    })?;
    Ok(optimizer.load_record(record))
}

/// Removes the oldest checkpoints until `keep` are left; the best and the newest always stay. 0 removes none.
pub(crate) fn prune(run: &Path, keep: usize, state: &State) -> Result<(), Error> {
    if keep == 0 {
        return Ok(());
    }
    let best = state.best.map(|best| best.step);
    let mut steps = all(run)?;
    let mut spare = steps.len().saturating_sub(keep.max(1));
    steps.retain(|step| *step != state.global_step && Some(*step) != best);
    for step in steps {
        if spare == 0 {
            break;
        }
        let dir = folder(run, step);
        fs::remove_dir_all(&dir)
            .while_(|| format!("cannot remove the old checkpoint `{}`", dir.display()))?;
        spare -= 1;
    }
    Ok(())
}

/// The steps of every whole checkpoint, in order.
fn all(run: &Path) -> Result<Vec<u64>, Error> {
    let doing = || format!("cannot list the checkpoints in `{}`", run.display());
    let mut steps = Vec::new();
    for entry in fs::read_dir(run).while_(doing)? {
        let name = entry.while_(doing)?.file_name();
        let step = name
            .to_str()
            .and_then(|name| name.strip_prefix("checkpoint-"))
            .and_then(|step| step.parse().ok());
        if let Some(step) = step
            && folder(run, step).join(STATE).is_file()
        {
            steps.push(step);
        }
    }
    steps.sort_unstable();
    Ok(steps)
}
