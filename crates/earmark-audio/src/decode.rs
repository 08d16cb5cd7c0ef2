//! A whole clip in one call: [`Decoder`], run to its end.

use std::io::{Read, Seek};
use std::path::Path;

use earmark_error::{Attempt as _, Context as _};

use crate::decoder::Decoder;
use crate::error::{Error, ErrorKind};
use crate::options::{DecodeOptions, Warning};
use crate::waveform::{SampleRate, Waveform};

/// A decoded clip, and the problems of its file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Decoded {
    /// The clip, mono, at the rate of the file.
    pub waveform: Waveform,
    /// Problems of the file that did not prevent decoding; empty for an intact file.
    pub warnings: Vec<Warning>,
}

/// A clip with its channels kept apart.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Channels {
    /// The samples of each channel, all of one length and finite; at least one channel with one sample.
    pub planes: Vec<Vec<f32>>,
    /// The sample rate of each channel.
    pub rate: SampleRate,
    /// Problems of the file that did not prevent decoding; empty for an intact file.
    pub warnings: Vec<Warning>,
}

/// Decodes a file to mono, at its own rate.
///
/// # Errors
/// [`Error`] with the file and the reason: it cannot be opened, its format is not supported, it has no samples, or it
/// decodes to more than [`DecodeOptions::max_duration`], or to more than ten minutes and 2000 samples per byte
/// ([`ErrorKind::TooDense`]).
pub fn decode_file(path: impl AsRef<Path>, options: &DecodeOptions) -> Result<Decoded, Error> {
    mono(Decoder::open(path, options)?)
}

/// Decodes the bytes of a sound file, as [`decode_file`].
///
/// # Errors
/// As [`decode_file`], with [`Origin::Bytes`](crate::Origin::Bytes).
pub fn decode_bytes(bytes: impl Into<Vec<u8>>, options: &DecodeOptions) -> Result<Decoded, Error> {
    mono(Decoder::from_bytes(bytes, options)?)
}

/// Decodes from a reader that can seek, as [`decode_file`], from its first byte.
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

/// Decodes a file without a downmix: one list of samples per channel. [`DecodeOptions::downmix`] is not used.
///
/// # Errors
/// As [`decode_file`]. The limit on the duration counts the samples of every channel.
pub fn decode_file_channels(path: impl AsRef<Path>, options: &DecodeOptions) -> Result<Channels, Error> {
    planar(Decoder::open(path, options)?)
}

/// Decodes the bytes of a sound file without a downmix, as [`decode_file_channels`].
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
