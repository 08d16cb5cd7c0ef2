//! Decoding, compared with what libsndfile and ffmpeg decode from the same files (`tests/golden`, made by `make.py` there).

mod channels;
mod damage;
mod expected;
mod flac;
mod formats;
mod headers;
mod hostile;
mod joined;
mod readme;
mod reference;
mod sources;
mod unsupported;
mod write;

use std::path::PathBuf;

use earmark_audio::{DecodeOptions, Decoded, Error, ErrorKind, decode_bytes};

/// A file of `tests/golden`.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join("golden").join(name)
}

/// The bytes of a file of `tests/golden`.
fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Decodes bytes with the default options.
fn decode(bytes: impl Into<Vec<u8>>) -> Result<Decoded, Error> {
    decode_bytes(bytes, &DecodeOptions::default())
}

/// The kind of error some bytes earn.
#[track_caller]
fn refusal(bytes: impl Into<Vec<u8>>) -> ErrorKind {
    decode(bytes).expect_err("these bytes hold no sound").kind
}

/// A mono 16-bit WAV header at 16 kHz with the given sizes, and samples 0, 1, 2, … behind it.
fn wav(riff_size: u32, data_size: u32, samples: i16) -> Vec<u8> {
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend(riff_size.to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16u32.to_le_bytes());
    for word in [1u16, 1, 16000, 0, 32000, 0, 2, 16] {
        wav.extend(word.to_le_bytes());
    }
    wav.extend(b"data");
    wav.extend(data_size.to_le_bytes());
    wav.extend((0..samples).flat_map(i16::to_le_bytes));
    wav
}
