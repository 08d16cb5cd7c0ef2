//! Long recordings and many sounds, as the calls that do it all classify and embed them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use earmark_audio::{SampleRate, WavFormat, Waveform, write_wav};
use earmark_labels::Prediction;
use earmark_pipeline::{AudioClassifier, AudioEmbedder, Windows};
use earmark_testkit::{assert_close, noise};

use crate::pipeline::changed;
use crate::{device, golden};

const MODEL: &str = "speech/group";

/// A recording of 1.3 s at 16 kHz.
fn recording(folder: &Path) -> PathBuf {
    let file = folder.join("recording.wav");
    let sound = Waveform::new(noise(20_800, 7), SampleRate::HZ_16000).unwrap();
    write_wav(&file, &sound, WavFormat::Float32).unwrap();
    file
}

/// Twelve of them: one batch and a part of another.
fn windows() -> Windows {
    Windows::of(Duration::from_millis(200)).every(Duration::from_millis(100))
}

/// The scores in the order of the labels.
fn by_label(mut predictions: Vec<Prediction>) -> Vec<f32> {
    predictions.sort_by(|a, b| a.label.cmp(&b.label));
    predictions.into_iter().map(|prediction| prediction.score).collect()
}

#[test]
fn each_window_of_a_file_has_the_labels_and_the_embedding_of_its_samples() {
    let folder = tempfile::tempdir().unwrap();
    let file = recording(folder.path());
    let classifier = AudioClassifier::open(golden(MODEL), &device()).unwrap();
    let embedder = AudioEmbedder::open(golden(MODEL), &device()).unwrap();
    let classified = classifier.classify_windows(&file, windows()).unwrap();
    let mut embedded = embedder.embed_windows(&file, windows()).unwrap();
    let mut spans = classifier.windows(&file, windows()).unwrap();
    let mut count = 0;
    for result in classified {
        let (window, predictions) = result.unwrap();
        let span = spans.next().unwrap().unwrap();
        assert_eq!(window, span.window);
        assert_eq!(window.start, f64::from(count) / 10.0);
        let (place, embedding) = embedded.next().unwrap().unwrap();
        assert_eq!(place, window);
        let alone = classifier.classify(span.waveform.clone()).unwrap();
        // Sums are taken in another order in a batch.
        assert_close("scores", &by_label(predictions), &by_label(alone), 1e-5);
        assert_close("embedding", &embedding, &embedder.embed(span.waveform).unwrap(), 1e-5);
        count += 1;
    }
    assert_eq!(count, 12);
    assert!(spans.next().is_none() && embedded.next().is_none());
}

#[test]
fn a_recording_that_breaks_midway_gives_the_windows_before_and_ends_after_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = recording(folder.path());
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&file, bytes).unwrap();
    let classifier = AudioClassifier::open(golden(MODEL), &device()).unwrap();
    // Without its end the iterator would give the error again and again.
    let results: Vec<bool> =
        classifier.classify_windows(&file, windows()).unwrap().take(100).map(|it| it.is_ok()).collect();
    let (last, before) = results.split_last().unwrap();
    assert!(!last && before.iter().all(|ok| *ok), "{results:?}");
    assert_eq!(classifier.windows(&file, windows()).unwrap().take(100).filter(Result::is_err).count(), 1);
}

#[test]
fn a_recording_longer_than_the_longest_clip_is_cut_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = recording(folder.path());
    let mut audio = earmark_pipeline::AudioOptions::default();
    audio.decode.max_duration = Duration::from_secs(1);
    let classifier = AudioClassifier::open(golden(MODEL), &device()).unwrap().with_audio(audio);
    assert!(classifier.classify(&file).is_err());
    assert_eq!(classifier.classify_windows(&file, windows()).unwrap().count(), 12);
}

#[test]
fn a_window_that_cannot_be_classified_is_named_by_its_time_and_the_next_one_follows() {
    let folder = tempfile::tempdir().unwrap();
    let file = recording(folder.path());
    let broken = changed(MODEL, |name, values| {
        if name == "classifier.bias" {
            values[0] = f32::NAN;
        }
    });
    let classifier = AudioClassifier::open(broken.path(), &device()).unwrap();
    let results = classifier.classify_windows(&file, windows()).unwrap();
    let errors: Vec<String> = results.map(|it| it.unwrap_err().doing).collect();
    assert_eq!(errors.len(), 12, "{errors:?}");
    for (error, at) in errors.iter().zip(["0.0", "0.1", "0.2"]) {
        let name = format!("the window at {at} s of `{}`", file.display());
        assert!(error.contains(&name), "{error}");
    }
}

#[test]
fn many_sounds_are_embedded_in_their_order_and_a_missing_file_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (file, missing) = (recording(folder.path()), folder.path().join("missing.wav"));
    let embedder = AudioEmbedder::open(golden(MODEL), &device()).unwrap();
    let embedded = embedder.embed_all([&file, &missing, &file]);
    assert_eq!(embedded[0].as_ref().unwrap(), &embedder.embed(&file).unwrap());
    assert!(embedded[1].as_ref().unwrap_err().doing.contains("missing.wav"));
    assert_eq!(embedded[2].as_ref().unwrap(), embedded[0].as_ref().unwrap());
}
