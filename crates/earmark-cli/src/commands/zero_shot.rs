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
  earmark zero-shot clip.wav --labels \"dog,vacuum cleaner\" --model laion/clap-htsat-unfused
  earmark zero-shot clip.wav --label \"rain, heavy\" --label wind --template \"{}\" --model ./clap
  earmark zero-shot recordings --labels-file labels.txt -o labels.csv --model ./clap";

/// Classify sound files by labels of your own, with a CLAP model.
///
/// The scores of a file sum to one over the labels given: name what else there may be, or the best of wrong labels wins.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, mut_arg("model", |arg| arg.help(MODEL)))]
pub(crate) struct Args {
    #[command(flatten)]
    job: JobArgs,

    #[command(flatten)]
    labels: LabelArgs,

    #[command(flatten)]
    model: ModelArgs,
}

const MODEL: &str = "The CLAP model: a Hub id, with @REVISION if need be, or a folder in Hugging Face layout";

pub(crate) fn run(args: &Args) -> Result<Done> {
    args.job.check()?;
    let (labels, template) = (args.labels.all()?, &args.labels.template);
    let ModelSource { folder, device, hearing } = args.model.open(Purpose::ZeroShot)?;
    let classifier = ZeroShotScorer::open(&folder, &labels, template, &device)?;
    let mut settings = args.model.settings();
    settings.push(("the labels".to_owned(), format!("{labels:?}")));
    settings.push(("--template".to_owned(), template.clone()));
    let (hub, scores, default_top_k) = (&args.model.hub, ZeroShotScorer::SCORES, TopK::All);
    job::run(&args.job, &JobOptions { hearing, hub, folder, settings, scores, default_top_k }, &classifier)
}
