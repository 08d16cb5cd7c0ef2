//! The codecs of an Ogg file's streams (RFC 3533): each stream starts with a page of its own, before any other page, and
//! files may be joined end to end.

use std::io::{BufReader, Read, Seek};

use crate::byte_stream::ByteStream;
use crate::codec_names;

/// The codec of the first stream of sound in each of the files that are joined; `None` for one without.
pub(crate) fn links(input: &mut ByteStream) -> Vec<Option<&'static str>> {
    let mut links = Vec::new();
    if input.rewind().is_err() {
        return links;
    }
    let mut reader = BufReader::with_capacity(1 << 16, input);
    let mut between = true;
    while let Some((is_first, size)) = page(&mut reader) {
        if is_first {
            if between {
                links.push(None);
            }
            let mut packet = vec![0; size];
            if reader.read_exact(&mut packet).is_err() {
                break;
            }
            if let Some(link @ None) = links.last_mut() {
                *link = codec_names::ogg(&packet);
            }
        } else if reader.seek_relative(size as i64).is_err() {
            break;
        }
        between = !is_first;
    }
    links
}

/// Reads the header of a page: whether it is the first of its stream, and the bytes of its content.
fn page(reader: &mut impl Read) -> Option<(bool, usize)> {
    let mut header = [0; 27];
    reader.read_exact(&mut header).ok()?;
    let mut sizes = vec![0; header[26].into()];
    reader.read_exact(&mut sizes).ok()?;
    let size = sizes.iter().map(|size| usize::from(*size)).sum();
    header.starts_with(b"OggS").then_some((header[5] & 2 != 0, size))
}
