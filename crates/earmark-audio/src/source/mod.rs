//! Where samples come from. Samples behind a plain header are read here ([`pcm`], with [`riff`] and [`au`] for the
//! headers and [`ima`] for the one packing that is heard differently elsewhere); everything that comes in packets
//! goes through symphonia ([`packets`], with [`opus`] for the codec it lacks, and [`mp4`] and [`matroska`] for what
//! those two say about their ends).

mod au;
mod ima;
mod input;
mod matroska;
mod mp4;
mod opus;
mod packets;
mod pcm;
mod riff;

pub(crate) use input::Input;

use crate::decoder::Warning;
use crate::error::ErrorKind;
use crate::live::RawSamples;
use crate::waveform::SampleRate;
use packets::PacketReader;
use pcm::{Encoding, Endian, Layout, Packing, PcmReader};

/// What every way to get samples knows once its header was read.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spec {
    rate: SampleRate,
    channels: usize,
}

impl Spec {
    /// More than any recording has; a header that claims 65 535 channels is not one.
    const MAX_CHANNELS: usize = 256;

    fn new(hz: u32, channels: usize) -> Result<Spec, ErrorKind> {
        let rate = SampleRate::new(hz).ok_or_else(|| ErrorKind::malformed("its sample rate is 0 Hz"))?;
        match channels {
            0 => Err(ErrorKind::malformed("it has no channels")),
            1..=Self::MAX_CHANNELS => Ok(Spec { rate, channels }),
            _ => Err(ErrorKind::unsupported(format!("{channels} channels"))),
        }
    }
}

/// What the first bytes lead to.
enum Header {
    /// Samples this crate reads by itself.
    Samples(Layout),
    /// Packets of some codec; when `endless`, the writer could not say where they end.
    Packets { endless: bool },
}

/// An open sound file, at its first sample or further on.
pub(crate) enum Source {
    Pcm(PcmReader),
    Packets(Box<PacketReader>),
}

impl Source {
    /// Recognises the container by its content.
    pub(crate) fn open(mut input: Input) -> Result<Source, ErrorKind> {
        let mut start = [0; 12];
        let read = input.peek(&mut start)?;
        if read == 0 {
            return Err(ErrorKind::Empty);
        }
        let header = match &start {
            [b'.', b's', b'n', b'd', ..] => Header::Samples(au::open(&mut input)?),
            [b'R', b'I', b'F', b'F', .., b'W', b'A', b'V', b'E']
            | [b'R', b'F', b'6', b'4', .., b'W', b'A', b'V', b'E']
            | [b'B', b'W', b'6', b'4', .., b'W', b'A', b'V', b'E'] => riff::open(&mut input)?,
            _ => Header::Packets { endless: false },
        };
        match header {
            Header::Samples(layout) => Ok(Source::Pcm(PcmReader::new(input, layout)?)),
            Header::Packets { endless } => Ok(Source::Packets(Box::new(PacketReader::open(input, endless)?))),
        }
    }

    /// A WAV whose end is not there yet.
    pub(crate) fn live_wav(mut input: Input) -> Result<Source, ErrorKind> {
        let mut start = [0; 12];
        match (input.peek(&mut start)?, &start) {
            (0, _) => return Err(ErrorKind::Empty),
            (12, [b'R', b'I', b'F', b'F', .., b'W', b'A', b'V', b'E']) => {}
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
        let layout = Layout { spec: Spec::new(rate.hz(), channels)?, packing, start: 0, bytes: None };
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
