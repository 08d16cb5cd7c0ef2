use std::fs;
use std::path::Path;

use earmark_audio::{DecodeOptions, WavFormat, wav_bytes};
use earmark_data::gtzan::GENRES;
use earmark_data::sample::{self, SampleOptions};
use earmark_data::{AudioDataset, ErrorKind};

use super::plant;

const SMALL: SampleOptions = SampleOptions { clips_per_genre: 2, seconds: 1.5, seed: 42 };

/// FNV-1a over the bytes of every clip, in order.
fn digest(dataset: &AudioDataset) -> u64 {
    let bytes = dataset.clips.iter().flat_map(|clip| fs::read(&clip.path).unwrap());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn modified(root: &Path) -> std::time::SystemTime {
    fs::metadata(root.join("sample.json")).unwrap().modified().unwrap()
}

/// The same bytes on every machine. A change here is a change to everybody's numbers: raise `VERSION` with it.
#[test]
fn the_sample_is_the_same_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = sample::write(dir.path().join("sample"), &SMALL).unwrap();
    assert_eq!(digest(&dataset), 0xfabb_852d_fb0e_3530, "{:#x}", digest(&dataset));
}

#[test]
fn a_clip_that_is_not_written_is_the_one_that_is() {
    let dir = tempfile::tempdir().unwrap();
    sample::write(dir.path().join("sample"), &SMALL).unwrap();
    let written = fs::read(dir.path().join("sample/hiphop/hiphop.00001.wav")).unwrap();
    let clip = sample::clip("hiphop", 1, &SMALL).unwrap();
    assert!(wav_bytes(&clip, WavFormat::Pcm16).unwrap() == written);
    assert!(sample::clip("polka", 0, &SMALL).is_none());
    assert!(sample::clip("hiphop", 0, &SampleOptions { seconds: -1.0, ..SMALL }).is_none());
}

#[test]
fn the_sample_looks_like_gtzan() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = sample::write(dir.path().join("a/b/sample"), &SMALL).unwrap();
    assert_eq!(dataset.labels.names(), GENRES);
    assert_eq!(dataset.clips_per_label(), [2; 10]);
    assert_eq!(dataset.clips[19].name, "rock/rock.00001.wav");
    assert!(dataset.skipped.is_empty());

    for clip in &dataset.clips {
        let bytes = fs::read(&clip.path).unwrap();
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let half = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap());
        assert_eq!(
            (&bytes[..4], &bytes[8..16], &bytes[36..40]),
            (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..])
        );
        assert_eq!(
            (half(20), half(22), word(24), half(34)),
            (1, 1, 22_050, 16),
            "PCM, mono, 22 050 Hz, 16 bit"
        );
        assert_eq!(word(40), 2 * 33_075);

        let decoded = clip.decode(&DecodeOptions::default()).unwrap();
        assert!(decoded.warnings.is_empty());
        let samples = decoded.waveform.samples();
        assert_eq!(samples.len(), 33_075);
        let power = samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32;
        assert!(power.sqrt() > 0.03, "{} is too quiet: {}", clip.name, power.sqrt());
        assert!(samples.iter().all(|x| x.abs() < 0.99), "{} clips", clip.name);
    }
}

#[test]
fn clips_depend_on_seed_genre_and_number_and_on_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, options| sample::write(dir.path().join(name), &options).unwrap();
    let two = write("two", SMALL);
    let three = write("three", SampleOptions { clips_per_genre: 3, ..SMALL });
    let other = write("other", SampleOptions { seed: 43, ..SMALL });
    let read = |dataset: &AudioDataset, name: &str| fs::read(dataset.root.join(name)).unwrap();
    for clip in &two.clips {
        assert!(read(&two, &clip.name) == read(&three, &clip.name), "{}", clip.name);
        assert!(read(&two, &clip.name) != read(&other, &clip.name), "{}", clip.name);
    }
    assert!(read(&two, "jazz/jazz.00000.wav") != read(&two, "jazz/jazz.00001.wav"));
}

#[test]
fn a_sample_is_kept_for_the_same_options_and_replaced_for_others() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("sample");
    let options = SampleOptions { seconds: 0.1, ..SMALL };
    sample::write(&root, &options).unwrap();
    let first = modified(&root);
    // A clip the owner has changed shows that nothing was written.
    fs::write(root.join("blues/blues.00000.wav"), "mine").unwrap();
    sample::write(&root, &options).unwrap();
    assert_eq!(modified(&root), first);
    assert_eq!(fs::read(root.join("blues/blues.00000.wav")).unwrap(), b"mine");

    let more = sample::write(&root, &SampleOptions { clips_per_genre: 3, ..options }).unwrap();
    assert_eq!(more.clips.len(), 30);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "something was left behind");

    // Made by another version.
    let manifest = fs::read_to_string(root.join("sample.json")).unwrap();
    fs::write(root.join("sample.json"), manifest.replace("\"version\": 1", "\"version\": 0")).unwrap();
    sample::write(&root, &SampleOptions { clips_per_genre: 3, ..options }).unwrap();
    assert_eq!(fs::read_to_string(root.join("sample.json")).unwrap(), manifest);
}

#[test]
fn a_folder_with_something_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["mine/1.wav"]);
    let error = sample::write(dir.path(), &SMALL).expect_err("the folder is not empty");
    assert!(matches!(error.kind, ErrorKind::Occupied));
    assert!(dir.path().join("mine/1.wav").exists());
    // Not even when it has a file of that name.
    plant(dir.path(), &["sample.json"]);
    let error = sample::write(dir.path(), &SMALL).expect_err("the folder is somebody else's");
    assert!(matches!(error.kind, ErrorKind::Occupied));
    let file = sample::write(dir.path().join("mine/1.wav"), &SMALL).expect_err("it is a file");
    assert!(matches!(file.kind, ErrorKind::Occupied));
}

#[test]
fn options_out_of_range_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("sample");
    let none = SampleOptions { clips_per_genre: 0, ..SMALL };
    let endless = [0.0, -1.0, f64::NAN, f64::INFINITY].map(|seconds| SampleOptions { seconds, ..SMALL });
    for options in [none].into_iter().chain(endless) {
        let error = sample::write(&root, &options).expect_err("the options should be refused");
        assert!(matches!(error.kind, ErrorKind::OutOfRange { .. }), "{options:?}");
    }
    assert!(!root.exists());
}
