//! A whole clip in one call: [`Decoder`], run to its end.

use std::io::{Read, Seek};
use std::path::Path;

use earmark_error::{Attempt as _, Context as _};

use crate::decoder::Decoder;
use crate::error::{Error, ErrorKind};
use crate::options::{DecodeOptions, Warning};
use crate::waveform::{SampleRate, Waveform};

/// A clip, and what was wrong with its file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Decoded {
    /// The clip, mono, at the rate of the file.
    pub waveform: Waveform,
    /// What was wrong with the file: empty for an intact one.
    pub warnings: Vec<Warning>,
}

/// A clip with its channels kept apart.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Channels {
    /// One list of samples a channel, all equally long and finite; at least one channel with one sample.
    pub planes: Vec<Vec<f32>>,
    /// Samples a second, in each channel.
    pub rate: SampleRate,
    /// What was wrong with the file: empty for an intact one.
    pub warnings: Vec<Warning>,
}

/// Decodes a file to mono, at its own rate.
///
/// # Errors
/// [`Error`] names the file, and its kind says why: it could not be opened, is in no known format, holds no
/// samples, or decodes to more than [`DecodeOptions::max_duration`], or to more than 2000 samples a byte and ten minutes
/// ([`ErrorKind::TooDense`]).
pub fn decode_file(path: impl AsRef<Path>, options: &DecodeOptions) -> Result<Decoded, Error> {
    mono(Decoder::open(path, options)?)
}

/// Decodes bytes in memory, as [`decode_file`].
///
/// # Errors
/// As [`decode_file`], with [`Origin::Bytes`](crate::Origin::Bytes).
pub fn decode_bytes(bytes: impl Into<Vec<u8>>, options: &DecodeOptions) -> Result<Decoded, Error> {
    mono(Decoder::from_bytes(bytes, options)?)
}

/// Decodes from a reader that can seek, as [`decode_file`]; the file begins where the reader does.
///
/// # Errors
/// As [`decode_file`], with [`Origin::Bytes`](crate::Origin::Bytes).
pub fn decode_reader(
    reader: impl Read + Seek + Send + 'static,
    options: &DecodeOptions,
) -> Result<Decoded, Error> {
    mono(Decoder::from_reader(reader, options)?)
}

/// Decodes from a pipe or a socket: a reader that cannot seek. It is read to its end before decoding starts.
///
/// # Errors
/// As [`decode_file`], with [`Origin::Bytes`](crate::Origin::Bytes); [`ErrorKind::TooLarge`] past a gibibyte.
pub fn decode_stream(reader: impl Read, options: &DecodeOptions) -> Result<Decoded, Error> {
    mono(Decoder::from_stream(reader, options)?)
}

/// Decodes a file and keeps its channels apart; [`DecodeOptions::downmix`] is not used.
///
/// # Errors
/// As [`decode_file`]. The cap on duration counts the samples of every channel.
pub fn decode_file_channels(path: impl AsRef<Path>, options: &DecodeOptions) -> Result<Channels, Error> {
    planar(Decoder::open(path, options)?)
}

/// Decodes bytes in memory and keeps the channels apart, as [`decode_file_channels`].
///
/// # Errors
/// As [`decode_file_channels`], with [`Origin::Bytes`](crate::Origin::Bytes).
pub fn decode_bytes_channels(bytes: impl Into<Vec<u8>>, options: &DecodeOptions) -> Result<Channels, Error> {
    planar(Decoder::from_bytes(bytes, options)?)
}

fn mono(mut decoder: Decoder) -> Result<Decoded, Error> {
    let mut samples = Vec::new();
    while let Some(block) = decoder.next_block()? {
        samples.extend_from_slice(block);
        decoder.check_density(samples.len())?;
    }
    let waveform = Waveform::new(samples, decoder.rate()).with_context(|| decoder.origin().clone())?;
    Ok(Decoded { waveform, warnings: decoder.warnings() })
}

fn planar(mut decoder: Decoder) -> Result<Channels, Error> {
    let mut planes = vec![Vec::new(); decoder.channels()];
    while let Some(block) = decoder.next_planes()? {
        for (plane, part) in planes.iter_mut().zip(block) {
            plane.extend_from_slice(part);
        }
        decoder.check_density(planes.len() * planes.first().map_or(0, Vec::len))?;
    }
    if planes.first().is_none_or(Vec::is_empty) {
        return Err(decoder.origin().clone().failed(ErrorKind::Empty));
    }
    Ok(Channels { planes, rate: decoder.rate(), warnings: decoder.warnings() })
}
