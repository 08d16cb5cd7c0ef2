use std::fmt;
use std::fs::File;
use std::io::{Cursor, Read, Seek};
use std::path::Path;
use std::time::Duration;

use crate::downmix::Downmix;
use crate::error::{Error, ErrorKind, Origin};
use crate::source::{Input, Source};
use crate::waveform::{SampleRate, not_finite};

/// The largest stream held in memory because it cannot seek.
const MAX_STREAM_BYTES: u64 = 1 << 30;

/// The rate the duration cap is counted at, at most: so that it bounds memory, whatever rate a header claims.
const CAP_RATE: u32 = 48_000;

/// What the caller chooses about decoding.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodeOptions {
    /// How several channels become one.
    pub downmix: Downmix,
    /// The longest clip that is decoded, six hours by default: a few kilobytes of FLAC can hold a day of silence.
    ///
    /// Above 48 kHz (or, with channels kept apart, beyond one channel) it is counted in samples as if at 48 kHz, so
    /// that six hours never take more than 4.2 GB. A server that takes uploads wants minutes here.
    pub max_duration: Duration,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        DecodeOptions { downmix: Downmix::default(), max_duration: Duration::from_secs(6 * 60 * 60) }
    }
}

/// What a listener should know about a file that decoded all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The stream stopped before its own header, index or last frame said it would.
    Truncated,
    /// Packets that made no sense were left out, as ffmpeg does; what follows them sounds earlier than it should.
    SkippedPackets {
        /// How many.
        count: u64,
    },
    /// A second stream follows with another rate or channel count; only the first was decoded.
    FormatChanged,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Truncated => f.write_str("the stream ends early; the samples up to there were kept"),
            Warning::SkippedPackets { count: 1 } => f.write_str("1 damaged packet was left out"),
            Warning::SkippedPackets { count } => write!(f, "{count} damaged packets were left out"),
            Warning::FormatChanged => {
                f.write_str("the sample rate or channel count changes midway; only the part before was kept")
            }
        }
    }
}

/// Decodes a clip block by block, in bounded memory however long it is.
///
/// ```no_run
/// use earmark_audio::{DecodeOptions, Decoder};
///
/// let mut decoder = Decoder::open("field-recording.flac", &DecodeOptions::default())?;
/// let mut loudest = 0f32;
/// while let Some(block) = decoder.next_block()? {
///     loudest = block.iter().fold(loudest, |peak, x| peak.max(x.abs()));
/// }
/// # Ok::<(), earmark_audio::Error>(())
/// ```
pub struct Decoder {
    origin: Origin,
    source: Source,
    downmix: Downmix,
    /// The block being handed out: one list a channel, and their mix.
    planes: Vec<Vec<f32>>,
    mono: Vec<f32>,
    frames: u64,
    max_duration: Duration,
}

impl Decoder {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error`] when it cannot be opened or its start cannot be understood.
    pub fn open(path: impl AsRef<Path>, options: &DecodeOptions) -> Result<Decoder, Error> {
        let path = path.as_ref();
        let origin = Origin::File(path.to_path_buf());
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.is_file(), file)));
        let input = match opened.map_err(ErrorKind::Read) {
            Ok((true, file)) => Input::new(file).map_err(ErrorKind::Read),
            // A named pipe or a terminal: it has a path and cannot seek.
            Ok((false, pipe)) => held(pipe),
            Err(kind) => Err(kind),
        };
        Decoder::new(origin, input, options)
    }

    /// Decodes bytes in memory.
    ///
    /// # Errors
    /// As [`Decoder::open`], with [`Origin::Bytes`].
    pub fn from_bytes(bytes: impl Into<Vec<u8>>, options: &DecodeOptions) -> Result<Decoder, Error> {
        Decoder::from_reader(Cursor::new(bytes.into()), options)
    }

    /// Decodes from a reader that can seek; the file begins where the reader begins, wherever it stands now.
    ///
    /// # Errors
    /// As [`Decoder::open`], with [`Origin::Bytes`].
    pub fn from_reader(
        reader: impl Read + Seek + Send + 'static,
        options: &DecodeOptions,
    ) -> Result<Decoder, Error> {
        Decoder::new(Origin::Bytes, Input::new(reader).map_err(ErrorKind::Read), options)
    }

    /// Decodes from a reader that cannot seek: it is read to its end first, as an MP4 keeps its index there.
    ///
    /// # Errors
    /// As [`Decoder::open`], with [`Origin::Bytes`]; [`ErrorKind::TooLarge`] past a gibibyte.
    pub fn from_stream(reader: impl Read, options: &DecodeOptions) -> Result<Decoder, Error> {
        Decoder::new(Origin::Bytes, held(reader), options)
    }

    fn new(
        origin: Origin,
        input: Result<Input, ErrorKind>,
        options: &DecodeOptions,
    ) -> Result<Decoder, Error> {
        match input.and_then(Source::open) {
            Ok(source) => Ok(Decoder::over(origin, source, options)),
            Err(kind) => Err(origin.blame(kind)),
        }
    }

    pub(crate) fn over(origin: Origin, source: Source, options: &DecodeOptions) -> Decoder {
        Decoder {
            planes: vec![Vec::new(); source.channels()],
            mono: Vec::new(),
            origin,
            source,
            downmix: options.downmix,
            frames: 0,
            max_duration: options.max_duration,
        }
    }

    /// Samples a second.
    pub fn rate(&self) -> SampleRate {
        self.source.rate()
    }

    /// How many channels the file has, before any down-mix.
    pub fn channels(&self) -> usize {
        self.source.channels()
    }

    /// Where the bytes come from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What has been wrong with the file so far; complete once the last block was handed out.
    pub fn warnings(&self) -> Vec<Warning> {
        self.source.warnings()
    }

    /// The next samples, mixed to mono: never an empty block, `None` at the end.
    ///
    /// # Errors
    /// [`Error`] when the rest cannot be decoded, holds a sample that is not finite, or passes the cap on duration.
    pub fn next_block(&mut self) -> Result<Option<&[f32]>, Error> {
        self.downmix.check(self.channels()).map_err(|kind| self.origin.blame(kind))?;
        if !self.advance(1)? {
            return Ok(None);
        }
        self.downmix.mix(&self.planes, &mut self.mono);
        // Two float channels near the top of the range add up to infinity.
        let start = self.frames - self.mono.len() as u64;
        finite(&self.mono, start).map_err(|kind| self.origin.blame(kind))?;
        Ok(Some(&self.mono))
    }

    /// The next samples, one list a channel, all equally long: never an empty block, `None` at the end.
    ///
    /// # Errors
    /// As [`Decoder::next_block`].
    pub fn next_planes(&mut self) -> Result<Option<&[Vec<f32>]>, Error> {
        Ok(if self.advance(self.channels())? { Some(&self.planes) } else { None })
    }

    /// Fills `planes`; the caller keeps `kept` samples of each frame.
    fn advance(&mut self, kept: usize) -> Result<bool, Error> {
        self.fill(kept).map_err(|kind| self.origin.blame(kind))
    }

    fn fill(&mut self, kept: usize) -> Result<bool, ErrorKind> {
        if !self.source.next_block(&mut self.planes)? {
            return Ok(false);
        }
        self.planes.iter().try_for_each(|plane| finite(plane, self.frames))?;
        self.frames += self.planes.first().map_or(0, |plane| plane.len() as u64);
        let rate = f64::from(self.rate().hz().min(CAP_RATE));
        if self.frames as f64 * kept as f64 > self.max_duration.as_secs_f64() * rate {
            return Err(ErrorKind::TooLong { limit: self.max_duration });
        }
        Ok(true)
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("origin", &self.origin)
            .field("rate", &self.rate())
            .field("channels", &self.channels())
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

/// Checks samples of which the first is number `start` of the clip.
fn finite(samples: &[f32], start: u64) -> Result<(), ErrorKind> {
    match not_finite(samples) {
        Some(at) => Err(ErrorKind::NotFinite { index: start as usize + at }),
        None => Ok(()),
    }
}

/// Reads all of a stream that cannot seek.
fn held(reader: impl Read) -> Result<Input, ErrorKind> {
    let mut bytes = Vec::new();
    reader.take(MAX_STREAM_BYTES + 1).read_to_end(&mut bytes).map_err(ErrorKind::Read)?;
    if bytes.len() as u64 > MAX_STREAM_BYTES {
        return Err(ErrorKind::TooLarge { limit: MAX_STREAM_BYTES });
    }
    Input::new(Cursor::new(bytes)).map_err(ErrorKind::Read)
}
