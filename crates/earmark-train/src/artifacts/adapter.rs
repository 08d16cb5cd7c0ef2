//! `adapter/`: what a run trained beside a model, for PEFT.

use std::fs;
use std::path::Path;

use earmark_error::Context as _;
use earmark_fs::AtomicFolder;
use earmark_models::{Classifier, Lora};
use serde_json::{Value, json};

use crate::artifacts::checkpoint;
use crate::error::{Doing, Error};
use crate::recipe::Recipe;

/// Writes the adapters of a checkpoint as `PeftModel.from_pretrained` of PEFT 0.21.2 reads them; `base_model` is the Hub id of the model
/// that they are for. `None` where PEFT cannot hold what was trained.
pub(crate) fn write(
    run: &Path,
    step: u64,
    recipe: &Recipe,
    base_model: Option<&str>,
    (network, lora): (&Classifier, &Lora),
) -> Result<Option<()>, Error> {
    let Some(modules) = Lora::head_modules(network) else { return Ok(None) };
    let alpha = recipe.lora_alpha.unwrap_or(recipe.lora_rank as f64);
    let commit = Some(&recipe.model_commit).filter(|commit| !commit.is_empty());
    let config = json!({
        "peft_type": "LORA",
        "task_type": null,
        "base_model_name_or_path": base_model,
        "revision": commit,
        "inference_mode": true,
        "r": recipe.lora_rank,
        "lora_alpha": if alpha.fract() == 0.0 { Value::from(alpha as u64) } else { Value::from(alpha) },
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": false,
        "init_lora_weights": true,
        "target_modules": lora.targets(),
        "modules_to_save": modules,
    });
    let folder = run.join("adapter");
    let doing = || Doing(format!("cannot write `{}`", folder.display()));
    let new = AtomicFolder::create(&folder).with_context(doing)?;
    let text = serde_json::to_string_pretty(&config).with_context(doing)? + "\n";
    fs::write(new.path().join("adapter_config.json"), text).with_context(doing)?;
    let from = checkpoint::folder(run, step).join(checkpoint::LORA);
    fs::copy(from, new.path().join("adapter_model.safetensors")).with_context(doing)?;
    new.replace().with_context(doing)?;
    Ok(Some(()))
}
