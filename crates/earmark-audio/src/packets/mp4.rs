//! The edit list and the boxes of an MP4. Symphonia reads the edit list and does not apply it, and without it every AAC file
//! starts with the encoder's priming: 1024 frames of near-silence from ffmpeg, 2112 from Apple. ISO/IEC 14496-12.

use std::io::{BufReader, Read, Seek, SeekFrom};

use crate::byte_stream::ByteStream;

/// Where a track's presentation starts, in the track's own ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Ticks before it.
    pub(crate) skip: u64,
    /// Ticks a second.
    pub(crate) timescale: u32,
}

/// Finds the edit of track `id`. `None` without one, or when the file is no MP4: it is then played whole.
pub(crate) fn edit(input: &mut ByteStream, id: u32) -> Option<Edit> {
    let end = input.len();
    let moov = children(input, 0, end).into_iter().find(|b| &b.name == b"moov")?;
    children(input, moov.start, moov.end)
        .into_iter()
        .filter(|b| &b.name == b"trak")
        .find_map(|trak| edit_of(input, &trak, id))
}

/// How a file ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The last box is longer than the file. A recording in fragments has no other end to compare with.
    pub(crate) is_cut: bool,
    /// Another file follows.
    pub(crate) is_joined: bool,
}

/// Walks over the boxes of a file.
pub(crate) fn ends(input: &mut ByteStream) -> Ends {
    let len = input.len();
    let mut ends = Ends::default();
    if input.rewind().is_err() {
        return ends;
    }
    let mut reader = BufReader::with_capacity(1 << 16, input);
    let mut at = 0u64;
    let mut had_index = false;
    let cut = |ends| Ends { is_cut: true, ..ends };
    while at < len {
        let mut header = [0; 16];
        if reader.read_exact(&mut header[..8]).is_err() {
            return cut(ends);
        }
        match &header[4..8] {
            b"moov" => had_index = true,
            // A file starts with its type, so a second index of a second type is that of a second file.
            b"ftyp" => ends.is_joined |= had_index,
            _ => {}
        }
        let (read, size) = match word(&header, 0) {
            0 => return ends,
            1 if reader.read_exact(&mut header[8..]).is_err() => return cut(ends),
            1 => (16, u64::from(word(&header, 8)) << 32 | u64::from(word(&header, 12))),
            size => (8, size.into()),
        };
        // A box shorter than its own header: what follows is no MP4, and no end either.
        let Some(rest) = size.checked_sub(read).and_then(|rest| i64::try_from(rest).ok()) else {
            return ends;
        };
        if size > len - at {
            return cut(ends);
        }
        if reader.seek_relative(rest).is_err() {
            return ends;
        }
        at += size;
    }
    ends
}

/// The four letters of the codec of the first track of sound.
pub(crate) fn audio_codec(input: &mut ByteStream) -> Option<[u8; 4]> {
    let end = input.len();
    let moov = children(input, 0, end).into_iter().find(|b| &b.name == b"moov")?;
    let tracks = children(input, moov.start, moov.end).into_iter().filter(|b| &b.name == b"trak");
    tracks.into_iter().find_map(|trak| {
        let mdia = child(input, &trak, b"mdia")?;
        let hdlr = child(input, &mdia, b"hdlr")?;
        let handler: [u8; 12] = body(input, &hdlr)?;
        if handler[8..] != *b"soun" {
            return None;
        }
        let minf = child(input, &mdia, b"minf")?;
        let stbl = child(input, &minf, b"stbl")?;
        let stsd = child(input, &stbl, b"stsd")?;
        // Version, flags and a count; then the first entry: its size, and its name.
        let [.., a, b, c, d]: [u8; 16] = body(input, &stsd)?;
        Some([a, b, c, d])
    })
}

fn child(input: &mut ByteStream, parent: &Atom, name: &[u8; 4]) -> Option<Atom> {
    children(input, parent.start, parent.end).into_iter().find(|b| &b.name == name)
}

fn edit_of(input: &mut ByteStream, trak: &Atom, id: u32) -> Option<Edit> {
    let inside = children(input, trak.start, trak.end);
    let child = |name: &[u8; 4]| inside.iter().find(|b| &b.name == name);
    // Both headers grow from 32-bit to 64-bit times in version 1.
    let tkhd: [u8; 24] = body(input, child(b"tkhd")?)?;
    let track_id = if tkhd[0] == 1 { word(&tkhd, 20) } else { word(&tkhd, 12) };
    if track_id != id {
        return None;
    }
    let mdia = child(b"mdia")?;
    let mdhd = children(input, mdia.start, mdia.end).into_iter().find(|b| &b.name == b"mdhd")?;
    let mdhd: [u8; 24] = body(input, &mdhd)?;
    let timescale = if mdhd[0] == 1 { word(&mdhd, 20) } else { word(&mdhd, 12) };
    let edts = child(b"edts")?;
    let elst = children(input, edts.start, edts.end).into_iter().find(|b| &b.name == b"elst")?;
    let skip = media_time(input, &elst)?;
    Some(Edit { skip, timescale })
}

/// Where the first edit that plays anything begins; an empty edit (-1) only delays.
fn media_time(input: &mut ByteStream, elst: &Atom) -> Option<u64> {
    let [version, _, _, _, count @ ..]: [u8; 8] = body(input, elst)?;
    let width = if version == 1 { 20 } else { 12 };
    // An encoder writes one edit, or a delay and one; a long list is a cut, which is not for a decoder to perform.
    for entry in 0..u64::from(u32::from_be_bytes(count)).min(8) {
        let at = Atom { start: elst.start + 8 + entry * width, ..*elst };
        let time = if version == 1 {
            let [_, _, _, _, _, _, _, _, time @ ..]: [u8; 16] = body(input, &at)?;
            i64::from_be_bytes(time)
        } else {
            let [_, _, _, _, time @ ..]: [u8; 8] = body(input, &at)?;
            i32::from_be_bytes(time).into()
        };
        if let Ok(time) = u64::try_from(time) {
            return Some(time);
        }
    }
    None
}

/// A box: its name, and where its content lies.
#[derive(Clone, Copy)]
struct Atom {
    name: [u8; 4],
    start: u64,
    end: u64,
}

/// The boxes between two places; those after the first that makes no sense are left out.
fn children(input: &mut ByteStream, mut at: u64, end: u64) -> Vec<Atom> {
    /// A track has about ten, a file a few; fragments come after the index.
    const MAX: usize = 4096;
    let mut atoms = Vec::new();
    while atoms.len() < MAX && at < end {
        let whole = Atom { name: *b"    ", start: at, end };
        let Some([a, b, c, d, name @ ..]) = body::<8>(input, &whole) else {
            break;
        };
        let (header, size) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, end - at),
            1 => match body::<16>(input, &whole) {
                Some([_, _, _, _, _, _, _, _, large @ ..]) => (16, u64::from_be_bytes(large)),
                None => break,
            },
            size => (8, size.into()),
        };
        let Some(next) = at.checked_add(size).filter(|next| size >= header && *next <= end) else {
            break;
        };
        atoms.push(Atom { name, start: at + header, end: next });
        at = next;
    }
    atoms
}

/// The first `N` bytes of a box's content, if it has as many.
fn body<const N: usize>(input: &mut ByteStream, atom: &Atom) -> Option<[u8; N]> {
    if atom.start.checked_add(N as u64)? > atom.end {
        return None;
    }
    input.seek(SeekFrom::Start(atom.start)).ok()?;
    let mut bytes = [0; N];
    input.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
