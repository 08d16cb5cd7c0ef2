use std::any::Any;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::tensor::Device;
use earmark_error::{Context as _, chain};
use earmark_fs::AtomicFolder;
use earmark_models::{Checkpoint, Classifier, Head, Lora};
use earmark_pipeline::Pretrained;
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{BrokenCheckpoint, Doing, Error, ErrorKind};
use crate::evaluate::records::{EpochRecord, StepRecord};
use crate::step::loss_scale::LossScale;
use crate::step::trained::Trained;

const STATE: &str = "trainer_state.json";
const OPTIMIZER: &str = "optimizer.bpk";
/// The weights that the steps go on with, where `model.safetensors` has others: averages, or adapters in them.
const TRAINING: &str = "training.safetensors";
/// The adapters, as PEFT's `adapter_model.safetensors`. Not by that name, by which transformers would look for PEFT.
pub(crate) const LORA: &str = "lora.safetensors";
/// Of every other file in the folder, by name: CRC-32C of its bytes, in hexadecimal digits.
const CHECKSUMS: &str = "checksums.json";

/// No state is as large: a line for each of ten million steps.
const STATE_LIMIT: u64 = 2 << 30;
const CHECKSUMS_LIMIT: u64 = 1 << 20;

/// The progress of a run, apart from its weights and the optimizer's moments.
///
/// The order of the clips and all random numbers follow from the seed, the epoch and the step, so none of their state is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Optimizer steps done.
    pub(crate) global_step: u64,
    /// Whether the epoch that `global_step` ends has been evaluated.
    pub(crate) evaluated: bool,
    /// The step of the best checkpoint so far, and its score.
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
    #[serde(deserialize_with = "nulls_are_nan")]
    pub(crate) pending: Vec<f64>,
    /// Losses of the steps of an epoch that is not over.
    #[serde(deserialize_with = "nulls_are_nan")]
    pub(crate) epoch_losses: Vec<f64>,
    /// Of each epoch that is over, the mean loss of its steps.
    #[serde(default, deserialize_with = "nulls_are_nan")]
    pub(crate) train_losses: Vec<f64>,
    /// Every line of `metrics.jsonl` about steps.
    pub(crate) steps: Vec<StepRecord>,
    /// Every line of `metrics.jsonl` about epochs.
    pub(crate) epochs: Vec<EpochRecord>,
}

/// The checkpoint that will be the model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    pub(crate) step: u64,
    /// As [`EpochRecord::score`] has it. Called so since runs had one class a clip.
    #[serde(rename = "accuracy")]
    pub(crate) score: f64,
}

impl State {
    /// Forgets the best checkpoint if it cannot be read any more. The one at hand is then the best there is, if it was
    /// evaluated.
    fn forget_broken_best(&mut self, run: &Path, device: &Device) -> Option<BrokenCheckpoint> {
        let step = self.best?.step;
        let path = folder(run, step);
        let open = || {
            check(&path)?;
            Pretrained::open(&path, device)?;
            Ok::<_, Error>(())
        };
        // What was just restored has been read.
        let error = if step == self.global_step { None } else { open().err() }?;
        let last = self.epochs.last().filter(|_| self.evaluated);
        self.best = last.map(|last| Best { step: last.step, score: last.score() });
        Some(BrokenCheckpoint { path, why: chain(&error) })
    }
}

/// JSON has no NaN: a loss that overflowed under `fp16` is written as `null`.
fn nulls_are_nan<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
    let values = Vec::<Option<f64>>::deserialize(from)?;
    Ok(values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

/// `checkpoint-<step>` in a run folder.
pub(crate) fn folder(run: &Path, step: u64) -> PathBuf {
    run.join(format!("checkpoint-{step}"))
}

/// Writes a checkpoint: the model as `transformers` reads it, the optimizer, and the state; whole or not at all, and on the
/// disk before it has its name. `behind` are the weights that the steps go on with, where `model` has others.
pub(crate) fn save(
    run: &Path,
    model: &Pretrained,
    training_weights: Option<&Trained>,
    optimizer: &ModuleOptimizer,
    state: &State,
) -> Result<(), Error> {
    let target = folder(run, state.global_step);
    let doing = || Doing(format!("cannot write `{}`", target.display()));
    let new = AtomicFolder::create(&target).with_context(doing)?;
    let dir = new.path();
    model.save(dir)?;
    if let Some(Trained { network, lora }) = training_weights {
        network.save(&dir.join(TRAINING)).with_context(doing)?;
        if !lora.is_empty() {
            lora.save(network, &dir.join(LORA)).with_context(doing)?;
        }
    }
    let record = caught(|| optimizer.to_record()).with_context(doing)?;
    let saved = record.save(dir.join(OPTIMIZER));
    saved.map_err(|error| ErrorKind::Optimizer(error.to_string())).with_context(doing)?;
    fs::write(dir.join(STATE), serde_json::to_vec_pretty(state).with_context(doing)?).with_context(doing)?;
    let sums = checksums(dir).with_context(doing)?;
    fs::write(dir.join(CHECKSUMS), serde_json::to_vec_pretty(&sums).with_context(doing)?)
        .with_context(doing)?;
    // Evaluated or not, a step has one checkpoint.
    new.replace().with_context(doing)
}

/// What a checkpoint holds.
pub(crate) struct Restored {
    pub(crate) state: State,
    pub(crate) optimizer: ModuleOptimizer,
    /// What answers.
    pub(crate) model: Pretrained,
    /// The weights that the steps go on with, where `model` has others.
    pub(crate) training_weights: Option<Classifier>,
}

/// The adapters of a checkpoint: those of `lora`, with the numbers of its file.
pub(crate) fn read_lora(run: &Path, step: u64, lora: Lora, device: &Device) -> Result<Lora, Error> {
    let path = folder(run, step).join(LORA);
    lora.load(&path, device).with_context(|| Doing(format!("cannot resume `{}`", run.display())))
}

/// The newest checkpoint of a run that is whole; and those that are not, among the newer ones and the best.
///
/// # Errors
/// [`ErrorKind::NoCheckpoint`] or [`ErrorKind::BrokenCheckpoints`].
pub(crate) fn newest(
    run: &Path,
    optimizer: &ModuleOptimizer,
    device: &Device,
) -> Result<(Restored, Vec<BrokenCheckpoint>), Error> {
    let mut broken = Vec::new();
    for step in all(run)?.into_iter().rev() {
        let path = folder(run, step);
        match restore(&path, step, optimizer.clone(), device) {
            Ok(mut restored) => {
                broken.extend(restored.state.forget_broken_best(run, device));
                return Ok((restored, broken));
            }
            Err(error) => broken.push(BrokenCheckpoint { path, why: chain(&error) }),
        }
    }
    let kind = if broken.is_empty() { ErrorKind::NoCheckpoint } else { ErrorKind::BrokenCheckpoints(broken) };
    Err(kind).with_context(|| Doing(format!("cannot resume `{}`", run.display())))
}

fn restore(dir: &Path, step: u64, optimizer: ModuleOptimizer, device: &Device) -> Result<Restored, Error> {
    check(dir)?;
    let path = dir.join(STATE);
    let doing = || Doing(format!("cannot read `{}`", path.display()));
    let mut state: State = serde_json::from_slice(&earmark_fs::read(&path, STATE_LIMIT).with_context(doing)?)
        .with_context(doing)?;
    // A state of an earlier version does not know these means.
    while state.train_losses.len() < state.epochs.len() {
        state.train_losses.insert(0, f64::NAN);
    }
    if state.global_step != step {
        let why = format!("it is about step {}", state.global_step);
        return Err(ErrorKind::Damaged { file: STATE.to_owned(), why }).with_context(doing);
    }
    let path = dir.join(OPTIMIZER);
    let doing = || Doing(format!("cannot read `{}`", path.display()));
    earmark_fs::open(&path).with_context(doing)?;
    // burn panics on a record that is none of its own.
    let record = caught(|| OptimizerRecord::load(&path)).with_context(doing)?;
    let record = record.map_err(|error| ErrorKind::Optimizer(error.to_string())).with_context(doing)?;
    let optimizer = caught(|| optimizer.load_record(record)).with_context(doing)?;
    let (model, path) = (Pretrained::open(dir, device)?, dir.join(TRAINING));
    let doing = || Doing(format!("cannot read `{}`", path.display()));
    let training_weights = match path.exists() {
        false => None,
        true => {
            let (network, labels) = (model.config.network(), model.config.labels().len());
            let weights = Checkpoint::open_file(&path).with_context(doing)?;
            let loaded = Classifier::load(network, labels, &weights, Head::FromCheckpoint, 0, device);
            Some(loaded.with_context(doing)?.0)
        }
    };
    Ok(Restored { state, optimizer, model, training_weights })
}

/// Compares every file of a checkpoint with its checksum. One of an earlier version has none.
///
/// # Errors
/// [`ErrorKind::Damaged`] names the file.
pub(crate) fn check(dir: &Path) -> Result<(), Error> {
    let doing = || Doing(format!("cannot use `{}`", dir.display()));
    let sums = match earmark_fs::read(dir.join(CHECKSUMS), CHECKSUMS_LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && dir.is_dir() => return Ok(()),
        sums => sums.with_context(doing)?,
    };
    let sums: BTreeMap<String, String> = serde_json::from_slice(&sums).with_context(doing)?;
    for (file, sum) in sums {
        let found = checksum(&dir.join(&file));
        let why = match found {
            Ok(found) if found == sum => continue,
            Ok(found) => format!("its CRC-32C is {found}, but it was written with {sum}"),
            Err(error) => error.to_string(),
        };
        return Err(ErrorKind::Damaged { file, why }).with_context(doing);
    }
    Ok(())
}

fn checksums(dir: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut sums = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        sums.insert(entry.file_name().to_string_lossy().into_owned(), checksum(&entry.path())?);
    }
    Ok(sums)
}

fn checksum(path: &Path) -> io::Result<String> {
    let mut file = earmark_fs::open(path)?;
    let (mut crc, mut buffer) = (0, vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(format!("{crc:08x}")),
            read => crc = crc32c::crc32c_append(crc, &buffer[..read]),
        }
    }
}

/// burn panics where a device gives no numbers back, and on a record without ids.
fn caught<T>(act: impl FnOnce() -> T) -> Result<T, ErrorKind> {
    panic::catch_unwind(AssertUnwindSafe(act)).map_err(|cause| ErrorKind::Optimizer(said(cause.as_ref())))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

/// Removes the oldest checkpoints until `keep` are left; the best and the newest always stay. 0 removes none.
pub(crate) fn prune(run: &Path, keep: usize, state: &State) -> Result<(), Error> {
    if keep == 0 {
        return Ok(());
    }
    let best = state.best.map(|best| best.step);
    let mut steps = all(run)?;
    // What is no checkpoint of ours is not ours to count or to remove.
    steps.retain(|&step| folder(run, step).join(STATE).is_file());
    let mut spare = steps.len().saturating_sub(keep.max(1));
    steps.retain(|step| *step != state.global_step && Some(*step) != best);
    for step in steps {
        if spare == 0 {
            break;
        }
        let dir = folder(run, step);
        fs::remove_dir_all(&dir)
            .with_context(|| Doing(format!("cannot remove the old checkpoint `{}`", dir.display())))?;
        spare -= 1;
    }
    Ok(())
}

/// The steps of every checkpoint, whole or not, in order.
pub(crate) fn all(run: &Path) -> Result<Vec<u64>, Error> {
    let doing = || Doing(format!("cannot list the checkpoints in `{}`", run.display()));
    let mut steps = Vec::new();
    for entry in fs::read_dir(run).with_context(doing)? {
        let name = entry.with_context(doing)?.file_name();
        let step = name
            .to_str()
            .and_then(|name| name.strip_prefix("checkpoint-"))
            .and_then(|step| step.parse().ok());
        // Not `checkpoint-07`: the number has to lead back to the folder.
        steps.extend(step.filter(|&step| folder(run, step).file_name() == Some(&name)));
    }
    steps.sort_unstable();
    Ok(steps)
}
