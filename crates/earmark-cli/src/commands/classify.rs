use std::path::Path;

use anyhow::Result;
use burn::tensor::Device;
use clap::{Args as ClapArgs, ValueEnum};
use earmark_audio::{SampleRate, Waveform};
use earmark_features::Features;
use earmark_labels::{LabelSet, Scores, TopK};
use earmark_pipeline::{AudioClassifier, Caution, Error, ErrorKind};

use crate::Done;
use crate::args::audio::HearingArgs;
use crate::args::device::ComputeArgs;
use crate::args::model::HubArgs;
use crate::batch::job::{self, Asking, JobArgs, Model};
use crate::output::messages;

const EXAMPLES: &str = "\
Examples:
  earmark classify siren.ogg --model runs/sample/20261123-101500/model
  earmark classify recordings -o labels.csv --model sanchit-gandhi/distilhubert-finetuned-gtzan
  earmark classify night.flac --window 5s --merge --threshold 0.5 --format audacity --model MIT/ast-finetuned-audioset-10-10-0.4593
  earmark classify https://example.org/clip.mp3 --format jsonl --model ./model
  sox in.aif -t wav - | earmark classify - --model ./model";

/// Name what is heard in sound files.
///
/// Exit code 3 says that some files failed; each is named, and has a row with its error.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    job: JobArgs,

    /// The model: a Hub id, with @REVISION if need be, or a folder in Hugging Face layout.
    #[arg(long, value_name = "ID|DIR")]
    model: String,

    /// What the numbers are: softmax, sigmoid, none (the model's bare logits), or auto, which asks the model.
    #[arg(long, value_name = "KIND", default_value = "auto")]
    scores: ScoresArg,

    #[command(flatten)]
    hearing: HearingArgs,

    #[command(flatten)]
    compute: ComputeArgs,

    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScoresArg {
    Auto,
    Softmax,
    Sigmoid,
    None,
}

/// A classifier, and what its numbers are to be.
pub(crate) struct Asked {
    classifier: AudioClassifier,
    pub(crate) scores: Scores,
}

impl Model for Asked {
    fn sampling_rate(&self) -> SampleRate {
        self.classifier.sampling_rate()
    }

    fn least(&self) -> usize {
        self.classifier.min_samples()
    }

    fn labels(&self) -> &LabelSet {
        self.classifier.labels()
    }

    fn caution(&self, samples: usize) -> Option<Caution> {
        self.classifier.caution(samples)
    }

    fn features(&self, clip: &Waveform) -> Result<Features, Error> {
        self.classifier.features(clip)
    }

    fn scores(&self, clips: &[Features]) -> Vec<Result<Vec<f32>, Error>> {
        let logits = self.classifier.logits(clips).into_iter();
        logits.map(|logits| logits.map(|logits| self.scores.apply(&logits))).collect()
    }
}

impl Asked {
    pub(crate) fn open(folder: &Path, scores: ScoresArg, device: &Device) -> Result<Asked> {
        let classifier = AudioClassifier::open(folder, device).map_err(headless)?;
        let mut names = classifier.labels().names().iter().enumerate();
        if names.all(|(id, name)| *name == format!("LABEL_{id}")) {
            messages::warning(
                "the model does not name its labels: LABEL_0 stands for its first class, and so on",
            );
        }
        let scores = match scores {
            ScoresArg::Auto => Scores::for_problem_type(classifier.model().config.problem_type()),
            ScoresArg::Softmax => Scores::Softmax,
            ScoresArg::Sigmoid => Scores::Sigmoid,
            ScoresArg::None => Scores::None,
        };
        Ok(Asked { classifier, scores })
    }
}

/// Says what can be done with a base checkpoint.
fn headless(error: Error) -> anyhow::Error {
    let headless = matches!(
        &*error.kind,
        ErrorKind::Model(earmark_models::Error { kind: earmark_models::ErrorKind::NoHead { .. }, .. })
    );
    let error = anyhow::Error::from(error);
    match headless {
        true => error.context(
            "the model has no classification head: `earmark embed` works without one, `earmark train` gives it one",
        ),
        false => error,
    }
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    args.job.check()?;
    let (device, _) = args.compute.open()?;
    let folder = args.hub.model(&args.model)?;
    let model = Asked::open(&folder, args.scores, &device)?;
    let mut settings = vec![
        ("earmark".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("--model".to_owned(), args.model.clone()),
        ("--scores".to_owned(), model.scores.to_string()),
        ("--dtype".to_owned(), args.compute.dtype().to_owned()),
    ];
    settings.extend(args.hearing.settings());
    let asking = Asking {
        hearing: args.hearing.hearing(),
        hub: &args.hub,
        folder,
        settings,
        scores: model.scores,
        usual_top_k: TopK::N(5),
    };
    job::run(&args.job, &asking, &model)
}
