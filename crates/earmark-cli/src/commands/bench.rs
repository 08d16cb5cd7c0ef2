use std::fs;
use std::io::Write as _;
use std::num::NonZero;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use burn::tensor::Device;
use clap::Args as ClapArgs;
use earmark_audio::{SampleRate, Waveform};
use earmark_features::Features;
use earmark_pipeline::{AudioClassifier, AudioEmbedder};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Serialize;

use crate::Done;
use crate::args::device::ComputeArgs;
use crate::args::model::HubArgs;
use crate::output::stdout;

const EXAMPLES: &str = "\
Examples:
  earmark bench --model ./model --seconds 5
  earmark bench --model MIT/ast-finetuned-audioset-10-10-0.4593 --batch 8 --threads 1 --repeat 20";

/// Time a model on noise: loading, feature extraction and the forward pass, as one JSON object.
///
/// Times are in seconds, one for each repetition after a first one that is not counted. Of a CLAP model it is the audio
/// tower that runs.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The model: a Hub id or a folder.
    #[arg(long, value_name = "ID|DIR")]
    model: String,

    /// How long each clip is.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    seconds: f64,

    /// Clips of one forward pass.
    #[arg(long, value_name = "N", default_value = "1")]
    batch: NonZero<usize>,

    /// How often to repeat it.
    #[arg(long, value_name = "N", default_value = "10")]
    repeat: NonZero<usize>,

    #[command(flatten)]
    compute: ComputeArgs,

    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, Serialize)]
struct Timings {
    model: String,
    device: String,
    seconds: f64,
    batch: usize,
    threads: usize,
    load_s: f64,
    features_s: Vec<f64>,
    forward_s: Vec<f64>,
    /// The most memory the process held, in MB; `null` where the system does not tell.
    peak_rss_mb: Option<f64>,
}

pub(crate) fn run(args: &Args, threads: Option<NonZero<usize>>) -> Result<Done> {
    if !(args.seconds > 0.0 && args.seconds <= 3600.0) {
        bail!("--seconds is {}: expected more than 0, and an hour at most", args.seconds);
    }
    if args.seconds * args.batch.get() as f64 > 3600.0 {
        bail!("--batch is {}: {} s each are more than an hour together", args.batch, args.seconds);
    }
    let (device, name): (Device, _) = args.compute.open()?;
    let folder = args.hub.embedding_model(&args.model)?;
    let begin = Instant::now();
    let model = Timed::open(&folder, &device)?;
    let load_s = begin.elapsed().as_secs_f64();

    let clips = noise(args.batch.get(), args.seconds, model.sampling_rate())?;
    let (mut features_s, mut forward_s) = (Vec::new(), Vec::new());
    for turn in 0..=args.repeat.get() {
        let begin = Instant::now();
        let features: Vec<Features> = clips.iter().map(|clip| model.features(clip)).collect::<Result<_>>()?;
        let extracted = begin.elapsed().as_secs_f64();
        let begin = Instant::now();
        // Reads the answer back, so that a device that works on behind our back is waited for.
        model.forward(&features)?;
        if turn > 0 {
            features_s.push(extracted);
            forward_s.push(begin.elapsed().as_secs_f64());
        }
    }
    let timings = Timings {
        model: args.model.clone(),
        device: name,
        seconds: args.seconds,
        batch: args.batch.get(),
        threads: threads.map_or_else(rayon::current_num_threads, NonZero::get),
        load_s,
        features_s,
        forward_s,
        peak_rss_mb: peak_rss_mb(),
    };
    writeln!(stdout::stdout(), "{}", serde_json::to_string(&timings)?)?;
    Ok(Done::Well)
}

/// A classifier with its head, and what has none.
enum Timed {
    Classifier(Box<AudioClassifier>),
    Embedder(Box<AudioEmbedder>),
}

impl Timed {
    fn open(folder: &Path, device: &Device) -> Result<Timed> {
        match AudioClassifier::open(folder, device) {
            Ok(classifier) => Ok(Timed::Classifier(Box::new(classifier))),
            Err(_) => Ok(Timed::Embedder(Box::new(AudioEmbedder::open(folder, device)?))),
        }
    }

    fn sampling_rate(&self) -> SampleRate {
        match self {
            Timed::Classifier(it) => it.sampling_rate(),
            Timed::Embedder(it) => it.sampling_rate(),
        }
    }

    fn features(&self, clip: &Waveform) -> Result<Features> {
        Ok(match self {
            Timed::Classifier(it) => it.features(clip)?,
            Timed::Embedder(it) => it.features(clip)?,
        })
    }

    fn forward(&self, clips: &[Features]) -> Result<()> {
        let rows = match self {
            Timed::Classifier(it) => it.logits(clips),
            Timed::Embedder(it) => it.embeddings(clips),
        };
        rows.into_iter().try_for_each(|row| Ok(row.map(|_| ())?))
    }
}

/// The same clips in every run.
fn noise(count: usize, seconds: f64, rate: SampleRate) -> Result<Vec<Waveform>> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let samples = (seconds * f64::from(rate.hz())).round().max(1.0) as usize;
    let clip = |_| {
        let samples = (0..samples).map(|_| random.random_range(-0.5..0.5)).collect();
        Ok(Waveform::new(samples, rate)?)
    };
    (0..count).map(clip).collect()
}

/// `VmHWM` of Linux.
fn peak_rss_mb() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
