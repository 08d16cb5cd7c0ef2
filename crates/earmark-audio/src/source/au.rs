//! The Sun/NeXT header: `.au`, `.snd`, and GTZAN as its author published it. Six big-endian words, then samples.

use std::io::Read;

use super::pcm::{Encoding, Endian, Layout, Packing};
use super::{Input, Spec};
use crate::error::ErrorKind;

pub(super) fn open(input: &mut Input) -> Result<Layout, ErrorKind> {
    let mut header = [0; 24];
    input.read_exact(&mut header).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => ErrorKind::malformed("its AU header is cut short"),
        _ => ErrorKind::Read(e),
    })?;
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
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
        other => return Err(ErrorKind::unsupported(format!("AU encoding {other}"))),
    };
    if start < 24 {
        return Err(ErrorKind::malformed(format!("its AU header is {start} bytes long, not 24 or more")));
    }
    Ok(Layout {
        spec: Spec::new(hz, channels as usize)?,
        packing: Packing::Plain(encoding, Endian::Big),
        start: start.into(),
        bytes: (bytes != u32::MAX).then_some(bytes.into()),
    })
}
