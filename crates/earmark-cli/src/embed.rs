use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use burn::tensor::Device;
use clap::Args as ClapArgs;
use earmark_audio::{SampleRate, Waveform};
use earmark_features::Features;
use earmark_pipeline::{AudioClassifier, Sound, ZeroShotClassifier};

use crate::Done;
use crate::device::DeviceArgs;
use crate::hearing::HearingArgs;
use crate::inputs::{Input, InputArgs};
use crate::model::HubArgs;

const EXAMPLES: &str = "\
Examples:
  earmark embed recordings -o embeddings.npy --model laion/clap-htsat-unfused
  python -c \"import numpy; print(numpy.load('embeddings.npy').shape)\"";

/// Write one vector for each sound file: what the model makes of it before it names it.
///
/// CLAP gives the place in the space it shares with texts; other models the mean of their last hidden states over time (AST
/// that of its two tokens for the whole clip). The rows of the file are float32, in the order printed.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    inputs: InputArgs,

    /// The model: a Hub id, with @REVISION if need be, or a folder in Hugging Face layout.
    #[arg(long, value_name = "ID|DIR")]
    model: String,

    /// The NumPy file to write: [files, numbers].
    #[arg(short, long, value_name = "FILE.npy")]
    output: PathBuf,

    #[command(flatten)]
    hearing: HearingArgs,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    hub: HubArgs,
}

/// A model of either kind.
pub(crate) enum Hears {
    Classifier(Box<AudioClassifier>),
    Clap(Box<ZeroShotClassifier>),
}

impl Hears {
    pub(crate) fn open(folder: &Path, device: &Device) -> Result<Hears> {
        match model_type(folder).as_deref() {
            Some("clap") => Ok(Hears::Clap(Box::new(ZeroShotClassifier::open(folder, device)?))),
            _ => Ok(Hears::Classifier(Box::new(AudioClassifier::open(folder, device)?))),
        }
    }

    pub(crate) fn sampling_rate(&self) -> SampleRate {
        match self {
            Hears::Classifier(it) => it.sampling_rate(),
            Hears::Clap(it) => it.sampling_rate(),
        }
    }

    pub(crate) fn features(&self, clip: &Waveform) -> Result<Features> {
        Ok(match self {
            Hears::Classifier(it) => it.features(clip)?,
            Hears::Clap(it) => it.features(clip)?,
        })
    }

    pub(crate) fn embed(&self, features: &Features) -> Result<Vec<f32>> {
        Ok(match self {
            Hears::Classifier(it) => it.embeddings(std::slice::from_ref(features))?.swap_remove(0),
            Hears::Clap(it) => it.embedding(features)?,
        })
    }

    /// One forward pass over all of them.
    pub(crate) fn bench(&self, clips: &[Features]) -> Result<()> {
        match self {
            Hears::Classifier(it) => it.logits(clips).map(|_| ())?,
            Hears::Clap(it) => clips.iter().try_for_each(|clip| it.embedding(clip).map(|_| ()))?,
        }
        Ok(())
    }
}

/// What kind of model a folder holds. Whoever opens it says what is wrong with it.
pub(crate) fn model_type(folder: &Path) -> Option<String> {
    let config = fs::read(folder.join("config.json")).ok()?;
    let config: serde_json::Value = serde_json::from_slice(&config).ok()?;
    Some(config.get("model_type")?.as_str()?.to_owned())
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    if args.output.extension().is_none_or(|extension| extension != "npy") {
        bail!("`{}`: embeddings are written as NumPy files: name it FILE.npy", args.output.display());
    }
    let (device, _) = args.device.open()?;
    let model = Hears::open(&args.hub.text_model(&args.model)?, &device)?;
    let hearing = args.hearing.hearing();
    let mut rows: Vec<Vec<f32>> = Vec::new();
    for input in args.inputs.find()? {
        let Input::File(path) = input else { bail!("embed reads files, not standard input") };
        let heard = hearing.hear(Sound::File(path.clone()), model.sampling_rate())?;
        for warning in &heard.warnings {
            eprintln!("warning: `{}`: {warning}", path.display());
        }
        let features =
            model.features(&heard.waveform).with_context(|| format!("cannot use `{}`", path.display()))?;
        rows.push(model.embed(&features)?);
        println!("{}", path.display());
    }
    let write = || -> std::io::Result<()> {
        let mut landing = tempfile::NamedTempFile::new_in(parent(&args.output))?;
        landing.write_all(&npy(&rows))?;
        landing.persist(&args.output)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write `{}`", args.output.display()))?;
    eprintln!("{}: {} × {}", args.output.display(), rows.len(), rows.first().map_or(0, Vec::len));
    Ok(Done::Well)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// NumPy's format 1.0 (`numpy.lib.format`): a magic number, the header's length, the header, the numbers.
fn npy(rows: &[Vec<f32>]) -> Vec<u8> {
    let columns = rows.first().map_or(0, Vec::len);
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {columns}), }}", rows.len());
    // Its end, behind a newline, lies at a multiple of 64.
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(rows.iter().flatten().flat_map(|x| x.to_le_bytes()));
    bytes
}
