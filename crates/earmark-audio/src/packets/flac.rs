//! The frames of a FLAC stream (RFC 9639), each with the format from its own header; symphonia decodes them.
//!
//! Symphonia's demuxer holds every frame against the stream's description, and drops those that differ: the frames of
//! writers older than FLAC 1.2, which number blocks of varying size one by one (Flake 0.11), streams whose rate or
//! channels change, descriptions that are missing or wrong. Here a frame is what begins with a header that its eight-bit
//! checksum confirms and ends where its sixteen-bit checksum does.

use std::io::{Seek as _, SeekFrom};

use symphonia::core::checksum::{Crc8Ccitt, Crc16Ansi};
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_FLAC;
use symphonia::core::io::Monitor as _;

use crate::byte_stream::{ByteStream, read_up_to};
use crate::error::ErrorKind;

/// The format of a frame, for which a decoder is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) rate: u32,
    pub(crate) channels: u8,
    bits: u8,
    /// Frames of samples in a block, at most; 4096 or more, so that few decoders are made for a stream of all sizes.
    block: u16,
}

impl Config {
    /// Whether a decoder made for `other` decodes this.
    pub(crate) fn fits(&self, other: &Config) -> bool {
        Config { block: 0, ..*self } == Config { block: 0, ..*other } && self.block <= other.block
    }

    pub(crate) fn params(&self) -> AudioCodecParameters {
        // A stream information block: the sizes of blocks and frames, then rate, channels, bits and length, a checksum.
        let mut info = [0; 34];
        let block = self.block.to_be_bytes();
        info[..2].copy_from_slice(&block);
        info[2..4].copy_from_slice(&block);
        // Symphonia allows what a frame's header can say; the rate of the samples is kept here.
        let format = u64::from(self.rate.min(655_350)) << 44
            | u64::from(self.channels - 1) << 41
            | u64::from(self.bits - 1) << 36;
        info[10..18].copy_from_slice(&format.to_be_bytes());
        let mut params = AudioCodecParameters::new();
        params.for_codec(CODEC_ID_FLAC).with_extra_data(Box::new(info));
        params
    }
}

/// One step through a stream.
pub(crate) enum Next {
    Frame(Config, Box<[u8]>),
    /// A frame whose checksum does not fit, or bytes that are no frame, were passed over.
    Damaged,
    /// Another stream begins: how many frames of samples it declares, or 0.
    Stream(u64),
    End,
}

pub(crate) struct Frames {
    input: ByteStream,
    /// Bytes read; those before `at` are done with.
    held: Vec<u8>,
    at: usize,
    ended: bool,
    info: Option<Info>,
    /// Whether anything but metadata was passed over since the last frame.
    passed: bool,
}

/// The stream information block.
#[derive(Debug, Clone, Copy)]
struct Info {
    rate: u32,
    channels: u8,
    bits: u8,
    frames: u64,
}

/// Bytes read at once.
const CHUNK: usize = 1 << 16;

impl Frames {
    /// Opens what begins with a FLAC stream, behind tags if any; `None` for anything else.
    pub(crate) fn open(mut input: ByteStream) -> Result<Option<Frames>, ErrorKind> {
        let mut at = 0;
        loop {
            let (start, _) = input.bytes_at::<16>(at)?;
            match id3_length(&start) {
                Some(length) => at += length,
                None if start.starts_with(b"fLaC") => break,
                // A stream that was cut out of another starts with a frame.
                None if Header::parse(&start).is_some_and(|header| header.is_whole) => break,
                None => return Ok(None),
            }
        }
        let begins_with_a_frame = Header::parse(&input.bytes_at::<16>(at)?.0).is_some();
        let frames = Frames::at(input, at)?;
        Ok(if begins_with_a_frame && !frames.starts_with_a_frame() { None } else { Some(frames) })
    }

    /// Looks for a stream that begins somewhere in the first megabyte.
    pub(crate) fn search(input: ByteStream) -> Result<Option<Frames>, ErrorKind> {
        let mut frames = Frames::at(input, 0)?;
        frames.hold(1 << 20)?;
        let found = (0..frames.rest().len()).find(|at| {
            let rest = &frames.rest()[*at..];
            rest.starts_with(b"fLaC")
                || Header::parse(rest).is_some() && frame_end(rest, frames.ended).is_some()
        });
        let Some(found) = found else { return Ok(None) };
        frames.at += found;
        frames.metadata()?;
        Ok(Some(frames))
    }

    fn at(mut input: ByteStream, at: u64) -> Result<Frames, ErrorKind> {
        input.seek(SeekFrom::Start(at)).map_err(ErrorKind::Read)?;
        let mut frames = Frames { input, held: Vec::new(), at: 0, ended: false, info: None, passed: false };
        frames.metadata()?;
        Ok(frames)
    }

    fn starts_with_a_frame(&self) -> bool {
        Header::parse(self.rest()).is_some() && frame_end(self.rest(), self.ended).is_some()
    }

    fn rest(&self) -> &[u8] {
        &self.held[self.at..]
    }

    /// The format of the first frame, from its header or else the stream's.
    pub(crate) fn first(&self) -> Result<Config, ErrorKind> {
        match (Header::parse(self.rest()), self.info) {
            (Some(header), info) => header.config(info),
            (None, Some(Info { rate, channels, bits, .. })) => {
                Ok(Config { rate, channels, bits, block: 4096 })
            }
            (None, None) => Err(ErrorKind::malformed("it has neither a STREAMINFO block nor a frame")),
        }
    }

    /// Frames of samples that the stream declares, or 0.
    pub(crate) fn promised(&self) -> u64 {
        self.info.map_or(0, |info| info.frames)
    }

    /// Reads on until `bytes` unread bytes are held, or the input ends.
    fn hold(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        if self.rest().len() < bytes && !self.ended {
            self.held.drain(..std::mem::take(&mut self.at));
            let start = self.held.len();
            self.held.resize(bytes.next_multiple_of(CHUNK), 0);
            let read = read_up_to(&mut self.input, &mut self.held[start..]).map_err(ErrorKind::Read)?;
            self.held.truncate(start + read);
            self.ended = self.held.len() < bytes;
        }
        Ok(())
    }

    /// Passes over `bytes`, held or not.
    fn skip(&mut self, mut bytes: u64) -> Result<(), ErrorKind> {
        while bytes > 0 {
            self.hold(1)?;
            let some = self.rest().len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
            if some == 0 {
                break;
            }
            self.at += some;
            bytes -= some as u64;
        }
        Ok(())
    }

    /// Reads tags and the blocks of metadata that come before the frames of a stream. Returns whether a stream began.
    fn metadata(&mut self) -> Result<bool, ErrorKind> {
        self.hold(CHUNK)?;
        while let Some(length) = id3_length(self.rest()) {
            self.skip(length)?;
            self.hold(CHUNK)?;
        }
        if !self.rest().starts_with(b"fLaC") {
            return Ok(false);
        }
        self.skip(4)?;
        loop {
            self.hold(16)?;
            let Some(&[kind, a, b, c]) = self.rest().first_chunk() else { break };
            // Seven kinds there are. Anything else is what a wrong length led to: the search for a frame starts here.
            if kind & 0x7f > 6 {
                break;
            }
            let length = u32::from_be_bytes([0, a, b, c]);
            if kind & 0x7f == 0 && length >= 18 {
                self.hold(4 + 18)?;
                self.info = self.rest().get(4..).and_then(Info::parse).or(self.info);
            }
            self.skip(4 + u64::from(length))?;
            if kind & 0x80 != 0 {
                break;
            }
        }
        self.hold(CHUNK)?;
        Ok(true)
    }

    pub(crate) fn next(&mut self) -> Result<Next, ErrorKind> {
        loop {
            self.hold(16)?;
            if self.rest().is_empty() {
                return Ok(if std::mem::take(&mut self.passed) { Next::Damaged } else { Next::End });
            }
            if let Some(header) = Header::parse(self.rest()) {
                if std::mem::take(&mut self.passed) {
                    return Ok(Next::Damaged);
                }
                return self.frame(&header);
            }
            if self.rest().starts_with(b"fLaC") || id3_length(self.rest()).is_some() {
                if self.metadata()? {
                    return Ok(Next::Stream(self.promised()));
                }
                continue;
            }
            // ID3v1 and APE tags end a file; anything else is damage, up to what looks like a frame again.
            if self.rest().starts_with(b"TAG") || self.rest().starts_with(b"APETAGEX") || self.is_padding()? {
                self.at = self.held.len();
                self.ended = true;
                continue;
            }
            self.passed = true;
            self.hold(CHUNK)?;
            self.at += next_start(self.rest()).unwrap_or_else(|| {
                // One may begin in the last bytes.
                let ended = if self.ended { 0 } else { 15 };
                self.rest().len() - ended
            });
        }
    }

    fn is_padding(&mut self) -> Result<bool, ErrorKind> {
        self.hold(CHUNK)?;
        Ok(self.ended && self.rest().iter().all(|byte| *byte == 0))
    }

    /// Hands out the frame that begins here.
    fn frame(&mut self, header: &Header) -> Result<Next, ErrorKind> {
        let config = header.config(self.info)?;
        // The largest frame is one of samples as they are, and a few bytes.
        let samples = header.block as usize * usize::from(config.channels);
        let largest = samples * (usize::from(config.bits) + 1) / 8 + 1024;
        let mut held = CHUNK;
        let end = loop {
            self.hold(held)?;
            match frame_end(self.rest(), self.ended) {
                Some(end) => break end,
                None if !self.ended && held <= largest => held *= 2,
                None => match next_start(self.rest()) {
                    // The decoder reads no further than the frame goes: it may be whole, with something unknown behind it.
                    None if self.ended => break self.rest().len(),
                    next => {
                        self.at += next.unwrap_or(self.rest().len());
                        return Ok(Next::Damaged);
                    }
                },
            }
        };
        let data = self.rest()[..end].into();
        self.at += end;
        Ok(Next::Frame(config, data))
    }
}

/// Where the frame at the start of `bytes` ends: before the first frame, stream, tag or end of the file that its checksum
/// confirms. `ended`: whether the file ends with `bytes`.
fn frame_end(bytes: &[u8], ended: bool) -> Option<usize> {
    /// Bytes that look like a frame's start are rare within a frame: so many mean damage, and end the search.
    const MOST: usize = 8;
    let (mut crc, mut at) = (Crc16Ansi::new(0), 0);
    for _ in 0..MOST {
        let Some(next) = next_start(&bytes[at..]) else {
            crc.process_buf_bytes(&bytes[at..]);
            return (ended && crc.crc() == 0).then_some(bytes.len());
        };
        crc.process_buf_bytes(&bytes[at..at + next]);
        at += next;
        // The checksum over bytes and their own checksum is zero.
        if crc.crc() == 0 {
            return Some(at);
        }
    }
    None
}

/// Where, behind the first byte, a frame, a stream or a tag may begin.
fn next_start(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        let rest = bytes.get(at..)?;
        at += rest.iter().position(|byte| matches!(byte, 0xff | b'f' | b'I' | b'T' | b'A'))?;
        if is_start(&bytes[at..]) {
            return Some(at);
        }
        at += 1;
    }
}

/// Whether a frame, a stream or a tag may begin with these bytes.
fn is_start(bytes: &[u8]) -> bool {
    match bytes.first() {
        Some(0xff) => Header::parse(bytes).is_some(),
        Some(b'f') => bytes.starts_with(b"fLaC"),
        Some(b'I') => bytes.starts_with(b"ID3"),
        Some(b'T') => bytes.starts_with(b"TAG"),
        Some(b'A') => bytes.starts_with(b"APETAGEX"),
        _ => false,
    }
}

/// The bytes of an ID3v2 tag that begins here, header included.
fn id3_length(bytes: &[u8]) -> Option<u64> {
    let [b'I', b'D', b'3', version, _, flags, size @ ..] = bytes.first_chunk::<10>()? else { return None };
    let size =
        size.iter().try_fold(0, |size, byte| (*byte < 0x80).then_some(size << 7 | u64::from(*byte)))?;
    let footer = if flags & 0x10 != 0 && *version >= 4 { 10 } else { 0 };
    Some(10 + size + footer)
}

impl Info {
    /// Reads the eighteen bytes of a stream information block that matter here.
    fn parse(bytes: &[u8]) -> Option<Info> {
        let [_, _, _, _, _, _, _, _, _, _, format @ ..] = bytes.first_chunk::<18>()?;
        let format = u64::from_be_bytes(*format);
        let (channels, bits) = ((format >> 41 & 7) as u8 + 1, (format >> 36 & 31) as u8 + 1);
        Some(Info { rate: (format >> 44) as u32, channels, bits, frames: format & ((1 << 36) - 1) })
    }
}

/// The header of a frame; `None` for what it leaves to the stream information block.
#[derive(Debug, Clone, Copy)]
struct Header {
    block: u32,
    rate: Option<u32>,
    channels: u8,
    bits: Option<u8>,
    /// Whether it leaves nothing to the stream information block.
    is_whole: bool,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Header> {
        let &[s0, s1, sizes, channels, number, ..] = bytes else { return None };
        if s0 != 0xff || s1 & 0xfe != 0xf8 || channels & 1 != 0 || sizes >> 4 == 0 || sizes & 15 == 15 {
            return None;
        }
        let bits = match channels >> 1 & 7 {
            0 => None,
            1 => Some(8),
            2 => Some(12),
            4 => Some(16),
            5 => Some(20),
            6 => Some(24),
            7 => Some(32),
            _ => return None,
        };
        let channels = match channels >> 4 {
            independent @ 0..=7 => independent + 1,
            8..=10 => 2,
            _ => return None,
        };
        // The number of the frame or sample, as UTF-8 writes numbers, up to seven bytes.
        let mut at = 4 + match number.leading_ones() {
            0 => 1,
            ones @ 2..=7 => ones as usize,
            _ => return None,
        };
        let mut next = |count: usize| {
            let value =
                bytes.get(at..at + count)?.iter().fold(0, |value, byte| value << 8 | u32::from(*byte));
            at += count;
            Some(value)
        };
        let block = match sizes >> 4 {
            1 => 192,
            power @ 2..=5 => 576 << (power - 2),
            6 => next(1)? + 1,
            7 => next(2)? + 1,
            power => 256 << (power - 8),
        };
        let rate = match sizes & 15 {
            0 => None,
            index @ 1..=11 => Some(
                [88_200, 176_400, 192_000, 8000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000]
                    [usize::from(index) - 1],
            ),
            12 => Some(next(1)? * 1000),
            13 => Some(next(2)?),
            _ => Some(next(2)? * 10),
        };
        let mut crc = Crc8Ccitt::new(0);
        crc.process_buf_bytes(bytes.get(..=at)?);
        // The checksum over bytes and their own checksum is zero.
        let is_whole = rate.is_some() && bits.is_some();
        (crc.crc() == 0).then_some(Header { block, rate, channels, bits, is_whole })
    }

    fn config(&self, info: Option<Info>) -> Result<Config, ErrorKind> {
        let missing = |what| ErrorKind::malformed(format!("neither STREAMINFO nor the frames give {what}"));
        let rate = self.rate.or(info.map(|info| info.rate)).ok_or_else(|| missing("the sample rate"))?;
        let bits = self.bits.or(info.map(|info| info.bits)).ok_or_else(|| missing("the bits per sample"))?;
        let block = u16::try_from(self.block).map_err(|_| {
            ErrorKind::malformed(format!("it has blocks of {} samples; the maximum is 65535", self.block))
        })?;
        Ok(Config { rate, channels: self.channels, bits, block: block.max(4096) })
    }
}
