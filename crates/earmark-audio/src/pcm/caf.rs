//! The Core Audio Format, where its samples are plain (Apple, Core Audio Format Specification 1.0). What it holds in
//! packets goes to symphonia.

use std::io::{Seek, SeekFrom};

use crate::byte_stream::ByteStream;
use crate::codec_names;
use crate::error::ErrorKind;
use crate::pcm::layout::{Encoding, Endian, Header, Layout, Packing};
use crate::pcm::trailing::{self, Chunks};
use crate::spec::Spec;

pub(crate) fn open(input: &mut ByteStream) -> Result<Header, ErrorKind> {
    let header: [u8; 52] = input.header("CAF")?;
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if header[8..12] != *b"desc" || (u64::from(word(12)) << 32 | u64::from(word(16))) < 32 {
        return Err(ErrorKind::malformed("its first chunk is not a `desc` chunk of 32 bytes"));
    }
    let hz = f64::from_bits(u64::from(word(20)) << 32 | u64::from(word(24))).round();
    if !(0.0..=f64::from(u32::MAX)).contains(&hz) {
        return Err(ErrorKind::malformed(format!("its sample rate is {hz} Hz")));
    }
    let format = word(28).to_be_bytes();
    let (flags, packet, frames, channels, bits) = (word(32), word(36), word(40), word(44), word(48));
    let spec = Spec::new(hz as u32, channels as usize)?;
    let is_float = flags & 1 != 0;
    let endian = if flags & 2 != 0 { Endian::Little } else { Endian::Big };
    let encoding = match (&format, bits.div_ceil(8), is_float) {
        (b"lpcm", 1, false) => Encoding::S8,
        (b"lpcm", 2, false) => Encoding::S16,
        (b"lpcm", 3, false) => Encoding::S24,
        (b"lpcm", 4, false) => Encoding::S32,
        (b"lpcm", 4, true) => Encoding::F32,
        (b"lpcm", 8, true) => Encoding::F64,
        (b"lpcm", ..) => {
            let kind = if is_float { "floats" } else { "integers" };
            return Err(ErrorKind::malformed(format!("its header says {kind} of {bits} bits")));
        }
        (b"ulaw", ..) => Encoding::MuLaw,
        (b"alaw", ..) => Encoding::ALaw,
        (b"aac " | b"alac" | b"flac" | b"ima4" | b".mp1" | b".mp2" | b".mp3", ..) => {
            return Ok(Header::Packets { endless: false, left_out: None });
        }
        (other, ..) => {
            return Err(ErrorKind::unsupported(format!("{} in CAF", codec_names::four_letters(other))));
        }
    };
    let frame = (encoding.bytes() * spec.channels) as u64;
    if u64::from(packet) != frame || frames != 1 {
        return Err(ErrorKind::malformed(format!(
            "its header is inconsistent: frames {frames}, channels {channels}, bits {bits}, bytes per packet {packet}"
        )));
    }
    let (start, bytes) = data(input)?;
    let packing = Packing::Plain(encoding, endian);
    let mut layout = Layout { spec, packing, start, bytes, warnings: Vec::new() };
    trailing::check(input, &mut layout, Chunks::Caf)?;
    Ok(Header::Samples(layout))
}

/// Finds the `data` chunk: where its samples start, and how many bytes they have, if the writer knew.
fn data(input: &mut ByteStream) -> Result<(u64, Option<u64>), ErrorKind> {
    let mut at = 8;
    loop {
        if at >= input.len() {
            return Err(ErrorKind::malformed("it has no `data` chunk"));
        }
        input.seek(SeekFrom::Start(at)).map_err(ErrorKind::Read)?;
        let [a, b, c, d, size @ ..]: [u8; 12] = input.header("CAF")?;
        let size = i64::from_be_bytes(size);
        let start = at + 12;
        if [a, b, c, d] == *b"data" {
            // Four bytes count the edits; a size of -1 is that of a file which is still written.
            return match size {
                -1 => Ok((start + 4, None)),
                4.. => Ok((start + 4, Some(size.unsigned_abs() - 4))),
                _ => Err(ErrorKind::malformed(format!("its `data` chunk has {size} bytes"))),
            };
        }
        at = u64::try_from(size)
            .ok()
            .and_then(|size| start.checked_add(size))
            .ok_or_else(|| ErrorKind::malformed(format!("it has a chunk of {size} bytes")))?;
    }
}
