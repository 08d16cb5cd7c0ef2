//! Recognises a container by its first bytes, and opens the reader for it: [`pcm`](crate::pcm) for samples that lie in the
//! file as numbers, [`packets`](crate::packets) for everything that a codec decodes.

use std::time::Duration;

use crate::byte_stream::ByteStream;
use crate::codec_names;
use crate::error::ErrorKind;
use crate::options::{RawSamples, Warning};
use crate::packets::reader::PacketReader;
use crate::pcm::layout::{Encoding, Endian, Header, Layout, Packing};
use crate::pcm::reader::PcmReader;
use crate::pcm::{aiff, au, caf, riff};
use crate::spec::Spec;
use crate::waveform::SampleRate;

/// Whether these are the first bytes of a WAV, of any of its kinds.
fn is_wav(start: &[u8]) -> bool {
    matches!(start.first_chunk(), Some(b"RIFF" | b"RIFX" | b"RF64" | b"BW64"))
        && start.get(8..12).is_some_and(|kind| kind == b"WAVE")
}

/// An open sound file, at its first sample or later.
pub(crate) enum Source {
    Pcm(PcmReader),
    Packets(Box<PacketReader>),
}

impl Source {
    /// Recognises the container by its content.
    pub(crate) fn open(mut input: ByteStream) -> Result<Source, ErrorKind> {
        /// The first chunk's id in Wave64: a GUID that starts with four letters.
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
            _ => match (codec_names::not_audio(start), codec_names::unsupported_file(start)) {
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

    /// A WAV that is still being written.
    pub(crate) fn live_wav(mut input: ByteStream) -> Result<Source, ErrorKind> {
        let mut start = [0; 12];
        match (input.peek(&mut start)?, &start) {
            (0, _) => return Err(ErrorKind::Empty),
            (12, start) if is_wav(start) => {}
            _ => return Err(ErrorKind::unsupported("it does not start with a WAV header")),
        }
        let Header::Samples(mut layout) = riff::open(&mut input)? else {
            return Err(ErrorKind::unsupported(
                "a WAV of compressed samples cannot be decoded as a live stream",
            ));
        };
        // Recorders that write to a pipe put such a size, as they cannot seek back to fill it in.
        layout.bytes = layout.bytes.filter(|&bytes| bytes < 0x7fff_0000);
        Ok(Source::Pcm(PcmReader::live(input, layout)?))
    }

    /// Raw samples without a header.
    pub(crate) fn live_raw(
        input: ByteStream,
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

    /// How long it is by its header, before it is decoded.
    pub(crate) fn expected_duration(&self) -> Option<Duration> {
        match self {
            Source::Pcm(pcm) => pcm.expected_duration(),
            Source::Packets(packets) => packets.expected_duration(),
        }
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
