use std::io::{self, Cursor, Read};
use std::time::Duration;

use earmark_audio::{
    DecodeOptions, Decoder, ErrorKind, Origin, decode_bytes, decode_file, decode_reader, decode_stream,
};

use crate::{bytes, fixture, wav};

const FILES: [&str; 8] = [
    "s16.wav",
    "s16.au",
    "s24.flac",
    "lame.mp3",
    "vorbis.ogg",
    "opus_live.webm",
    "aac.m4a",
    "aac_delayed.mp4",
];

/// Hands out a byte or two at a time, as a slow socket.
struct Trickle(Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let some = buffer.len().min(2);
        self.0.read(&mut buffer[..some])
    }
}

#[test]
fn a_path_bytes_a_reader_and_a_stream_give_the_same_clip() {
    let options = DecodeOptions::default();
    for name in FILES {
        let file = decode_file(fixture(name), &options).unwrap();
        assert_eq!(decode_bytes(bytes(name), &options).unwrap(), file, "{name}");
        assert_eq!(decode_reader(Cursor::new(bytes(name)), &options).unwrap(), file, "{name}");
        assert_eq!(decode_stream(Trickle(Cursor::new(bytes(name))), &options).unwrap(), file, "{name}");
    }
}

#[test]
fn blocks_put_together_are_the_clip() {
    let options = DecodeOptions::default();
    for name in FILES {
        let mut decoder = Decoder::open(fixture(name), &options).unwrap();
        let (mut samples, mut blocks) = (Vec::new(), 0);
        while let Some(block) = decoder.next_block().unwrap() {
            assert!(!block.is_empty());
            samples.extend_from_slice(block);
            blocks += 1;
        }
        let whole = decode_file(fixture(name), &options).unwrap();
        assert_eq!(samples, whole.waveform.samples(), "{name}");
        assert_eq!(decoder.rate(), whole.waveform.rate());
        assert!(decoder.next_block().unwrap().is_none(), "{name} has ended after {blocks} blocks");
    }
}

#[test]
fn the_name_of_a_file_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not-a.wav");
    std::fs::copy(fixture("opus.webm"), &path).unwrap();
    let options = DecodeOptions::default();
    assert_eq!(decode_file(&path, &options).unwrap(), decode_file(fixture("opus.webm"), &options).unwrap());
}

#[test]
fn an_error_names_the_file_and_keeps_its_cause() {
    let missing = fixture("no-such-file.wav");
    let error = decode_file(&missing, &DecodeOptions::default()).unwrap_err();
    assert_eq!(error.origin, Origin::File(missing));
    assert!(error.to_string().contains("no-such-file.wav"), "{error}");
    let ErrorKind::Read(cause) = &error.kind else { panic!("{error:?}") };
    assert_eq!(cause.kind(), io::ErrorKind::NotFound);
    let chain = std::error::Error::source(&error).unwrap().source();
    assert!(chain.is_some_and(|e| e.is::<io::Error>()));
}

#[test]
fn a_clip_longer_than_the_cap_is_refused_with_the_cap() {
    let second = wav(36 + 32000, 32000, 16000);
    let cap =
        |millis| DecodeOptions { max_duration: Duration::from_millis(millis), ..DecodeOptions::default() };
    assert!(decode_bytes(second.clone(), &cap(1000)).is_ok());
    let error = decode_bytes(second, &cap(999)).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::TooLong { limit } if limit == Duration::from_millis(999)));
    assert!(error.kind.to_string().contains("999ms"), "{}", error.kind);
}

#[test]
fn every_channel_counts_against_the_cap_when_all_are_kept() {
    // 397 frames at 16 kHz are 25 ms, twice over.
    let cap = DecodeOptions { max_duration: Duration::from_millis(40), ..DecodeOptions::default() };
    assert!(decode_bytes(bytes("s16.flac"), &cap).is_ok());
    let error = earmark_audio::decode_bytes_channels(bytes("s16.flac"), &cap).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::TooLong { .. }), "{error:?}");
}

/// A named pipe would wait for a writer, and a device has no end.
#[cfg(unix)]
#[test]
fn a_file_that_is_not_regular_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.wav");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let named_as_a_file = folder.path().join("folder.wav");
    std::fs::create_dir(&named_as_a_file).unwrap();
    for path in [pipe, named_as_a_file, "/dev/zero".into()] {
        let error = decode_file(&path, &DecodeOptions::default()).unwrap_err();
        let ErrorKind::Read(cause) = &error.kind else { panic!("{error:?}") };
        assert_eq!(cause.kind(), io::ErrorKind::InvalidInput, "{}: {cause}", path.display());
    }
}

/// Two files whose names differ in a byte that is no UTF-8 are two files, and their errors say which.
#[cfg(target_os = "linux")]
#[test]
fn the_origin_of_a_file_is_its_bytes() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let origins = [b"a\xff.wav", b"a\xfe.wav"].map(|name| {
        let path = folder.path().join(std::ffi::OsStr::from_bytes(name));
        std::fs::write(&path, b"RIFF").unwrap();
        decode_file(&path, &DecodeOptions::default()).unwrap_err().origin
    });
    assert_ne!(origins[0], origins[1]);
}
