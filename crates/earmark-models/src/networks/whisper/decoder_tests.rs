//! Whisper's identification of languages against transformers 5.23.0 on tiny random checkpoints.
//!
//! Remake the goldens: `cargo xtask goldens languages`. See `tests/golden/README.md`.

use std::fs;
use std::path::PathBuf;

use earmark_testkit::Golden;

use super::*;
use crate::test_support::{check, device, golden_dir, tensor, values};
use crate::{Checkpoint, Classifier, Head, ModelConfig, NetworkConfig};

const VARIANTS: [&str; 2] = ["tied", "untied"];

/// Worst state seen on a CPU in f32: 2.1e-6.
const STATE: f32 = 1e-5;
/// Worst logit seen: 7.4e-7.
const LOGITS: f32 = 5e-6;
/// Worst probability seen: 2.4e-7.
const PROBABILITIES: f32 = 2e-6;

fn folder(variant: &str) -> PathBuf {
    golden_dir("languages").join(variant)
}

fn config(variant: &str) -> ModelConfig {
    let dir = folder(variant);
    let checkpoint = Checkpoint::open(&dir).unwrap();
    ModelConfig::read(&dir).unwrap().for_classification(&dir, &checkpoint).unwrap()
}

fn open(variant: &str) -> (Golden, WhisperForConditionalGeneration) {
    let golden = Golden::open(golden_dir("languages").join(format!("{variant}.safetensors")));
    let (config, checkpoint) = (config(variant), Checkpoint::open(&folder(variant)).unwrap());
    let labels = config.labels().len();
    let loaded =
        Classifier::load(config.network(), labels, &checkpoint, Head::FromCheckpoint, 0, &device()).unwrap();
    let (Classifier::WhisperLanguages(network), new) = loaded else { panic!("another network") };
    assert!(new.is_empty(), "{new:?} were not read");
    (golden, network)
}

#[test]
fn every_stage_of_the_step_matches() {
    for variant in VARIANTS {
        let (golden, network) = open(variant);
        let spectrograms: Tensor<3> = tensor(&golden, "input_features", &device());
        let states = network.base.encoder.forward(spectrograms, None).unwrap();
        check(variant, &golden, "encoder", states.clone(), STATE);
        let hidden = network.base.decoder.step(&states, network.languages.start_of_transcript());
        check(variant, &golden, "hidden", hidden, STATE);
    }
}

#[test]
fn probabilities_are_the_references_and_the_first_is_what_it_detects() {
    for variant in VARIANTS {
        let (golden, network) = open(variant);
        let logits = network.forward(tensor(&golden, "input_features", &device())).unwrap();
        check(variant, &golden, "logits", logits.clone(), LOGITS);
        let best: Vec<i64> = logits.clone().argmax(1).into_data().iter::<i64>().collect();
        let tokens: Vec<usize> = network.languages.iter().map(|language| language.token).collect();
        let best: Vec<f32> = best.into_iter().map(|place| tokens[place as usize] as f32).collect();
        assert_eq!(best, golden.f32s("detected"), "{variant}");
        let probabilities = burn::tensor::activation::softmax(logits, 1);
        check(variant, &golden, "probabilities", probabilities, PROBABILITIES);
    }
}

#[test]
fn a_whole_whisper_has_its_languages_as_labels_in_the_order_of_their_tokens() {
    assert_eq!(config("tied").labels(), ["english", "hawaiian", "german", "cantonese"]);
    assert_eq!(config("untied").labels(), ["spanish", "french", "swahili"]);
    let codes: Vec<String> = config("untied").languages().unwrap().map(|it| it.code.clone()).collect();
    assert_eq!(codes, ["es", "fr", "sw"]);
}

/// What fine-tuning and embeddings take of it.
#[test]
fn without_being_asked_for_languages_it_is_an_encoder() {
    let config = ModelConfig::read(&folder("tied")).unwrap();
    assert!(matches!(config.network(), NetworkConfig::Whisper(_)) && config.languages().is_none());
    let checkpoint = Checkpoint::open(&folder("tied")).unwrap();
    let (network, new) =
        Classifier::load(config.network(), 3, &checkpoint, Head::NewIfMissing, 0, &device()).unwrap();
    assert_eq!(new.len(), 4, "a new head: {new:?}");
    let (golden, whole) = open("tied");
    let input = || Input::Spectrograms(tensor(&golden, "input_features", &device()));
    assert_eq!(values(network.embed(input()).unwrap()), values(whole.embed(input()).unwrap()));
}

#[test]
fn a_checkpoint_with_a_head_stays_a_classifier() {
    let dir = golden_dir("whisper").join("last");
    let checkpoint = Checkpoint::open(&dir).unwrap();
    let config = ModelConfig::read(&dir).unwrap();
    assert_eq!(config.clone().for_classification(&dir, &checkpoint).unwrap(), config);
}

#[test]
fn saved_it_has_the_keys_of_the_file_that_was_read_and_its_numbers() {
    for variant in VARIANTS {
        let (_, network) = open(variant);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        crate::save(&network, &path).unwrap();
        let (saved, read) = (Golden::open(&path), Golden::open(folder(variant).join("model.safetensors")));
        assert_eq!(saved.keys(), read.keys(), "{variant}");
        if variant == "tied" {
            assert!(saved.keys().iter().all(|key| saved.f32s(key) == read.f32s(key)), "its numbers");
        }
    }
}

#[test]
fn an_impossible_decoder_names_its_key() {
    let NetworkConfig::WhisperLanguages(usual) = config("tied").network().clone() else {
        panic!("no decoder")
    };
    let decoder = usual.decoder.clone();
    let cases = [
        ("vocab_size", WhisperDecoderConfig { vocab_size: 1 << 40, ..decoder.clone() }),
        ("lang_to_id", WhisperDecoderConfig { vocab_size: 20, ..decoder.clone() }),
        ("decoder_start_token_id", WhisperDecoderConfig { vocab_size: 9, ..decoder.clone() }),
        ("decoder_layers", WhisperDecoderConfig { decoder_layers: 0, ..decoder.clone() }),
        ("decoder_attention_heads", WhisperDecoderConfig { decoder_attention_heads: 5, ..decoder.clone() }),
        ("decoder_ffn_dim", WhisperDecoderConfig { decoder_ffn_dim: 0, ..decoder.clone() }),
        ("max_target_positions", WhisperDecoderConfig { max_target_positions: 0, ..decoder }),
    ];
    for (key, decoder) in cases {
        let config = WhisperLanguageConfig { decoder, ..usual.clone() };
        let error = config.validate().expect_err(key).to_string();
        assert!(error.contains(&format!("`{key}`")), "{error}");
    }
}

#[test]
fn an_english_only_model_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::copy(folder("tied").join(file), dir.path().join(file)).unwrap();
    }
    fs::write(dir.path().join("generation_config.json"), r#"{"is_multilingual": false}"#).unwrap();
    let config = ModelConfig::read(dir.path()).unwrap();
    let error = config.for_classification(dir.path(), &Checkpoint::open(dir.path()).unwrap()).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NoLanguages(_)), "{error}");
}
