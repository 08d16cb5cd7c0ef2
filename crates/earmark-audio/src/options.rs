//! What a caller chooses about decoding, and the warnings about a file that is damaged and still decodes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::downmix::Downmix;
use crate::error::UnknownName;
use crate::waveform::SampleRate;

/// How sounds are decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodeOptions {
    /// How several channels become mono.
    pub downmix: Downmix,
    /// The longest clip that is decoded, six hours by default: a few kilobytes of FLAC can hold a day of silence.
    ///
    /// Above 48 kHz (and without a downmix, beyond one channel) samples are counted as if at 48 kHz, so that six hours
    /// never take more than 4.2 GB. A server that accepts uploads should allow minutes.
    pub max_duration: Duration,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        DecodeOptions { downmix: Downmix::default(), max_duration: Duration::from_secs(6 * 60 * 60) }
    }
}

/// The type of raw samples; little-endian, channels interleaved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RawSamples {
    /// Unsigned bytes.
    U8,
    /// 16-bit integers.
    S16,
    /// 24-bit integers in three bytes.
    S24,
    /// 32-bit integers.
    S32,
    /// 32-bit floats.
    F32,
}

impl RawSamples {
    /// Every type.
    pub const ALL: &[RawSamples] =
        &[RawSamples::U8, RawSamples::S16, RawSamples::S24, RawSamples::S32, RawSamples::F32];

    /// Its name, as flags write it.
    pub const fn name(self) -> &'static str {
        match self {
            RawSamples::U8 => "u8",
            RawSamples::S16 => "s16",
            RawSamples::S24 => "s24",
            RawSamples::S32 => "s32",
            RawSamples::F32 => "f32",
        }
    }
}

impl fmt::Display for RawSamples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for RawSamples {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<RawSamples, UnknownName> {
        UnknownName::find(text, RawSamples::ALL, RawSamples::name)
    }
}

/// The format of a live stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveFormat {
    /// A WAV of PCM samples; the length in its header is ignored.
    Wav,
    /// Samples without a header.
    Raw {
        /// The type of the samples.
        samples: RawSamples,
        /// The sample rate of each channel.
        rate: SampleRate,
        /// The number of channels.
        channels: usize,
    },
}

/// A problem of a file that was decoded nevertheless.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The file ends before the end that its header, index or last frame gives.
    Truncated,
    /// Damaged packets were skipped, as ffmpeg does; the sound after them is earlier than it should be.
    SkippedPackets {
        /// How many.
        count: u64,
    },
    /// Its header contradicts itself or the file. It was read as libsndfile reads such a file.
    Header {
        /// The contradiction, and how it was read.
        what: String,
    },
    /// The number of channels changes midway. All of it was decoded; each part was mixed to mono separately.
    ChannelsChanged {
        /// The number before.
        from: usize,
        /// The number after.
        to: usize,
        /// When.
        at: Duration,
    },
    /// The sound after some time was not decoded.
    LeftOut {
        /// The time in the clip.
        at: Duration,
        /// The reason.
        what: String,
    },
    /// The channels cancel each other out: the downmix is nearly silent, although a single channel is not.
    Cancelled,
    /// It is HE-AAC, and only the AAC-LC core was decoded: at half the sample rate, without the high frequencies.
    CoreOnly,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Truncated => f.write_str("the file ends early; the samples before that were kept"),
            Warning::SkippedPackets { count: 1 } => f.write_str("skipped 1 damaged packet"),
            Warning::SkippedPackets { count } => write!(f, "skipped {count} damaged packets"),
            Warning::Header { what } => write!(f, "its header is wrong: {what}"),
            Warning::ChannelsChanged { from, to, at } => {
                let at = at.as_secs_f64();
                write!(f, "the number of channels changes from {from} to {to} at {at:.3} s; each part was downmixed separately")
            }
            Warning::LeftOut { at, what } => {
                write!(f, "skipped everything after {:.3} s: {what}", at.as_secs_f64())
            }
            Warning::Cancelled => f.write_str(
                "its channels cancel each other out, so the downmix is nearly silent; a single channel is not",
            ),
            Warning::CoreOnly => f.write_str(
                "it is HE-AAC: only the AAC-LC core was decoded, at half the sample rate and without the high frequencies",
            ),
        }
    }
}

/// Why a [`Warning::LeftOut`] leaves out what follows a file.
pub(crate) const JOINED: &str = "another file begins where this one ends";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_samples_is_known_by_its_name() {
        for &samples in RawSamples::ALL {
            assert_eq!(samples.to_string().parse(), Ok(samples));
            assert_eq!(serde_json::to_value(samples).unwrap(), samples.name());
        }
        assert!("s8".parse::<RawSamples>().is_err());
    }
}
