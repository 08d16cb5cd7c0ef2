//! AAC: whether symphonia can decode an `AudioSpecificConfig` (ISO/IEC 14496-3, 1.6.2.1), and the frames of an ADTS stream
//! (1.A.2). Symphonia decodes AAC-LC in mono and stereo; its ADTS demuxer drops the headers of the frames, and with them
//! any change of rate or channels.

use std::io::{BufReader, Seek as _};

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_AAC;

use crate::byte_stream::{ByteStream, read_up_to};
use crate::error::ErrorKind;

const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];

/// How much of a stream a decoder of AAC-LC decodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    Whole,
    /// The core of an HE-AAC: half of its rate, without its treble.
    Core,
    /// Nothing: the name of the codec.
    Nothing(String),
}

/// The scope of an `AudioSpecificConfig`. A malformed one is left to the decoder to refuse.
pub(crate) fn scope(config: &[u8]) -> Scope {
    let mut bits = Bits { bytes: config, at: 0 };
    let object = bits.object();
    if bits.take(4) == 15 {
        bits.take(24);
    }
    let channels = bits.take(4);
    let name = match object {
        1 => "AAC Main",
        2 => "AAC-LC",
        3 => "AAC-SSR",
        4 => "AAC-LTP",
        5 => "HE-AAC",
        6 | 20 => "scalable AAC",
        17 | 19 => "error-resilient AAC",
        23 => "AAC-LD",
        29 => "HE-AAC v2",
        36 => "MPEG-4 ALS",
        39 => "AAC-ELD",
        42 => "xHE-AAC",
        0 => return Scope::Whole,
        other => return Scope::Nothing(format!("MPEG-4 audio object type {other}")),
    };
    if object != 2 {
        return Scope::Nothing(name.to_owned());
    }
    match channels {
        1 | 2 => {}
        0 => return Scope::Nothing("AAC-LC with a program config element".to_owned()),
        7 => return Scope::Nothing("AAC-LC of 8 channels".to_owned()),
        more => return Scope::Nothing(format!("AAC-LC of {more} channels")),
    }
    let short = bits.take(1) == 1;
    if short {
        return Scope::Nothing("AAC-LC in frames of 960 samples".to_owned());
    }
    // No core coder and no extension; then the backward-compatible signalling of HE-AAC: 0x2b7 and its object type.
    let plain = bits.take(2) == 0;
    if plain && bits.take(11) == 0x2b7 && bits.object() == 5 && bits.take(1) == 1 {
        return Scope::Core;
    }
    Scope::Whole
}

/// Big-endian bits; zeros behind the end.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> u32 {
        let mut value = 0;
        for at in self.at..self.at + count {
            let byte = self.bytes.get(at / 8).copied().unwrap_or(0);
            value = value << 1 | u32::from(byte >> (7 - at % 8) & 1);
        }
        self.at += count;
        value
    }

    fn object(&mut self) -> u32 {
        match self.take(5) {
            31 => 32 + self.take(6),
            short => short,
        }
    }
}

/// Whether the last element of a frame but its end is spectral band replication: HE-AAC whose header does not say so. The
/// element's size must lead to the very end of the frame, which chance does once in a hundred frames.
pub(crate) fn ends_in_band_replication(frame: &[u8]) -> bool {
    let Some(last) = frame.iter().rposition(|byte| *byte != 0) else {
        return false;
    };
    // The end is three ones, and zeros to the next byte.
    let end = 8 * last + 8 - frame[last].trailing_zeros() as usize;
    let Some(end) = end.checked_sub(3).filter(|_| last + 1 == frame.len()) else {
        return false;
    };
    let take = |at: usize, count: usize| Bits { bytes: frame, at }.take(count);
    // A fill element: its name in three bits, its bytes in four or twelve, and the kind of what it holds in four.
    (1..=269usize).any(|bytes| {
        let header = if bytes < 15 { 7 } else { 15 };
        end.checked_sub(header + 8 * bytes).is_some_and(|at| {
            let size_is_right = if bytes < 15 {
                take(at + 3, 4) as usize == bytes
            } else {
                take(at + 3, 4) == 15 && take(at + 7, 8) as usize + 14 == bytes
            };
            take(end, 3) == 7 && take(at, 3) == 6 && size_is_right && matches!(take(at + header, 4), 13 | 14)
        })
    })
}

/// The configuration in an ADTS header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Config {
    object: u8,
    rate: u8,
    channels: u8,
}

impl Config {
    /// The two bytes of an `AudioSpecificConfig`.
    pub(crate) fn specific(self) -> [u8; 2] {
        let config = u16::from(self.object) << 11 | u16::from(self.rate) << 7 | u16::from(self.channels) << 3;
        config.to_be_bytes()
    }

    pub(crate) fn params(self) -> AudioCodecParameters {
        let mut params = AudioCodecParameters::new();
        params.for_codec(CODEC_ID_AAC).with_extra_data(Box::new(self.specific()));
        params.with_sample_rate(RATES[usize::from(self.rate)]);
        params
    }
}

struct Header {
    config: Config,
    /// Bytes of the header, and of all of the frame.
    header: usize,
    frame: usize,
    blocks: u8,
}

impl Header {
    const LONGEST: usize = 9;

    fn parse(bytes: &[u8]) -> Option<Header> {
        let [s0, s1, b2, b3, b4, b5, b6, ..] = *bytes else {
            return None;
        };
        if s0 != 0xff || s1 & 0xf6 != 0xf0 {
            return None;
        }
        let config = Config { object: (b2 >> 6) + 1, rate: b2 >> 2 & 15, channels: (b2 & 1) << 2 | b3 >> 6 };
        let header = if s1 & 1 == 0 { 9 } else { 7 };
        let frame = usize::from(b3 & 3) << 11 | usize::from(b4) << 3 | usize::from(b5 >> 5);
        let known = usize::from(config.rate) < RATES.len() && frame > header;
        known.then_some(Header { config, header, frame, blocks: b6 & 3 })
    }
}

/// The frames of an ADTS stream, each with the configuration of its own header.
pub(crate) struct Frames {
    reader: BufReader<ByteStream>,
    /// Bytes read and not yet handed out.
    held: Vec<u8>,
    config: Config,
}

/// One step through a stream of frames.
pub(crate) enum Next {
    Frame(Config, Box<[u8]>),
    /// Bytes that are no frame were passed over.
    Damaged,
    /// The last frame is cut short.
    Cut,
    End,
}

impl Frames {
    /// Finds the first frame; `None` when there is none that another follows.
    pub(crate) fn open(mut input: ByteStream) -> Result<Option<Frames>, ErrorKind> {
        input.rewind().map_err(ErrorKind::Read)?;
        let config = Config { object: 2, rate: 0, channels: 0 };
        let mut frames = Frames { reader: BufReader::new(input), held: Vec::new(), config };
        Ok(frames.synchronise(true)?.map(|header| Frames { config: header.config, ..frames }))
    }

    pub(crate) fn config(&self) -> Config {
        self.config
    }

    /// Reads on until `bytes` bytes are held, or the input ends.
    fn hold(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        let start = self.held.len();
        if start < bytes {
            self.held.resize(bytes, 0);
            let read = read_up_to(&mut self.reader, &mut self.held[start..]).map_err(ErrorKind::Read)?;
            self.held.truncate(start + read);
        }
        Ok(())
    }

    /// Drops bytes until a frame begins that another follows, or the end. `any` allows every configuration.
    fn synchronise(&mut self, any: bool) -> Result<Option<Header>, ErrorKind> {
        loop {
            self.hold(1 << 14)?;
            let mut passed = self.held.len();
            for at in 0..self.held.len() {
                if self.held[at] != 0xff {
                    continue;
                }
                let Some(header) = Header::parse(&self.held[at..]) else { continue };
                let next = at + header.frame;
                if next + Header::LONGEST > self.held.len() && at > 0 && self.held.len() == 1 << 14 {
                    passed = at;
                    break;
                }
                let follows = Header::parse(self.held.get(next..).unwrap_or_default());
                let agrees = follows.is_some_and(|next| next.config == header.config);
                let last = next == self.held.len() && (any || header.config == self.config);
                if agrees || last {
                    self.held.drain(..at);
                    return Ok(Some(header));
                }
            }
            // A header may begin in the last bytes.
            let ended = self.held.len() < 1 << 14;
            let keep = if passed == self.held.len() { Header::LONGEST.min(passed) } else { 0 };
            self.held.drain(..passed - keep);
            if ended {
                self.held.clear();
                return Ok(None);
            }
        }
    }

    pub(crate) fn next(&mut self) -> Result<Next, ErrorKind> {
        self.hold(Header::LONGEST)?;
        let header = match Header::parse(&self.held) {
            // Another configuration is one only when the next frame has it as well.
            Some(header) if header.config == self.config => header,
            _ if self.held.is_empty() || is_tag(&self.held) => return Ok(Next::End),
            _ => match self.synchronise(false)? {
                Some(header) if header.config != self.config => header,
                Some(_) => return Ok(Next::Damaged),
                None => return Ok(Next::End),
            },
        };
        if header.blocks > 0 {
            return Err(ErrorKind::unsupported("AAC of several blocks a frame in ADTS"));
        }
        self.hold(header.frame)?;
        if self.held.len() < header.frame {
            self.held.clear();
            return Ok(Next::Cut);
        }
        self.config = header.config;
        let data = self.held[header.header..header.frame].into();
        self.held.drain(..header.frame);
        Ok(Next::Frame(header.config, data))
    }
}

/// Whether bytes are the start of an ID3v1 tag, with which a stream may end.
fn is_tag(bytes: &[u8]) -> bool {
    bytes.starts_with(b"TAG")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_called_what_they_are() {
        assert_eq!(scope(&[0x12, 0x10]), Scope::Whole); // AAC-LC, 44.1 kHz, stereo
        assert_eq!(scope(&[0x12, 0x30]), Scope::Nothing("AAC-LC of 6 channels".into()));
        assert_eq!(scope(&[0x12, 0x38]), Scope::Nothing("AAC-LC of 8 channels".into()));
        assert_eq!(scope(&[0x2b, 0x92, 0x08, 0x00]), Scope::Nothing("HE-AAC".into()));
        assert_eq!(scope(&[0xeb, 0x8a, 0x08, 0x00]), Scope::Nothing("HE-AAC v2".into()));
        assert_eq!(scope(&[0x13, 0x88, 0x56, 0xe5, 0xa5, 0x48, 0x80]), Scope::Core);
        assert_eq!(scope(&[0xf9, 0x46, 0x40]), Scope::Nothing("xHE-AAC".into()));
    }

    #[test]
    fn a_frame_that_ends_in_band_replication_is_told_from_one_that_does_not() {
        // Something, a fill element of three bytes of which the first four bits are 13, the end.
        //         anything   fil  cnt  type payload              end
        let bits = "1011001010 110 0011 1101 01100010101100110101 111";
        let bits: Vec<u8> = bits.bytes().filter(|b| *b != b' ').map(|b| b - b'0').collect();
        let pack = |bits: &[u8]| -> Vec<u8> {
            bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(i, bit)| bit << (7 - i)).sum()).collect()
        };
        assert!(ends_in_band_replication(&pack(&bits)));
        let mut other = bits;
        other[10 + 3 + 4] = 0; // The kind of the element is no longer 13.
        assert!(!ends_in_band_replication(&pack(&other)));
        assert!(!ends_in_band_replication(&[]));
    }
}
