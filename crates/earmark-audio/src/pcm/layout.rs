//! What the header of a file leads to: where its samples lie, and how they are written.

use std::time::Duration;

use crate::options::Warning;
use crate::pcm::ima;
use crate::spec::Spec;

/// How one sample is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    U8,
    S8,
    S16,
    S24,
    /// 24 bits in the lower three bytes of four.
    S24In32,
    S32,
    F32,
    F64,
    MuLaw,
    ALaw,
}

impl Encoding {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Encoding::U8 | Encoding::S8 | Encoding::MuLaw | Encoding::ALaw => 1,
            Encoding::S16 => 2,
            Encoding::S24 => 3,
            Encoding::S24In32 | Encoding::S32 | Encoding::F32 => 4,
            Encoding::F64 => 8,
        }
    }
}

/// Which byte of a sample comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endian {
    Little,
    Big,
}

impl Endian {
    pub(crate) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Endian::Little => u16::from_le_bytes(bytes),
            Endian::Big => u16::from_be_bytes(bytes),
        }
    }

    pub(crate) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Endian::Little => u32::from_le_bytes(bytes),
            Endian::Big => u32::from_be_bytes(bytes),
        }
    }
}

/// How the samples lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// One sample of each channel, and again.
    Plain(Encoding, Endian),
    /// IMA ADPCM in blocks of so many bytes.
    Ima { block: u16 },
}

/// Where the samples lie, and how they are written.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) spec: Spec,
    pub(crate) packing: Packing,
    /// Where the first sample lies.
    pub(crate) start: u64,
    /// Bytes of samples; `None` when the writer did not know, and they go on to the end.
    pub(crate) bytes: Option<u64>,
    /// Where the header contradicts itself or the file.
    pub(crate) warnings: Vec<Warning>,
}

impl Layout {
    /// Bytes that are decoded together: a frame, or a block of many.
    pub(crate) fn unit(&self) -> usize {
        match self.packing {
            Packing::Plain(encoding, _) => encoding.bytes() * self.spec.channels,
            Packing::Ima { block } => block.into(),
        }
    }

    /// How long so many bytes of samples play.
    pub(crate) fn duration(&self, bytes: u64) -> Duration {
        let frames = match self.packing {
            Packing::Plain(..) => 1,
            Packing::Ima { block } => ima::frames(block.into(), self.spec.channels),
        };
        self.spec.rate.time(bytes / self.unit() as u64 * frames as u64)
    }
}

/// What the header of a file leads to.
pub(crate) enum Header {
    /// Samples this crate reads by itself.
    Samples(Layout),
    /// Packets of some codec. `endless`: the writer could not know where they end. `left_out`: why what follows them is left
    /// out, if anything does.
    Packets { endless: bool, left_out: Option<String> },
}
