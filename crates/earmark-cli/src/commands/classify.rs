use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use earmark_eval::Method;
use earmark_labels::TopK;

use crate::args::job::JobArgs;
use crate::args::labels::ScoresArg;
use crate::args::model::{self, ModelArgs, ModelSource, Purpose};
use crate::batch::job::{self, JobOptions};
use crate::exit::Done;
use crate::scoring::classifier::ClassifierScorer;

const EXAMPLES: &str = "\
Examples:
  earmark classify clip.ogg --model MIT/ast-finetuned-audioset-10-10-0.4593
  earmark classify recordings -o labels.csv --model ./model
  # a long recording, as a label track for Audacity
  earmark classify night.flac --window 5s --merge --threshold 0.5 \\
    --format audacity -o night.txt --model ./model
  # many long recordings, with a selection table for Raven for each
  earmark classify nights --window 3s --threshold 0.5 --format raven \\
    -o tables/ --model ./model
  # probabilities that mean what they say: see `earmark calibrate --help`
  earmark classify clip.wav --calibrated --model ./model
  # every label that reaches its own threshold, of a model with many
  earmark classify recordings --thresholds thresholds.csv --model ./model
  earmark classify https://example.org/clip.mp3 --format jsonl --model ./model
  sox in.aif -t wav - | earmark classify - --model ./model";

/// Classify sound files: the best labels of each, with scores.
///
/// Files that cannot be decoded or classified are reported on stderr and get a row with the error; the exit code is then 3.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    job: JobArgs,

    #[command(flatten)]
    model: ModelArgs,

    /// Scores: softmax, sigmoid, none (raw logits), or auto (sigmoid for multi-label models, else softmax).
    #[arg(long, value_name = "KIND", default_value = "auto")]
    scores: ScoresArg,

    /// Print calibrated probabilities, by the calibration.json that `earmark calibrate` wrote beside the model, or into DIR.
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, conflicts_with = "scores")]
    calibrated: Option<Option<PathBuf>>,
}

const FOR_CLAP: &str = "use `earmark zero-shot --labels A,B`";

pub(crate) fn run(args: &Args) -> Result<Done> {
    args.job.check()?;
    let ModelSource { folder, device, hearing } = args.model.open(Purpose::Classify)?;
    let mut classifier = ClassifierScorer::open(&folder, args.scores, &device, FOR_CLAP)?;
    let mut settings = args.model.settings();
    settings.push(("--scores".to_owned(), classifier.scores.to_string()));
    if let Some(chosen) = &args.calibrated {
        let file = model::calibration(args.model.name(), &folder, chosen.as_deref(), &args.model.hub)?;
        let method = classifier.calibrate(&file)?;
        settings.push(("--calibrated".to_owned(), text(method)?));
    }
    let (hub, scores, default_top_k) = (&args.model.hub, classifier.scores, TopK::N(5));
    job::run(&args.job, &JobOptions { hearing, hub, folder, settings, scores, default_top_k }, &classifier)
}

/// A calibration as a setting of a job.
fn text(method: &Method) -> Result<String> {
    Ok(match method {
        Method::Temperature { temperature } => format!("by the temperature {temperature}"),
        Method::Platt { .. } => {
            format!("by fits with checksum {:08x}", crc32c::crc32c(&serde_json::to_vec(method)?))
        }
    })
}
