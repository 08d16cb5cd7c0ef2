use std::fs;
use std::io::Write as _;
use std::num::NonZero;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use burn::tensor::Device;
use clap::Args as ClapArgs;
use earmark_audio::{SampleRate, Waveform};
use earmark_features::Features;
use earmark_pipeline::{AudioClassifier, AudioEmbedder};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Serialize;

use crate::args::device::ComputeArgs;
use crate::args::hub::HubArgs;
use crate::args::{model, parse};
use crate::exit::{Done, usage};
use crate::output::stdout;

const EXAMPLES: &str = "\
Examples:
  earmark bench --model ./model --seconds 5
  earmark bench --model MIT/ast-finetuned-audioset-10-10-0.4593 \\
    --batch 8 --threads 1 --repeat 20";

/// Time a model on random input.
///
/// Prints one JSON object with the times of loading, feature extraction and the forward pass in seconds: one per
/// repetition, after a first one that is not counted. For CLAP models it times the audio encoder.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Model: a Hub id (owner/name, or owner/name@REVISION), a folder in Hugging Face layout, or a run's folder.
    #[arg(long, value_name = "ID|DIR")]
    model: String,

    /// Length of each clip, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse::seconds)]
    seconds: f64,

    /// Clips per batch.
    #[arg(long, value_name = "N", default_value = "1")]
    batch: NonZero<usize>,

    /// Repetitions.
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
    if args.seconds * args.batch.get() as f64 > 3600.0 {
        return Err(usage(format_args!(
            "--batch {} of {} s each is more than an hour of audio: lower one of them",
            args.batch, args.seconds
        )));
    }
    let (device, name): (Device, _) = args.compute.open()?;
    let folder = model::embedding_folder(&args.model, &args.hub)?;
    let begin = Instant::now();
    let model = BenchModel::open(&folder, &device)?;
    let load_s = begin.elapsed().as_secs_f64();

    let clips = random_clips(args.batch.get(), args.seconds, model.sampling_rate())?;
    let (mut features_s, mut forward_s) = (Vec::new(), Vec::new());
    for turn in 0..=args.repeat.get() {
        let begin = Instant::now();
        let features: Vec<Features> = clips.iter().map(|clip| model.features(clip)).collect::<Result<_>>()?;
        let extracted = begin.elapsed().as_secs_f64();
        let begin = Instant::now();
        // Reads the results back, so that a device that computes asynchronously is waited for.
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

/// A classifier, or a checkpoint without a head.
enum BenchModel {
    Classifier(Box<AudioClassifier>),
    Embedder(Box<AudioEmbedder>),
}

impl BenchModel {
    fn open(folder: &Path, device: &Device) -> Result<BenchModel> {
        match AudioClassifier::open(folder, device) {
            Ok(classifier) => Ok(BenchModel::Classifier(Box::new(classifier))),
            Err(_) => Ok(BenchModel::Embedder(Box::new(AudioEmbedder::open(folder, device)?))),
        }
    }

    fn sampling_rate(&self) -> SampleRate {
        match self {
            BenchModel::Classifier(it) => it.sampling_rate(),
            BenchModel::Embedder(it) => it.sampling_rate(),
        }
    }

    fn features(&self, clip: &Waveform) -> Result<Features> {
        Ok(match self {
            BenchModel::Classifier(it) => it.features(clip)?,
            BenchModel::Embedder(it) => it.features(clip)?,
        })
    }

    fn forward(&self, clips: &[Features]) -> Result<()> {
        let rows = match self {
            BenchModel::Classifier(it) => it.logits(clips),
            BenchModel::Embedder(it) => it.embeddings(clips),
        };
        rows.into_iter().try_for_each(|row| Ok(row.map(|_| ())?))
    }
}

/// Clips of random samples, the same in every run.
fn random_clips(count: usize, seconds: f64, rate: SampleRate) -> Result<Vec<Waveform>> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let samples = (seconds * f64::from(rate.hz())).round().max(1.0) as usize;
    let clip = |_| {
        let samples = (0..samples).map(|_| rng.random_range(-0.5..0.5)).collect();
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
