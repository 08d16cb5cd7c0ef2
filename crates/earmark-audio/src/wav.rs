//! Writing WAV.

use std::io::{self, BufWriter, Seek as _, Write};
use std::path::{Path, PathBuf};

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
    let mut wav = WavWriter::create(path, planes.len(), rate, format)?;
    wav.write(planes)?;
    wav.finish()
}

/// A mono clip as the bytes of a WAV, as [`write_wav`] writes them.
///
/// # Errors
/// [`ErrorKind::Write`] when the bytes would pass the 4 GiB a WAV header can count.
pub fn wav_bytes(clip: &Waveform, format: WavFormat) -> Result<Vec<u8>, Error> {
    let encode = || -> io::Result<Vec<u8>> {
        let layout = Layout::new(1, clip.rate(), format)?;
        let frames = clip.samples().len() as u64;
        let mut bytes = layout.header(frames)?;
        bytes.reserve_exact(layout.bytes(frames)? as usize);
        write_frames(&mut bytes, &[clip.samples()], format)?;
        Ok(bytes)
    };
    encode().map_err(ErrorKind::Write).with_context(|| Origin::Bytes)
}

/// Writes a WAV block by block, in bounded memory however long it is. The file is there once [`WavWriter::finish`] is
/// called, and not at all if the writer is dropped before that.
///
/// ```
/// use earmark_audio::{SampleRate, WavFormat, WavWriter};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("stereo.wav");
/// let mut wav = WavWriter::create(&path, 2, SampleRate::HZ_48000, WavFormat::Pcm16)?;
/// wav.write(&[[0.0, 0.5], [0.25, -0.25]])?; // two frames: the left channel, the right channel
/// wav.write(&[[1.0], [-1.0]])?;
/// wav.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct WavWriter {
    file: BufWriter<AtomicFile>,
    path: PathBuf,
    layout: Layout,
    frames: u64,
}

impl WavWriter {
    /// Starts the file, in a folder that is there.
    ///
    /// # Errors
    /// [`ErrorKind::Write`], naming the path: also without channels, and with more than 65 535.
    pub fn create(
        path: impl AsRef<Path>,
        channels: usize,
        rate: SampleRate,
        format: WavFormat,
    ) -> Result<WavWriter, Error> {
        let path = path.as_ref();
        let create = || -> io::Result<WavWriter> {
            let layout = Layout::new(channels, rate, format)?;
            let mut file = BufWriter::new(AtomicFile::create(path)?);
            file.write_all(&layout.header(0)?)?;
            Ok(WavWriter { file, path: path.to_path_buf(), layout, frames: 0 })
        };
        create().map_err(ErrorKind::Write).with_context(|| Origin::File(path.to_path_buf()))
    }

    /// Adds samples: one list a channel, all equally long.
    ///
    /// # Errors
    /// [`ErrorKind::Write`], naming the path: also for another number of lists than there are channels, lists that are
    /// not equally long, and when the file would pass the 4 GiB a WAV header can count.
    pub fn write(&mut self, planes: &[impl AsRef<[f32]>]) -> Result<(), Error> {
        let written = self.append(planes).map_err(ErrorKind::Write);
        written.with_context(|| Origin::File(self.path.clone()))
    }

    fn append(&mut self, planes: &[impl AsRef<[f32]>]) -> io::Result<()> {
        let planes: Vec<&[f32]> = planes.iter().map(AsRef::as_ref).collect();
        if planes.len() != usize::from(self.layout.channels) {
            return Err(invalid("expected one list of samples per channel"));
        }
        let frames = planes[0].len();
        if planes.iter().any(|plane| plane.len() != frames) {
            return Err(invalid("the channels differ in length"));
        }
        self.layout.bytes(self.frames + frames as u64)?;
        write_frames(&mut self.file, &planes, self.layout.format)?;
        self.frames += frames as u64;
        Ok(())
    }

    /// Completes the file and gives it its name. What was there before is replaced.
    ///
    /// # Errors
    /// [`ErrorKind::Write`], naming the path.
    pub fn finish(self) -> Result<(), Error> {
        let WavWriter { mut file, path, layout, frames } = self;
        let finish = || -> io::Result<()> {
            // Only now it is known how many there are.
            file.rewind()?;
            file.write_all(&layout.header(frames)?)?;
            file.into_inner()?.commit()
        };
        finish().map_err(ErrorKind::Write).with_context(|| Origin::File(path))
    }
}

/// Writes samples, one list a channel, all equally long.
fn write_frames(to: &mut impl Write, planes: &[&[f32]], format: WavFormat) -> io::Result<()> {
    for frame in 0..planes[0].len() {
        for plane in planes {
            let sample = plane[frame];
            match format {
                // `as` saturates, which is the clipping.
                WavFormat::Pcm16 => to.write_all(&((sample * 32768.0).round() as i16).to_le_bytes())?,
                WavFormat::Float32 => to.write_all(&sample.to_le_bytes())?,
            }
        }
    }
    Ok(())
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

/// What the header says beside the number of frames.
#[derive(Debug)]
struct Layout {
    channels: u16,
    rate: SampleRate,
    format: WavFormat,
    /// Bytes of a frame.
    block: u16,
}

impl Layout {
    fn new(channels: usize, rate: SampleRate, format: WavFormat) -> io::Result<Layout> {
        if channels == 0 {
            return Err(invalid("there are no channels"));
        }
        let channels = u16::try_from(channels).map_err(|_| invalid("a WAV has at most 65535 channels"))?;
        let width = match format {
            WavFormat::Pcm16 => 2u16,
            WavFormat::Float32 => 4,
        };
        let block =
            channels.checked_mul(width).ok_or_else(|| invalid("a WAV frame has at most 65535 bytes"))?;
        Ok(Layout { channels, rate, format, block })
    }

    /// Bytes of so many frames, with room for the header.
    fn bytes(&self, frames: u64) -> io::Result<u32> {
        frames
            .checked_mul(self.block.into())
            .and_then(|bytes| u32::try_from(bytes).ok())
            .filter(|bytes| *bytes <= u32::MAX - 50)
            .ok_or_else(|| invalid("a WAV holds at most 4 GiB"))
    }

    /// All that comes before the samples: as long whatever the number of frames. What is not integers has, by the format's
    /// own rule, an extension of the `fmt ` chunk, here an empty one, and a `fact` chunk that counts its frames; SoX and the
    /// Windows shell ask for them.
    fn header(&self, frames: u64) -> io::Result<Vec<u8>> {
        let bytes = self.bytes(frames)?;
        let byte_rate = self.rate.hz().saturating_mul(self.block.into());
        let (tag, bits) = match self.format {
            WavFormat::Pcm16 => (1u16, 16u16),
            WavFormat::Float32 => (3, 32),
        };
        let mut fmt = Vec::with_capacity(18);
        fmt.extend(tag.to_le_bytes());
        fmt.extend(self.channels.to_le_bytes());
        fmt.extend(self.rate.hz().to_le_bytes());
        fmt.extend(byte_rate.to_le_bytes());
        fmt.extend(self.block.to_le_bytes());
        fmt.extend(bits.to_le_bytes());
        let mut chunks = Vec::with_capacity(58);
        match self.format {
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
}

fn chunk(to: &mut Vec<u8>, name: &[u8; 4], content: &[u8]) {
    to.extend(name);
    to.extend((content.len() as u32).to_le_bytes());
    to.extend(content);
}
