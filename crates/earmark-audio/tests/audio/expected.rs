//! How long a file is by its header, against how long it turns out to be.

use std::fs;

use earmark_audio::{DecodeOptions, Decoder};

use crate::fixture;

/// What has no length in its header: streams that were written live, to a pipe or in fragments, and ADTS. Of MP4 with an edit list
/// it is not computed.
const UNKNOWN: &[&str] =
    &["aac_delayed.mp4", "aac_fragmented.mp4", "adts.aac", "opus_live.webm", "piped.flac", "piped_ms.wav"];

#[test]
fn a_header_has_the_length_that_is_decoded() {
    let mut unknown = Vec::new();
    for entry in fs::read_dir(fixture("")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if [".py", ".md", ".safetensors"].iter().any(|it| name.ends_with(it)) {
            continue;
        }
        let mut decoder = Decoder::open(&path, &DecodeOptions::default()).unwrap();
        let expected = decoder.expected_duration();
        let mut samples = 0;
        while let Some(block) = decoder.next_block().unwrap() {
            samples += block.len();
        }
        let decoded = samples as f64 / f64::from(decoder.rate().hz());
        match expected.map(|it| it.as_secs_f64()) {
            // Delay and padding of an encoder are counted in some containers. The bit rate of this one varies.
            Some(seconds) if name != "untagged_vbr.mp3" => {
                assert!((seconds - decoded).abs() < 0.1, "{name}: {seconds} s and {decoded} s");
            }
            Some(seconds) => assert!(seconds > 0.0),
            None => unknown.push(name),
        }
        assert_eq!(decoder.expected_duration(), expected, "it does not change");
    }
    unknown.sort();
    assert_eq!(unknown, UNKNOWN);
}

#[test]
fn of_a_file_that_is_cut_short_what_is_there_counts() {
    let whole = fs::read(fixture("s16.wav")).unwrap();
    let options = DecodeOptions::default();
    let expected = |bytes: &[u8]| Decoder::from_bytes(bytes, &options).unwrap().expected_duration().unwrap();
    let half = expected(&whole[..whole.len() / 2]).as_secs_f64() / expected(&whole).as_secs_f64();
    assert!((half - 0.5).abs() < 0.02, "{half}");
}
