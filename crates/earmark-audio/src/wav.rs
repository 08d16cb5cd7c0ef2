//! Writing WAV.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use earmark_error::Context as _;
use earmark_fs::AtomicFile;

use crate::error::{Error, ErrorKind, Origin};
use crate::waveform::{SampleRate, Waveform};

/// How a sample is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WavFormat {
    /// 16-bit integers: rounded to the nearest, and clipped to `[-1, 1)`.
    Pcm16,
    /// 32-bit floats: every bit is kept.
    Float32,
}

/// Writes a mono clip, which is there whole or not at all. What was at the path before is replaced.
///
/// # Errors
/// [`ErrorKind::Write`], naming the path; also when the file would pass the 4 GiB a WAV header can count.
pub fn write_wav(path: impl AsRef<Path>, clip: &Waveform, format: WavFormat) -> Result<(), Error> {
    write_wav_channels(path, &[clip.samples()], clip.rate(), format)
}

/// Writes one list of samples a channel, as [`write_wav`].
///
/// # Errors
/// As [`write_wav`]; also when the lists are not equally long, or there are none or more than 65 535.
pub fn write_wav_channels(
    path: impl AsRef<Path>,
    planes: &[impl AsRef<[f32]>],
    rate: SampleRate,
    format: WavFormat,
) -> Result<(), Error> {
    let path = path.as_ref();
    let planes: Vec<&[f32]> = planes.iter().map(AsRef::as_ref).collect();
    write_to(path, &planes, rate, format)
        .map_err(ErrorKind::Write)
        .with_context(|| Origin::File(path.to_path_buf()))
}

fn write_to(path: &Path, planes: &[&[f32]], rate: SampleRate, format: WavFormat) -> io::Result<()> {
    let header = header(planes, rate, format)?;
    let mut file = BufWriter::new(AtomicFile::create(path)?);
    file.write_all(&header)?;
    for frame in 0..planes[0].len() {
        for plane in planes {
            let sample = plane[frame];
            match format {
                // `as` saturates, which is the clipping.
                WavFormat::Pcm16 => file.write_all(&((sample * 32768.0).round() as i16).to_le_bytes()),
                WavFormat::Float32 => file.write_all(&sample.to_le_bytes()),
            }?;
        }
    }
    file.into_inner()?.commit()
}

/// All that comes before the samples. What is not integers has, by the format's own rule, an extension of the `fmt ` chunk,
/// here an empty one, and a `fact` chunk that counts its frames; SoX and the Windows shell ask for them.
fn header(planes: &[&[f32]], rate: SampleRate, format: WavFormat) -> io::Result<Vec<u8>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what);
    let frames = planes.first().ok_or_else(|| invalid("there are no channels"))?.len();
    if planes.iter().any(|plane| plane.len() != frames) {
        return Err(invalid("the channels are not equally long"));
    }
    let channels = u16::try_from(planes.len()).map_err(|_| invalid("a WAV has at most 65535 channels"))?;
    let (tag, width) = match format {
        WavFormat::Pcm16 => (1u16, 2u16),
        WavFormat::Float32 => (3, 4),
    };
    let block = channels.checked_mul(width).ok_or_else(|| invalid("a WAV frame has at most 65535 bytes"))?;
    let bytes = (frames as u64)
        .checked_mul(block.into())
        .and_then(|bytes| u32::try_from(bytes).ok())
        .filter(|bytes| *bytes <= u32::MAX - 50)
        .ok_or_else(|| invalid("a WAV holds at most 4 GiB"))?;
    let byte_rate = rate.hz().saturating_mul(block.into());

    let mut fmt = Vec::with_capacity(18);
    fmt.extend(tag.to_le_bytes());
    fmt.extend(channels.to_le_bytes());
    fmt.extend(rate.hz().to_le_bytes());
    fmt.extend(byte_rate.to_le_bytes());
    fmt.extend(block.to_le_bytes());
    fmt.extend((width * 8).to_le_bytes());
    let mut chunks = Vec::with_capacity(58);
    match format {
        WavFormat::Pcm16 => chunk(&mut chunks, b"fmt ", &fmt),
        WavFormat::Float32 => {
            fmt.extend(0u16.to_le_bytes());
            chunk(&mut chunks, b"fmt ", &fmt);
            // Fewer than `bytes`, which fits.
            chunk(&mut chunks, b"fact", &(frames as u32).to_le_bytes());
        }
    }
    let mut header = Vec::with_capacity(58);
    header.extend(b"RIFF");
    header.extend((4 + chunks.len() as u32 + 8 + bytes).to_le_bytes());
    header.extend(b"WAVE");
    header.extend(chunks);
    header.extend(b"data");
    header.extend(bytes.to_le_bytes());
    Ok(header)
}

fn chunk(to: &mut Vec<u8>, name: &[u8; 4], content: &[u8]) {
    to.extend(name);
    to.extend((content.len() as u32).to_le_bytes());
    to.extend(content);
}
