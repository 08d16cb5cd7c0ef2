use std::fs;
use std::path::Path;

use earmark_audio::{DecodeOptions, SampleRate, WavFormat, Waveform, write_wav};
use earmark_data::{AudioDataset, Error, ErrorKind};

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
    assert_eq!(names, ["Z/z.webm", "a/y.OGG", "a/ä.flac", "a-b/x.mp3", "b/10.wav", "b/2.wav"]);
    for clip in &dataset.clips {
        assert!(clip.name.starts_with(&format!("{}/", &dataset.labels[clip.label])));
        assert!(clip.path.is_file());
    }
    assert_eq!(dataset.clips_per_label(), [1, 2, 1, 2]);
}

#[test]
fn what_is_no_clip_is_skipped_and_told_unless_hidden() {
    let dir = tempfile::tempdir().unwrap();
    let others = ["README.md", "metadata.csv", "intro.wav", ".git/x.wav", "a/._1.wav", "a/.DS_Store"];
    plant(dir.path(), &["a/1.wav", "b/1.wav", "a/notes.txt", "b/wav", "b/more.wav/2.wav"]);
    plant(dir.path(), &others);
    let dataset = AudioDataset::open_folder(dir.path()).unwrap();
    assert_eq!(dataset.clips.len(), 2);
    let skipped = ["a/notes.txt", "b/more.wav", "b/wav"].map(|name| dir.path().join(name));
    assert_eq!(dataset.skipped, skipped);
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

#[test]
fn an_empty_class_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["full/1.wav", "empty/notes.txt", "empty/._1.wav"]);
    assert!(matches!(refusal(dir.path()).kind, ErrorKind::EmptyClass { class } if class == "empty"));
}

#[cfg(target_os = "linux")] // elsewhere the file system itself refuses such a name
#[test]
fn a_name_that_is_not_utf8_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["a/1.wav", "b/1.wav"]);
    fs::write(dir.path().join("a").join(std::ffi::OsStr::from_bytes(b"\xff.wav")), "").unwrap();
    assert!(matches!(refusal(dir.path()).kind, ErrorKind::NotUtf8 { .. }));
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
