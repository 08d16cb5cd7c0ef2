use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use burn::tensor::{Device, Tensor, TensorData};
use clap::{Args as ClapArgs, ValueEnum};
use earmark_audio::{DecodeOptions, decode_file};
use earmark_features::{Preprocessor, resample};
use earmark_labels::{LabelSet, Prediction, Scores, TopK, top_k};
use earmark_models::Input;
use earmark_train::Learner;
use serde::Serialize;

use crate::device::DeviceArgs;
use crate::hearing::HearingArgs;
use crate::model::HubArgs;
use crate::{Done, error, table};

const EXAMPLES: &str = "\
Examples:
  earmark classify siren.ogg --model runs/sample/20261123-101500/model
  earmark classify *.wav --model sanchit-gandhi/distilhubert-finetuned-gtzan --format jsonl";

/// Name what is heard in sound files.
///
/// Exit code 3 says that some files failed; each is named.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Sound files: wav, flac, ogg, opus, mp3, m4a, aiff, au, webm.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// The model: a Hub id, with @REVISION if need be, or a folder in Hugging Face layout.
    #[arg(long, value_name = "ID|DIR")]
    model: String,

    /// How many labels to show of each file: a number, or all.
    #[arg(long, value_name = "N|all", default_value = "5", value_parser = parse_top_k)]
    top_k: TopK,

    /// What the numbers are: softmax, sigmoid, none (the model's bare logits), or auto, which asks the model.
    #[arg(long, value_name = "KIND", default_value = "auto")]
    scores: ScoresArg,

    /// How to print them.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Jsonl,
}

fn parse_top_k(text: &str) -> Result<TopK, String> {
    match text {
        "all" => Ok(TopK::All),
        _ => match text.parse() {
            Ok(0) | Err(_) => Err("expected a number from 1, or `all`".to_owned()),
            Ok(n) => Ok(TopK::N(n)),
        },
    }
}

/// What is said about one file.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Row {
    Heard { path: String, duration: f64, predictions: Vec<Prediction> },
    Failed { path: String, error: String },
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    let (device, _) = args.device.open()?;
    let learner = Learner::open(&args.hub.model(&args.model)?, &device)?;
    let labels = LabelSet::from_names(learner.config.labels().iter().cloned())
        .context("cannot use the model's labels")?;
    let scores = match args.scores {
        ScoresArg::Auto => Scores::for_problem_type(learner.config.problem_type()),
        ScoresArg::Softmax => Scores::Softmax,
        ScoresArg::Sigmoid => Scores::Sigmoid,
        ScoresArg::None => Scores::None,
    };
    let mut out = io::stdout().lock();
    let mut done = Done::Well;
    for (index, path) in args.paths.iter().enumerate() {
        let name = path.display().to_string();
        let row = match hear(path, &learner, &args.hearing, &device) {
            Ok((duration, logits)) => Row::Heard {
                path: name,
                duration,
                predictions: top_k(&scores.apply(&logits), &labels, args.top_k),
            },
            Err(problem) => {
                done = Done::InPart;
                let problem = error::line(&problem);
                eprintln!("error: {problem}");
                Row::Failed { path: name, error: problem }
            }
        };
        print(&mut out, args.format, &row, index, args.paths.len())?;
    }
    Ok(done)
}

/// How long the file is, in seconds, and the model's logits for it.
fn hear(path: &Path, learner: &Learner, hearing: &HearingArgs, device: &Device) -> Result<(f64, Vec<f32>)> {
    let options = DecodeOptions { downmix: hearing.downmix().into(), ..DecodeOptions::default() };
    let decoded = decode_file(path, &options)?;
    for warning in &decoded.warnings {
        eprintln!("warning: `{}`: {warning}", path.display());
    }
    let duration = decoded.waveform.duration().as_secs_f64();
    let rate = learner.preprocessor.sampling_rate();
    let waveform = resample(decoded.waveform, rate, hearing.resampler().into())?;
    let (samples, least) = (waveform.samples().len(), learner.config.network().min_samples());
    if samples < least {
        anyhow::bail!(
            "`{}` is too short: {samples} samples at {rate}, and the model needs {least}",
            path.display()
        );
    }
    let features = learner.preprocessor.extract(&waveform)?;
    let data = TensorData::new(features.data, [&[1], features.shape.as_slice()].concat());
    let input = match &learner.preprocessor {
        // Alone a clip has no padding, and nothing to be told of it.
        Preprocessor::Wav2Vec2(_) => {
            Input::Waveforms { values: Tensor::from_data(data, device), lengths: None }
        }
        _ => Input::Spectrograms(Tensor::from_data(data, device)),
    };
    let logits = learner.network.forward(input, None).into_data().convert::<f32>();
    let logits = logits.try_into_vec().ok().context("the device gave no numbers")?;
    Ok((duration, logits))
}

fn print(out: &mut impl io::Write, format: Format, row: &Row, index: usize, count: usize) -> Result<()> {
    match (format, row) {
        (Format::Jsonl, row) => writeln!(out, "{}", serde_json::to_string(row)?)?,
        (Format::Json, row) => {
            let (open, close) =
                (if index == 0 { "[" } else { "" }, if index + 1 == count { "]" } else { "," });
            writeln!(out, "{open}{}{close}", serde_json::to_string(row)?)?;
        }
        (Format::Table, Row::Heard { path, predictions, .. }) => {
            let rows = predictions.iter().map(|p| [format!("  {}", p.label), format!("{:.4}", p.score)]);
            writeln!(out, "{path}\n{}\n", table::plain(["  label", "score"], rows))?;
        }
        // Said on stderr already.
        (Format::Table, Row::Failed { .. }) => {}
    }
    Ok(())
}
