use anyhow::Result;
use clap::{Args as ClapArgs, ValueEnum};
use earmark_audio::{SampleRate, Waveform};
use earmark_features::Features;
use earmark_labels::{LabelSet, Scores, TopK};
use earmark_pipeline::{AudioClassifier, Error};

use crate::Done;
use crate::device::DeviceArgs;
use crate::hearing::HearingArgs;
use crate::job::{self, Asking, JobArgs, Model};
use crate::model::HubArgs;

const EXAMPLES: &str = "\
Examples:
  earmark classify siren.ogg --model runs/sample/20261123-101500/model
  earmark classify recordings -o labels.csv --model sanchit-gandhi/distilhubert-finetuned-gtzan
  earmark classify night.flac --window 5s --merge --threshold 0.5 --format audacity --model MIT/ast-finetuned-audioset-10-10-0.4593
  curl -L https://example.org/clip.mp3 | earmark classify - --format jsonl --model ./model";

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
    device: DeviceArgs,

    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScoresArg {
    Auto,
    Softmax,
    Sigmoid,
    None,
}

struct Asked {
    classifier: AudioClassifier,
    scores: Scores,
}

impl Model for Asked {
    fn sampling_rate(&self) -> SampleRate {
        self.classifier.sampling_rate()
    }

    fn least(&self) -> usize {
        self.classifier.model().config.network().min_samples()
    }

    fn labels(&self) -> &LabelSet {
        self.classifier.labels()
    }

    fn features(&self, clip: &Waveform) -> Result<Features, Error> {
        self.classifier.features(clip)
    }

    fn scores(&self, clips: &[Features]) -> Result<Vec<Vec<f32>>, Error> {
        let logits = self.classifier.logits(clips)?;
        Ok(logits.iter().map(|logits| self.scores.apply(logits)).collect())
    }
}

pub(crate) fn run(args: &Args, quiet: bool) -> Result<Done> {
    let (device, _) = args.device.open()?;
    let classifier = AudioClassifier::open(args.hub.model(&args.model)?, &device)?;
    let scores = match args.scores {
        ScoresArg::Auto => Scores::for_problem_type(classifier.model().config.problem_type()),
        ScoresArg::Softmax => Scores::Softmax,
        ScoresArg::Sigmoid => Scores::Sigmoid,
        ScoresArg::None => Scores::None,
    };
    let asking = Asking {
        hearing: args.hearing.hearing(),
        settings: format!("{} {scores} {:?}", args.model, args.hearing),
        usual_top_k: TopK::N(5),
    };
    job::run(&args.job, &asking, &Asked { classifier, scores }, quiet)
}
