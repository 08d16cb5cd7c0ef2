//! Files that are cut short, unfinished or damaged: the samples that are there are decoded, and a warning names the damage.

use earmark_audio::{ErrorKind, Warning};

use crate::{bytes, decode, refusal, wav};

/// Cuts a file to `percent` of its bytes; the samples before the cut are the whole file's.
#[track_caller]
fn keeps_what_is_there(name: &str, percent: usize, at_least: usize) {
    let whole = decode(bytes(name)).expect(name).waveform;
    let mut cut = bytes(name);
    cut.truncate(cut.len() * percent / 100);
    let part = decode(cut).unwrap_or_else(|e| panic!("{name}: {:?}", e.kind));
    assert!(part.warnings.contains(&Warning::Truncated), "{name}: {:?}", part.warnings);
    let samples = part.waveform.samples();
    assert!((at_least..whole.samples().len()).contains(&samples.len()), "{name}: {} samples", samples.len());
    assert!(samples == &whole.samples()[..samples.len()], "{name}: other samples than in the whole file");
}

#[test]
fn a_truncated_wav_keeps_its_samples() {
    keeps_what_is_there("s16.wav", 60, 200);
    keeps_what_is_there("rf64_s16.wav", 60, 200);
    keeps_what_is_there("ima.wav", 60, 1000);
}

#[test]
fn a_truncated_au_keeps_its_samples() {
    keeps_what_is_there("s16.au", 60, 200);
}

#[test]
fn a_truncated_aiff_keeps_its_samples() {
    keeps_what_is_there("s16.aiff", 60, 200);
}

#[test]
fn a_truncated_flac_keeps_its_samples() {
    keeps_what_is_there("long.flac", 80, 4096);
}

#[test]
fn a_truncated_mp3_keeps_its_samples() {
    keeps_what_is_there("lame.mp3", 60, 4000);
}

#[test]
fn a_truncated_ogg_keeps_its_samples() {
    keeps_what_is_there("paged.ogg", 85, 2000);
    keeps_what_is_there("paged.opus", 60, 2000);
}

#[test]
fn a_truncated_webm_keeps_its_samples() {
    keeps_what_is_there("opus.webm", 60, 2000);
}

#[test]
fn a_truncated_fragmented_mp4_keeps_its_samples() {
    keeps_what_is_there("aac_fragmented.mp4", 70, 1000);
}

#[test]
fn an_mp4_without_its_index_is_an_error() {
    let mut cut = bytes("aac.m4a");
    cut.truncate(cut.len() / 2);
    assert!(matches!(refusal(cut), ErrorKind::Malformed { .. }));
}

#[test]
fn a_wav_whose_size_was_never_filled_in_is_read_to_its_end() {
    let sizes = [
        (u32::MAX, u32::MAX), // ffmpeg to a pipe
        (0, 0),               // a recorder that crashed
        (36, 0),              // one that counted its header
        (u32::MAX, 0),
        (0x7fff_f024, 0x7fff_f000), // sox to a pipe
    ];
    for (riff, data) in sizes {
        let decoded = decode(wav(riff, data, 100)).unwrap();
        assert_eq!(decoded.waveform.samples().len(), 100, "{riff:#x} {data:#x}");
        assert_eq!(decoded.warnings, [], "{riff:#x} {data:#x}");
    }
}

#[test]
fn an_empty_wav_does_not_play_the_chunk_behind_its_data() {
    let mut empty = wav(36 + 12, 0, 0);
    empty.extend(b"LIST\x04\0\0\0abcd");
    assert!(matches!(refusal(empty), ErrorKind::Empty));
}

#[test]
fn chunks_around_the_samples_are_not_played() {
    let mut padded = wav(36 + 20, 20, 10);
    // A chunk of an odd size before `fmt `, padded to an even one.
    padded.splice(12..12, *b"note\x03\0\0\0abc\0");
    padded.extend(b"LIST\x04\0\0\0abcd");
    let decoded = decode(padded).unwrap();
    let steps: Vec<f32> = (0..10).map(|n| n as f32 / 32768.0).collect();
    assert_eq!(decoded.waveform.samples(), steps);
    assert_eq!(decoded.warnings, []);
}

#[test]
fn tags_around_an_mp3_are_not_played() {
    for name in ["lame.mp3", "untagged.mp3"] {
        // ID3v2.4 with a quarter of a megabyte in it, as cover art would be; ID3v1 at the end.
        let mut tagged = b"ID3\x04\0\0\0\x10\0\0".to_vec();
        tagged.extend(b"PRIV\0\x0f\x7f\x76\0\0");
        tagged.resize(10 + (0x10 << 14), 0xff);
        tagged.extend(bytes(name));
        tagged.extend(b"TAG");
        tagged.resize(tagged.len() + 125, b' ');
        assert_eq!(decode(tagged).unwrap(), decode(bytes(name)).unwrap(), "{name}");
    }
}

#[test]
fn joined_oggs_are_decoded_one_after_the_other() {
    for name in ["vorbis.ogg", "opus.ogg"] {
        let once = decode(bytes(name)).unwrap().waveform.into_samples();
        let twice = decode([bytes(name), bytes(name)].concat()).unwrap();
        assert_eq!(twice.warnings, [], "{name}");
        assert_eq!(twice.waveform.samples(), [once.clone(), once].concat(), "{name}");
    }
}

#[test]
fn a_dented_packet_is_left_out_and_counted() {
    let mut dented = bytes("long.flac");
    // Somewhere in the second frame: its checksum will not match.
    let middle = dented.len() / 2;
    dented[middle] ^= 0x40;
    let decoded = decode(dented).unwrap();
    let skipped = decoded.warnings.iter().find(|w| matches!(w, Warning::SkippedPackets { count: 1.. }));
    assert!(skipped.is_some() || decoded.warnings.contains(&Warning::Truncated), "{:?}", decoded.warnings);
}

#[test]
fn a_sample_that_is_not_finite_is_refused_with_its_position() {
    let mut float = bytes("f32.wav");
    let at = float.len() - 8 * 5; // Five stereo frames from the end.
    float[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let kind = refusal(float);
    assert!(matches!(kind, ErrorKind::NotFinite { index: 392, .. }), "{kind:?}");
    // At 16 kHz.
    assert_eq!(kind.to_string(), "sample 392, at 0.025 s, is NaN, not a finite number");
}

#[test]
fn channels_that_add_up_to_infinity_are_refused_with_their_place() {
    let mut float = bytes("f32.wav");
    let at = float.len() - 8 * 5;
    float[at..at + 4].copy_from_slice(&f32::MAX.to_le_bytes());
    float[at + 4..at + 8].copy_from_slice(&f32::MAX.to_le_bytes());
    assert!(matches!(refusal(float), ErrorKind::NotFinite { index: 392, .. }));
}

#[test]
fn files_without_audio_are_named() {
    assert!(matches!(refusal([]), ErrorKind::Empty));
    assert!(matches!(refusal(*b"what stands here is a letter"), ErrorKind::Unrecognised));
    assert!(matches!(refusal(vec![0; 100_000]), ErrorKind::Unrecognised));
    assert!(matches!(refusal(wav(36, 0, 0)), ErrorKind::Empty));
    assert!(matches!(refusal(&wav(36, 0, 0)[..30]), ErrorKind::Malformed { .. }));
    assert!(matches!(refusal(*b".snd\0\0\0\x18"), ErrorKind::Malformed { .. }));
}

#[test]
fn a_header_that_lies_is_refused() {
    let with = |at: usize, word: u16| {
        let mut wav = wav(36 + 20, 20, 10);
        wav[at..at + 2].copy_from_slice(&word.to_le_bytes());
        refusal(wav)
    };
    assert!(matches!(with(22, 0), ErrorKind::Malformed { .. }), "no channels");
    assert!(matches!(with(24, 0), ErrorKind::Malformed { .. }), "0 Hz");
    assert!(matches!(with(34, 40), ErrorKind::Malformed { .. }), "forty bits a sample");
    assert!(matches!(with(16, 3), ErrorKind::Malformed { .. }), "a format chunk of three bytes");
    assert!(matches!(with(20, 0x55aa), ErrorKind::Unsupported { .. }), "an unknown codec");
}
