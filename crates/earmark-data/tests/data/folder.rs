use std::fs;
use std::path::Path;

use earmark_audio::{DecodeOptions, SampleRate, WavFormat, Waveform, write_wav};
use earmark_data::{AudioDataset, Error, ErrorKind, SkipReason};

use super::{plant, told};

fn refusal(root: &Path) -> Error {
    let error = AudioDataset::open_folder(root).expect_err("the folder should be refused");
    let text = told(&error);
    assert!(text.contains(&root.display().to_string()), "the folder is not named: {text}");
    error
}

#[test]
fn classes_and_clips_are_in_byte_order() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["b/2.wav", "b/10.wav", "a-b/x.mp3", "a/y.OGG", "Z/z.webm", "a/ä.flac"]);
    let dataset = AudioDataset::open_folder(dir.path()).unwrap();
    assert_eq!(dataset.labels.names(), ["Z", "a", "a-b", "b"]);
    let names: Vec<_> = dataset.clips.iter().map(|clip| clip.name.as_str()).collect();
    // Of whole paths, as `datasets` lists them: `-` comes before `/`.
    assert_eq!(names, ["Z/z.webm", "a-b/x.mp3", "a/y.OGG", "a/ä.flac", "b/10.wav", "b/2.wav"]);
    for clip in &dataset.clips {
        assert!(clip.name.starts_with(&format!("{}/", &dataset.labels[clip.label])));
        assert!(clip.path.is_file());
    }
    assert_eq!(dataset.clips_per_label(), [1, 2, 1, 2]);
}

#[test]
fn what_is_no_clip_is_left_out_with_its_reason_unless_hidden() {
    let dir = tempfile::tempdir().unwrap();
    plant(
        dir.path(),
        &["README.md", "metadata.csv", ".git/x.wav", "a/._1.wav", "a/.DS_Store", "__MACOSX/a/1.wav"],
    );
    plant(
        dir.path(),
        &[
            "a/1.wav",
            "b/1.wav",
            "b/more.wav/2.wav",
            "a/notes.txt",
            "b/wav",
            "intro.wav",
            "b/x.wma",
            "old.zip",
        ],
    );
    fs::create_dir(dir.path().join("c")).unwrap();
    let dataset = AudioDataset::open_folder(dir.path()).unwrap();
    assert_eq!(dataset.clips.len(), 3);
    let skipped: Vec<(&str, SkipReason)> = dataset
        .skipped
        .iter()
        .map(|skipped| {
            (
                skipped.location.strip_prefix(&format!("{}/", dir.path().display())).unwrap(),
                skipped.reason.clone(),
            )
        })
        .collect();
    assert_eq!(
        skipped,
        [
            ("a/notes.txt", SkipReason::NotASound),
            ("b/wav", SkipReason::NotASound),
            ("b/x.wma", SkipReason::Unsupported),
            ("old.zip", SkipReason::Archive),
            ("c", SkipReason::EmptyFolder),
            ("intro.wav", SkipReason::NoClassFolder),
        ]
    );
}

#[test]
fn a_missing_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(refusal(&dir.path().join("nowhere")).kind, ErrorKind::NoFolder));
    plant(dir.path(), &["file"]);
    assert!(matches!(refusal(&dir.path().join("file")).kind, ErrorKind::NoFolder));
}

#[test]
fn a_folder_without_class_folders_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["1.wav", "2.wav", ".hidden/3.wav"]);
    assert!(matches!(refusal(dir.path()).kind, ErrorKind::NoClasses));
}

#[test]
fn a_single_class_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["only/1.wav", "only/2.wav"]);
    assert!(matches!(refusal(dir.path()).kind, ErrorKind::OneClass { class } if class == "only"));
}

#[cfg(target_os = "linux")] // elsewhere the file system itself refuses such names
#[test]
fn names_that_differ_in_one_byte_that_is_no_utf8_are_two_clips() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["a/1.wav", "b/1.wav"]);
    for name in [b"\xff.wav".as_slice(), b"\xfe.wav", b"\\xff.wav"] {
        fs::write(dir.path().join("a").join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    let dataset = AudioDataset::open_folder(dir.path()).unwrap();
    let names: Vec<&str> = dataset.clips.iter().map(|clip| clip.name.as_str()).collect();
    assert_eq!(names, ["a/1.wav", "a/\\x5cxff.wav", "a/\\xfe.wav", "a/\\xff.wav", "b/1.wav"]);
    assert_eq!(dataset.clips[2].bytes().unwrap(), b"\xfe.wav");
    assert_eq!(dataset.clips[3].bytes().unwrap(), b"\xff.wav");
}

#[cfg(unix)]
#[test]
fn a_fifo_is_no_clip_and_a_link_that_leads_back_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["a/1.wav", "b/1.wav"]);
    let fifo = dir.path().join("a/2.wav");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    std::os::unix::fs::symlink("..", dir.path().join("b/up")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("b/3.wav")).unwrap();
    let dataset = AudioDataset::open_folder(dir.path()).unwrap();
    assert_eq!(dataset.clips.len(), 2);
    assert_eq!(dataset.skipped.len(), 3);
    assert!(
        dataset.skipped.iter().all(|skipped| skipped.reason == SkipReason::NotAFile),
        "{:?}",
        dataset.skipped
    );
}

#[test]
fn a_clip_decodes_at_its_own_rate_and_a_broken_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["a/broken.wav", "b/good.wav"]);
    let samples = vec![0.0, 0.5, -0.25];
    let waveform = Waveform::new(samples, SampleRate::new(22_050).unwrap()).unwrap();
    write_wav(dir.path().join("b/good.wav"), &waveform, WavFormat::Pcm16).unwrap();

    let dataset = AudioDataset::open_folder(dir.path()).unwrap();
    let [broken, good] = dataset.clips.as_slice() else { panic!("two clips") };
    assert_eq!(good.decode(&DecodeOptions::default()).unwrap().waveform, waveform);
    let error = broken.decode(&DecodeOptions::default()).expect_err("text is no sound");
    assert!(matches!(error.kind, ErrorKind::Audio(_)));
    assert!(told(&error).contains("broken.wav"));
}
