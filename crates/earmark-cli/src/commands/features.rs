use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args as ClapArgs;
use earmark_audio::{DecodeOptions, decode_file};
use earmark_features::{Preprocessor, resample};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::args::audio::{self, AudioArgs};
use crate::args::hub::HubArgs;
use crate::args::model;
use crate::args::output::OutputArgs;
use crate::exit::Done;
use crate::output::messages;

const EXAMPLES: &str = "\
Examples:
  earmark features clip.wav --model openai/whisper-base -o clip.safetensors";

/// Write a file's model inputs (extractor output) as safetensors.
///
/// Names and shapes are those of transformers: input_values or input_features with a batch axis of 1, and attention_mask
/// and is_longer where the extractor returns them.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Sound file.
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// Model whose preprocessor_config.json or processor_config.json is used: a Hub id or a folder in Hugging Face layout.
    #[arg(long, value_name = "ID|DIR")]
    model: String,

    #[command(flatten)]
    output: OutputArgs,

    #[command(flatten)]
    audio: AudioArgs,

    #[command(flatten)]
    hub: HubArgs,
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    args.output.check()?;
    let output = args.output.path();
    let preprocessor = model::extractor(&args.model, &args.hub)?;
    let options = DecodeOptions { downmix: args.audio.downmix(), ..DecodeOptions::default() };
    let decoded = decode_file(&args.path, &options)?;
    audio::warn(&earmark_fs::text(&args.path), &decoded.warnings);
    let waveform = resample(decoded.waveform, preprocessor.sampling_rate(), args.audio.resampler())?;
    let mut features = preprocessor.extract(&waveform)?;
    // A clip alone has no padding, but the reference says so when the model wants a mask.
    if let Preprocessor::Wav2Vec2(extractor) = &preprocessor
        && extractor.return_attention_mask
    {
        features.attention_mask = Some(vec![1; features.data.len()]);
    }

    let batched = |shape: &[usize]| [&[1], shape].concat();
    let floats: Vec<u8> = features.data.iter().flat_map(|x| x.to_le_bytes()).collect();
    let mask: Option<Vec<u8>> =
        features.attention_mask.as_ref().map(|mask| mask.iter().flat_map(|x| x.to_le_bytes()).collect());
    let longer = features.is_longer.map(|longer| [u8::from(longer)]);
    let mut tensors =
        vec![(preprocessor.input_name(), TensorView::new(Dtype::F32, batched(&features.shape), &floats)?)];
    if let Some(mask) = &mask {
        tensors.push(("attention_mask", TensorView::new(Dtype::I32, vec![1, mask.len() / 4], mask)?));
    }
    if let Some(longer) = &longer {
        tensors.push(("is_longer", TensorView::new(Dtype::BOOL, vec![1, 1], longer)?));
    }
    let bytes = safetensors::serialize(tensors, None)?;
    earmark_fs::write(output, bytes)
        .with_context(|| format!("cannot write `{}`", earmark_fs::text(output)))?;
    messages::note(format_args!(
        "{}: {} {:?}",
        earmark_fs::text(output),
        preprocessor.input_name(),
        batched(&features.shape)
    ));
    Ok(Done::Well)
}
