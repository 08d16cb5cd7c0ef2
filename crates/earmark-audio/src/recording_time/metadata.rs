//! Times in the metadata of a file: chunks of WAV, RF64 and AIFF, and blocks of FLAC. At most so many are looked at, and so much of
//! each is read, whatever a file claims.

use std::io::{self, Read, Seek, SeekFrom};

use super::text::{audiomoth, civil, iso, numbers};
use super::time::RecordingTime;

const MAX_CHUNKS: usize = 1024;
/// GUANO is text, and some recorders add long notes to it.
const MAX_BYTES: u64 = 1 << 20;

/// What a file states of its beginning.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    /// As a recorder for the field wrote it.
    pub(super) recorder: Option<RecordingTime>,
    /// That of a Broadcast WAV.
    pub(super) origination: Option<RecordingTime>,
}

/// Nothing where the file is of another kind.
pub(super) fn read(input: &mut (impl Read + Seek)) -> io::Result<Metadata> {
    let mut found = Metadata::default();
    let start = bytes(input, 0, 12)?;
    match (start.get(..4), start.get(8..12)) {
        (Some(b"RIFF" | b"RF64" | b"BW64"), Some(b"WAVE")) => {
            chunks(input, u32::from_le_bytes, |id, body| found.riff(id, body))?;
        }
        (Some(b"FORM"), Some(b"AIFF" | b"AIFC")) => {
            chunks(input, u32::from_be_bytes, |id, body| {
                if *id == *b"ANNO" {
                    found.recorder(audiomoth(&String::from_utf8_lossy(body)));
                }
            })?;
        }
        (Some(b"fLaC"), _) => blocks(input, &mut found)?,
        _ => {}
    }
    Ok(found)
}

impl Metadata {
    fn recorder(&mut self, time: Option<RecordingTime>) {
        self.recorder = self.recorder.or(time);
    }

    /// Takes what a chunk of a WAV states.
    fn riff(&mut self, id: &[u8; 4], body: &[u8]) {
        match id {
            b"guan" => self.recorder(guano(&String::from_utf8_lossy(body))),
            b"wamd" => self.recorder(wamd(body)),
            b"LIST" => self.recorder(info(body)),
            b"bext" => self.origination = self.origination.or_else(|| bext(body)),
            _ => {}
        }
    }
}

/// GUANO 1.0: lines of `Key: Value` in UTF-8.
fn guano(text: &str) -> Option<RecordingTime> {
    text.lines().find_map(|line| iso(line.split_once(':').filter(|(key, _)| key.trim() == "Timestamp")?.1))
}

/// Wildlife Acoustics' metadata, as `wamd2guano.py` of guano-py 1.0.16 reads them: fields of two bytes of kind, four of length.
fn wamd(mut body: &[u8]) -> Option<RecordingTime> {
    const TIMESTAMP: u16 = 5;
    while let Some((&[k, l, a, b, c, d], rest)) = body.split_first_chunk() {
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
        let (value, rest) = rest.split_at_checked(length)?;
        if u16::from_le_bytes([k, l]) == TIMESTAMP {
            return iso(std::str::from_utf8(value).ok()?.trim_end_matches('\0'));
        }
        body = rest;
    }
    None
}

/// The comment in a list of INFO.
fn info(body: &[u8]) -> Option<RecordingTime> {
    let mut body = body.strip_prefix(b"INFO")?;
    while let Some((&[i, j, k, l, a, b, c, d], rest)) = body.split_first_chunk() {
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
        let value = rest.get(..length).unwrap_or(rest);
        if [i, j, k, l] == *b"ICMT" {
            return audiomoth(&String::from_utf8_lossy(value));
        }
        body = rest.get(length.checked_add(length % 2)?..)?;
    }
    None
}

/// EBU Tech 3285: `OriginationDate` and `OriginationTime` behind 320 bytes of names, their numbers separated by any sign.
fn bext(body: &[u8]) -> Option<RecordingTime> {
    let (date, time) = (body.get(320..330)?, body.get(330..338)?);
    let three = |text: &[u8]| {
        let spelled: String =
            text.iter().map(|b| if b.is_ascii_digit() { char::from(*b) } else { ':' }).collect();
        numbers(&spelled, ':')
    };
    Some(RecordingTime { local: civil(three(date)?, three(time)?)?, offset: None })
}

/// Shows each chunk that may hold a time, up to [`MAX_BYTES`] of it. A file that is cut short ends the walk.
fn chunks(
    input: &mut (impl Read + Seek),
    number: fn([u8; 4]) -> u32,
    mut show: impl FnMut(&[u8; 4], &[u8]),
) -> io::Result<()> {
    let mut at = 12;
    let mut data_size = None;
    for _ in 0..MAX_CHUNKS {
        let header = bytes(input, at, 8)?;
        let Some((&[i, j, k, l, a, b, c, d], _)) = header.split_first_chunk() else { break };
        let (id, size) = ([i, j, k, l], u64::from(number([a, b, c, d])));
        let body = at + 8;
        let size = match &id {
            // RF64: the size of the samples is here, as it does not fit there.
            b"ds64" => {
                data_size = bytes(input, body + 8, 8)?.first_chunk().map(|size| u64::from_le_bytes(*size));
                size
            }
            b"data" if size == u64::from(u32::MAX) => match data_size {
                Some(size) => size,
                // Written to a pipe: the samples go on to the end.
                None => break,
            },
            b"guan" | b"wamd" | b"LIST" | b"bext" | b"ANNO" => {
                show(&id, &bytes(input, body, size.min(MAX_BYTES))?);
                size
            }
            _ => size,
        };
        // Chunks start at even bytes; the size does not count the pad.
        match body.checked_add(size).and_then(|end| end.checked_add(size % 2)) {
            Some(next) => at = next,
            None => break,
        }
    }
    Ok(())
}

/// The metadata blocks of a FLAC: its comments, and the chunks of the WAV that it was made from (`--keep-foreign-metadata`).
fn blocks(input: &mut (impl Read + Seek), found: &mut Metadata) -> io::Result<()> {
    const APPLICATION: u8 = 2;
    const COMMENTS: u8 = 4;
    let mut at = 4;
    for _ in 0..MAX_CHUNKS {
        let header = bytes(input, at, 4)?;
        let Some((&[kind, a, b, c], _)) = header.split_first_chunk() else { break };
        let size = u64::from(u32::from_be_bytes([0, a, b, c]));
        let body = at + 4;
        match kind & 0x7f {
            APPLICATION => {
                let body = bytes(input, body, size.min(MAX_BYTES))?;
                if let Some((&[i, j, k, l, _, _, _, _], rest)) =
                    body.strip_prefix(b"riff").and_then(|chunk| chunk.split_first_chunk())
                {
                    found.riff(&[i, j, k, l], rest);
                }
            }
            COMMENTS => found.recorder(comments(&bytes(input, body, size.min(MAX_BYTES))?)),
            _ => {}
        }
        if kind & 0x80 != 0 {
            break;
        }
        at = body + size;
    }
    Ok(())
}

/// Vorbis comments: the writer's name, a count, and `KEY=value`, each text behind its length.
fn comments(mut body: &[u8]) -> Option<RecordingTime> {
    text(&mut body)?;
    body = body.get(4..)?;
    std::iter::from_fn(|| text(&mut body)).find_map(|comment| audiomoth(&String::from_utf8_lossy(comment)))
}

/// Takes off a text behind its length.
fn text<'a>(body: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = body.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    *body = rest;
    Some(text)
}

/// Up to so many bytes at a place.
fn bytes(input: &mut (impl Read + Seek), at: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // No file goes on beyond that, and seeking there would be an error.
    if i64::try_from(at).is_err() {
        return Ok(bytes);
    }
    input.seek(SeekFrom::Start(at))?;
    input.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    const COMMENT: &str =
        "Recorded at 19:00:00 10/05/2021 (UTC+2) by AudioMoth 24E144085F256C8A at medium gain";
    const AT_SEVEN: &str = "2021-05-10T19:00:00+02:00";

    fn found(bytes: &[u8]) -> [Option<String>; 2] {
        let Metadata { recorder, origination } = read(&mut Cursor::new(bytes)).unwrap();
        [recorder, origination].map(|time| time.map(|time| time.to_string()))
    }

    fn recorder(bytes: &[u8]) -> Option<String> {
        found(bytes)[0].clone()
    }

    fn chunk(id: &str, body: &[u8]) -> Vec<u8> {
        let size = (body.len() as u32).to_le_bytes();
        let pad = &[0][..body.len() % 2];
        [id.as_bytes(), &size, body, pad].concat()
    }

    /// A WAV of 101 bytes of sound, which has a pad, and chunks before and behind it.
    fn wav(before: &[u8], behind: &[u8]) -> Vec<u8> {
        let (format, sound) = (chunk("fmt ", &[0; 16]), chunk("data", &[7; 101]));
        [b"RIFF\0\0\0\0WAVE", &format[..], before, &sound, behind].concat()
    }

    fn list(comment: &str) -> Vec<u8> {
        chunk(
            "LIST",
            &[b"INFO", &chunk("IART", b"AudioMoth")[..], &chunk("ICMT", comment.as_bytes())].concat(),
        )
    }

    fn field(id: u16, value: &[u8]) -> Vec<u8> {
        [&id.to_le_bytes(), &(value.len() as u32).to_le_bytes()[..], value].concat()
    }

    #[test]
    fn each_recorders_chunk_is_read_before_the_sound_and_behind_it() {
        let guano = chunk(
            "guan",
            "GUANO|Version: 1.0\nNote: a: b\nTimestamp: 2021-05-10T19:00:00+02:00\n".as_bytes(),
        );
        let wamd = chunk("wamd", &[field(0, &[1, 0]), field(5, b"2021-05-10 19:00:00+02:00")].concat());
        for chunk in [guano, wamd, list(COMMENT)] {
            assert_eq!(recorder(&wav(&chunk, &[])).as_deref(), Some(AT_SEVEN));
            assert_eq!(recorder(&wav(&[], &chunk)).as_deref(), Some(AT_SEVEN));
        }
        assert_eq!(found(&wav(&list("Recorded by me"), &[])), [None, None]);
        assert_eq!(found(b""), [None, None]);
    }

    #[test]
    fn a_broadcast_wav_has_its_origination_time_apart() {
        for time in ["2021-05-1019:00:00", "2021:05:1019-00-00"] {
            let bext = chunk("bext", &[&[0; 320], time.as_bytes(), &[0; 264]].concat());
            assert_eq!(found(&wav(&bext, &[])), [None, Some("2021-05-10T19:00:00".to_owned())]);
        }
        let empty = chunk("bext", &[0; 602]);
        assert_eq!(found(&wav(&empty, &[])), [None, None]);
    }

    #[test]
    fn behind_more_than_four_gibibytes_the_size_is_that_of_ds64() {
        let mut file = wav(&chunk("ds64", &[[0; 8], 101u64.to_le_bytes(), [0; 8]].concat()), &list(COMMENT));
        file[..4].copy_from_slice(b"RF64");
        let at = file.windows(4).position(|it| it == b"data").unwrap() + 4;
        file[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(recorder(&file).as_deref(), Some(AT_SEVEN));
        // And without one the sound goes on to the end.
        file[..4].copy_from_slice(b"RIFF");
        let without = file.windows(4).position(|it| it == b"ds64").unwrap();
        file[without..without + 4].copy_from_slice(b"junk");
        assert_eq!(recorder(&file), None);
    }

    #[test]
    fn aiff_and_flac_keep_the_comment_of_an_audiomoth() {
        let size = (COMMENT.len() as u32).to_be_bytes();
        let aiff = [b"FORM\0\0\0\0AIFFANNO", &size[..], COMMENT.as_bytes()].concat();
        assert_eq!(recorder(&aiff).as_deref(), Some(AT_SEVEN));

        let block = |kind: u8, body: &[u8]| [&[kind], &(body.len() as u32).to_be_bytes()[1..], body].concat();
        let text = |text: &str| [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
        let two = [
            text("libFLAC"),
            2u32.to_le_bytes().to_vec(),
            text("TITLE=a"),
            text(&format!("COMMENT={COMMENT}")),
        ];
        let foreign = [b"riff", &list(COMMENT)[..]].concat();
        for last in [block(0x84, &two.concat()), block(0x82, &foreign)] {
            let flac = [b"fLaC", &block(0, &[0; 34])[..], &last].concat();
            assert_eq!(recorder(&flac).as_deref(), Some(AT_SEVEN));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..600), kind in 0..4usize) {
            let start: [&[u8]; 4] = [b"RIFF\0\0\0\0WAVEguan", b"RF64\0\0\0\0WAVEds64", b"FORM\0\0\0\0AIFF", b"fLaC\x02"];
            read(&mut Cursor::new([start[kind], &bytes].concat())).unwrap();
        }

        #[test]
        fn no_change_of_a_byte_makes_it_panic_or_fail(at in 0..400usize, byte: u8) {
            let bext = chunk("bext", &[b'1'; 340]);
            let wamd = chunk("wamd", &field(5, b"2021-05-10 19:00:00"));
            let mut file = wav(&[bext, wamd].concat(), &list(COMMENT));
            let at = at % file.len();
            file[at] = byte;
            read(&mut Cursor::new(file)).unwrap();
        }

        #[test]
        fn no_name_makes_it_panic(name in ".{0,40}", digits in "[0-9_+TZ-]{0,30}") {
            let _ = RecordingTime::of_name(&name);
            let _ = RecordingTime::of_name(&digits);
        }
    }
}
