use anyhow::Result;
use clap::Args as ClapArgs;
use earmark_labels::TopK;

use crate::args::job::JobArgs;
use crate::args::labels::LabelArgs;
use crate::args::model::{ModelArgs, ModelSource, Purpose};
use crate::batch::job::{self, JobOptions};
use crate::exit::Done;
use crate::scoring::zero_shot::ZeroShotScorer;

const EXAMPLES: &str = "\
Examples:
  earmark zero-shot clip.wav --labels \"dog,vacuum cleaner\" \\
    --model laion/clap-htsat-unfused
  earmark zero-shot clip.wav --label \"rain, heavy\" --label wind \\
    --template \"the sound of {}\" --model ./clap
  earmark zero-shot recordings --labels-file labels.txt -o labels.csv \\
    --model ./clap";

/// Classify sound files with labels of your own, by a CLAP model.
///
/// The scores of a file are a softmax over the given labels and sum to 1. Add labels for whatever else may be in the
/// recordings: if none of the labels fits, the least wrong one still scores high.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, mut_arg("model", |arg| arg.help(MODEL)), mut_arg("top_k", |arg| arg.help(TOP_K)))]
pub(crate) struct Args {
    #[command(flatten)]
    job: JobArgs,

    #[command(flatten)]
    labels: LabelArgs,

    #[command(flatten)]
    model: ModelArgs,
}

const MODEL: &str =
    "CLAP model: a Hub id (owner/name, or owner/name@REVISION) or a folder in Hugging Face layout";

const TOP_K: &str = "Labels per file or window, the best first: a number, or all [default: all; 1 for audacity, raven and rttm]";

const FOR_OTHERS: &str = "for its own labels use `earmark classify`";

pub(crate) fn run(args: &Args) -> Result<Done> {
    args.job.check()?;
    let (labels, template) = (args.labels.all()?, &args.labels.template);
    let ModelSource { folder, device, hearing } = args.model.open(Purpose::ZeroShot)?;
    let classifier = ZeroShotScorer::open(&folder, &labels, template, &device, FOR_OTHERS)?;
    let mut settings = args.model.settings();
    settings.push(("the labels".to_owned(), labels.join(", ")));
    settings.push(("--template".to_owned(), template.clone()));
    let (hub, scores, default_top_k) = (&args.model.hub, ZeroShotScorer::SCORES, TopK::All);
    job::run(&args.job, &JobOptions { hearing, hub, folder, settings, scores, default_top_k }, &classifier)
}
