//! The Sun/NeXT header: `.au`, `.snd`, and GTZAN as its author published it. Six words, big-endian but for a rare
//! little-endian kind, then samples.

use crate::byte_stream::ByteStream;
use crate::error::ErrorKind;
use crate::pcm::layout::{Encoding, Endian, Layout, Packing};
use crate::pcm::trailing::{self, Chunks};
use crate::spec::Spec;

pub(crate) fn open(input: &mut ByteStream) -> Result<Layout, ErrorKind> {
    let header: [u8; 24] = input.header("AU")?;
    let endian = if header.starts_with(b"dns.") { Endian::Little } else { Endian::Big };
    let word = |at: usize| endian.u32([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (start, bytes, encoding, hz, channels) = (word(4), word(8), word(12), word(16), word(20));
    let encoding = match encoding {
        1 => Encoding::MuLaw,
        2 => Encoding::S8,
        3 => Encoding::S16,
        4 => Encoding::S24,
        5 => Encoding::S32,
        6 => Encoding::F32,
        7 => Encoding::F64,
        27 => Encoding::ALaw,
        23 => return Err(ErrorKind::unsupported("G.721 ADPCM in AU")),
        24 => return Err(ErrorKind::unsupported("G.722 in AU")),
        25 | 26 => return Err(ErrorKind::unsupported("G.723 ADPCM in AU")),
        other => return Err(ErrorKind::unsupported(format!("encoding {other} in AU"))),
    };
    if start < 24 {
        return Err(ErrorKind::malformed(format!("its AU header is {start} bytes long, not 24 or more")));
    }
    let mut layout = Layout {
        spec: Spec::new(hz, channels as usize)?,
        packing: Packing::Plain(encoding, endian),
        start: start.into(),
        bytes: (bytes != u32::MAX).then_some(bytes.into()),
        warnings: Vec::new(),
    };
    trailing::check(input, &mut layout, Chunks::Nothing)?;
    Ok(layout)
}
