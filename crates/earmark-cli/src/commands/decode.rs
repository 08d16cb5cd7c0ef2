use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args as ClapArgs, ValueEnum};
use earmark_audio::{
    DecodeOptions, SampleRate, WavFormat, Waveform, decode_file_channels, write_wav_channels,
};
use earmark_features::resample;

use crate::args::audio::{self, AudioArgs};
use crate::args::output::OutputArgs;
use crate::args::parse;
use crate::exit::{Done, usage};
use crate::output::count::count;
use crate::output::messages;

const EXAMPLES: &str = "\
Examples:
  earmark decode clip.mp3 -o clip.wav
  earmark decode clip.mp3 -o clip.wav --rate 16000";

/// Convert a sound file to a 32-bit float WAV.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Sound file: wav, flac, ogg, opus, mp3, m4a, aac, aiff, caf, au, webm, mkv, mov and more.
    #[arg(value_name = "PATH")]
    path: PathBuf,

    #[command(flatten)]
    output: OutputArgs,

    /// Sampling rate to resample to [default: the file's own].
    #[arg(long, value_name = "HZ", value_parser = parse::rate)]
    rate: Option<SampleRate>,

    /// mono, mixed down as --downmix says, or keep for all channels.
    #[arg(long, value_name = "WHICH", default_value = "mono")]
    channels: Channels,

    #[command(flatten)]
    audio: AudioArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Channels {
    Keep,
    Mono,
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    let output = args.output.path();
    if !output.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("wav")) {
        return Err(usage(format_args!(
            "only WAV can be written: use a name that ends in .wav, not `{}`",
            earmark_fs::text(output)
        )));
    }
    args.output.check()?;
    let name = earmark_fs::text(&args.path);
    let options = DecodeOptions { downmix: args.audio.downmix(), ..DecodeOptions::default() };
    let (planes, mut rate, warnings) = match args.channels {
        Channels::Keep => {
            let decoded = decode_file_channels(&args.path, &options)?;
            (decoded.planes, decoded.rate, decoded.warnings)
        }
        Channels::Mono => {
            let decoded = earmark_audio::decode_file(&args.path, &options)?;
            let rate = decoded.waveform.rate();
            (vec![decoded.waveform.into_samples()], rate, decoded.warnings)
        }
    };
    audio::warn(&name, &warnings);
    let mut resampled = Vec::with_capacity(planes.len());
    for plane in planes {
        let waveform = Waveform::new(plane, rate).with_context(|| format!("cannot use `{name}`"))?;
        let waveform = match args.rate {
            Some(to) => resample(waveform, to, args.audio.resampler())?,
            None => waveform,
        };
        resampled.push(waveform.into_samples());
    }
    rate = args.rate.unwrap_or(rate);
    let planes: Vec<&[f32]> = resampled.iter().map(Vec::as_slice).collect();
    write_wav_channels(output, &planes, rate, WavFormat::Float32)?;
    let channels = count(planes.len(), "channel");
    messages::note(format_args!(
        "{}: {channels}, {rate}, {} samples",
        earmark_fs::text(output),
        planes[0].len()
    ));
    Ok(Done::Well)
}
