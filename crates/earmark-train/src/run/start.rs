//! How a run starts or resumes.

use std::fs;

use earmark_error::Context as _;
use earmark_models::{Classifier, Lora, NetworkConfig};

use crate::artifacts::checkpoint::{self, Restored, State};
use crate::artifacts::write;
use crate::clips::Clips;
use crate::error::{Doing, Error, ErrorKind};
use crate::run::event::{Callback, Event};
use crate::run::job::{Job, Start};
use crate::run::model_setup::ModelSetup;
use crate::run::split::{Parts, SplitFile, check_same};
use crate::step::optimizer::adamw;

/// The model and the state of a new run.
pub(crate) fn begin(
    job: &Job,
    start: &Start,
    labels: &[String],
    on_event: &Callback<'_>,
) -> Result<Restored, Error> {
    let Job { recipe, device, .. } = job;
    let setup = ModelSetup {
        labels,
        new_head: recipe.new_head,
        seed: recipe.seed,
        dropout: recipe.dropout,
        attention_mask: recipe.attention_mask,
        multi_label: recipe.multi_label,
        spec_augment: recipe.spec_augment(),
    };
    let model = match start {
        Start::Model(dir) => {
            let (model, new) = setup.from_checkpoint(dir, device)?;
            on_event(&Event::NewParameters(&new));
            model
        }
        Start::Scratch(config) => setup.from_scratch(NetworkConfig::clone(config), device)?,
        Start::Resume => unreachable!("a resumed run is not started"),
    };
    Ok(Restored { state: State::default(), optimizer: adamw(recipe), model, training_weights: None })
}

/// The adapters that a run trains, if it does; with the numbers of its checkpoint where it goes on.
pub(crate) fn lora(job: &Job, network: &Classifier, done: u64) -> Result<Lora, Error> {
    let Job { recipe, device, output, start, .. } = job;
    if recipe.lora_rank == 0 {
        return Ok(Lora::none());
    }
    let alpha = recipe.lora_alpha.unwrap_or(recipe.lora_rank as f64);
    let targets = recipe.lora_targets.split(',').map(str::trim).filter(|name| !name.is_empty());
    let mut targets: Vec<String> = targets.map(str::to_owned).collect();
    if targets.is_empty() {
        targets = usual_targets(network);
    }
    let lora = Lora::new(network, &targets, recipe.lora_rank, alpha, recipe.seed, device);
    let lora = lora
        .map_err(|error| ErrorKind::Value { key: "lora_targets", why: format!("cannot be used: {error}") });
    let lora = lora.with_context(|| Doing("cannot run this recipe".to_owned()))?;
    match start {
        Start::Resume => checkpoint::read_lora(output.path(), done, lora, device),
        _ => Ok(lora),
    }
}

/// The query and the value of attention, by the name that the network has for them: what PEFT adapts in networks that it knows.
pub(crate) fn usual_targets(network: &Classifier) -> Vec<String> {
    let names = Lora::layers_of(network);
    // CED has one layer for query, key and value.
    let usual: [&[&str]; 5] = [
        &["q_proj", "v_proj"],
        &["query", "value"],
        &["query_proj", "value_proj"],
        &["linear_q", "linear_v"],
        &["qkv"],
    ];
    let found =
        usual.iter().find(|usual| usual.iter().all(|name| names.contains(*name))).unwrap_or(&usual[0]);
    found.iter().map(ToString::to_string).collect()
}

/// The model and the state of the newest checkpoint.
pub(crate) fn resume(job: &Job, on_event: &Callback<'_>) -> Result<Restored, Error> {
    let (restored, broken) = checkpoint::newest(job.output.path(), &adamw(&job.recipe), &job.device)?;
    if !broken.is_empty() {
        on_event(&Event::PassedOver(&broken));
    }
    Ok(restored)
}

/// `recipe.toml` and `split.json`, before the first step. A resumed run must find the clips it began with.
pub(crate) fn write_plan(job: &Job, clips: &Clips, parts: &Parts, resumed: bool) -> Result<(), Error> {
    let run = job.output.path();
    let names = |rows: &[usize]| rows.iter().map(|&row| clips.clips()[row].name.clone()).collect();
    let hashes = |rows: &[usize]| {
        let hashes: Vec<String> = rows.iter().map(|&row| clips.sha256(row)).collect();
        // Not all are known where clips are decoded when a step needs them.
        if hashes.iter().any(String::is_empty) { Vec::new() } else { hashes }
    };
    let split = SplitFile {
        train: names(&parts.train),
        validation: names(&parts.validation),
        test: names(&parts.test),
        train_sha256: hashes(&parts.train),
        validation_sha256: hashes(&parts.validation),
        test_sha256: hashes(&parts.test),
    };
    if resumed {
        return check_same(&SplitFile::read(run)?, &split, run);
    }
    let json =
        serde_json::to_string_pretty(&split).with_context(|| Doing("cannot write the split".to_owned()))?;
    write(run, "split.json", json)?;
    // Last: it makes the folder a run.
    let written = write(run, "recipe.toml", job.recipe.to_toml());
    if written.is_err() {
        let _ = fs::remove_file(run.join("split.json"));
    }
    written
}
