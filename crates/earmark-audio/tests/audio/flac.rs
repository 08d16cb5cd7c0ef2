//! FLAC streams that writers of old, broken writers and cuts out of other streams left behind; their frames are made
//! here, of samples as they are.

use std::fs;
use std::path::Path;

use earmark_audio::{Channels, DecodeOptions, ErrorKind, Warning, decode_bytes_channels};
use earmark_testkit::{noise, skip};
use symphonia::core::checksum::{Crc8Ccitt, Crc16Ansi, Md5};
use symphonia::core::io::Monitor as _;

use crate::{bytes, decode, refusal};

/// What a stream of frames is made of.
#[derive(Clone, Copy)]
struct Format {
    hz: u32,
    bits: u8,
}

const USUAL: Format = Format { hz: 16_000, bits: 16 };

/// Integers of so many bits, and what they decode to.
fn samples(count: usize, seed: u64, bits: u8) -> (Vec<i32>, Vec<f32>) {
    let scale = (1u32 << (bits - 1)) as f32;
    let integers: Vec<i32> = noise(count, seed).iter().map(|x| (x * 0.9 * scale) as i32).collect();
    let floats = integers.iter().map(|x| *x as f32 / scale).collect();
    (integers, floats)
}

/// A frame of samples as they are, numbered `number`: of a frame, or of a sample when `by_sample`.
fn frame(planes: &[&[i32]], Format { hz, bits }: Format, number: u8, by_sample: bool) -> Vec<u8> {
    let rate = match hz {
        8000 => 4,
        16_000 => 5,
        44_100 => 9,
        _ => 0,
    };
    let width = match bits {
        8 => 1,
        16 => 4,
        24 => 6,
        _ => 0,
    };
    assert!(number < 128, "one byte of a number that UTF-8 writes in one");
    // The block's size in the two bytes at the end of the header, less one.
    let block = (planes[0].len() as u16 - 1).to_be_bytes();
    let channels = planes.len() as u8 - 1;
    let mut frame = vec![0xff, 0xf8 | u8::from(by_sample), 7 << 4 | rate, channels << 4 | width << 1, number];
    frame.extend(block);
    let mut crc = Crc8Ccitt::new(0);
    crc.process_buf_bytes(&frame);
    frame.push(crc.crc());
    for plane in planes {
        // Samples as they are.
        frame.push(0b0000_0010);
        frame.extend(plane.iter().flat_map(|x| {
            let [_, a, b, c] = x.to_be_bytes();
            [a, b, c].into_iter().skip(3 - usize::from(bits / 8))
        }));
    }
    let mut crc = Crc16Ansi::new(0);
    crc.process_buf_bytes(&frame);
    frame.extend(crc.crc().to_be_bytes());
    frame
}

/// The marker and the description of a stream of so many frames of samples, in blocks of the two sizes.
fn description(blocks: [u16; 2], channels: u8, Format { hz, bits }: Format, frames: u64) -> Vec<u8> {
    let mut bytes = b"fLaC\x80\0\0\x22".to_vec();
    bytes.extend(blocks.into_iter().flat_map(u16::to_be_bytes));
    bytes.extend([0; 6]);
    let format = u64::from(hz) << 44 | u64::from(channels - 1) << 41 | u64::from(bits - 1) << 36 | frames;
    bytes.extend(format.to_be_bytes());
    bytes.extend([0; 16]);
    bytes
}

fn planes(bytes: impl Into<Vec<u8>>) -> Channels {
    decode_bytes_channels(bytes, &DecodeOptions::default()).unwrap_or_else(|e| panic!("{e}: {}", e.kind))
}

/// As Flake 0.11 wrote: blocks of all sizes, whose frames are numbered one by one and not by their samples.
#[test]
fn blocks_of_all_sizes_whose_frames_are_counted_are_decoded() {
    let (left, left_expected) = samples(3000, 1, 16);
    let (right, right_expected) = samples(3000, 2, 16);
    let mut flac = description([576, 1152], 2, USUAL, 3000);
    for (number, range) in [0..576, 576..1728, 1728..2848, 2848..3000].into_iter().enumerate() {
        flac.extend(frame(&[&left[range.clone()], &right[range]], USUAL, number as u8, false));
    }
    let decoded = planes(flac);
    assert_eq!((decoded.rate.hz(), &decoded.warnings[..]), (16_000, &[][..]));
    assert_eq!(decoded.planes, [left_expected, right_expected]);
}

#[test]
fn a_stream_without_a_description_is_decoded_from_its_frames() {
    let (integers, expected) = samples(900, 3, 16);
    let frames: Vec<u8> = integers
        .chunks(300)
        .zip(40..)
        .flat_map(|(block, number)| frame(&[block], USUAL, number, false))
        .collect();
    assert_eq!(planes(frames.clone()).planes[0], expected);
    // Cut out of a stream: something, then frames.
    let cut = [&[7; 100][..], &frames].concat();
    assert_eq!(planes(cut).planes[0], expected);
    // Metadata, and no description among it.
    let padding = [&b"fLaC\x81\0\0\x10"[..], &[0; 16], &frames].concat();
    assert_eq!(planes(padding).planes, [expected]);
}

#[test]
fn a_description_that_lies_about_its_frames_is_not_believed() {
    let (integers, expected) = samples(900, 4, 16);
    let frames: Vec<u8> = integers
        .chunks(300)
        .zip(0..)
        .flat_map(|(block, number)| frame(&[block], USUAL, number, false))
        .collect();
    for (what, description) in [
        ("smaller blocks", description([16, 16], 1, USUAL, 900)),
        ("blocks of no size", description([1, 1], 1, USUAL, 900)),
        ("five channels", description([300, 300], 5, USUAL, 900)),
        ("24 bits", description([300, 300], 1, Format { bits: 24, ..USUAL }, 900)),
        ("another rate", description([300, 300], 1, Format { hz: 44_100, ..USUAL }, 900)),
        ("fewer samples", description([300, 300], 1, USUAL, 100)),
    ] {
        let decoded = planes([description, frames.clone()].concat());
        assert_eq!((decoded.rate.hz(), &decoded.planes[..]), (16_000, &[expected.clone()][..]), "{what}");
        assert_eq!(decoded.warnings, [], "{what}");
    }
    let more = planes([description([300, 300], 1, USUAL, 5000), frames].concat());
    assert_eq!((&more.planes[..], &more.warnings[..]), (&[expected][..], &[Warning::Truncated][..]));
}

#[test]
fn a_stream_whose_bits_change_is_decoded_to_its_end() {
    let (narrow, narrow_expected) = samples(300, 5, 8);
    let (wide, wide_expected) = samples(300, 6, 24);
    let (first, then) = (Format { bits: 8, ..USUAL }, Format { bits: 24, ..USUAL });
    let flac = [
        description([300, 300], 1, first, 0),
        frame(&[&narrow], first, 0, false),
        frame(&[&wide], then, 1, false),
    ];
    assert_eq!(planes(flac.concat()).planes, [[narrow_expected, wide_expected].concat()]);
}

#[test]
fn a_stream_whose_channels_change_is_mixed_part_by_part_and_said() {
    let (a, a_expected) = samples(1600, 7, 16);
    let (b, b_expected) = samples(800, 8, 16);
    let (c, c_expected) = samples(800, 9, 16);
    let flac = [
        description([800, 1600], 1, USUAL, 0),
        frame(&[&a], USUAL, 0, false),
        frame(&[&b, &c], USUAL, 1, false),
    ]
    .concat();
    let mixed = b_expected.iter().zip(&c_expected).map(|(left, right)| (left + right) / 2.0);
    let decoded = decode(flac.clone()).unwrap();
    assert_eq!(decoded.waveform.samples(), a_expected.iter().copied().chain(mixed).collect::<Vec<f32>>());
    let [warning @ Warning::ChannelsChanged { from: 1, to: 2, .. }] = &decoded.warnings[..] else {
        panic!("{:?}", decoded.warnings)
    };
    let text = "the number of channels changes from 1 to 2 at 0.100 s; each part was downmixed separately";
    assert_eq!(warning.to_string(), text);
    // With the channels apart there is no going on.
    let apart = planes(flac);
    assert_eq!(apart.planes, [a_expected]);
    let [Warning::LeftOut { at, what }] = &apart.warnings[..] else { panic!("{:?}", apart.warnings) };
    assert_eq!((at.as_millis(), what.as_str()), (100, "the number of channels changes from 1 to 2"));
}

#[test]
fn a_stream_whose_rate_changes_is_kept_up_to_there_and_said() {
    let (integers, expected) = samples(1600, 10, 16);
    let other = Format { hz: 8000, ..USUAL };
    let flac = [
        description([1600, 1600], 1, USUAL, 3200),
        frame(&[&integers], USUAL, 0, false),
        frame(&[&integers], other, 1, false),
    ];
    let decoded = decode(flac.concat()).unwrap();
    assert_eq!(decoded.waveform.samples(), expected);
    let [warning] = &decoded.warnings[..] else { panic!("{:?}", decoded.warnings) };
    let text = "skipped everything after 0.100 s: the sample rate changes from 16000 Hz to 8000 Hz";
    assert_eq!(warning.to_string(), text);
}

#[test]
fn streams_joined_end_to_end_are_decoded_one_after_the_other() {
    let once = decode(bytes("s16.flac")).unwrap().waveform.into_samples();
    let tag = b"ID3\x04\0\0\0\0\0\x0a0123456789";
    for (what, between) in [("nothing", &b""[..]), ("a tag", tag)] {
        let twice = decode([&bytes("s16.flac")[..], between, &bytes("s16.flac")].concat()).unwrap();
        assert_eq!((twice.waveform.samples(), &twice.warnings[..]), (&once.repeat(2)[..], &[][..]), "{what}");
    }
    let cut = [bytes("s16.flac"), bytes("s16.flac")[..300].to_vec()].concat();
    assert!(decode(cut).unwrap().warnings.contains(&Warning::Truncated));
}

#[test]
fn bytes_that_are_no_frame_are_skipped_and_counted() {
    let (integers, expected) = samples(900, 11, 16);
    let frames: Vec<Vec<u8>> =
        integers.chunks(300).zip(0..).map(|(block, number)| frame(&[block], USUAL, number, false)).collect();
    let description = description([300, 300], 1, USUAL, 0);
    let junk = vec![0x55; 1000];
    let flac = [&description, &junk, &frames.concat()].map(|part| &part[..]).concat();
    let decoded = decode(flac).unwrap();
    assert_eq!(decoded.waveform.samples(), expected);
    assert_eq!(decoded.warnings, [Warning::SkippedPackets { count: 1 }]);
    // Where a frame ends that no other follows, its checksum cannot say.
    let flac = [&description, &frames[0], &junk, &frames[1], &frames[2]].map(|part| &part[..]).concat();
    let decoded = decode(flac).unwrap();
    assert_eq!(decoded.waveform.samples(), &expected[300..]);
    assert_eq!(decoded.warnings, [Warning::SkippedPackets { count: 1 }]);

    let mut dented = frames.clone();
    dented[1][100] ^= 1;
    let decoded = decode([&description[..], &dented.concat()].concat()).unwrap();
    assert_eq!(decoded.waveform.samples(), [&expected[..300], &expected[600..]].concat());
    assert_eq!(decoded.warnings, [Warning::SkippedPackets { count: 1 }]);

    for (what, tail) in [("ID3v1", [&b"TAG"[..], &[b' '; 125]].concat()), ("zeros", vec![0; 3000])] {
        let decoded = decode([&description[..], &frames.concat(), &tail].concat()).unwrap();
        assert_eq!((decoded.waveform.samples(), &decoded.warnings[..]), (&expected[..], &[][..]), "{what}");
    }
}

#[test]
fn a_block_of_65536_is_refused_with_its_size() {
    let (integers, _) = samples(65_536, 12, 16);
    let flac = [description([4096, 4096], 1, USUAL, 0), frame(&[&integers], USUAL, 0, false)].concat();
    let ErrorKind::Malformed { reason } = refusal(flac) else { panic!("it was not refused as malformed") };
    assert!(reason.contains("65536"), "{reason}");
}

/// Starts of frames, none of which is one, as dense as they go: 4 MB take no longer than they take to read.
#[test]
fn a_file_of_false_frames_ends_soon() {
    let start = &frame(&[&[0; 4096]], USUAL, 0, false)[..8];
    let begun = std::time::Instant::now();
    assert!(decode([description([4096, 4096], 1, USUAL, 0), start.repeat(500_000)].concat()).is_err());
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

/// 17 kB that decode to an hour and a half: as a whole they are refused, block by block they are not.
#[test]
fn a_small_file_of_hours_is_refused_as_a_whole_and_decoded_in_blocks() {
    // Blocks of one value and 65535 frames: four thousand samples a byte.
    let mut frame = vec![0xff, 0xf8, 7 << 4 | 5, 4 << 1, 0, 0xff, 0xfe];
    let mut crc = Crc8Ccitt::new(0);
    crc.process_buf_bytes(&frame);
    frame.push(crc.crc());
    frame.extend([0, 0, 1]);
    let mut crc = Crc16Ansi::new(0);
    crc.process_buf_bytes(&frame);
    frame.extend(crc.crc().to_be_bytes());
    let flac = [description([65_535, 65_535], 1, USUAL, 0), frame.repeat(1300)].concat();
    assert!(flac.len() < 20_000);
    let ErrorKind::TooDense { limit: 2000, minutes: 10 } = refusal(flac.clone()) else {
        panic!("it was not refused for its density")
    };
    let mut decoder = earmark_audio::Decoder::from_bytes(flac, &DecodeOptions::default()).unwrap();
    let mut frames = 0;
    while let Some(block) = decoder.next_block().unwrap() {
        frames += block.len();
    }
    assert_eq!(frames, 1300 * 65_535);
}

/// The files of github.com/ietf-wg-cellar/flac-test-files that lie below `EARMARK_FLAC_TEST_FILES`, each against the
/// checksum that its encoder left in it:
///
/// `EARMARK_FLAC_TEST_FILES=DIR cargo test --release -p earmark-audio --test audio -- flac_test_files --nocapture`
#[test]
fn the_flac_test_files_of_the_ietf_decode_to_their_checksums() {
    let Some(root) = std::env::var_os("EARMARK_FLAC_TEST_FILES") else {
        skip(
            "the_flac_test_files_of_the_ietf_decode_to_their_checksums",
            "EARMARK_FLAC_TEST_FILES does not say where they are",
        );
        return;
    };
    let (mut good, mut bad) = (0, Vec::new());
    for group in ["subset", "uncommon", "faulty"] {
        let folder = fs::read_dir(Path::new(&root).join(group)).unwrap();
        let mut paths: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "flac"));
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let outcome = outcome(group, &name, &fs::read(&path).unwrap());
            println!("{group}/{name}: {}", outcome.clone().unwrap_or_else(|why| format!("FAILED: {why}")));
            match outcome {
                Ok(_) => good += 1,
                Err(why) => bad.push(format!("{group}/{name}: {why}")),
            }
        }
    }
    println!("{good} of {}", good + bad.len());
    assert!(bad.is_empty(), "{bad:#?}");
}

/// What became of one of those files, and why that is wrong.
fn outcome(group: &str, name: &str, bytes: &[u8]) -> Result<String, String> {
    let number = &name[..2];
    let decoded = match (group, number, decode_bytes_channels(bytes, &DecodeOptions::default())) {
        // Blocks that no decoder may accept (RFC 9639, 9.1.1).
        ("faulty", "08", Err(error)) => return Ok(format!("refused: {}", error.kind)),
        (_, _, Err(error)) => return Err(format!("refused: {}", error.kind)),
        (_, _, Ok(decoded)) => decoded,
    };
    let said: Vec<String> = decoded.warnings.iter().map(ToString::to_string).collect();
    let left_out = decoded.warnings.iter().any(|warning| matches!(warning, Warning::LeftOut { .. }));
    let summary = format!("{} frames, {said:?}", decoded.planes[0].len());
    let Some(info) = bytes.windows(4).position(|at| at == b"fLaC").map(|at| &bytes[at + 8..]) else {
        return Ok(format!("{summary}; no checksum"));
    };
    let format = u64::from_be_bytes(*info[10..].first_chunk().expect("a description"));
    let bits = (format >> 36 & 31) as u32 + 1;
    let sum = &info[18..34];
    match (group, number) {
        // What changes midway has to be said.
        ("uncommon", "01" | "02" | "03") if left_out => Ok(summary),
        ("uncommon", "01" | "02" | "03") => Err(format!("nothing is said: {summary}")),
        // Their descriptions are what is wrong with them, or follow other metadata; of 32 bits a float keeps 24.
        ("faulty", "03" | "04" | "06" | "07" | "11") | ("uncommon", "04" | "05") => Ok(summary),
        _ if sum.iter().all(|byte| *byte == 0) => Ok(format!("{summary}; no checksum")),
        _ if md5(&decoded.planes, bits)[..] == *sum && (said.is_empty() || group == "faulty") => Ok(summary),
        _ => Err(format!("other samples, or warnings: {summary}")),
    }
}

/// The checksum of samples as FLAC counts it: little-endian, in whole bytes.
fn md5(planes: &[Vec<f32>], bits: u32) -> [u8; 16] {
    let mut md5 = Md5::default();
    let scale = (1u64 << (bits - 1)) as f32;
    for frame in 0..planes[0].len() {
        for plane in planes {
            let sample = (plane[frame] * scale) as i32;
            md5.process_buf_bytes(&sample.to_le_bytes()[..bits.div_ceil(8) as usize]);
        }
    }
    md5.md5()
}
