use earmark_audio::{DecodeOptions, Downmix, ErrorKind, Warning, decode_bytes, decode_bytes_channels};

use crate::bytes;

fn with(downmix: Downmix) -> DecodeOptions {
    DecodeOptions { downmix, ..DecodeOptions::default() }
}

#[test]
fn each_downmix_of_a_file_is_that_of_its_channels() {
    let file = bytes("s16.wav");
    let planes = decode_bytes_channels(file.clone(), &DecodeOptions::default()).unwrap().planes;
    let mono = |how| decode_bytes(file.clone(), &with(how)).unwrap().waveform.into_samples();
    let mean: Vec<f32> = planes[0].iter().zip(&planes[1]).map(|(l, r)| (l + r) / 2.0).collect();
    assert_eq!(mono(Downmix::Mean), mean);
    assert_eq!(mono(Downmix::Left), planes[0]);
    assert_eq!(mono(Downmix::Right), planes[1]);
    for (loud, mean) in mono(Downmix::Sqrt2).iter().zip(&mean) {
        assert!((loud - mean * std::f32::consts::SQRT_2).abs() <= 1e-7, "{loud} is not √2 · {mean}");
    }
}

#[test]
fn a_mono_file_is_the_same_under_every_downmix() {
    let mean = decode_bytes(bytes("untagged.mp3"), &with(Downmix::Mean)).unwrap();
    for how in [Downmix::Sqrt2, Downmix::Left, Downmix::Right] {
        assert_eq!(decode_bytes(bytes("untagged.mp3"), &with(how)).unwrap(), mean);
    }
}

#[test]
fn surround_is_refused_by_a_downmix_of_stereo() {
    for file in ["surround_s16.wav", "opus_surround.ogg"] {
        let error = decode_bytes(bytes(file), &with(Downmix::Sqrt2)).expect_err(file);
        assert!(matches!(error.kind, ErrorKind::Downmix { channels: 6 }), "{error:?}");
        assert!(decode_bytes(bytes(file), &with(Downmix::Mean)).is_ok());
    }
}

/// A microphone wired the wrong way round: the mean of both channels is silence.
#[test]
fn channels_in_antiphase_are_said_to_cancel_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stereo.wav");
    let left = earmark_testkit::noise(4000, 5);
    let warnings = |right: Vec<f32>, downmix| {
        let planes = [left.clone(), right];
        earmark_audio::write_wav_channels(
            &path,
            &planes,
            earmark_audio::SampleRate::HZ_16000,
            earmark_audio::WavFormat::Float32,
        )
        .unwrap();
        earmark_audio::decode_file(&path, &with(downmix)).unwrap().warnings
    };
    let against: Vec<f32> = left.iter().map(|x| -x * 0.9999).collect();
    for downmix in [Downmix::Mean, Downmix::Sqrt2] {
        assert_eq!(warnings(against.clone(), downmix), [Warning::Cancelled]);
    }
    assert_eq!(warnings(against, Downmix::Left), []);
    assert_eq!(warnings(vec![0.0; 4000], Downmix::Right), []);
    assert_eq!(warnings(vec![0.0; 4000], Downmix::Mean), []);
}
