use anyhow::Result;
use clap::Args as ClapArgs;
use earmark_labels::TopK;

use crate::args::job::JobArgs;
use crate::args::labels::ScoresArg;
use crate::args::model::{ModelArgs, ModelSource, Purpose};
use crate::batch::job::{self, JobOptions};
use crate::exit::Done;
use crate::scoring::classifier::ClassifierScorer;

const EXAMPLES: &str = "\
Examples:
  earmark classify siren.ogg --model runs/sample/20261123-101500/model
  earmark classify recordings -o labels.csv --model sanchit-gandhi/distilhubert-finetuned-gtzan
  earmark classify night.flac --window 5s --merge --threshold 0.5 --format audacity --model MIT/ast-finetuned-audioset-10-10-0.4593
  earmark classify https://example.org/clip.mp3 --format jsonl --model ./model
  sox in.aif -t wav - | earmark classify - --model ./model";

/// Classify sound files: the labels of each, with their scores.
///
/// Exit code 3 says that some files failed; each is named, and has a row with its error.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    job: JobArgs,

    #[command(flatten)]
    model: ModelArgs,

    /// What the numbers are: softmax, sigmoid, none (the model's bare logits), or auto, which asks the model.
    #[arg(long, value_name = "KIND", default_value = "auto")]
    scores: ScoresArg,
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    args.job.check()?;
    let ModelSource { folder, device, hearing } = args.model.open(Purpose::Classify)?;
    let classifier = ClassifierScorer::open(&folder, args.scores, &device)?;
    let mut settings = args.model.settings();
    settings.push(("--scores".to_owned(), classifier.scores.to_string()));
    let (hub, scores, default_top_k) = (&args.model.hub, classifier.scores, TopK::N(5));
    job::run(&args.job, &JobOptions { hearing, hub, folder, settings, scores, default_top_k }, &classifier)
}
