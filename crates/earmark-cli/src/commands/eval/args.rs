use std::num::NonZero;
use std::path::PathBuf;

use clap::Args as ClapArgs;

use crate::args::audio::AudioArgs;
use crate::args::device::ComputeArgs;
use crate::args::hub::HubArgs;

const EXAMPLES: &str = "\
Examples:
  earmark eval
  earmark eval runs/sample/20261123-101500
  earmark eval --model ./model --data recordings --split all -o scores
  earmark eval --model MIT/ast-finetuned-speech-commands-v2 --dataset speech-commands:v0.02-words -o scores
  earmark eval --model sanchit-gandhi/distilhubert-finetuned-gtzan --dataset gtzan";

/// Score a model on clips it did not learn from.
///
/// Without --model it takes a run (the newest, or the folder named): the exported model is loaded afresh and scored on
/// the run's held-out clips. With --model it scores any model on a published dataset or on your own clips.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, allow_negative_numbers = true)]
pub(crate) struct Args {
    /// A run folder [default: the newest run].
    #[arg(value_name = "RUN", conflicts_with_all = ["model", "data", "dataset"])]
    pub(super) run: Option<PathBuf>,

    /// The model to score: a Hub id or a folder.
    #[arg(long, value_name = "ID|DIR")]
    pub(super) model: Option<String>,

    /// The clips: a folder with a sub-folder per class, with metadata.csv, or with Parquet.
    #[arg(long, value_name = "DIR", requires = "model")]
    pub(super) data: Option<PathBuf>,

    /// The clips: a published dataset, see `earmark data list`. With --data the folder is a copy of it.
    #[arg(long, value_name = "NAME[:CONFIG]", requires = "model")]
    pub(super) dataset: Option<String>,

    /// The column that is the class [default: the usual one].
    #[arg(long, value_name = "NAME", requires = "model", conflicts_with = "run")]
    pub(super) label_column: Option<String>,

    /// Which of them: a split that the dataset has; where it has none or only one, the part that training with this --test-size
    /// and --seed holds out (test), the other part (train), or all.
    #[arg(long, value_name = "PART", default_value = "test", requires = "model", conflicts_with = "run")]
    pub(super) split: String,

    /// Clips held out: a fraction, or a number of clips.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, requires = "model", conflicts_with = "run")]
    pub(super) test_size: f64,

    /// Seed of the split.
    #[arg(long, value_name = "N", default_value_t = 42, requires = "model", conflicts_with = "run")]
    pub(super) seed: u64,

    /// Longer clips are cut here, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, requires = "model", conflicts_with = "run")]
    pub(super) max_duration: f64,

    /// Clips of one forward pass [default: 8, or the run's].
    #[arg(long, value_name = "N")]
    pub(super) eval_batch_size: Option<NonZero<usize>>,

    /// Leave out clips that cannot be used, with a warning, instead of stopping.
    #[arg(long)]
    pub(super) skip_bad: bool,

    #[command(flatten)]
    pub(super) audio: AudioArgs,

    /// Write report.json, predictions.parquet and confusion_matrix.svg into this folder, new or empty.
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,

    #[command(flatten)]
    pub(super) compute: ComputeArgs,

    #[command(flatten)]
    pub(super) hub: HubArgs,
}
