//! Reads the samples behind a header.

use std::io::{Seek, SeekFrom};
use std::time::Duration;

use crate::byte_stream::{ByteStream, read_up_to};
use crate::error::ErrorKind;
use crate::options::Warning;
use crate::pcm::ima;
use crate::pcm::layout::{Encoding, Endian, Layout, Packing};
use crate::spec::Spec;

/// Reads the samples a [`Layout`] points at.
pub(crate) struct PcmReader {
    input: ByteStream,
    layout: Layout,
    /// Bytes of samples that are left, by the header.
    left: Option<u64>,
    truncated: bool,
    buffer: Vec<u8>,
}

impl PcmReader {
    pub(crate) fn new(input: ByteStream, layout: Layout) -> Result<PcmReader, ErrorKind> {
        PcmReader::in_blocks(input, layout, 1 << 16)
    }

    /// Returns samples a twentieth of a second at a time.
    pub(crate) fn live(input: ByteStream, layout: Layout) -> Result<PcmReader, ErrorKind> {
        let frames = (layout.spec.rate.hz() / 20).clamp(1, 1 << 16) as usize;
        let block = (frames * layout.unit()).min(1 << 16);
        PcmReader::in_blocks(input, layout, block)
    }

    /// `block` is about how many bytes are read at once.
    fn in_blocks(mut input: ByteStream, layout: Layout, block: usize) -> Result<PcmReader, ErrorKind> {
        let unit = layout.unit();
        input.seek(SeekFrom::Start(layout.start)).map_err(ErrorKind::Read)?;
        let buffer = vec![0; block.div_ceil(unit) * unit];
        Ok(PcmReader { left: layout.bytes, input, layout, truncated: false, buffer })
    }

    pub(crate) fn spec(&self) -> Spec {
        self.layout.spec
    }

    /// How long the samples play that the header counts and the file has.
    pub(crate) fn expected_duration(&self) -> Option<Duration> {
        let here = self.input.is_file().then(|| self.input.len().saturating_sub(self.layout.start));
        let bytes = self.layout.bytes.into_iter().chain(here).min()?;
        Some(self.layout.duration(bytes))
    }

    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.layout.warnings.clone();
        warnings.extend(self.truncated.then_some(Warning::Truncated));
        warnings
    }

    pub(crate) fn next_block(&mut self, planes: &mut Vec<Vec<f32>>) -> Result<bool, ErrorKind> {
        let (spec, packing) = (self.layout.spec, self.layout.packing);
        let want = self.left.map_or(self.buffer.len(), |left| (self.buffer.len() as u64).min(left) as usize);
        let read = read_up_to(&mut self.input, &mut self.buffer[..want]).map_err(ErrorKind::Read)?;
        if let Some(left) = &mut self.left {
            *left -= read as u64;
            self.truncated |= read < want;
        }
        planes.resize_with(spec.channels, Vec::new);
        match packing {
            Packing::Plain(encoding, endian) => {
                // Half a frame at the end is dropped.
                let frames = read / (encoding.bytes() * spec.channels);
                planes.iter_mut().for_each(|plane| plane.resize(frames, 0.0));
                unpack(&self.buffer[..read], encoding, endian, planes);
            }
            Packing::Ima { block } => {
                planes.iter_mut().for_each(Vec::clear);
                self.buffer[..read].chunks(block.into()).for_each(|block| ima::decode(block, planes));
            }
        }
        Ok(!planes[0].is_empty())
    }
}

/// Fills `planes` with interleaved samples.
fn unpack(bytes: &[u8], encoding: Encoding, endian: Endian, planes: &mut [Vec<f32>]) {
    use Encoding::{ALaw, F32, F64, MuLaw, S8, S16, S24, S24In32, S32, U8};
    use Endian::{Big, Little};
    match (encoding, endian) {
        (U8, _) => deal(bytes, planes, |[b]| (f32::from(b) - 128.0) / 128.0),
        (S8, _) => deal(bytes, planes, |[b]| f32::from(b.cast_signed()) / 128.0),
        (MuLaw, _) => deal(bytes, planes, |[b]| mu_law(b)),
        (ALaw, _) => deal(bytes, planes, |[b]| a_law(b)),
        (S16, Little) => deal(bytes, planes, |b| f32::from(i16::from_le_bytes(b)) / 32768.0),
        (S16, Big) => deal(bytes, planes, |b| f32::from(i16::from_be_bytes(b)) / 32768.0),
        // Into the top three bytes of four, where the sign is.
        (S24, Little) => deal(bytes, planes, |[a, b, c]| scale_32(i32::from_le_bytes([0, a, b, c]))),
        (S24, Big) => deal(bytes, planes, |[a, b, c]| scale_32(i32::from_be_bytes([a, b, c, 0]))),
        (S24In32, Little) => deal(bytes, planes, |[a, b, c, _]| scale_32(i32::from_le_bytes([0, a, b, c]))),
        (S24In32, Big) => deal(bytes, planes, |[_, a, b, c]| scale_32(i32::from_be_bytes([a, b, c, 0]))),
        (S32, Little) => deal(bytes, planes, |b| scale_32(i32::from_le_bytes(b))),
        (S32, Big) => deal(bytes, planes, |b| scale_32(i32::from_be_bytes(b))),
        (F32, Little) => deal(bytes, planes, f32::from_le_bytes),
        (F32, Big) => deal(bytes, planes, f32::from_be_bytes),
        (F64, Little) => deal(bytes, planes, |b| f64::from_le_bytes(b) as f32),
        (F64, Big) => deal(bytes, planes, |b| f64::from_be_bytes(b) as f32),
    }
}

/// Deals samples of `N` bytes out to the channels.
fn deal<const N: usize>(bytes: &[u8], planes: &mut [Vec<f32>], read: impl Fn([u8; N]) -> f32) {
    let (samples, _) = bytes.as_chunks::<N>();
    match planes {
        // A known number of channels makes vectors.
        [mono] => mono.iter_mut().zip(samples).for_each(|(to, &sample)| *to = read(sample)),
        [left, right] => {
            let (frames, _) = samples.as_chunks::<2>();
            for ((left, right), &[l, r]) in left.iter_mut().zip(right).zip(frames) {
                (*left, *right) = (read(l), read(r));
            }
        }
        planes => {
            let channels = planes.len();
            for (channel, plane) in planes.iter_mut().enumerate() {
                let samples = samples[channel.min(samples.len())..].iter().step_by(channels);
                plane.iter_mut().zip(samples).for_each(|(to, &sample)| *to = read(sample));
            }
        }
    }
}

/// The integer rounds to a float first, as in libsndfile and ffmpeg; the power of two then changes no bit of it.
fn scale_32(sample: i32) -> f32 {
    sample as f32 / 2_147_483_648.0
}

/// ITU-T G.711 µ-law, as a fraction of 16-bit full scale.
fn mu_law(byte: u8) -> f32 {
    let bits = !byte;
    let magnitude = (((i16::from(bits) & 0x0f) << 3) + 0x84) << ((bits >> 4) & 7);
    let linear = if bits & 0x80 == 0 { magnitude - 0x84 } else { 0x84 - magnitude };
    f32::from(linear) / 32768.0
}

/// ITU-T G.711 A-law, as a fraction of 16-bit full scale.
fn a_law(byte: u8) -> f32 {
    let bits = byte ^ 0x55;
    let step = (i16::from(bits) & 0x0f) << 4;
    let magnitude = match (bits >> 4) & 7 {
        0 => step + 8,
        exponent => (step + 0x108) << (exponent - 1),
    };
    let linear = if bits & 0x80 == 0 { -magnitude } else { magnitude };
    f32::from(linear) / 32768.0
}

#[cfg(test)]
mod tests {
    use super::*;

    // Corner values of the tables in ITU-T G.711, scaled to 16 bits.
    #[test]
    fn mu_law_has_its_corners() {
        let linear = |byte| (mu_law(byte) * 32768.0) as i32;
        assert_eq!([0xff, 0x7f, 0x80, 0x00, 0xf0].map(linear), [0, 0, 32124, -32124, 120]);
    }

    #[test]
    fn a_law_has_its_corners() {
        let linear = |byte| (a_law(byte) * 32768.0) as i32;
        assert_eq!([0xd5, 0x55, 0xaa, 0x2a].map(linear), [8, -8, 32256, -32256]);
    }
}
