use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::{Args as ClapArgs, ValueEnum};
use earmark_audio::{DecodeOptions, Decoder, ErrorKind, LiveFormat, RawSamples, SampleRate};
use earmark_features::Features;
use earmark_labels::{Prediction, TopK, top_k};
use earmark_pipeline::{AudioOptions, Error, Window, Windows};
use serde::Serialize;

use crate::args::audio::one_of;
use crate::args::labels::{LabelArgs, ScoresArg};
use crate::args::model::{ModelArgs, ModelSource, Purpose};
use crate::args::parse;
use crate::exit::Done;
use crate::output::clock::clock;
use crate::output::escape::escape;
use crate::output::{messages, stdout};
use crate::scoring::classifier::ClassifierScorer;
use crate::scoring::scorer::{Scorer, check_threshold, check_windows};
use crate::scoring::zero_shot::ZeroShotScorer;

const EXAMPLES: &str = "\
Examples:
  # the microphone: arecord on Linux, sox on any system
  arecord -q -t wav -f S16_LE -r 16000 |
    earmark listen --model MIT/ast-finetuned-speech-commands-v2
  sox -q -d -t wav - | earmark listen --model ./model --changes --threshold 0.5
  # a camera, as raw samples
  ffmpeg -i rtsp://camera -f s16le -ar 16000 -ac 1 - |
    earmark listen --raw s16 --model ./model --format jsonl
  # labels of your own, by a CLAP model
  arecord -q -t wav -f S16_LE -r 48000 |
    earmark listen --labels \"dog,doorbell\" --model laion/clap-htsat-unfused";

/// Classify live audio from standard input.
///
/// Pipe in a WAV or raw samples from a recorder such as arecord, sox or ffmpeg. Each window is classified as soon as it is
/// complete, until the input ends or you press Ctrl-C.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, mut_arg("model", |arg| arg.help(MODEL)))]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// Length of the windows that are classified.
    #[arg(long, value_name = "LENGTH", default_value = "1s", value_parser = parse::length)]
    window: Duration,

    /// Time from the start of one window to the start of the next [default: half the window].
    #[arg(long, value_name = "LENGTH", value_parser = parse::length)]
    hop: Option<Duration>,

    /// Labels to print per window: a number, or all.
    #[arg(long, value_name = "N|all", default_value = "1", value_parser = parse::top_k)]
    top_k: TopK,

    /// Hide labels below this score, and windows left with none [default: show all].
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    threshold: Option<f32>,

    /// Print only when the best label changes.
    #[arg(long)]
    changes: bool,

    /// Output format.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// Read headerless little-endian samples of this type, in place of a WAV.
    #[arg(long, value_name = "SAMPLES", value_parser = one_of::<RawSamples>(RawSamples::ALL.iter().map(|it| it.name())), help_heading = "Input")]
    raw: Option<RawSamples>,

    /// Sampling rate of --raw input.
    #[arg(long, value_name = "HZ", default_value = "16000", value_parser = parse::rate, requires = "raw", help_heading = "Input")]
    rate: SampleRate,

    /// Channels of --raw input.
    #[arg(long, value_name = "N", default_value = "1", requires = "raw", help_heading = "Input")]
    channels: usize,

    /// Scores: softmax, sigmoid, none (raw logits), or auto (sigmoid for multi-label models, else softmax).
    #[arg(long, value_name = "KIND", default_value = "auto")]
    scores: ScoresArg,

    #[command(flatten)]
    labels: LabelArgs,
}

const MODEL: &str = "Model: a Hub id (owner/name, or owner/name@REVISION), a folder in Hugging Face layout, or a run's folder; with --labels, a \
                     CLAP model";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Time, labels and scores.
    Text,
    /// One JSON object per line: start, end, predictions.
    Jsonl,
}

const NO_SOUND: &str = "no sound arrived on standard input: is the recorder running?";

/// A line of --format jsonl.
#[derive(Debug, Serialize)]
struct WindowRow {
    start: f64,
    end: f64,
    predictions: Vec<Prediction>,
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    if io::stdin().is_terminal() {
        messages::note(
            "waiting for sound on standard input, which is a terminal: pipe a recorder in, such as \
             `arecord -q -t wav -f S16_LE -r 16000 | earmark listen …` (Ctrl-C ends)",
        );
    }
    if args.labels.given() {
        check_threshold("--threshold", args.threshold, ZeroShotScorer::SCORES)?;
        let labels = args.labels.all()?;
        let ModelSource { folder, device, hearing } = args.model.open(Purpose::ZeroShot)?;
        let model = ZeroShotScorer::open(
            &folder,
            &labels,
            &args.labels.template,
            &device,
            "leave out --labels for its own labels",
        )?;
        listen(args, &hearing, &model)
    } else {
        let ModelSource { folder, device, hearing } = args.model.open(Purpose::Classify)?;
        let model = ClassifierScorer::open(&folder, args.scores, &device, "pass them by --labels A,B")?;
        check_threshold("--threshold", args.threshold, model.scores)?;
        listen(args, &hearing, &model)
    }
}

fn listen(args: &Args, hearing: &AudioOptions, model: &impl Scorer) -> Result<Done> {
    // A microphone has no longest clip.
    let options = DecodeOptions { max_duration: Duration::MAX, ..hearing.decode.clone() };
    let windows = Windows { length: args.window, hop: args.hop.unwrap_or(args.window / 2) };
    check_windows(windows, model)?;
    messages::note(format_args!(
        "listening on standard input: windows of {:?}, one every {:?}",
        windows.length, windows.hop
    ));
    let decoder = match Decoder::live(io::stdin(), args.live_format(), &options) {
        Err(error) if matches!(error.kind, ErrorKind::Empty) => bail!(NO_SOUND),
        decoder => decoder
            .context("cannot decode standard input: pipe a WAV in, or describe its samples with --raw")?,
    };
    let mut cut = windows.cut(decoder, hearing, model.sampling_rate(), model.min_samples())?;
    std::thread::scope(|scope| {
        // The next windows are decoded while the model scores this one.
        let (sender, receiver) = sync_channel::<Result<(Window, Result<Features, Error>), Error>>(8);
        scope.spawn(move || {
            for span in cut.by_ref() {
                let prepared = span.map(|span| (span.window, model.features(&span.waveform)));
                let failed = prepared.is_err();
                if sender.send(prepared).is_err() || failed {
                    break;
                }
            }
        });
        let (mut done, mut is_empty) = (Done::Well, true);
        let mut printer = Printer { args, begun: Instant::now(), last: None, lag_reported: false };
        for prepared in receiver {
            let (window, features) = prepared?;
            is_empty = false;
            let scores = features.and_then(|features| model.scores(&[features]).swap_remove(0));
            let scores = match scores {
                Ok(scores) => scores,
                Err(error) => {
                    // A microphone goes on.
                    done = Done::InPart;
                    let error = anyhow::Error::from(error).context(format!("at {}", clock(window.start)));
                    messages::error(messages::failure(&error));
                    continue;
                }
            };
            let mut predictions = top_k(&scores, model.labels(), args.top_k);
            let least = args.threshold.unwrap_or(f32::NEG_INFINITY);
            predictions.retain(|prediction| prediction.score >= least);
            printer.print(window, predictions)?;
        }
        if is_empty {
            bail!(NO_SOUND);
        }
        Ok(done)
    })
}

impl Args {
    fn live_format(&self) -> LiveFormat {
        match self.raw {
            None => LiveFormat::Wav,
            Some(samples) => LiveFormat::Raw { samples, rate: self.rate, channels: self.channels },
        }
    }
}

/// Prints the labels of each window.
struct Printer<'a> {
    args: &'a Args,
    begun: Instant,
    last: Option<String>,
    lag_reported: bool,
}

impl Printer<'_> {
    fn print(&mut self, window: Window, predictions: Vec<Prediction>) -> Result<()> {
        self.watch_lag(window);
        let best = predictions.first().map(|best| best.label.clone());
        if best.is_none() || (self.args.changes && best == self.last) {
            self.last = best;
            return Ok(());
        }
        self.last = best;
        let (start, end) = (window.start, window.end);
        let mut out = stdout::stdout();
        match self.args.format {
            Format::Jsonl => {
                writeln!(out, "{}", serde_json::to_string(&WindowRow { start, end, predictions })?)?;
            }
            Format::Text => {
                let labels = predictions.iter().map(|p| format!("{} {:.3}", escape(&p.label), p.score));
                writeln!(out, "{:>9}  {}", clock(end), labels.collect::<Vec<_>>().join("  "))?;
            }
        }
        Ok(out.flush()?)
    }

    /// Warns once when the model is slower than real time, so that labels come ever later. A file that is piped in is never
    /// behind.
    fn watch_lag(&mut self, window: Window) {
        let behind = self.begun.elapsed().as_secs_f64() - window.end;
        if behind > 3.0 + 2.0 * self.args.window.as_secs_f64() && !self.lag_reported {
            self.lag_reported = true;
            messages::warning(format_args!(
                "labels come {behind:.0} seconds late: a longer --hop or a smaller model keeps up"
            ));
        }
    }
}
