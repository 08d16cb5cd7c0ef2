use std::num::NonZero;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use earmark_train::Setting;

use crate::args::audio::AudioArgs;
use crate::args::dataset::dataset_name;
use crate::args::device::ComputeArgs;
use crate::args::hub::HubArgs;

const EXAMPLES: &str = "\
Examples:
  # the newest run
  earmark eval
  earmark eval runs/sample/20261123-101500 -o scores
  earmark eval --model ./model --data recordings --split all -o scores
  earmark eval --model MIT/ast-finetuned-speech-commands-v2 \\
    --dataset speech-commands:v0.02-words -o scores
  earmark eval --dataset gtzan \\
    --model sanchit-gandhi/distilhubert-finetuned-gtzan";

/// Score a model on held-out clips.
///
/// Without --model it evaluates a run (RUN, or else the newest): the exported model is loaded again and scored on the run's
/// held-out clips, which are decoded as in its training. With --model it evaluates any model on a published dataset or on
/// your own clips.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, allow_negative_numbers = true)]
pub(crate) struct Args {
    /// Run folder [default: the newest run].
    #[arg(value_name = "RUN", conflicts_with_all = ["model", "data", "dataset"])]
    pub(super) run: Option<PathBuf>,

    /// Model to evaluate in place of a run: a Hub id, a folder in Hugging Face layout, or a run's folder.
    #[arg(long, value_name = "ID|DIR")]
    pub(super) model: Option<String>,

    /// Folder of clips: a sub-folder per class, or with metadata.csv, metadata.jsonl or Parquet files.
    #[arg(long, value_name = "DIR", requires = "model")]
    pub(super) data: Option<PathBuf>,

    /// Published dataset, see `earmark data list`. With --data, that folder is a copy of it.
    #[arg(long, value_name = "NAME[:CONFIG]", value_parser = dataset_name(), hide_possible_values = true, requires = "model")]
    pub(super) dataset: Option<String>,

    /// Column holding the class, or folder1, folder2 … for the folders, outermost first [default: label, labels, class, classes,
    /// category, genre, intent_class or target, else the only column or folder left].
    #[arg(long, value_name = "NAME", requires = "model", conflicts_with = "run")]
    pub(super) label_column: Option<String>,

    /// Clips to score: a split of the dataset; if it has none or only one, test (the clips that training with this --test-size
    /// and --seed holds out), train (the others) or all.
    #[arg(long, value_name = "PART", default_value = "test", requires = "model", conflicts_with = "run")]
    pub(super) split: String,

    /// Held-out clips: a fraction below 1, or a number of clips.
    #[arg(long, value_name = "SHARE", value_parser = test_size, default_value = "0.1", requires = "model", conflicts_with = "run")]
    pub(super) test_size: f64,

    /// Seed of the split.
    #[arg(long, value_name = "N", default_value_t = 42, requires = "model", conflicts_with = "run")]
    pub(super) seed: u64,

    /// Truncate clips to this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, requires = "model", conflicts_with = "run")]
    pub(super) max_duration: f64,

    /// Clips per batch [default: 8, or the run's].
    #[arg(long, value_name = "N")]
    pub(super) eval_batch_size: Option<NonZero<usize>>,

    /// Skip clips that cannot be used, with a warning, instead of stopping.
    #[arg(long)]
    pub(super) skip_bad: bool,

    #[command(flatten)]
    pub(super) audio: AudioArgs,

    /// Write report.json, predictions.parquet and confusion_matrix.svg to this folder, new or empty.
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,

    #[command(flatten)]
    pub(super) compute: ComputeArgs,

    #[command(flatten)]
    pub(super) hub: HubArgs,
}

/// As the recipe's setting of this name.
fn test_size(text: &str) -> Result<f64, String> {
    let setting = Setting::find("test_size").map_err(|why| why.to_string())?;
    setting.check(text).map_err(|why| why.to_string())?;
    text.parse().map_err(|_| format!("`{text}` is no number"))
}
