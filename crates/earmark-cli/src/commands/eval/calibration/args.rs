use std::num::NonZero;
use std::path::PathBuf;

use clap::Args as ClapArgs;

use crate::args::audio::AudioArgs;
use crate::args::dataset::{dataset_name, protocol_name};
use crate::args::device::ComputeArgs;
use crate::args::hub::HubArgs;
use crate::commands::eval::args::{ScoreArgs, test_size};

const EXAMPLES: &str = "\
Examples:
  # how far the scores of a model can be trusted, and how far after calibration
  earmark calibrate --model ./model --data recordings
  # a run's model, on the clips that its training held out
  earmark calibrate --model runs/gtzan/20260102-030405 --dataset gtzan \\
    -o runs/gtzan/20260102-030405
  earmark classify clip.wav --model runs/gtzan/20260102-030405 --calibrated
  # somebody else's model
  earmark calibrate --model MIT/ast-finetuned-speech-commands-v2 \\
    --dataset speech-commands:v0.02-words --split validation -o calibrated
  earmark classify clip.wav --model MIT/ast-finetuned-speech-commands-v2 \\
    --calibrated=calibrated";

/// Calibrate a model's scores on held-out clips.
///
/// Of the clips with a calibrated score of 0.8, four fifths are of that label. Half of the clips, drawn by --seed, are fitted
/// on: a temperature, which leaves the order of the labels, or for a multi-label model a slope and an intercept for each
/// label (Platt). The other half is measured: log loss and expected calibration error (ECE), before and after. Clips of one
/// recording, speaker or artist are in one half. Use clips that the model was not trained on.
///
/// With --output the calibration is kept as calibration.json, which `earmark classify --calibrated` reads and transformers
/// ignores.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, allow_negative_numbers = true)]
pub(crate) struct Args {
    /// Model: a Hub id, a folder in Hugging Face layout, or a run's folder.
    #[arg(long, value_name = "ID|DIR")]
    pub(super) model: String,

    /// Folder of clips: a sub-folder per class, or with metadata.csv, metadata.jsonl or Parquet files.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Published dataset, see `earmark data list`. With --data, that folder is a copy of it.
    #[arg(long, value_name = "NAME[:CONFIG]", value_parser = dataset_name(), hide_possible_values = true)]
    dataset: Option<String>,

    /// Use the clips of this protocol, see `earmark data protocols`: it names the dataset and its split. With --data, that folder
    /// is a copy of the dataset.
    #[arg(long, value_name = "NAME", value_parser = protocol_name, conflicts_with_all = ["dataset", "label_column", "split", "test_size"])]
    protocol: Option<String>,

    /// Table with more fields of the clips, such as the artist of each: .csv, .jsonl or .parquet with the column file_name, or .txt
    /// with lines FILE ::: ARTIST ::: TITLE. Clips of one artist, speaker or recording are then in one half.
    #[arg(long, value_name = "FILE")]
    fields: Option<PathBuf>,

    /// Column holding the class, or folder1, folder2 … for the folders, outermost first [default: label, labels, class, classes,
    /// category, genre, intent_class or target, else the only column or folder left].
    #[arg(long, value_name = "NAME")]
    label_column: Option<String>,

    /// Clips to use: a split of the dataset; if it has none or only one, test (the clips that training with this --test-size
    /// and --seed holds out), train (the others) or all.
    #[arg(long, value_name = "PART", default_value = "test")]
    split: String,

    /// Held-out clips: a fraction below 1, or a number of clips.
    #[arg(long, value_name = "SHARE", value_parser = test_size, default_value = "0.1")]
    test_size: f64,

    /// Seed of the split, and of the two halves.
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(super) seed: u64,

    /// Truncate clips to this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    max_duration: f64,

    /// Clips per batch.
    #[arg(long, value_name = "N", default_value = "8")]
    pub(super) eval_batch_size: NonZero<usize>,

    /// Skip clips that cannot be used, with a warning, instead of stopping.
    #[arg(long)]
    skip_bad: bool,

    #[command(flatten)]
    audio: AudioArgs,

    /// Keep the calibration as DIR/calibration.json; the model's own folder, or the run's, is a good place.
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,

    /// Replace a calibration that is there.
    #[arg(long, requires = "output")]
    pub(super) force: bool,

    #[command(flatten)]
    pub(super) compute: ComputeArgs,

    #[command(flatten)]
    pub(super) hub: HubArgs,
}

impl Args {
    /// The evaluation that gives the scores.
    pub(super) fn evaluation(&self) -> ScoreArgs {
        ScoreArgs {
            run: None,
            model: Some(self.model.clone()),
            data: self.data.clone(),
            dataset: self.dataset.clone(),
            protocol: self.protocol.clone(),
            fields: self.fields.clone(),
            any_count: false,
            multi_label: false,
            label_column: self.label_column.clone(),
            split: self.split.clone(),
            test_size: self.test_size,
            seed: self.seed,
            max_duration: self.max_duration,
            eval_batch_size: Some(self.eval_batch_size),
            skip_bad: self.skip_bad,
            shard: None,
            template: Vec::new(),
            labels_as_is: false,
            fit_thresholds: None,
            audio: self.audio.clone(),
            output: None,
            compute: self.compute.clone(),
            hub: self.hub.clone(),
        }
    }
}
