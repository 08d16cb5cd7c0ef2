use std::fmt;
use std::num::NonZero;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args as ClapArgs;
use earmark_pipeline::{Layer, Pool};
use earmark_train::{Setting, SplitBy};

use crate::args::dataset::{dataset_name, protocol_name};
use crate::args::model::ModelArgs;

const EXAMPLES: &str = "\
Examples:
  # how far the embeddings of a base checkpoint go on your own recordings
  earmark probe --model facebook/wav2vec2-base --data recordings -o probe
  earmark classify new.wav --model probe/model
  # the five official folds of ESC-50, with the regularisation chosen on four
  earmark probe --model openai/whisper-base --dataset esc50 -o probe
  # every value of a column held out once
  earmark probe --model openai/whisper-base --data clips \\
    --split-by folds:fold --c 1 -o probe
  # few-shot: eight clips of each class, drawn ten times
  earmark probe --model laion/clap-htsat-unfused --dataset esc50 \\
    --per-class 8 --repeat 10 -o few-shot";

/// Fit and measure a classifier on frozen embeddings (linear probe).
///
/// The model embeds every clip once, and the embeddings are kept in DIR: the same command with another --split-by, --c,
/// --per-class or --seed does not compute them again. On them a multinomial logistic regression is fitted, standardised and
/// with an L2 penalty, as scikit-learn's LogisticRegression. With --split-by folds:FIELD each fold is predicted by a probe of
/// the others.
///
/// DIR gets report.json and predictions.parquet as those of `earmark eval`, and model/: the encoder with the probe as its head,
/// which earmark and transformers open, fitted on all clips, or with a single split on its training clips. CLAP, and layers or
/// pooling that no class of transformers has, give no model.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, allow_negative_numbers = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) model: ModelArgs,

    /// Folder of clips: a sub-folder per class, or with metadata.csv, metadata.jsonl or Parquet files.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["dataset", "protocol"], help_heading = "Clips")]
    pub(super) data: Option<PathBuf>,

    /// Published dataset, see `earmark data list`. With --data, that folder is a copy of it.
    #[arg(long, value_name = "NAME[:CONFIG]", value_parser = dataset_name(), hide_possible_values = true, help_heading = "Clips")]
    pub(super) dataset: Option<String>,

    /// The clips and the folds of a protocol, see `earmark data protocols`. With --data, that folder is a copy of its dataset.
    #[arg(long, value_name = "NAME", value_parser = protocol_name, conflicts_with_all = ["dataset", "label_column", "split_by", "test_size"], help_heading = "Clips")]
    pub(super) protocol: Option<String>,

    /// Table with more fields of the clips, such as the artist of each: .csv, .jsonl or .parquet with the column file_name, or .txt
    /// with lines FILE ::: ARTIST ::: TITLE.
    #[arg(long, value_name = "FILE", help_heading = "Clips")]
    pub(super) fields: Option<PathBuf>,

    /// Column holding the class, or folder1, folder2 … for the folders, outermost first [default: label, labels, class, classes,
    /// category, genre, intent_class or target, else the only column or folder left].
    #[arg(long, value_name = "NAME", help_heading = "Clips")]
    pub(super) label_column: Option<String>,

    /// Truncate clips to this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, help_heading = "Clips")]
    pub(super) max_duration: f64,

    /// Skip clips that cannot be used, with a warning, instead of stopping.
    #[arg(long, help_heading = "Clips")]
    pub(super) skip_bad: bool,

    /// Hidden states to fit on, as for `earmark embed`: a number, last, weighted, or xvector of a
    /// speaker-embedding model [default: xvector of such a model, else last].
    #[arg(long, value_name = "N|last|weighted|xvector", value_parser = one_layer, help_heading = "Embeddings")]
    pub(super) layer: Option<Layer>,

    /// How frames become one vector: mean, max or cls [default: what the model's head does: cls for AST, mean for others].
    #[arg(long, value_name = "mean|max|cls", value_parser = one_vector, help_heading = "Embeddings")]
    pub(super) pool: Option<Pool>,

    /// Clips per batch.
    #[arg(long, value_name = "N", default_value = "8", help_heading = "Embeddings")]
    pub(super) batch_size: NonZero<usize>,

    /// Clips to predict: folds:FIELD (each value of the field once), or as for `earmark train`: random, stratified, published,
    /// group:FIELD or fold:FIELD=VALUE [default: the official folds of a published dataset, its own split, else random].
    #[arg(long, value_name = "HOW", help_heading = "Fit")]
    pub(super) split_by: Option<ProbeSplit>,

    /// Held-out clips of a random, stratified or group split: a fraction below 1, or a number of clips.
    #[arg(long, value_name = "SHARE", value_parser = test_size, default_value = "0.1", help_heading = "Fit")]
    pub(super) test_size: f64,

    /// Inverse strength of the L2 penalty, as scikit-learn's C; cv: 0.001, 0.01 … 100 by cross-validation on the training clips.
    #[arg(long, value_name = "C|cv", default_value = "cv", help_heading = "Fit")]
    pub(super) c: Strength,

    /// Fit on only so many clips of each class (few-shot).
    #[arg(long, value_name = "N", help_heading = "Fit")]
    pub(super) per_class: Option<NonZero<usize>>,

    /// Draw the clips of --per-class so many times, with the seeds --seed, --seed + 1 …; the scores are of all draws together.
    #[arg(long, value_name = "R", default_value = "1", requires = "per_class", help_heading = "Fit")]
    pub(super) repeat: NonZero<usize>,

    /// Seed of the split, of the draws and of the folds of the cross-validation.
    #[arg(long, value_name = "N", default_value_t = 42, help_heading = "Fit")]
    pub(super) seed: u64,

    /// Folder to write to: new or empty, or that of an earlier probe of the same clips and model.
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: PathBuf,
}

/// Which clips are predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProbeSplit {
    /// Every clip, by a probe of those with another value in this field.
    Folds(String),
    /// Those that a training holds out.
    Once(SplitBy),
}

impl FromStr for ProbeSplit {
    type Err = String;

    fn from_str(text: &str) -> Result<ProbeSplit, String> {
        match text.split_once(':') {
            Some(("folds", field)) if !field.is_empty() => Ok(ProbeSplit::Folds(field.to_owned())),
            _ => match text.parse() {
                Ok(split) => Ok(ProbeSplit::Once(split)),
                Err(_) => Err(
                    "expected folds:FIELD, random, stratified, published, group:FIELD or fold:FIELD=VALUE"
                        .to_owned(),
                ),
            },
        }
    }
}

/// How strongly the probe is regularised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Strength {
    /// As the clips that it is fitted on say.
    CrossValidated,
    C(f64),
}

impl FromStr for Strength {
    type Err = String;

    fn from_str(text: &str) -> Result<Strength, String> {
        if text == "cv" {
            return Ok(Strength::CrossValidated);
        }
        let c = text.parse().ok().filter(|c: &f64| c.is_finite() && *c > 0.0);
        c.map(Strength::C).ok_or_else(|| "expected a number above 0, or cv".to_owned())
    }
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Strength::CrossValidated => f.write_str("cv"),
            Strength::C(c) => c.fmt(f),
        }
    }
}

fn one_layer(text: &str) -> Result<Layer, String> {
    match text.parse() {
        Ok(Layer::All) | Err(_) => Err("expected a number from 0, last, weighted or xvector".to_owned()),
        Ok(layer) => Ok(layer),
    }
}

fn one_vector(text: &str) -> Result<Pool, String> {
    match text.parse() {
        Ok(Pool::None) | Err(_) => Err("expected mean, max or cls".to_owned()),
        Ok(pool) => Ok(pool),
    }
}

/// As the recipe's setting of this name.
fn test_size(text: &str) -> Result<f64, String> {
    let setting = Setting::find("test_size").map_err(|why| why.to_string())?;
    setting.check(text).map_err(|why| why.to_string())?;
    text.parse().map_err(|_| format!("`{text}` is no number"))
}
