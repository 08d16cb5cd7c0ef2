//! Writing WAV: what `decode` shows of what a model hears, and what tests are made of.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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

/// Writes a mono clip, to another name first and then renamed, so that no reader ever sees half a file.
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
    let temporary = beside(path);
    let written = write_to(&temporary, &planes, rate, format).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|e| {
        // There may be none: the error to report is the one that led here.
        let _ = fs::remove_file(&temporary);
        Origin::File(path.to_path_buf()).blame(ErrorKind::Write(e))
    })
}

/// A name in the same folder, so that the rename never crosses a file system; ours alone among processes and threads.
fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{}.part", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

fn write_to(path: &Path, planes: &[&[f32]], rate: SampleRate, format: WavFormat) -> io::Result<()> {
    let header = header(planes, rate, format)?;
    let mut file = BufWriter::new(fs::File::create(path)?);
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
    file.into_inner()?.sync_all()
}

/// The 44 bytes every reader understands.
fn header(planes: &[&[f32]], rate: SampleRate, format: WavFormat) -> io::Result<[u8; 44]> {
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
        .filter(|bytes| *bytes <= u32::MAX - 36)
        .ok_or_else(|| invalid("a WAV holds at most 4 GiB"))?;
    let byte_rate = rate.hz().saturating_mul(block.into());

    let mut header = [0; 44];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        header[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(b"RIFF");
    put(&(bytes + 36).to_le_bytes());
    put(b"WAVEfmt ");
    put(&16u32.to_le_bytes());
    put(&tag.to_le_bytes());
    put(&channels.to_le_bytes());
    put(&rate.hz().to_le_bytes());
    put(&byte_rate.to_le_bytes());
    put(&block.to_le_bytes());
    put(&(width * 8).to_le_bytes());
    put(b"data");
    put(&bytes.to_le_bytes());
    Ok(header)
}
