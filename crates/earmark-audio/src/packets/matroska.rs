//! Where the sound of a Matroska or WebM file starts and ends (RFC 9559, RFC 8794), which symphonia reads and does not
//! apply: the codec's delay (`CodecDelay`), the padding of the last block (`DiscardPadding`), and whether the file was
//! written live, so that an early end is no damage.

use std::io::{BufReader, Read, Seek};

use crate::byte_stream::ByteStream;

/// The ends of one track.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    /// Nanoseconds to drop at the start.
    pub(crate) delay: u64,
    /// Nanoseconds to drop at the end of the last block.
    pub(crate) padding: u64,
    /// The writer never learnt how long the file is: a browser's recorder.
    pub(crate) live: bool,
    /// Another file follows.
    pub(crate) is_joined: bool,
}

mod id {
    pub(crate) const HEAD: u32 = 0x1a45_dfa3;
    pub(crate) const SEGMENT: u32 = 0x1853_8067;
    pub(crate) const TRACKS: u32 = 0x1654_ae6b;
    pub(crate) const TRACK: u32 = 0xae;
    pub(crate) const TRACK_NUMBER: u32 = 0xd7;
    pub(crate) const TRACK_TYPE: u32 = 0x83;
    pub(crate) const CODEC_ID: u32 = 0x86;
    pub(crate) const CODEC_DELAY: u32 = 0x56aa;
    pub(crate) const CLUSTER: u32 = 0x1f43_b675;
    pub(crate) const BLOCK_GROUP: u32 = 0xa0;
    pub(crate) const BLOCK: u32 = 0xa1;
    pub(crate) const SIMPLE_BLOCK: u32 = 0xa3;
    pub(crate) const DISCARD_PADDING: u32 = 0x75a2;
}

/// Walks the whole file, block header by block header, for `track`. A malformed element ends the walk, not the decoding.
pub(crate) fn ends(input: &mut ByteStream, track: u64) -> Ends {
    let mut ends = Ends::default();
    if input.rewind().is_err() {
        return ends;
    }
    let mut walk = Walk { reader: BufReader::with_capacity(1 << 16, input) };
    // The number of the track entry, then of the block, that what comes next belongs to.
    let mut number = 0;
    let mut had_segment = false;
    while let Some((id, size)) = walk.header() {
        match id {
            // A file has one head, before its segment.
            id::HEAD if had_segment => {
                ends.is_joined = true;
                break;
            }
            id::SEGMENT => {
                had_segment = true;
                ends.live = size.is_none();
            }
            // Their children come next in the walk; no id that is read here occurs in two of them.
            id::TRACKS | id::TRACK | id::CLUSTER | id::BLOCK_GROUP => {}
            _ => {
                let Some(size) = size else { break };
                let Some(rest) = walk.content(id, size, |id, content| match id {
                    id::TRACK_NUMBER => number = unsigned(content),
                    id::CODEC_DELAY if number == track => ends.delay = unsigned(content),
                    // Only the last block's padding counts, so each new block forgets it.
                    id::BLOCK | id::SIMPLE_BLOCK => {
                        number = vint(content).map_or(0, |(number, _)| number);
                        if number == track {
                            ends.padding = 0;
                        }
                    }
                    // Signed: a negative one would add silence, which no known writer asks for.
                    id::DISCARD_PADDING if number == track => {
                        ends.padding = unsigned(content).min(i64::MAX as u64);
                    }
                    _ => {}
                }) else {
                    break;
                };
                if walk.reader.seek_relative(rest).is_err() {
                    break;
                }
            }
        }
    }
    ends
}

/// The id of the codec of the first track of sound.
pub(crate) fn audio_codec(input: &mut ByteStream) -> Option<String> {
    input.rewind().ok()?;
    let mut walk = Walk { reader: BufReader::with_capacity(1 << 16, input) };
    let (mut is_sound, mut codec) = (false, None);
    loop {
        match walk.header()? {
            (id::TRACK, _) => (is_sound, codec) = (false, None),
            (id::SEGMENT | id::TRACKS, _) => {}
            (id::CLUSTER, _) => return None,
            (id, size) => {
                let rest = walk.content(id, size?, |id, content| match id {
                    id::TRACK_TYPE => is_sound = unsigned(content) == 2,
                    id::CODEC_ID => codec = Some(String::from_utf8_lossy(content).into_owned()),
                    _ => {}
                })?;
                if is_sound && codec.is_some() {
                    return codec;
                }
                walk.reader.seek_relative(rest).ok()?;
            }
        }
    }
}

struct Walk<'a> {
    reader: BufReader<&'a mut ByteStream>,
}

impl Walk<'_> {
    /// The next element's id, marker bits included, and its size; `None` for a size is "unknown".
    fn header(&mut self) -> Option<(u32, Option<u64>)> {
        let id = self.number(4, false)?;
        let size = self.number(8, true)?;
        Some((u32::try_from(id).ok()?, (size != u64::MAX).then_some(size)))
    }

    /// A number as long as the zeros it starts with, and one; `u64::MAX` for the reserved one of all ones.
    fn number(&mut self, longest: usize, value: bool) -> Option<u64> {
        let mut bytes = [0; 8];
        self.reader.read_exact(&mut bytes[..1]).ok()?;
        let length = bytes[0].leading_zeros() as usize + 1;
        if length > longest {
            return None;
        }
        self.reader.read_exact(&mut bytes[1..length]).ok()?;
        if value { Some(vint(&bytes[..length])?.0) } else { Some(unsigned(&bytes[..length])) }
    }

    /// Shows the first bytes of an element, and returns how many are left in it.
    fn content(&mut self, id: u32, size: u64, mut look: impl FnMut(u32, &[u8])) -> Option<i64> {
        let mut bytes = [0; 32];
        let shown = size.min(32) as usize;
        self.reader.read_exact(&mut bytes[..shown]).ok()?;
        look(id, &bytes[..shown]);
        i64::try_from(size - shown as u64).ok()
    }
}

/// The variable-length number at the start of `bytes`, and its length; `u64::MAX` for the reserved one of all ones.
fn vint(bytes: &[u8]) -> Option<(u64, usize)> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    let value = unsigned(bytes.get(..length)?);
    let bits = 7 * length as u32;
    let mask = (1 << bits) - 1;
    Some((if value & mask == mask { u64::MAX } else { value & mask }, length))
}

/// Up to eight big-endian bytes.
fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}
