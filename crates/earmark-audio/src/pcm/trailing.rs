//! What follows the samples that a header counts: nothing, chunks of tags, another file, or samples that are not counted.

use crate::byte_stream::ByteStream;
use crate::error::ErrorKind;
use crate::options::{JOINED, Warning};
use crate::pcm::layout::{Endian, Layout};

/// The chunks that a kind of file may keep behind its samples: a name, a size and so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunks {
    Nothing,
    /// Four letters and 32 bits, padded to an even number.
    Riff(Endian),
    /// Four letters and 64 bits.
    Caf,
    /// Sixteen bytes and 64 bits, which count these 24 bytes as well, padded to a multiple of eight.
    Wave64,
}

/// Fewer bytes are the padding of some writer, or an ID3v1 tag.
const NEGLIGIBLE: u64 = 129;

/// Looks behind the samples that `layout` counts, in a file. Where it counts none and what follows is no chunk, the
/// writer never filled the count in, and all that follows is samples.
pub(crate) fn check(input: &mut ByteStream, layout: &mut Layout, chunks: Chunks) -> Result<(), ErrorKind> {
    let (Some(bytes), true) = (layout.bytes, input.is_file()) else {
        return Ok(());
    };
    let Some(end) = layout.start.checked_add(bytes).filter(|end| *end < input.len()) else {
        return Ok(());
    };
    let rest = end_of_chunks(input, end, chunks)?;
    let left = input.len() - rest;
    let (start, read) = input.bytes_at::<12>(rest)?;
    if begins_a_file(&start[..read]) {
        layout.warnings.push(Warning::LeftOut { at: layout.duration(bytes), what: JOINED.to_owned() });
    } else if left >= NEGLIGIBLE && bytes == 0 && rest == end {
        layout.bytes = None;
        layout.warnings.push(Warning::Header {
            what: format!("it says there are no samples, but {left} bytes follow; they were read"),
        });
    } else if left >= NEGLIGIBLE && !is_padding(input, rest)? {
        layout.warnings.push(Warning::LeftOut {
            at: layout.duration(bytes),
            what: format!("{left} bytes follow the samples that its header counts"),
        });
    }
    Ok(())
}

/// The end of the chunks that start at `at`.
fn end_of_chunks(input: &mut ByteStream, at: u64, chunks: Chunks) -> Result<u64, ErrorKind> {
    match chunks {
        Chunks::Nothing => Ok(at),
        Chunks::Riff(endian) => {
            let length = |header: &[u8]| Some(8 + u64::from(endian.u32(*header.get(4..)?.first_chunk()?)));
            let even = walk(input, at, 2, length)?;
            // Some writers forget to pad.
            if even == at && at % 2 == 1 { walk(input, at, 1, length) } else { Ok(even) }
        }
        Chunks::Caf => {
            walk(input, at, 1, |header| u64::from_be_bytes(*header.get(4..)?.first_chunk()?).checked_add(12))
        }
        Chunks::Wave64 => walk(input, at, 8, |header| {
            let size = u64::from_le_bytes(*header.get(16..)?.first_chunk()?);
            Some(size).filter(|size| *size >= 24)
        }),
    }
}

/// Goes from chunk to chunk as long as their names are printable and they end in the file. `length` reads that of a whole
/// chunk from its first bytes.
fn walk(
    input: &mut ByteStream,
    mut at: u64,
    align: u64,
    length: impl Fn(&[u8]) -> Option<u64>,
) -> Result<u64, ErrorKind> {
    loop {
        let start = at.next_multiple_of(align);
        let (header, read) = input.bytes_at::<24>(start)?;
        let header = &header[..read];
        let is_name = header.iter().take(4).all(|c| (b' '..=b'~').contains(c)) && !begins_a_file(header);
        let end = length(header).and_then(|length| start.checked_add(length));
        match end.filter(|end| is_name && *end <= input.len()) {
            Some(end) => at = end,
            None => return Ok(at),
        }
    }
}

/// Whether bytes are the start of a file of samples behind a header.
fn begins_a_file(bytes: &[u8]) -> bool {
    [&b"RIFF"[..], b"RIFX", b"RF64", b"BW64", b"FORM", b"caff", b".snd", b"dns."]
        .iter()
        .any(|magic| bytes.starts_with(magic))
}

/// Whether only zeros follow, as far as a few of them show.
fn is_padding(input: &mut ByteStream, at: u64) -> Result<bool, ErrorKind> {
    let (bytes, read) = input.bytes_at::<4096>(at)?;
    Ok(bytes[..read].iter().all(|byte| *byte == 0))
}
