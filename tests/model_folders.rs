//! Model folders as people's tools write them: the answer of the reference, or an error that names what is at fault.

use std::error::Error as _;
use std::fs;
use std::path::Path;

use earmark_audio::{SampleRate, Waveform};
use earmark_features::Resampler;
use earmark_labels::{Prediction, TopK};
use earmark_pipeline::{
    AudioClassifier, AudioOptions, HYPOTHESIS_TEMPLATE, ZeroShotClassifier, find_extractor,
};
use earmark_testkit::{noise, reference};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{device, golden};

const PREPROCESSOR: &str = "preprocessor_config.json";
const PROCESSOR: &str = "processor_config.json";

/// A golden checkpoint in a folder of its own.
fn folder(model: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden(model)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    if model.starts_with("whisper") {
        // The golden network's 30 frames out of a second.
        let path = dir.path().join(PREPROCESSOR);
        let mut extractor = read(&path);
        extractor["hop_length"] = json!(533);
        write(&path, &extractor);
    }
    dir
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn write(path: &Path, json: &Value) {
    fs::write(path, json.to_string()).unwrap();
}

fn answer(dir: &Path) -> Vec<Prediction> {
    let classifier = AudioClassifier::open(dir, &device()).unwrap().with_top_k(TopK::All);
    let clip = Waveform::new(noise(12_000, 3), classifier.sampling_rate()).unwrap();
    classifier.classify(clip).unwrap()
}

fn refusal(dir: &Path) -> String {
    let error = AudioClassifier::open(dir, &device()).unwrap_err();
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said += &format!(": {error}");
        cause = error.source();
    }
    said
}

#[track_caller]
fn says(said: &str, words: &[&str]) {
    assert!(words.iter().all(|word| said.contains(word)), "{words:?} in: {said}");
}

#[test]
fn an_extractor_is_found_where_the_reference_finds_it() {
    for model in
        ["speech/layer-stable", "speech/unispeech", "speech/unispeech-sat", "ast/overlapping", "whisper/last"]
    {
        let dir = folder(model);
        let (old, new) = (dir.path().join(PREPROCESSOR), dir.path().join(PROCESSOR));
        let expected = answer(dir.path());
        let extractor = read(&old);
        let mut other = extractor.clone();
        match other.get("do_normalize") {
            Some(flag) => other["do_normalize"] = (flag != &json!(true)).into(),
            None => other["padding_value"] = json!(0.5),
        }
        let misleading =
            |dir: &Path| assert_ne!(answer(dir), expected, "{model}: the other extractor was not read");

        // A processor of transformers 5 counts for more than the old file.
        write(&old, &other);
        misleading(dir.path());
        for key in ["feature_extractor", "audio_processor"] {
            write(&new, &json!({ key: extractor, "processor_class": "SomeProcessor" }));
            assert_eq!(answer(dir.path()), expected, "{model}: {key}");
        }
        let config = read(&dir.path().join("config.json"));
        let found = find_extractor(dir.path(), config.as_object().unwrap()).unwrap();
        assert_eq!(found.unwrap().0, new);
        // Alone.
        fs::remove_file(&old).unwrap();
        assert_eq!(answer(dir.path()), expected, "{model}: alone");
        // Without a section for it, the old file counts.
        write(&old, &extractor);
        for processor in [json!({ "processor_class": "SomeProcessor" }), json!({ "feature_extractor": null })]
        {
            write(&new, &processor);
            assert_eq!(answer(dir.path()), expected, "{model}: {processor}");
        }
        // A section that is no extractor is not passed over.
        write(&new, &json!({ "feature_extractor": 3 }));
        says(&refusal(dir.path()), &[PROCESSOR, "`feature_extractor` is 3"]);
        // Files too old to name their extractor.
        fs::remove_file(&new).unwrap();
        let mut unnamed = extractor.clone();
        unnamed.as_object_mut().unwrap().remove("feature_extractor_type");
        write(&old, &unnamed);
        assert_eq!(answer(dir.path()), expected, "{model}: unnamed");
    }
}

#[test]
fn a_folder_without_an_extractor_is_told_so() {
    for model in ["ast/overlapping", "whisper/last"] {
        let dir = folder(model);
        fs::remove_file(dir.path().join(PREPROCESSOR)).unwrap();
        says(&refusal(dir.path()), &[dir.path().to_str().unwrap(), PREPROCESSOR, PROCESSOR, "neither"]);
    }
    // Networks over samples have defaults in the reference's class.
    let dir = folder("speech/unispeech");
    let with = answer(dir.path());
    fs::remove_file(dir.path().join(PREPROCESSOR)).unwrap();
    assert_eq!(answer(dir.path()), with);
}

#[test]
fn the_key_that_does_not_fit_is_named_and_not_the_extractor() {
    let change = |model: &str, key: &str, value: Value| {
        let dir = folder(model);
        let mut extractor = read(&dir.path().join(PREPROCESSOR));
        extractor[key] = value;
        write(&dir.path().join(PREPROCESSOR), &extractor);
        refusal(dir.path())
    };
    let said = change("ast/overlapping", "max_length", json!(256));
    says(&said, &["`max_length` is 256", "`max_length` in config.json is"]);
    assert!(!said.contains("feature_extractor_type"), "{said}");
    let said = change("ast/overlapping", "num_mel_bins", json!(64));
    says(&said, &["`num_mel_bins` is 64", "`num_mel_bins` in config.json is"]);
    let said = change("whisper/last", "feature_size", json!(128));
    says(&said, &["`feature_size` is 128", "`num_mel_bins` in config.json is"]);
    assert!(!said.contains("feature_extractor_type"), "{said}");
    let said = change("whisper/last", "hop_length", json!(80));
    says(&said, &["hop_length", "max_source_positions"]);
    let said = change("speech/group", "feature_extractor_type", json!("ASTFeatureExtractor"));
    says(&said, &["`feature_extractor_type` is ASTFeatureExtractor", "hubert"]);
    let said = change("speech/group", "sampling_rate", json!("16k"));
    says(&said, &[PREPROCESSOR, "`sampling_rate`", "16k"]);
}

#[test]
fn labels_that_do_not_fit_the_head_are_counted() {
    let dir = folder("speech/group");
    let mut config = read(&dir.path().join("config.json"));
    config["id2label"] = json!({ "0": "a", "1": "b" });
    write(&dir.path().join("config.json"), &config);
    let said = refusal(dir.path());
    says(&said, &["`id2label`", "has 2 labels", "has 3"]);
    assert!(!said.contains("--"), "a library knows no flags: {said}");
}

#[test]
fn two_classes_of_one_name_both_have_their_score() {
    let dir = folder("speech/group");
    let expected = answer(dir.path());
    let mut config = read(&dir.path().join("config.json"));
    config["id2label"] = json!({ "0": "rain", "1": 7, "2": "rain" });
    write(&dir.path().join("config.json"), &config);
    let got = answer(dir.path());
    let scores = |answer: &[Prediction]| answer.iter().map(|it| it.score).collect::<Vec<_>>();
    assert_eq!(scores(&got), scores(&expected));
    let mut labels: Vec<_> = got.iter().map(|it| it.label.as_str()).collect();
    labels.sort();
    assert_eq!(labels, ["7", "rain", "rain"]);
}

/// Padding on the left would hide the beginning of a clip behind its mask.
#[test]
fn a_clip_is_answered_alike_alone_and_in_a_batch_whatever_side_is_padded() {
    let dir = folder("speech/layer-stable");
    let mut extractor = read(&dir.path().join(PREPROCESSOR));
    extractor["padding_side"] = json!("left");
    write(&dir.path().join(PREPROCESSOR), &extractor);
    let classifier = AudioClassifier::open(dir.path(), &device()).unwrap().with_top_k(TopK::All);
    let clips = [16_000, 15_000, 14_500].map(|n| Waveform::new(noise(n, 3), SampleRate::HZ_16000).unwrap());
    let together = classifier.classify_all(clips.iter().cloned());
    for (clip, together) in clips.into_iter().zip(together) {
        for (alone, together) in classifier.classify(clip).unwrap().iter().zip(together.unwrap()) {
            assert_eq!(alone.label, together.label);
            assert!((alone.score - together.score).abs() < 1e-6, "{alone:?}, {together:?}");
        }
    }
}

#[test]
fn the_weight_that_makes_an_answer_nan_is_named() {
    let dir = folder("speech/group");
    let path = dir.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let info: Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let place = 8 + header + info["classifier.bias"]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[place..place + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let classifier = AudioClassifier::open(dir.path(), &device()).unwrap();
    let clip = Waveform::new(noise(12_000, 3), SampleRate::HZ_16000).unwrap();
    let error = classifier.classify(clip).unwrap_err();
    says(&error.source().unwrap().to_string(), &["logit", "NaN", "`classifier.bias` holds NaN"]);
}

/// What `transformers` 5.23.0 answers of folders that its `save_pretrained` wrote.
#[test]
fn folders_of_the_reference_have_the_references_scores() {
    const TEST: &str = "folders_of_the_reference_have_the_references_scores";
    let Some(faults) = reference(TEST, "faults") else { return };
    for (place, model, clip, label, score) in [
        ("processor_config_ignored", "w2v2proc_v5", "quiet.wav", "on", 0.165),
        ("processor_config_ignored", "proc8k", "good.wav", "stop", 0.567),
        ("extra_weight_key", "extra_key", "../processor_config_ignored/good.wav", "jazz", 0.555),
    ] {
        let place = faults.join(place);
        let audio = AudioOptions { resampler: Resampler::Torchaudio, ..AudioOptions::default() };
        let classifier = AudioClassifier::open(place.join(model), &device()).unwrap().with_audio(audio);
        let best = classifier.classify(place.join(clip)).unwrap().remove(0);
        assert_eq!(best.label, label, "{model}");
        assert!((best.score - score).abs() < 1e-3, "{model}: {}", best.score);
    }
    let place = faults.join("clap_v5_no_preprocessor");
    let classifier = ZeroShotClassifier::open(place.join("clap_v5"), &device()).unwrap();
    let labels = classifier.candidates(&["dog", "rain"], HYPOTHESIS_TEMPLATE).unwrap();
    let best = classifier.classify(place.join("c48.wav"), &labels).unwrap().remove(0);
    assert_eq!(best.label, "dog");
    assert!((best.score - 0.98796).abs() < 1e-4, "{}", best.score);

    let misleading = faults.join("misleading_model_errors");
    let good = faults.join("processor_config_ignored/good.wav");
    for model in ["module_prefix", "bin_statedict"] {
        let classifier = AudioClassifier::open(misleading.join(model), &device()).unwrap();
        assert_eq!(classifier.classify(good.as_path()).unwrap()[0].label, "jazz", "{model}");
    }
    for (model, words) in [
        ("fewer_labels", &["`id2label`", "labels"][..]),
        ("no_pre_ast", &["neither", PREPROCESSOR]),
        ("no_pre_whisper", &["neither", PREPROCESSOR]),
        ("ast_maxlen256", &["`max_length` is 256", "config.json is 128"]),
        ("wh_pre_nofeat", &["`feature_size` is 128", "`num_mel_bins` in config.json is 80"]),
        ("lfs_weights", &["git lfs pull", "model.safetensors"]),
    ] {
        says(&refusal(&misleading.join(model)), words);
    }
}
