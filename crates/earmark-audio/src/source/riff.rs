//! The WAV header, in its three sizes: RIFF, and RF64 and BW64 (EBU Tech 3306, ITU-R BS.2088) for more than 4 GiB.

use std::io::{Read, Seek, SeekFrom};

use super::pcm::{Encoding, Endian, Layout, Packing};
use super::{Header, Input, Spec};
use crate::error::ErrorKind;

/// What a writer puts where it cannot know the size: a pipe does not seek back.
const UNKNOWN: u32 = u32::MAX;

/// `wFormatTag`, Windows' `mmreg.h`.
mod tag {
    pub(super) const PCM: u16 = 0x0001;
    pub(super) const FLOAT: u16 = 0x0003;
    pub(super) const A_LAW: u16 = 0x0006;
    pub(super) const MU_LAW: u16 = 0x0007;
    pub(super) const IMA_ADPCM: u16 = 0x0011;
    pub(super) const EXTENSIBLE: u16 = 0xfffe;
}

/// Finds the samples.
pub(super) fn open(input: &mut Input) -> Result<Header, ErrorKind> {
    let [_, riff_size, _] = words(input)?;
    let mut format = None;
    let mut data_size_64 = None;
    loop {
        let [id, size] = words(input)?;
        let body = input.stream_position().map_err(ErrorKind::Read)?;
        match &id.to_le_bytes() {
            b"ds64" => {
                let [_, _, low, high] = words(input)?;
                data_size_64 = Some(u64::from(high) << 32 | u64::from(low));
            }
            b"fmt " => format = Some(Format::read(input, size)?),
            b"data" => {
                let Some(Format { spec, packing }) = format else {
                    return Err(ErrorKind::malformed("the `data` chunk comes before the `fmt ` chunk"));
                };
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
                return Ok(match packing {
                    Some(packing) => Header::Samples(Layout { spec, packing, start: body, bytes }),
                    None => Header::Packets { endless: bytes.is_none() },
                });
            }
            _ => {}
        }
        // Chunks start at even bytes; the size does not count the pad.
        let next = body + u64::from(size) + u64::from(size % 2);
        if next >= input.len() {
            return Err(ErrorKind::malformed("it has no `data` chunk"));
        }
        input.seek(SeekFrom::Start(next)).map_err(ErrorKind::Read)?;
    }
}

struct Format {
    spec: Spec,
    /// `None` for a codec that is not read here.
    packing: Option<Packing>,
}

impl Format {
    fn read(input: &mut Input, size: u32) -> Result<Format, ErrorKind> {
        if size < 16 {
            return Err(ErrorKind::malformed(format!("its `fmt ` chunk has {size} bytes, not 16 or more")));
        }
        let [first, hz, _, last] = words(input)?;
        let (mut tag, channels) = (first as u16, (first >> 16) as u16);
        let (block, bits) = (last as u16, (last >> 16) as u16);
        if tag == tag::EXTENSIBLE && size >= 40 {
            // cbSize, valid bits and the channel mask, then a GUID whose first two bytes are the tag itself.
            let [_, _, guid] = words(input)?;
            tag = guid as u16;
        }
        // Samples lie in whole bytes: 12-bit ones fill the top of two, as the block size shows.
        let width = match (block, channels) {
            (0, _) | (_, 0) => bits.div_ceil(8),
            _ => block / channels,
        };
        let plain = |encoding| Some(Packing::Plain(encoding, Endian::Little));
        let packing = match (tag, width) {
            (tag::PCM, 1) => plain(Encoding::U8),
            (tag::PCM, 2) => plain(Encoding::S16),
            (tag::PCM, 3) => plain(Encoding::S24),
            (tag::PCM, 4) => plain(Encoding::S32),
            (tag::FLOAT, 4) => plain(Encoding::F32),
            (tag::FLOAT, 8) => plain(Encoding::F64),
            (tag::A_LAW, 1) => plain(Encoding::ALaw),
            (tag::MU_LAW, 1) => plain(Encoding::MuLaw),
            (tag::PCM | tag::FLOAT | tag::A_LAW | tag::MU_LAW, _) => {
                return Err(ErrorKind::malformed(format!(
                    "{bits} bits a sample in {width} bytes, format {tag}"
                )));
            }
            (tag::IMA_ADPCM, _) if bits != 4 || block == 0 || u32::from(block) < 4 * u32::from(channels) => {
                return Err(ErrorKind::malformed(format!(
                    "IMA ADPCM of {bits} bits in blocks of {block} bytes"
                )));
            }
            (tag::IMA_ADPCM, _) => Some(Packing::Ima { block }),
            _ => None,
        };
        Ok(Format { spec: Spec::new(hz, channels.into())?, packing })
    }
}

/// The next `N` little-endian words.
fn words<const N: usize>(input: &mut Input) -> Result<[u32; N], ErrorKind> {
    let mut words = [0; N];
    for word in &mut words {
        let mut bytes = [0; 4];
        input.read_exact(&mut bytes).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => ErrorKind::malformed("its WAV header is cut short"),
            _ => ErrorKind::Read(e),
        })?;
        *word = u32::from_le_bytes(bytes);
    }
    Ok(words)
}
