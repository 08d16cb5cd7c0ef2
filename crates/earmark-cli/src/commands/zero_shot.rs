use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use burn::tensor::Device;
use clap::Args as ClapArgs;
use earmark_audio::{SampleRate, Waveform};
use earmark_features::Features;
use earmark_labels::{LabelSet, Scores, TopK};
use earmark_pipeline::{Candidates, Caution, Error, HYPOTHESIS_TEMPLATE, ZeroShotClassifier};

use crate::Done;
use crate::args::audio::HearingArgs;
use crate::args::device::ComputeArgs;
use crate::args::model::HubArgs;
use crate::batch::job::{self, Asking, JobArgs, Model};

const EXAMPLES: &str = "\
Examples:
  earmark zero-shot clip.wav --labels \"dog,vacuum cleaner\" --model laion/clap-htsat-unfused
  earmark zero-shot clip.wav --label \"rain, heavy\" --label wind --template \"{}\" --model ./clap
  earmark zero-shot recordings --labels-file labels.txt -o heard.csv --model ./clap";

/// Name what is heard by labels of your own, with a CLAP model.
///
/// The scores of a file sum to one over the labels given: name what else there may be, or the best of wrong labels wins.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    job: JobArgs,

    #[command(flatten)]
    labels: LabelArgs,

    /// The CLAP model: a Hub id, with @REVISION if need be, or a folder in Hugging Face layout.
    #[arg(long, value_name = "ID|DIR")]
    model: String,

    #[command(flatten)]
    hearing: HearingArgs,

    #[command(flatten)]
    compute: ComputeArgs,

    #[command(flatten)]
    hub: HubArgs,
}

/// The labels to choose from.
#[derive(Debug, ClapArgs)]
pub(crate) struct LabelArgs {
    /// Labels, with commas between them.
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', help_heading = "Labels")]
    labels: Vec<String>,

    /// A label, commas and all; as often as needed.
    #[arg(long, value_name = "LABEL", help_heading = "Labels")]
    label: Vec<String>,

    /// A file with a label on each line.
    #[arg(long, value_name = "FILE", help_heading = "Labels")]
    labels_file: Option<PathBuf>,

    /// The sentence that the model reads, with {} where the label goes.
    #[arg(long, value_name = "TEXT", default_value = HYPOTHESIS_TEMPLATE, help_heading = "Labels")]
    template: String,
}

/// A CLAP model and the labels it chooses from.
pub(crate) struct Asked {
    classifier: ZeroShotClassifier,
    candidates: Candidates,
}

impl Model for Asked {
    fn sampling_rate(&self) -> SampleRate {
        self.classifier.sampling_rate()
    }

    fn least(&self) -> usize {
        self.classifier.min_samples()
    }

    fn labels(&self) -> &LabelSet {
        self.candidates.labels()
    }

    fn caution(&self, samples: usize) -> Option<Caution> {
        self.classifier.caution(samples)
    }

    fn features(&self, clip: &Waveform) -> Result<Features, Error> {
        self.classifier.features(clip)
    }

    fn scores(&self, clips: &[Features]) -> Vec<Result<Vec<f32>, Error>> {
        let score = |clip| Ok(Scores::Softmax.apply(&self.classifier.logits(clip, &self.candidates)?));
        clips.iter().map(score).collect()
    }
}

impl Asked {
    pub(crate) fn open(folder: PathBuf, labels: &LabelArgs, device: &Device) -> Result<Asked> {
        let names = labels.all()?;
        let classifier = ZeroShotClassifier::open(folder, device)?;
        let candidates = classifier.candidates(&names, &labels.template)?;
        Ok(Asked { classifier, candidates })
    }
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    args.job.check()?;
    let labels = args.labels.all()?;
    let (device, _) = args.compute.open()?;
    let folder = args.hub.text_model(&args.model)?;
    let model = Asked::open(folder.clone(), &args.labels, &device)?;
    let mut settings = vec![
        ("earmark".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("--model".to_owned(), args.model.clone()),
        ("the labels".to_owned(), format!("{labels:?}")),
        ("--template".to_owned(), args.labels.template.clone()),
        ("--dtype".to_owned(), args.compute.dtype().to_owned()),
    ];
    settings.extend(args.hearing.settings());
    let asking = Asking {
        hearing: args.hearing.hearing(),
        hub: &args.hub,
        folder,
        settings,
        scores: Scores::Softmax,
        usual_top_k: TopK::All,
    };
    job::run(&args.job, &asking, &model)
}

impl LabelArgs {
    /// Whether there are any.
    pub(crate) fn given(&self) -> bool {
        !self.labels.is_empty() || !self.label.is_empty() || self.labels_file.is_some()
    }

    fn all(&self) -> Result<Vec<String>> {
        const MOST: u64 = 16 << 20;
        let from_file = match &self.labels_file {
            Some(path) => earmark_fs::read_to_string(path, MOST)
                .with_context(|| format!("cannot read `{}`", path.display()))?,
            None => String::new(),
        };
        // Excel and Notepad put a byte order mark first.
        let from_file = from_file.strip_prefix('\u{feff}').unwrap_or(&from_file);
        let all = self.labels.iter().chain(&self.label).map(String::as_str).chain(from_file.lines());
        let labels: Vec<String> =
            all.map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()).collect();
        if labels.is_empty() {
            bail!("there are no labels: pass --labels \"dog,rain\", --label LABEL or --labels-file FILE");
        }
        let mut seen = HashSet::new();
        if let Some(twice) = labels.iter().find(|label| !seen.insert(label.as_str())) {
            bail!("the label `{twice}` is given twice");
        }
        Ok(labels)
    }
}
