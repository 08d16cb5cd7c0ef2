//! Where samples come from. Samples behind a plain header are read here ([`pcm`], with [`riff`], [`aiff`], [`caf`] and
//! [`au`] for the headers, [`chunks`] for what lies behind the samples, and [`ima`] for the one packing that is decoded
//! differently elsewhere); everything that comes in packets goes through symphonia's decoders ([`packets`], with
//! [`opus`] for the codec it lacks, [`flac`] and [`aac`] for the frames of streams whose format may change, [`mpeg`] for
//! what its frames say, and [`mp4`], [`matroska`] and [`ogg`] for what those say about their ends and codecs).

use crate::decoder::Warning;
use crate::error::ErrorKind;
use crate::input::Input;
use crate::live::RawSamples;
use crate::names;
use crate::packets::reader::PacketReader;
use crate::pcm::reader::{Encoding, Endian, Layout, Packing, PcmReader};
use crate::pcm::{aiff, au, caf, riff};
use crate::waveform::SampleRate;

/// What every way to get samples knows once its header was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spec {
    pub(crate) rate: SampleRate,
    pub(crate) channels: usize,
}

impl Spec {
    /// More than any recording has; a header that claims 65 535 channels is not one.
    const MAX_CHANNELS: usize = 256;

    /// More than any converter has.
    const MAX_HZ: u32 = 100_000_000;

    pub(crate) fn new(hz: u32, channels: usize) -> Result<Spec, ErrorKind> {
        let rate = SampleRate::new(hz).filter(|rate| rate.hz() <= Self::MAX_HZ);
        let rate = rate.ok_or_else(|| ErrorKind::malformed(format!("its sample rate is {hz} Hz")))?;
        match channels {
            0 => Err(ErrorKind::malformed("it has no channels")),
            1..=Self::MAX_CHANNELS => Ok(Spec { rate, channels }),
            _ => Err(ErrorKind::unsupported(format!("{channels} channels"))),
        }
    }
}

/// What the first bytes lead to.
pub(crate) enum Header {
    /// Samples this crate reads by itself.
    Samples(Layout),
    /// Packets of some codec; when `endless`, the writer could not say where they end. `left_out` says why there is more
    /// than them, if there is.
    Packets { endless: bool, left_out: Option<String> },
}

/// Whether these are the first bytes of a WAV, in any of its sizes.
fn is_wav(start: &[u8]) -> bool {
    matches!(start.first_chunk(), Some(b"RIFF" | b"RIFX" | b"RF64" | b"BW64"))
        && start.get(8..12).is_some_and(|kind| kind == b"WAVE")
}

/// An open sound file, at its first sample or further on.
pub(crate) enum Source {
    Pcm(PcmReader),
    Packets(Box<PacketReader>),
}

impl Source {
    /// Recognises the container by its content.
    pub(crate) fn open(mut input: Input) -> Result<Source, ErrorKind> {
        /// Wave64's names of chunks: four letters, and the rest of a GUID.
        const WAVE64: &[u8] = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00";
        let mut start = [0; 512];
        let read = input.peek(&mut start)?;
        if read == 0 {
            return Err(ErrorKind::Empty);
        }
        let start = &start[..read];
        let header = match start {
            [b'.', b's', b'n', b'd', ..] | [b'd', b'n', b's', b'.', ..] => {
                Header::Samples(au::open(&mut input)?)
            }
            _ if is_wav(start) => riff::open(&mut input)?,
            _ if start.starts_with(WAVE64) => riff::open_wave64(&mut input)?,
            [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F' | b'C', ..] => {
                Header::Samples(aiff::open(&mut input)?)
            }
            [b'c', b'a', b'f', b'f', ..] => caf::open(&mut input)?,
            _ => match (names::no_sound(start), names::unsupported_file(start)) {
                (Some(what), _) => return Err(ErrorKind::NotSound { what }),
                (_, Some(what)) => return Err(ErrorKind::unsupported(what)),
                (None, None) => Header::Packets { endless: false, left_out: None },
            },
        };
        match header {
            Header::Samples(layout) => Ok(Source::Pcm(PcmReader::new(input, layout)?)),
            Header::Packets { endless, left_out } => {
                Ok(Source::Packets(Box::new(PacketReader::open(input, endless, left_out)?)))
            }
        }
    }

    /// A WAV whose end is not there yet.
    pub(crate) fn live_wav(mut input: Input) -> Result<Source, ErrorKind> {
        let mut start = [0; 12];
        match (input.peek(&mut start)?, &start) {
            (0, _) => return Err(ErrorKind::Empty),
            (12, start) if is_wav(start) => {}
            _ => return Err(ErrorKind::unsupported("it does not begin as a WAV does")),
        }
        let Header::Samples(mut layout) = riff::open(&mut input)? else {
            return Err(ErrorKind::unsupported("a WAV of compressed samples cannot be heard as it comes"));
        };
        // A size that stands for none: pipes do not seek back.
        layout.bytes = layout.bytes.filter(|&bytes| bytes < 0x7fff_0000);
        Ok(Source::Pcm(PcmReader::live(input, layout)?))
    }

    /// Samples without a header.
    pub(crate) fn live_raw(
        input: Input,
        samples: RawSamples,
        rate: SampleRate,
        channels: usize,
    ) -> Result<Source, ErrorKind> {
        let encoding = match samples {
            RawSamples::U8 => Encoding::U8,
            RawSamples::S16 => Encoding::S16,
            RawSamples::S24 => Encoding::S24,
            RawSamples::S32 => Encoding::S32,
            RawSamples::F32 => Encoding::F32,
        };
        let packing = Packing::Plain(encoding, Endian::Little);
        let layout = Layout {
            spec: Spec::new(rate.hz(), channels)?,
            packing,
            start: 0,
            bytes: None,
            warnings: Vec::new(),
        };
        Ok(Source::Pcm(PcmReader::live(input, layout)?))
    }

    pub(crate) fn rate(&self) -> SampleRate {
        self.spec().rate
    }

    pub(crate) fn channels(&self) -> usize {
        self.spec().channels
    }

    fn spec(&self) -> Spec {
        match self {
            Source::Pcm(pcm) => pcm.spec(),
            Source::Packets(packets) => packets.spec(),
        }
    }

    /// Replaces `planes` by the next samples, at least one a channel; `false` at the end.
    pub(crate) fn next_block(&mut self, planes: &mut Vec<Vec<f32>>) -> Result<bool, ErrorKind> {
        match self {
            Source::Pcm(pcm) => pcm.next_block(planes),
            Source::Packets(packets) => packets.next_block(planes),
        }
    }

    pub(crate) fn warnings(&self) -> Vec<Warning> {
        match self {
            Source::Pcm(pcm) => pcm.warnings(),
            Source::Packets(packets) => packets.warnings(),
        }
    }
}
