use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use earmark_eval::Objective;
use earmark_train::Setting;

use super::calibration::thresholds::objective;
use super::compare;
use super::merge;
use super::shard::Shard;
use crate::args::audio::AudioArgs;
use crate::args::dataset::{dataset_name, protocol_name};
use crate::args::device::ComputeArgs;
use crate::args::hub::HubArgs;

const EXAMPLES: &str = "\
Examples:
  # the newest run
  earmark eval
  earmark eval runs/sample/20261123-101500 -o scores
  # CLAP on ESC-50; all five published evaluations and one table of them
  earmark eval esc50 -o esc50
  earmark eval all -o published
  earmark eval --model ./model --data recordings --split all -o scores
  earmark eval --model MIT/ast-finetuned-speech-commands-v2 \\
    --dataset speech-commands:v0.02-words -o scores
  earmark eval --dataset gtzan \\
    --model sanchit-gandhi/distilhubert-finetuned-gtzan
  # the clips that others report, by name; five folds with mean and spread
  earmark data protocols
  earmark eval --model laion/clap-htsat-unfused --protocol esc50:folds
  # zero-shot, with two prompts
  earmark eval --model laion/clap-htsat-unfused --dataset esc50 \\
    --split all --template \"a sound of {}\" --template \"{}\" -o scores
  # thresholds for `earmark classify --thresholds`, of a model with many labels
  earmark eval --model ./model --data recordings --split all \\
    --fit-thresholds precision=0.9 -o scores
  # a quarter of the work, for one of four machines
  earmark eval --model ./model --data recordings --split all \\
    --shard 0/4 -o part-0";

/// Score a model on held-out clips.
///
/// Without --model it evaluates a run (RUN, or else the newest): the exported model is loaded again and scored on the run's
/// held-out clips, which are decoded as in its training. With --model it evaluates any model on a published dataset or on
/// your own clips; a CLAP model chooses among the names of the dataset's classes. Labels of the model and classes of the dataset
/// may differ in order, case, hyphens, underscores and spaces.
///
/// With --output an evaluation that was interrupted or killed is resumed by the same command.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, allow_negative_numbers = true, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(super) what: Option<What>,

    #[command(flatten)]
    pub(super) score: ScoreArgs,
}

/// What else there is to do with evaluations.
#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// Test whether two models differ on the same clips.
    ///
    /// The difference of their accuracies has a 95 % interval by the paired bootstrap: groups of clips that belong together are
    /// resampled whole. McNemar's test takes clips as independent.
    #[command(
        after_help = "Examples:\n  earmark eval compare scores-a scores-b\n  earmark eval compare a.parquet b.parquet --group speaker_id --json"
    )]
    Compare(compare::Args),
    /// Combine the parts of an evaluation that --shard divided.
    ///
    /// Report and predictions are those of the evaluation in one piece.
    #[command(after_help = "Examples:\n  earmark eval merge part-0 part-1 part-2 part-3 -o scores")]
    Merge(merge::Args),
}

/// A model, and the clips that it is scored on.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ScoreArgs {
    /// Run folder, or a published model on the dataset that it is quoted for: minds14, speech-commands, fleurs, esc50, gtzan, or
    /// all of these. A folder of such a name is written ./gtzan [default: the newest run].
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

    /// Score the clips of this protocol, see `earmark data protocols`: it names the dataset and its split. With --data, that folder
    /// is a copy of the dataset.
    #[arg(long, value_name = "NAME", value_parser = protocol_name, conflicts_with_all = ["dataset", "label_column", "split", "test_size", "seed"])]
    pub(super) protocol: Option<String>,

    /// Table with more fields of the clips, such as the artist of each: .csv, .jsonl or .parquet with the column file_name, or .txt
    /// with lines FILE ::: ARTIST ::: TITLE. Intervals then resample artists, speakers or recordings.
    #[arg(long, value_name = "FILE")]
    pub(super) fields: Option<PathBuf>,

    /// Whether a protocol may also choose among other clips than all of its dataset.
    #[arg(skip)]
    pub(super) any_count: bool,

    /// Column holding the class, or folder1, folder2 … for the folders, outermost first [default: label, labels, class, classes,
    /// category, genre, intent_class or target, else the only column or folder left].
    #[arg(long, value_name = "NAME", requires = "model", conflicts_with = "run")]
    pub(super) label_column: Option<String>,

    /// The clips in the folder may have any number of classes: the column has a list of them, or names joined by |. Then the scores
    /// are mAP, F1 at a score of 0.5, and the share of clips with exactly their classes found, and --output gets report.json alone. A
    /// run that was trained so is scored so.
    #[arg(long, requires = "data", conflicts_with_all = ["run", "dataset", "protocol"])]
    pub(super) multi_label: bool,

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

    /// Score only part I of N, from 0, to share the work among N jobs: 0/4. `earmark eval merge` combines the parts.
    #[arg(long, value_name = "I/N", requires = "output")]
    pub(super) shard: Option<Shard>,

    /// Sentence made of each class for a CLAP model, which replaces {}. Given several times, the mean of the embeddings counts
    /// [default: "This is a sound of {}."].
    #[arg(long, value_name = "TEXT", help_heading = "Labels of a CLAP model")]
    pub(super) template: Vec<String>,

    /// Keep underscores in the names of classes, which otherwise become spaces.
    #[arg(long, help_heading = "Labels of a CLAP model")]
    pub(super) labels_as_is: bool,

    /// Fit a threshold for each label, for `earmark classify --thresholds`: the one with the highest F1, or the lowest with at
    /// least this precision. Written to thresholds.csv.
    #[arg(long, value_name = "f1|precision=P", value_parser = objective, conflicts_with = "shard")]
    pub(super) fit_thresholds: Option<Objective>,

    #[command(flatten)]
    pub(super) audio: AudioArgs,

    /// Write report.html, report.json, predictions.parquet and confusion_matrix.svg to this folder, new or empty, or that of the
    /// same evaluation which is then resumed.
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,

    #[command(flatten)]
    pub(super) compute: ComputeArgs,

    #[command(flatten)]
    pub(super) hub: HubArgs,
}

/// As the recipe's setting of this name.
pub(super) fn test_size(text: &str) -> Result<f64, String> {
    let setting = Setting::find("test_size").map_err(|why| why.to_string())?;
    setting.check(text).map_err(|why| why.to_string())?;
    text.parse().map_err(|_| format!("`{text}` is no number"))
}
