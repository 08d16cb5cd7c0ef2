//! Bytes from strangers: whatever is done to a file, decoding it ends, with samples or with an error.

use std::time::Duration;

use earmark_audio::{DecodeOptions, Decoder};
use proptest::prelude::*;

use crate::bytes;

/// One file a path through the code: each container with each codec that has its own.
const FILES: [&str; 24] = [
    "s16.wav",
    "s24.aiff",
    "long.flac",
    "ima.wav",
    "ms.wav",
    "rf64_s16.wav",
    "extensible_s24.wav",
    "s24.au",
    "f32.aifc",
    "s16.caf",
    "s16.flac",
    "flac.ogg",
    "lame.mp3",
    "layer2.mp2",
    "vorbis.ogg",
    "opus.ogg",
    "opus_surround.ogg",
    "opus.webm",
    "opus_live.webm",
    "aac.m4a",
    "aac_delayed.mp4",
    "alac.m4a",
    "aac.mka",
    "adts.aac",
];

#[derive(Debug, Clone)]
enum Damage {
    /// One byte becomes another.
    Set(usize, u8),
    /// The file ends here.
    Cut(usize),
    /// A stretch is left out.
    Remove(usize, usize),
    /// A stretch comes twice.
    Repeat(usize, usize),
    /// Four bytes become a very large number, as a size or a count would be.
    Huge(usize),
}

/// Half of all damage is done to the first 200 bytes, where the headers are.
fn place() -> impl Strategy<Value = usize> {
    prop_oneof![0..200usize, 0..20_000usize]
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        6 => (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        1 => place().prop_map(Damage::Cut),
        1 => (place(), 1..64usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        1 => (place(), 1..64usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
        2 => place().prop_map(Damage::Huge),
    ]
}

fn apply(file: &mut Vec<u8>, damage: &Damage) {
    let (at, length) = match *damage {
        Damage::Set(at, _) | Damage::Cut(at) | Damage::Huge(at) => (at, 4),
        Damage::Remove(at, length) | Damage::Repeat(at, length) => (at, length),
    };
    let at = at % file.len().max(1);
    let stretch = at..(at + length).min(file.len());
    match damage {
        Damage::Set(_, byte) => file[at..].iter_mut().take(1).for_each(|b| *b = *byte),
        Damage::Cut(_) => file.truncate(at),
        Damage::Remove(..) => drop(file.drain(stretch)),
        Damage::Repeat(..) => {
            let again = file[stretch].to_vec();
            file.splice(at..at, again);
        }
        Damage::Huge(_) => file[stretch].fill(0xfe),
    }
}

/// Decodes to the end, and checks what was promised about every block.
fn run(file: Vec<u8>) {
    let options = DecodeOptions { max_duration: Duration::from_secs(20), ..DecodeOptions::default() };
    let Ok(mut decoder) = Decoder::from_bytes(file, &options) else {
        return;
    };
    let mut samples = 0;
    while let Ok(Some(block)) = decoder.next_block() {
        assert!(!block.is_empty() && block.iter().all(|x| x.is_finite()));
        samples += block.len();
    }
    assert!(samples <= 20 * 48_000, "the cap was passed: {samples} samples");
}

/// `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig { cases: asked.cases.max(1500), failure_persistence: None, ..asked }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn damaged_files_end_in_samples_or_an_error(
        name in prop::sample::select(&FILES[..]),
        damages in prop::collection::vec(damage(), 1..6),
    ) {
        let mut file = bytes(name);
        damages.iter().for_each(|damage| apply(&mut file, damage));
        run(file);
    }

    #[test]
    fn random_bytes_behind_a_known_start_end_in_samples_or_an_error(
        name in prop::sample::select(&FILES[..]),
        kept in 4..64usize,
        noise in prop::collection::vec(any::<u8>(), 0..4000),
    ) {
        let mut file = bytes(name);
        file.truncate(kept);
        file.extend(noise);
        run(file);
    }
}

/// A minute of silence in a few hundred bytes of FLAC, over and over: the cap stops it, not the memory.
#[test]
fn a_decompression_bomb_is_stopped_by_the_cap() {
    let flac = bytes("silence.flac");
    assert!(flac.len() < 2000);
    let options = DecodeOptions { max_duration: Duration::from_secs(5), ..DecodeOptions::default() };
    let error = earmark_audio::decode_bytes(flac, &options).unwrap_err();
    assert!(matches!(error.kind, earmark_audio::ErrorKind::TooLong { .. }), "{error:?}");
}
