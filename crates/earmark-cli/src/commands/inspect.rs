use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::Args as ClapArgs;
use earmark_config::{Extractor, Family, Object, family};
use earmark_features::Preprocessor;
use earmark_models::{Checkpoint, ErrorKind, ModelConfig, WEIGHT_FILES};
use earmark_pipeline::find_extractor;
use serde_json::Value;

use crate::args::hub::HubArgs;
use crate::args::model;
use crate::exit::Done;
use crate::output::causes::brief;
use crate::output::escape::escape;
use crate::output::stdout;

const EXAMPLES: &str = "\
Examples:
  earmark inspect MIT/ast-finetuned-speech-commands-v2
  earmark inspect ./model --keys";

/// Describe a model: architecture, labels, sampling rate, parameters.
///
/// It only reads the files, so it also describes models that earmark cannot run.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Model: a Hub id (owner/name, or owner/name@REVISION), a folder in Hugging Face layout, or a run's folder.
    #[arg(value_name = "ID|DIR")]
    model: String,

    /// List every label.
    #[arg(long)]
    labels: bool,

    /// List every tensor with its shape and dtype.
    #[arg(long)]
    keys: bool,

    #[command(flatten)]
    hub: HubArgs,
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    let folder = model::folder(&args.model, &args.hub)?;
    let path = folder.join("config.json");
    let text = earmark_config::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let json = earmark_config::object(&text).with_context(|| format!("cannot use `{}`", path.display()))?;
    let kind = json.get("model_type").and_then(Value::as_str).unwrap_or("not named");
    let known = family(kind);

    let mut out = stdout::stdout();
    let mut line = |name: &str, text: &str| writeln!(out, "{name:<13} {}", escape(text));
    line("folder", &folder.display().to_string())?;
    line("model type", &format!("{kind}{}", if known.is_some() { "" } else { " (not supported)" }))?;
    if let Some(class) = json.get("architectures").and_then(|classes| classes.get(0)?.as_str()) {
        line("architecture", class)?;
    }
    line("input", &input(&folder, &json))?;
    let has_weights = WEIGHT_FILES.iter().any(|name| folder.join(name).symlink_metadata().is_ok());
    let checkpoint = has_weights.then(|| Checkpoint::open(&folder)).transpose()?;
    // A model that cannot be run may describe its labels in ways of its own.
    let labels = match ModelConfig::from_json(&text) {
        Ok(config) => labels(config, &folder, checkpoint.as_ref(), args.labels)?,
        Err(error) if known.is_some_and(Family::has_head) => {
            return Err(error).with_context(|| format!("cannot use `{}`", path.display()));
        }
        Err(_) => NONE.to_owned(),
    };
    line("labels", &labels)?;
    if let Some(problem) = json.get("problem_type").and_then(Value::as_str) {
        line("problem type", problem)?;
    }

    let Some(checkpoint) = checkpoint else {
        line("weights", &format!("none: expected one of {}", WEIGHT_FILES.join(", ")))?;
        return Ok(Done::Well);
    };
    let mut by_type: BTreeMap<String, usize> = BTreeMap::new();
    let (mut tensors, mut numbers) = (0, 0);
    for (_, shape, dtype) in checkpoint.tensors() {
        let count: usize = shape.iter().product();
        *by_type.entry(format!("{dtype:?}")).or_default() += count;
        tensors += 1;
        numbers += count;
    }
    let types: Vec<String> = by_type.iter().map(|(name, count)| format!("{count} {name}")).collect();
    line("weights", &checkpoint.path().display().to_string())?;
    line("parameters", &format!("{numbers} in {tensors} tensors ({})", types.join(", ")))?;
    if args.keys {
        for (key, shape, dtype) in checkpoint.tensors() {
            writeln!(out, "  {} {shape:?} {dtype:?}", escape(key))?;
        }
    }
    Ok(Done::Well)
}

/// What the extractor makes, the rate, and the file that says so.
fn input(folder: &Path, config: &Object) -> String {
    match find_extractor(folder, config) {
        Ok(Some((path, preprocessor))) => {
            let makes = match &preprocessor {
                Preprocessor::Wav2Vec2(_) => "the waveform itself",
                Preprocessor::Ast(_) | Preprocessor::SeamlessM4T(_) => "a Kaldi filter bank",
                Preprocessor::Whisper(_) | Preprocessor::Clap(_) | Preprocessor::Ced(_) => {
                    "a log-mel spectrogram"
                }
                _ => "features",
            };
            let file = path.file_name().unwrap_or_default().display();
            format!("{makes}, {} ({file})", preprocessor.sampling_rate())
        }
        Ok(None) => {
            let model = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
            let files = "neither processor_config.json nor preprocessor_config.json is there";
            match Extractor::of(model) {
                Some(Extractor::Wav2Vec2) => {
                    format!("{files}: assuming normalised clips at 16000 Hz")
                }
                _ => files.to_owned(),
            }
        }
        Err(error) => brief(&error),
    }
}

const NONE: &str = "none";

/// The labels by which it classifies; those of a whole Whisper are languages.
fn labels(config: ModelConfig, folder: &Path, checkpoint: Option<&Checkpoint>, all: bool) -> Result<String> {
    let config = match checkpoint {
        None => config,
        Some(checkpoint) => match config.for_classification(folder, checkpoint) {
            Err(earmark_models::Error { kind: ErrorKind::NoLanguages(why), .. }) => {
                return Ok(format!("{NONE}: {why}"));
            }
            Err(earmark_models::Error { kind: ErrorKind::OtherTask(task), .. }) => {
                return Ok(format!("{NONE}: {task}"));
            }
            // What a config may have and a classifier may not.
            Err(earmark_models::Error { kind: why @ ErrorKind::BadConfig { .. }, .. }) => {
                return Ok(format!("{NONE}: {why}"));
            }
            config => config?,
        },
    };
    Ok(shown(config.labels(), if all { usize::MAX } else { 8 }))
}

/// How many there are, and the first of them.
fn shown(labels: &[String], most: usize) -> String {
    if labels.is_empty() {
        return NONE.to_owned();
    }
    let first = labels.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if labels.len() > most { ", … (see --labels)" } else { "" };
    format!("{}: {first}{more}", labels.len())
}
