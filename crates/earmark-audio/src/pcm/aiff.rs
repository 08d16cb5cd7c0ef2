//! AIFF and AIFF-C (Apple, 1989 and 1991): big-endian chunks, the format in `COMM`, the samples in `SSND`, in any order.

use std::io::{Seek, SeekFrom};

use crate::byte_stream::ByteStream;
use crate::codec_names;
use crate::error::ErrorKind;
use crate::options::Warning;
use crate::pcm::layout::{Encoding, Endian, Layout, Packing};
use crate::pcm::trailing::{self, Chunks};
use crate::spec::Spec;

pub(crate) fn open(input: &mut ByteStream) -> Result<Layout, ErrorKind> {
    let [_, _, _, _, _, _, _, _, kind @ ..]: [u8; 12] = input.header("AIFF")?;
    let (mut common, mut sound): (Option<Common>, _) = (None, None);
    let mut at = 12;
    while common.is_none() || sound.is_none() {
        let missing = if common.is_none() { "COMM" } else { "SSND" };
        if at >= input.len() {
            return Err(ErrorKind::malformed(format!("it has no `{missing}` chunk")));
        }
        input.seek(SeekFrom::Start(at)).map_err(ErrorKind::Read)?;
        let [a, b, c, d, size @ ..]: [u8; 8] = input.header("AIFF")?;
        let size = u32::from_be_bytes(size);
        match &[a, b, c, d] {
            b"COMM" if common.is_none() => common = Some(Common::read(input, size, &kind == b"AIFC")?),
            b"SSND" if sound.is_none() => sound = Some(sound_at(input, at + 8, size)?),
            _ => {}
        }
        at += 8 + u64::from(size) + u64::from(size % 2);
    }
    let (Some(common), Some((start, bytes))) = (common, sound) else {
        return Err(ErrorKind::Empty);
    };
    let packing = Packing::Plain(common.encoding, common.endian);
    let mut layout = Layout { spec: common.spec, packing, start, bytes, warnings: common.warnings };
    trailing::check(input, &mut layout, Chunks::Riff(Endian::Big))?;
    let frame = (common.encoding.bytes() * common.spec.channels) as u64;
    let held = layout.bytes.map(|bytes| bytes / frame);
    if let Some(held) = held.filter(|held| *held != u64::from(common.frames)) {
        layout.warnings.push(Warning::Header {
            what: format!("it says {} frames, but there are {held}; all were read", common.frames),
        });
    }
    Ok(layout)
}

/// Where the samples of an `SSND` chunk lie, whose content starts at `body`, and how many bytes they have.
fn sound_at(input: &mut ByteStream, body: u64, size: u32) -> Result<(u64, Option<u64>), ErrorKind> {
    let [a, b, c, d, ..]: [u8; 8] = input.header("AIFF")?;
    let offset = u32::from_be_bytes([a, b, c, d]);
    let start = body + 8 + u64::from(offset);
    // A writer to a pipe never learnt the size.
    if size == u32::MAX || (size == 0 && start < input.len()) {
        return Ok((start, None));
    }
    let bytes = u64::from(size).checked_sub(8 + u64::from(offset));
    bytes.map(|bytes| (start, Some(bytes))).ok_or_else(|| {
        ErrorKind::malformed(format!(
            "its `SSND` chunk has {size} bytes, but its samples start at byte {offset}"
        ))
    })
}

struct Common {
    spec: Spec,
    frames: u32,
    encoding: Encoding,
    endian: Endian,
    warnings: Vec<Warning>,
}

impl Common {
    fn read(input: &mut ByteStream, size: u32, compressible: bool) -> Result<Common, ErrorKind> {
        if size < 18 {
            return Err(ErrorKind::malformed(format!("its `COMM` chunk has {size} bytes, not 18 or more")));
        }
        let [c0, c1, f0, f1, f2, f3, b0, b1, rate @ ..]: [u8; 18] = input.header("AIFF")?;
        let (channels, bits) = (u16::from_be_bytes([c0, c1]), u16::from_be_bytes([b0, b1]));
        let hz = extended(rate).round();
        if !(0.0..=f64::from(u32::MAX)).contains(&hz) {
            return Err(ErrorKind::malformed(format!("its sample rate is {hz} Hz")));
        }
        let compression = if compressible && size >= 22 { input.header::<4>("AIFF-C")? } else { *b"NONE" };
        let mut warnings = Vec::new();
        let integers = match bits.div_ceil(8) {
            1 => Some(Encoding::S8),
            2 => Some(Encoding::S16),
            3 => Some(Encoding::S24),
            4 => Some(Encoding::S32),
            _ => None,
        };
        let (encoding, endian) = match &compression {
            b"NONE" | b"none" | b"twos" => (integers, Endian::Big),
            b"sowt" => (integers, Endian::Little),
            b"raw " => (Some(Encoding::U8), Endian::Big),
            b"in24" => (Some(Encoding::S24), Endian::Big),
            b"ni24" | b"42ni" => (Some(Encoding::S24), Endian::Little),
            b"in32" => (Some(Encoding::S32), Endian::Big),
            b"ni32" | b"23ni" => (Some(Encoding::S32), Endian::Little),
            b"fl32" | b"FL32" => (Some(Encoding::F32), Endian::Big),
            b"fl64" | b"FL64" => (Some(Encoding::F64), Endian::Big),
            b"ulaw" | b"ULAW" => (Some(Encoding::MuLaw), Endian::Big),
            b"alaw" | b"ALAW" => (Some(Encoding::ALaw), Endian::Big),
            other => {
                return Err(ErrorKind::unsupported(format!(
                    "{} in AIFF-C",
                    codec_names::four_letters(other)
                )));
            }
        };
        let encoding = encoding
            .ok_or_else(|| ErrorKind::malformed(format!("its header says {bits} bits per sample")))?;
        // G.711 is sixteen bits before it is eight, and writers say either.
        let is_law = matches!(encoding, Encoding::MuLaw | Encoding::ALaw);
        if !is_law && usize::from(bits.div_ceil(8)) != encoding.bytes() {
            let (true_bits, name) = (8 * encoding.bytes(), String::from_utf8_lossy(&compression));
            warnings.push(Warning::Header {
                what: format!("it says `{name}` samples of {bits} bits; they were read as {true_bits} bits"),
            });
        }
        Ok(Common {
            spec: Spec::new(hz as u32, channels.into())?,
            frames: u32::from_be_bytes([f0, f1, f2, f3]),
            encoding,
            endian,
            warnings,
        })
    }
}

/// A number in 80 bits: a sign, fifteen bits of exponent, and a mantissa that keeps its first one.
fn extended([sign, exponent, mantissa @ ..]: [u8; 10]) -> f64 {
    let exponent = i32::from(u16::from_be_bytes([sign & 0x7f, exponent])) - 16383 - 63;
    let size = u64::from_be_bytes(mantissa) as f64 * 2f64.powi(exponent);
    if sign & 0x80 == 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::extended;

    #[test]
    fn rates_of_eighty_bits_are_read() {
        assert_eq!(extended([0x40, 0x0e, 0xac, 0x44, 0, 0, 0, 0, 0, 0]), 44_100.0);
        assert_eq!(extended([0x40, 0x0c, 0xfa, 0, 0, 0, 0, 0, 0, 0]), 16_000.0);
        assert_eq!(extended([0; 10]), 0.0);
        assert_eq!(extended([0xc0, 0x0c, 0xfa, 0, 0, 0, 0, 0, 0, 0]), -16_000.0);
        assert!(extended([0x7f, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0]).is_infinite());
    }
}
