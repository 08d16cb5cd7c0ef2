//! Clips with the same samples.

use std::fs;
use std::path::Path;

use earmark_audio::{DecodeOptions, Decoder};
use earmark_data::{AudioDataset, SampleHash, SampleHasher};
use earmark_testkit::datasets::wav;
use earmark_testkit::noise;

/// The sounds of the decoder's goldens: one sound in many containers and codecs.
fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../earmark-audio/tests/golden");
    fs::read(folder.join(name)).unwrap()
}

fn hash(bytes: Vec<u8>) -> SampleHash {
    let mut decoder = Decoder::from_bytes(bytes, &DecodeOptions::default()).unwrap();
    let mut hasher = SampleHasher::new(decoder.rate().hz(), decoder.channels());
    while let Some(planes) = decoder.next_planes().unwrap() {
        hasher.update(planes);
    }
    hasher.finish()
}

#[test]
fn one_sound_has_one_hash_in_every_lossless_container() {
    // Those that libsndfile wrote, then those that ffmpeg wrote: the two round to 16 bits differently.
    let families: [(&str, &[&str]); 3] = [
        ("s16.wav", &["s16.aiff", "s16.au", "s16.caf", "rf64_s16.wav"]),
        ("piped_s16.wav", &["piped.flac", "flac.ogg", "flac.mka", "flac.mp4", "sowt_s16.aifc"]),
        ("s24.wav", &["s24.aiff", "s24.au"]),
    ];
    for (first, others) in families {
        let first = hash(golden(first));
        assert!(others.iter().all(|other| hash(golden(other)) == first), "{others:?}");
        assert_eq!(first.to_string().len(), 64);
    }
    assert_ne!(hash(golden("s16.wav")), hash(golden("s24.wav")), "more bits are other samples");
}

#[test]
fn rate_and_channels_are_part_of_a_sound() {
    let samples = noise(800, 3);
    assert_ne!(hash(wav(&samples, 8000)), hash(wav(&samples, 16_000)));
    let hash = |planes: &[Vec<f32>]| {
        let mut hasher = SampleHasher::new(8000, planes.len());
        hasher.update(planes);
        hasher.finish()
    };
    assert_ne!(hash(&[vec![0.5, 0.25]]), hash(&[vec![0.5], vec![0.25]]));
}

#[test]
fn equal_clips_are_grouped_with_what_is_wrong_about_them() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two, three) = (wav(&noise(800, 1), 8000), wav(&noise(800, 2), 8000), wav(&noise(800, 3), 8000));
    for (name, bytes) in [
        ("train/bell/0.wav", &one),
        ("train/bell/1.wav", &two),
        ("train/bell/2.wav", &one),
        ("train/rain/0.wav", &two),
        ("train/rain/1.wav", &three),
        ("test/rain/9.wav", &two),
        ("test/bell/9.wav", &wav(&noise(800, 4), 8000)),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let dataset = AudioDataset::open(folder.path(), None).unwrap();
    let hashes: Vec<_> = dataset.clips.iter().map(|clip| Some(hash(clip.bytes().unwrap()))).collect();
    let found = dataset.duplicates(&hashes);
    let names = |group: usize| -> Vec<&str> {
        found[group].clips.iter().map(|&place| dataset.clips[place].name.as_str()).collect()
    };
    assert_eq!(found.len(), 2);
    assert_eq!(names(0), ["train/bell/0.wav", "train/bell/2.wav"]);
    assert_eq!((found[0].labels_differ, found[0].across_splits), (false, false));
    assert_eq!(names(1), ["train/bell/1.wav", "train/rain/0.wav", "test/rain/9.wav"]);
    assert_eq!((found[1].labels_differ, found[1].across_splits), (true, true));
    assert_eq!(found[0].hash.to_string(), hash(one).to_string());
    // A clip that cannot be decoded equals nothing, not even another one.
    assert!(dataset.duplicates(&vec![None; dataset.clips.len()]).is_empty());
}
