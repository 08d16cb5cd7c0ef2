//! How a run starts or resumes.

use std::fs;

use earmark_error::Context as _;
use earmark_models::NetworkConfig;

use crate::artifacts::checkpoint::{self, Restored, State};
use crate::artifacts::write;
use crate::clips::Clips;
use crate::error::{Doing, Error};
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
    Ok(Restored { state: State::default(), optimizer: adamw(recipe), model })
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
    let hashes = |rows: &[usize]| rows.iter().map(|&row| clips.sha256(row)).collect();
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
