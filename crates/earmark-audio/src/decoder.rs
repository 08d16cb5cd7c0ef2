use std::fmt;
use std::io::{Cursor, Read, Seek};
use std::path::Path;
use std::time::Duration;

use earmark_error::{Attempt as _, Context as _};

use crate::byte_stream::ByteStream;
use crate::downmix::Downmix;
use crate::error::{Error, ErrorKind, Origin};
use crate::options::{DecodeOptions, Warning};
use crate::source::Source;
use crate::waveform::{SampleRate, not_finite};

/// The largest stream held in memory because it cannot seek.
const MAX_STREAM_BYTES: u64 = 1 << 30;

/// The rate the duration cap is counted at, at most: so that it bounds memory, whatever rate a header claims.
const CAP_RATE: u32 = 48_000;

/// Decodes a sound of any length block by block, in bounded memory.
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
    /// Bytes it is decoded from, where they are known.
    bytes: Option<u64>,
    /// Channels at the start, where those of the source have changed, and what is to be said about it.
    channels: usize,
    change: Option<Warning>,
    ended: bool,
    /// The largest sample of any channel, and of the mix, so far.
    peak: f32,
    mixed_peak: f32,
}

impl Decoder {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error`] when it cannot be opened, is not a regular file (a named pipe or a device may never end: read it with
    /// [`Decoder::from_stream`]), or its header is invalid or not supported.
    pub fn open(path: impl AsRef<Path>, options: &DecodeOptions) -> Result<Decoder, Error> {
        let path = path.as_ref();
        let origin = Origin::File(path.to_path_buf());
        let input = earmark_fs::open(path).and_then(ByteStream::new).map_err(ErrorKind::Read);
        Decoder::new(origin, input, options)
    }

    /// Decodes bytes in memory.
    ///
    /// # Errors
    /// As [`Decoder::open`], with [`Origin::Bytes`].
    pub fn from_bytes(bytes: impl Into<Vec<u8>>, options: &DecodeOptions) -> Result<Decoder, Error> {
        Decoder::from_reader(Cursor::new(bytes.into()), options)
    }

    /// Decodes from a reader that can seek, from its first byte, whatever its current position.
    ///
    /// # Errors
    /// As [`Decoder::open`], with [`Origin::Bytes`].
    pub fn from_reader(
        reader: impl Read + Seek + Send + 'static,
        options: &DecodeOptions,
    ) -> Result<Decoder, Error> {
        Decoder::new(Origin::Bytes, ByteStream::new(reader).map_err(ErrorKind::Read), options)
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
        input: Result<ByteStream, ErrorKind>,
        options: &DecodeOptions,
    ) -> Result<Decoder, Error> {
        let opened = input.and_then(|input| Ok((input.len(), Source::open(input)?)));
        let (bytes, source) = opened.with_context(|| origin.clone())?;
        Ok(Decoder { bytes: Some(bytes), ..Decoder::over(origin, source, options) })
    }

    pub(crate) fn over(origin: Origin, source: Source, options: &DecodeOptions) -> Decoder {
        Decoder {
            channels: source.channels(),
            change: None,
            ended: false,
            peak: 0.0,
            mixed_peak: 0.0,
            planes: vec![Vec::new(); source.channels()],
            mono: Vec::new(),
            origin,
            source,
            downmix: options.downmix,
            frames: 0,
            max_duration: options.max_duration,
            bytes: None,
        }
    }

    /// The sample rate.
    pub fn rate(&self) -> SampleRate {
        self.source.rate()
    }

    /// How long the clip is by its header, where that counts its samples; of MPEG audio without a count, by the size of its first
    /// frame. `None` where neither is known.
    ///
    /// It is for progress and warnings: a header may be wrong, and decoding alone shows it.
    pub fn expected_duration(&self) -> Option<Duration> {
        self.source.expected_duration()
    }

    /// How many channels the file has at its start, before any downmix.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Where the bytes come from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The problems of the file found so far; complete after the last block.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.source.warnings();
        warnings.extend(self.change.clone());
        // 60 dB below: what is left of two channels in antiphase whose last bits were rounded or compressed.
        if self.mixed_peak < self.peak / 1000.0 {
            warnings.push(Warning::Cancelled);
        }
        warnings
    }

    /// The next samples, mixed to mono; never an empty block, `None` at the end. Where the number of channels changes
    /// midway, each part is mixed separately.
    ///
    /// # Errors
    /// [`Error`] when the rest cannot be decoded, has a sample that is not finite, or exceeds the limit on the duration.
    pub fn next_block(&mut self) -> Result<Option<&[f32]>, Error> {
        let is_filled = self.fill_mono().with_context(|| self.origin.clone())?;
        Ok(is_filled.then_some(&self.mono))
    }

    /// The next samples, one list per channel, all of one length; never an empty block, `None` at the end. A change of the
    /// number of channels ends the sound, with a warning.
    ///
    /// # Errors
    /// As [`Decoder::next_block`].
    pub fn next_planes(&mut self) -> Result<Option<&[Vec<f32>]>, Error> {
        let is_filled = self.fill_planes().with_context(|| self.origin.clone())?;
        Ok(is_filled.then_some(&self.planes))
    }

    fn fill_mono(&mut self) -> Result<bool, ErrorKind> {
        self.downmix.check(self.channels)?;
        let start = self.frames;
        if !self.fill(1)? {
            return Ok(false);
        }
        let (from, to) = (self.channels, self.planes.len());
        if from != to {
            self.downmix.check(to)?;
            let at = self.rate().time(start);
            self.change.get_or_insert(Warning::ChannelsChanged { from, to, at });
        }
        self.downmix.mix(&self.planes, &mut self.mono);
        // Two float channels near the top of the range add up to infinity.
        self.check_finite(&self.mono, start)?;
        if self.planes.len() > 1 && matches!(self.downmix, Downmix::Mean | Downmix::Sqrt2) {
            self.peak = self.planes.iter().map(|plane| peak(plane)).fold(self.peak, f32::max);
            self.mixed_peak = self.mixed_peak.max(peak(&self.mono));
        } else {
            self.mixed_peak = f32::INFINITY;
        }
        Ok(true)
    }

    fn fill_planes(&mut self) -> Result<bool, ErrorKind> {
        let start = self.frames;
        if !self.fill(self.channels)? {
            return Ok(false);
        }
        let (from, to) = (self.channels, self.planes.len());
        self.ended = from != to;
        if self.ended {
            let what = format!("the number of channels changes from {from} to {to}");
            self.change = Some(Warning::LeftOut { at: self.rate().time(start), what });
        }
        Ok(!self.ended)
    }

    /// Refuses to let so many samples be held of a file of so few bytes. Silence in FLAC has a few hundred samples a byte,
    /// 1300 at most as its own encoder writes it; a file that is made to fill the memory has as many as four thousand.
    pub(crate) fn check_density(&self, held: usize) -> Result<(), Error> {
        const MOST: u64 = 2000;
        const MINUTES: u64 = 10;
        let free = MINUTES * 60 * u64::from(CAP_RATE);
        let most = self.bytes.map_or(u64::MAX, |bytes| bytes.saturating_mul(MOST).max(free));
        if held as u64 > most {
            return Err(self.origin.clone().failed(ErrorKind::TooDense { limit: MOST, minutes: MINUTES }));
        }
        Ok(())
    }

    /// Fills `planes`; the caller keeps `kept` samples of each frame.
    fn fill(&mut self, kept: usize) -> Result<bool, ErrorKind> {
        if self.ended || !self.source.next_block(&mut self.planes)? {
            return Ok(false);
        }
        self.planes.iter().try_for_each(|plane| self.check_finite(plane, self.frames))?;
        self.frames += self.planes.first().map_or(0, |plane| plane.len() as u64);
        let rate = f64::from(self.rate().hz().min(CAP_RATE));
        if self.frames as f64 * kept as f64 > self.max_duration.as_secs_f64() * rate {
            return Err(ErrorKind::TooLong { limit: self.max_duration });
        }
        Ok(true)
    }

    /// Checks samples of which the first is number `start` of the clip.
    fn check_finite(&self, samples: &[f32], start: u64) -> Result<(), ErrorKind> {
        match not_finite(samples) {
            Some(at) => Err(self.rate().not_finite(start + at as u64, samples[at])),
            None => Ok(()),
        }
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

/// The largest absolute sample.
fn peak(samples: &[f32]) -> f32 {
    // As bits they are ordered alike, and the comparison makes vectors.
    f32::from_bits(samples.iter().map(|x| x.abs().to_bits()).fold(0, u32::max))
}

/// Reads all of a stream that cannot seek.
fn held(reader: impl Read) -> Result<ByteStream, ErrorKind> {
    let mut bytes = Vec::new();
    reader.take(MAX_STREAM_BYTES + 1).read_to_end(&mut bytes).map_err(ErrorKind::Read)?;
    if bytes.len() as u64 > MAX_STREAM_BYTES {
        return Err(ErrorKind::TooLarge { limit: MAX_STREAM_BYTES });
    }
    ByteStream::new(Cursor::new(bytes)).map_err(ErrorKind::Read)
}
