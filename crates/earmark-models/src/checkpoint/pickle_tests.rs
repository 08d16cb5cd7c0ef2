//! Checkpoints that are small on the disk and large in memory.

use std::io::Write as _;
use std::time::{Duration, Instant};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;

/// What is said of a checkpoint with this pickle; nothing when it passes.
fn said(pickle: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pytorch_model.bin");
    let mut zip = ZipWriter::new(std::fs::File::create(&path).unwrap());
    zip.start_file(
        "archive/data.pkl",
        SimpleFileOptions::default().compression_method(CompressionMethod::Deflated),
    )
    .unwrap();
    zip.write_all(pickle).unwrap();
    zip.finish().unwrap();
    let start = Instant::now();
    let said = check(&path).err().map(|error| error.to_string());
    assert!(start.elapsed() < Duration::from_secs(10));
    said
}

fn repeated(before: &[u8], again: &[u8], times: usize) -> Vec<u8> {
    [b"\x80\x02", before, &again.repeat(times), b"."].concat()
}

#[test]
fn a_pickle_that_would_take_gigabytes_is_refused_with_the_limit() {
    let text = [&b"X"[..], &1_000_000_u32.to_le_bytes(), &[b'a'; 1_000_000]].concat();
    let class = [&b"c"[..], &[b'm'; 1_000_000], b"\nn\n"].concat();
    let deep = b"]".iter().copied().chain(b"\x85".repeat(1000)).collect::<Vec<u8>>();
    for (what, pickle, limit) in [
        ("empty dictionaries", repeated(b"", b"}", 1 << 20), "524288"),
        ("marks", repeated(b"", b"(", 1 << 20), "524288"),
        ("memo entries", repeated(b"}", b"r\x01\x00\x00\x00", 1 << 20), "524288"),
        ("a text memoized again and again", repeated(&text, b"\x94", 1000), "536870912 bytes"),
        (
            "a text fetched again and again",
            repeated(&[&text[..], b"q\x00"].concat(), b"h\x00", 1000),
            "536870912 bytes",
        ),
        ("a class memoized again and again", repeated(&class, b"\x94", 1000), "536870912 bytes"),
        ("tuples in tuples", repeated(&deep, b"", 0), "64"),
        ("a text of a gigabyte", repeated(b"X\x00\x00\x00\x40", b"", 0), "33554432 bytes"),
        (
            "a text longer than any file",
            repeated(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff", b"", 0),
            "33554432 bytes",
        ),
        ("zeros for ever", repeated(b"", b"N0", 32 << 20), ""),
    ] {
        let said = said(&pickle).unwrap_or_else(|| panic!("{what} passes"));
        assert!(said.contains(limit), "{what}: {said}");
    }
}

#[test]
fn a_broken_pickle_is_an_error() {
    for pickle in [
        &b""[..],
        b"}",
        b"0.",
        b"t.",
        b"h\x00.",
        b"(0(a.",
        b"\x82\x00.",
        b"(t(1u.",
        b"p-1\n.",
        b"X\x05\x00\x00\x00ab",
    ] {
        assert!(said(pickle).is_some(), "{pickle:?}");
    }
}

#[test]
fn what_is_no_checkpoint_is_called_that() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pytorch_model.bin");
    for bytes in [&b""[..], b"PK\x03\x04", b"<html>", b"\x80\x02}.", b"PK\x05\x06"] {
        std::fs::write(&path, bytes).unwrap();
        assert!(check(&path).is_err(), "{bytes:?}");
    }
}

#[test]
fn the_golden_checkpoints_pass() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    for name in ["clap/unfused", "speech/layer-stable"] {
        check(&golden.join(name).join("pytorch_model.bin")).unwrap();
    }
}
