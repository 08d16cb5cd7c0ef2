use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use clap::builder::TypedValueParser;
use reqwest::Url;

use crate::args::audio::AudioArgs;
use crate::args::dataset::dataset_name;
use crate::args::device::DeviceArgs;
use crate::args::hub::HubArgs;
use crate::args::parse::Suggested;
use crate::args::training::recipe::RecipeArgs;
use crate::args::training::training_data::Source;
use crate::commands::train::report_to::parse_url;
use crate::exit::usage;

const EXAMPLES: &str = "\
Examples:
  # ten synthetic genres: no download
  earmark train --sample
  earmark train --data recordings --epochs 20
  earmark train --data recordings --split-by stratified --output runs/first
  # few recordings, some classes rare: keep what the model knows of sound
  earmark train --data recordings --freeze feature-encoder \\
    --class-weights balanced --early-stopping-patience 3
  earmark train --data recordings --from-scratch sample
  earmark train --dataset minds14:en-AU --model facebook/wav2vec2-xls-r-300m
  earmark train --dataset esc50 --split-by fold:fold=1 --new-head \\
    --model MIT/ast-finetuned-audioset-10-10-0.4593
  earmark train --recipe runs/esc50/1/recipe.toml --lr 1e-4 \\
    --set adam_betas=0.9,0.98
  # adapters of rank 8 and the head alone, also written for PEFT
  earmark train --data recordings --lora-rank 8 --lr 1e-3
  # a column of lists, or of names such as dog|rain: any number of classes
  earmark train --data recordings --multi-label
  # the five official folds of ESC-50, an epoch chosen by another fold
  earmark train --dataset esc50 --cv fold --val-from-train fold \\
    --output runs/esc50-folds
  # continue the newest run
  earmark train --resume";

/// Fine-tune a model on your own recordings.
///
/// Without arguments it repeats the Hugging Face audio course: DistilHuBERT on GTZAN, 10 epochs. --data trains on a folder
/// of your own, --dataset on a published dataset.
///
/// The run folder holds recipe.toml, split.json, run.json, metrics.jsonl, tensorboard/, checkpoints, report.html and model/: the
/// weights of the epoch with the best accuracy on the held-out clips (the earliest if tied), in the layout that
/// transformers loads. Ctrl-C saves the state and stops; --resume continues.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, allow_negative_numbers = true)]
pub(crate) struct Args {
    /// Model to fine-tune: a Hub id (owner/name, or owner/name@REVISION), a folder in Hugging Face layout, or a run's folder
    /// [default: ntu-spml/distilhubert].
    #[arg(long, value_name = "ID|DIR", help_heading = "Model and data")]
    pub(crate) model: Option<String>,

    /// Train a randomly initialised network instead: sample, distilhubert, hubert-base, or a config.json.
    #[arg(long, value_name = "PRESET|FILE", value_parser = network(), hide_possible_values = true, conflicts_with = "model", help_heading = "Model and data")]
    pub(crate) from_scratch: Option<String>,

    /// Folder of clips: a sub-folder per class, or with metadata.csv, metadata.jsonl or Parquet files.
    #[arg(long, value_name = "DIR", conflicts_with = "dataset", help_heading = "Model and data")]
    pub(crate) data: Option<PathBuf>,

    /// Dataset by name: sample, a published one such as minds14:en-AU (see `earmark data list`), or OWNER/NAME of Parquet files on
    /// the Hub [default: gtzan].
    #[arg(long, value_name = "NAME[:CONFIG]", value_parser = dataset_name(), hide_possible_values = true, help_heading = "Model and data")]
    pub(crate) dataset: Option<String>,

    /// Train a small new network on the built-in synthetic sample: no download, a few minutes on a CPU.
    #[arg(long, conflicts_with_all = ["data", "dataset"], help_heading = "Model and data")]
    pub(crate) sample: bool,

    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,

    /// With --batch-size auto on the CPU: the memory that the process may take [default: four fifths of what is free].
    #[arg(long, value_name = "GIB", value_parser = gibibytes, help_heading = "Training")]
    pub(crate) memory_limit: Option<u64>,

    #[command(flatten)]
    pub(crate) audio: AudioArgs,

    /// Run folder, new or empty [default: runs/NAME/TIME].
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub(crate) output: Option<PathBuf>,

    /// Continue a stopped run: this run folder, or else the newest. Its recipe cannot be changed.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["output", "dry_run", "recipe"], help_heading = "Run")]
    pub(crate) resume: Option<Option<PathBuf>>,

    /// Train so many times, with seeds that count up from the seed, on one split, and print mean, deviation and interval of the
    /// scores. The runs lie below the run folder; the same command with --output goes on where it stopped.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=1000), conflicts_with_all = ["resume", "push_to_hub"], help_heading = "Several runs")]
    pub(crate) seeds: Option<u64>,

    /// Cross-validate: train once for each value of this field, such as fold or speaker, and hold out the clips that have it. Mean,
    /// deviation and interval are printed, and the runs kept, as with --seeds.
    #[arg(long, value_name = "FIELD", conflicts_with_all = ["resume", "push_to_hub", "seeds"], help_heading = "Several runs")]
    pub(crate) cv: Option<String>,

    /// Check model, clips and settings and write recipe.toml and split.json, but train nothing. The same --output can be trained
    /// afterwards.
    #[arg(long, help_heading = "Run")]
    pub(crate) dry_run: bool,

    /// Post the lines of metrics.jsonl to this http or https address as they are written: newline-delimited JSON, with the whole log
    /// once more after --resume. A server that fails does not stop the run.
    #[arg(long, value_name = "URL", value_parser = parse_url, help_heading = "Run")]
    pub(crate) report_to: Option<Url>,

    #[command(flatten)]
    pub(crate) device: DeviceArgs,

    #[command(flatten)]
    pub(crate) hub: HubArgs,

    /// Push every checkpoint to this Hub repository, and at the end the model with its card. Without OWNER/, your own.
    #[arg(long, value_name = "OWNER/NAME", help_heading = "Hub")]
    pub(crate) push_to_hub: Option<String>,

    /// Create that repository as private, if it does not exist.
    #[arg(long, requires = "push_to_hub", help_heading = "Hub")]
    pub(crate) hub_private: bool,
}

/// So many GiB, in bytes.
fn gibibytes(text: &str) -> Result<u64, String> {
    match text.parse::<f64>() {
        Ok(gib) if gib > 0.0 && gib < 1e6 => Ok((gib * f64::from(1 << 30)) as u64),
        _ => Err("expected a number of GiB above 0".to_owned()),
    }
}

/// Any text; shells complete the presets.
fn network() -> impl TypedValueParser<Value = String> {
    Suggested::new(|text| Ok(text.to_owned()), earmark_train::PRESETS.iter().map(|(name, _)| *name))
}

impl Args {
    /// The recipe's arguments, with those that other commands have, too, and those about the model.
    pub(crate) fn recipe(&self) -> Result<RecipeArgs> {
        let mut recipe = self.recipe.clone();
        if let Some(model) = &self.model {
            recipe.choose("model", model, "--model");
        }
        if let Some(network) = &self.from_scratch {
            recipe.choose("model", &format!("scratch:{network}"), "--from-scratch");
        }
        if let Some(resampler) = self.audio.chosen_resampler() {
            recipe.choose("resampler", resampler.name(), "--resampler");
        }
        if let Some(downmix) = self.audio.chosen_downmix() {
            recipe.choose("downmix", downmix.name(), "--downmix");
        }
        recipe.check_once().map_err(usage)?;
        Ok(recipe)
    }

    /// Where the clips come from, and the argument that says so.
    pub(crate) fn source(&self) -> Option<(Source, &'static str)> {
        match (self.sample, &self.dataset, &self.data) {
            (true, ..) => Some((Source::Sample, "--sample")),
            (_, Some(name), _) => Some((Source::named(name), "--dataset")),
            (_, None, Some(folder)) => Some((Source::Folder(folder.clone()), "--data")),
            (_, None, None) => None,
        }
    }
}
