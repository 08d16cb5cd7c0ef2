//! The WAV header, in its four kinds: RIFF and its big-endian twin RIFX; RF64 and BW64 (EBU Tech 3306, ITU-R BS.2088) for
//! more than 4 GiB; and Sony's Wave64, the same in 64 bits throughout.
//!
//! Where the size of a block is wrong, the number of bits decides, as in libsndfile 1.2.2 (`wavlike_read_fmt_chunk`), and a
//! warning says so. Where the number of bits is wrong, libsndfile reads noise; here that is refused.

use std::io::{Seek, SeekFrom};

use crate::byte_stream::ByteStream;
use crate::codec_names;
use crate::error::ErrorKind;
use crate::options::Warning;
use crate::pcm::layout::{Encoding, Endian, Header, Layout, Packing};
use crate::pcm::trailing::{self, Chunks};
use crate::spec::Spec;

/// What a writer puts where it cannot know the size: a pipe does not seek back.
const UNKNOWN: u32 = u32::MAX;

/// `wFormatTag`, Windows' `mmreg.h`.
mod tag {
    pub(crate) const PCM: u16 = 0x0001;
    pub(crate) const MS_ADPCM: u16 = 0x0002;
    pub(crate) const FLOAT: u16 = 0x0003;
    pub(crate) const A_LAW: u16 = 0x0006;
    pub(crate) const MU_LAW: u16 = 0x0007;
    pub(crate) const IMA_ADPCM: u16 = 0x0011;
    pub(crate) const IBM_MU_LAW: u16 = 0x0101;
    pub(crate) const IBM_A_LAW: u16 = 0x0102;
    pub(crate) const EXTENSIBLE: u16 = 0xfffe;
}

/// Finds the samples of a RIFF, RIFX, RF64 or BW64.
pub(crate) fn open(input: &mut ByteStream) -> Result<Header, ErrorKind> {
    let [i, f, f_, x, a, b, c, d, ..]: [u8; 12] = input.header("WAV")?;
    let endian = if [i, f, f_, x] == *b"RIFX" { Endian::Big } else { Endian::Little };
    let riff_size = endian.u32([a, b, c, d]);
    let mut format: Option<Format> = None;
    let mut data_size_64 = None;
    loop {
        let [a, b, c, d, size @ ..]: [u8; 8] = input.header("WAV")?;
        let size = endian.u32(size);
        let body = input.stream_position().map_err(ErrorKind::Read)?;
        match &[a, b, c, d] {
            b"ds64" => {
                let [_, _, _, _, _, _, _, _, size @ ..]: [u8; 16] = input.header("RF64")?;
                data_size_64 = Some(u64::from_le_bytes(size));
            }
            b"fmt " => match &mut format {
                None => format = Some(Format::read(input, u64::from(size), endian)?),
                Some(first) => first.doubt("it has two `fmt ` chunks; the first was used"),
            },
            b"data" => {
                // The RIFF size counts from byte 8. One that ends before the samples was never filled in.
                let unfinished = riff_size == UNKNOWN || u64::from(riff_size) + 8 <= body;
                let bytes = match (size, data_size_64) {
                    (UNKNOWN, Some(size)) => Some(size),
                    (UNKNOWN, None) => None,
                    (0, _) if unfinished => None,
                    // sox, to a pipe: as large as it dares, less the header.
                    (0x7fff_0000..=0x7fff_ffff, _) if u64::from(size) > input.len() => None,
                    (size, _) => Some(size.into()),
                };
                return found(input, format, body, bytes, Chunks::Riff(endian));
            }
            _ => {}
        }
        // Chunks start at even bytes; the size does not count the pad.
        next_chunk(input, body + u64::from(size) + u64::from(size % 2))?;
    }
}

/// Finds the samples of a Wave64: its chunks have names of sixteen bytes, sizes of eight that count these 24 bytes too,
/// and start at multiples of eight.
pub(crate) fn open_wave64(input: &mut ByteStream) -> Result<Header, ErrorKind> {
    let _: [u8; 40] = input.header("Wave64")?;
    let mut format: Option<Format> = None;
    loop {
        let header: [u8; 24] = input.header("Wave64")?;
        let body = input.stream_position().map_err(ErrorKind::Read)?;
        let mut size = [0; 8];
        size.copy_from_slice(&header[16..]);
        let size = u64::from_le_bytes(size)
            .checked_sub(24)
            .ok_or_else(|| ErrorKind::malformed("it has a chunk shorter than its own header"))?;
        match &header[..4] {
            b"fmt " if format.is_none() => format = Some(Format::read(input, size, Endian::Little)?),
            b"data" => return found(input, format, body, Some(size), Chunks::Wave64),
            _ => {}
        }
        let next = body.checked_add(size).and_then(|end| end.checked_next_multiple_of(8));
        next_chunk(input, next.unwrap_or(u64::MAX))?;
    }
}

fn next_chunk(input: &mut ByteStream, at: u64) -> Result<(), ErrorKind> {
    if at >= input.len() {
        return Err(ErrorKind::malformed("it has no `data` chunk"));
    }
    input.seek(SeekFrom::Start(at)).map(|_| ()).map_err(ErrorKind::Read)
}

/// The samples lie from `start` on, `bytes` of them.
fn found(
    input: &mut ByteStream,
    format: Option<Format>,
    start: u64,
    bytes: Option<u64>,
    chunks: Chunks,
) -> Result<Header, ErrorKind> {
    let Some(mut format) = format else {
        return Err(ErrorKind::malformed("the `data` chunk comes before the `fmt ` chunk"));
    };
    let packing = match format.kind {
        Kind::Packing(packing) => packing,
        Kind::MsAdpcm => {
            // Only what follows the samples matters here: any encoding of one byte will do.
            let packing = Packing::Plain(Encoding::U8, Endian::Little);
            let mut layout = Layout { spec: format.spec, packing, start, bytes, warnings: Vec::new() };
            trailing::check(input, &mut layout, chunks)?;
            let left_out = layout.warnings.into_iter().find_map(|warning| match warning {
                Warning::LeftOut { what, .. } => Some(what),
                _ => None,
            });
            return Ok(Header::Packets { endless: bytes.is_none(), left_out });
        }
        Kind::Doubtful24(endian) => {
            if !input.is_file() {
                return Err(ErrorKind::malformed("its header says 24 bits in 4 bytes, which is ambiguous"));
            }
            let (bytes, read) = input.bytes_at::<16384>(start)?;
            let (encoding, as_what) = detect_24(&bytes[..read], endian);
            format.doubt(format!("it says 24 bits in 4 bytes, which is ambiguous; it was read as {as_what}"));
            Packing::Plain(encoding, endian)
        }
    };
    if input.is_file() {
        let (magic, _) = input.bytes_at::<4>(start)?;
        if let Some(codec) = codec_names::inside_wav(&magic) {
            return Err(ErrorKind::unsupported(format!("{codec} in WAV")));
        }
    }
    let mut layout = Layout { spec: format.spec, packing, start, bytes, warnings: format.warnings };
    trailing::check(input, &mut layout, chunks)?;
    Ok(Header::Samples(layout))
}

struct Format {
    spec: Spec,
    kind: Kind,
    warnings: Vec<Warning>,
}

enum Kind {
    Packing(Packing),
    /// Decoded by symphonia.
    MsAdpcm,
    /// 17 to 24 bits in blocks of four bytes a channel: which bytes, the samples must show.
    Doubtful24(Endian),
}

impl Format {
    fn read(input: &mut ByteStream, size: u64, endian: Endian) -> Result<Format, ErrorKind> {
        if size < 16 {
            return Err(ErrorKind::malformed(format!("its `fmt ` chunk has {size} bytes, not 16 or more")));
        }
        let b: [u8; 16] = input.header("WAV")?;
        let half = |at: usize| endian.u16([b[at], b[at + 1]]);
        let word = |at: usize| endian.u32([b[at], b[at + 1], b[at + 2], b[at + 3]]);
        let (mut tag, channels, hz, byte_rate) = (half(0), half(2), word(4), word(8));
        let (block, bits) = (half(12), half(14));
        let spec = Spec::new(hz, channels.into())?;
        let mut warnings = Vec::new();
        if tag == tag::EXTENSIBLE {
            tag = extension(input, size, endian, channels, bits, &mut warnings)?;
        }
        let mut format = Format { spec, kind: Kind::MsAdpcm, warnings };
        let a_channel = if block % channels == 0 { block / channels } else { 0 };
        let encoding = match (tag, bits.div_ceil(8)) {
            (tag::PCM, 3) if a_channel == 4 => {
                format.kind = Kind::Doubtful24(endian);
                return Ok(format);
            }
            (tag::PCM, 1) => Encoding::U8,
            (tag::PCM, 2) => Encoding::S16,
            (tag::PCM, 3) => Encoding::S24,
            (tag::PCM, 4) => Encoding::S32,
            (tag::FLOAT, 4) => Encoding::F32,
            (tag::FLOAT, 8) => Encoding::F64,
            // No float has another number of bits.
            (tag::FLOAT, _) if a_channel == 4 || a_channel == 8 => {
                format.doubt(format!(
                    "it says floats of {bits} bits; they were read as {} bits",
                    8 * a_channel
                ));
                if a_channel == 4 { Encoding::F32 } else { Encoding::F64 }
            }
            (tag::A_LAW | tag::IBM_A_LAW, _) => Encoding::ALaw,
            (tag::MU_LAW | tag::IBM_MU_LAW, _) => Encoding::MuLaw,
            (tag::PCM | tag::FLOAT, _) => {
                let kind = if tag == tag::PCM { "integers" } else { "floats" };
                return Err(ErrorKind::malformed(format!(
                    "its header says {kind} of {bits} bits in blocks of {block} bytes"
                )));
            }
            (tag::IMA_ADPCM | tag::MS_ADPCM, _) if endian == Endian::Little => {
                format.kind = adpcm(input, size, tag, channels, block, bits)?;
                return Ok(format);
            }
            _ => return Err(ErrorKind::unsupported(format!("{} in WAV", codec_names::wave_format(tag)))),
        };
        let true_block = encoding.bytes() * usize::from(channels);
        let says_block = u64::from(byte_rate) == u64::from(hz) * u64::from(block);
        // Two of the three agree, so the third is wrong: the bits or the channels, and then the samples cannot be told apart.
        let is_possible = matches!((tag, a_channel), (tag::PCM, 1..=4) | (tag::FLOAT, 4 | 8));
        if usize::from(block) != true_block && says_block && is_possible {
            return Err(ErrorKind::malformed(format!(
                "its header is inconsistent: channels {channels}, bits {bits}, bytes per block {block}, bytes per second {byte_rate}"
            )));
        }
        if usize::from(block) != true_block {
            format.doubt(format!(
                "it says blocks of {block} bytes, where {channels} channel(s) of {bits} bits are {true_block}; it was \
                 read as samples of {bits} bits"
            ));
        } else if format.warnings.is_empty()
            && byte_rate != 0
            && u64::from(byte_rate) != u64::from(hz) * true_block as u64
        {
            format.doubt(format!(
                "it says {byte_rate} bytes per second, which does not match {hz} Hz; it was read at {hz} Hz"
            ));
        }
        format.kind = Kind::Packing(Packing::Plain(encoding, endian));
        Ok(format)
    }

    fn doubt(&mut self, what: impl Into<String>) {
        self.warnings.push(Warning::Header { what: what.into() });
    }
}

/// Reads the rest of an extensible `fmt ` chunk, and returns the format that its GUID stands for.
fn extension(
    input: &mut ByteStream,
    size: u64,
    endian: Endian,
    channels: u16,
    bits: u16,
    warnings: &mut Vec<Warning>,
) -> Result<u16, ErrorKind> {
    /// Behind the tag, in a GUID of a wave format and in one of an ambisonic B-format.
    const RESTS: [[u8; 12]; 2] = [
        [0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xaa, 0x00, 0x38, 0x9b, 0x71],
        [0x21, 0x07, 0xd3, 0x11, 0x86, 0x44, 0xc8, 0xc1, 0xca, 0x00, 0x00, 0x00],
    ];
    if size < 40 {
        let reason = format!("its extensible `fmt ` chunk has {size} bytes, not 40 or more");
        return Err(ErrorKind::malformed(reason));
    }
    let [_, _, v0, v1, m0, m1, m2, m3, t0, t1, t2, t3, mut rest @ ..]: [u8; 24] = input.header("WAV")?;
    let (valid, mask, tag) =
        (endian.u16([v0, v1]), endian.u32([m0, m1, m2, m3]), endian.u32([t0, t1, t2, t3]));
    if endian == Endian::Big {
        rest[..2].reverse();
        rest[2..4].reverse();
    }
    let tag = u16::try_from(tag).ok().filter(|_| RESTS.contains(&rest));
    let tag = tag.ok_or_else(|| ErrorKind::unsupported("an unknown sample type (by its GUID) in WAV"))?;
    let mut doubt = |what: String| warnings.push(Warning::Header { what });
    if valid > bits {
        doubt(format!("it says {valid} valid bits of {bits}; it was read as samples of {bits} bits"));
    }
    let speakers = mask.count_ones();
    if mask != 0 && mask != 1 << 31 && speakers != u32::from(channels) {
        doubt(format!("its channel mask lists {speakers} of {channels} channels; all were read"));
    }
    Ok(tag)
}

/// ADPCM comes in blocks, and a wrong size of them is noise: it must agree with the number of samples in one.
fn adpcm(
    input: &mut ByteStream,
    size: u64,
    tag: u16,
    channels: u16,
    block: u16,
    bits: u16,
) -> Result<Kind, ErrorKind> {
    let (name, header) = if tag == tag::IMA_ADPCM { ("IMA ADPCM", 4) } else { ("MS ADPCM", 7) };
    if bits != 4 || channels > 2 || block < header * channels {
        return Err(ErrorKind::malformed(format!(
            "its header is inconsistent: {name}, channels {channels}, bits {bits}, bytes per block {block}"
        )));
    }
    let a_channel = u32::from(block / channels - header);
    let frames = if tag == tag::IMA_ADPCM { 2 * a_channel + 1 } else { 2 * a_channel + 2 };
    if size >= 20 {
        let [_, _, a, b]: [u8; 4] = input.header("WAV")?;
        let said = u32::from(u16::from_le_bytes([a, b]));
        if said != frames {
            return Err(ErrorKind::malformed(format!(
                "its header says {said} samples per block of {name}, but a block of {block} bytes holds {frames}"
            )));
        }
    }
    Ok(if tag == tag::IMA_ADPCM { Kind::Packing(Packing::Ima { block }) } else { Kind::MsAdpcm })
}

/// Which bytes of every four hold samples of 24 bits. `arecord` writes the lower three, others the upper three, Cooledit
/// wrote floats there, and elsewhere the four are a lie.
fn detect_24(bytes: &[u8], endian: Endian) -> (Encoding, &'static str) {
    let (words, _) = bytes.as_chunks::<4>();
    let words: Vec<u32> = words.iter().map(|word| endian.u32(*word)).filter(|word| *word != 0).collect();
    let all = |test: &dyn Fn(u32) -> bool| words.iter().all(|word| test(*word));
    if all(&|word| word & 0xff == 0) {
        (Encoding::S32, "the upper three bytes of four")
    } else if all(&|word| word.cast_signed() == (word << 8).cast_signed() >> 8) {
        (Encoding::S24In32, "the lower three bytes of four")
    } else if all(&|word| (1e-9..1e7).contains(&f32::from_bits(word).abs())) {
        (Encoding::F32, "floats of 32 bits")
    } else {
        (Encoding::S24, "three bytes without a fourth")
    }
}
