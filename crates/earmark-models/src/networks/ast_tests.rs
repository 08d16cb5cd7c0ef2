//! AST against transformers 5.23.0 on tiny random checkpoints, stage by stage, so that a failure says where.
//!
//! Remake the goldens: `cargo xtask goldens spectrograms`. See `tests/golden/README.md`.

use std::fs;
use std::path::Path;

use burn::tensor::{DType, FloatDType};
use earmark_features::WhisperOptions;
use earmark_testkit::{Golden, assert_close};
use safetensors::SafeTensors;

use super::*;
use crate::test_support::{
    ReferenceModel, check, check_embeddings, check_gradient_checkpointing, check_gradients, check_logits,
    device, golden_dir, gradients, json, means, targets, tensor, values,
};
use crate::{Checkpoint, Head, init_weights, load, mixed_precision, parameters, save};

const VARIANTS: [&str; 2] = ["overlapping", "unbiased"];

/// Worst hidden state seen on a CPU in f32: 7.4e-6.
const STAGE: f32 = 2e-5;
/// Worst logit seen: 2.1e-6.
const LOGITS: f32 = 5e-6;
/// Worst gradient seen: 8.3e-7, where the largest gradients are about 1.
const GRADIENT: f32 = 5e-6;

fn read(dir: &Path) -> (AstConfig, AstForAudioClassification) {
    let config = json(dir.join("config.json"));
    let labels = config["id2label"].as_object().unwrap().len();
    let config: AstConfig = serde_json::from_value(config).unwrap();
    config.validate().unwrap();
    let network = AstForAudioClassification::zeros(&config, labels, &device());
    let (network, drawn) =
        load(network, &Checkpoint::open(dir).unwrap(), Head::FromCheckpoint, 0.02, 0).unwrap();
    assert!(drawn.is_empty(), "{drawn:?} were not read");
    (config, network)
}

fn open(variant: &str) -> (Golden, AstForAudioClassification) {
    let golden = Golden::open(golden_dir("ast").join(format!("{variant}.safetensors")));
    (golden, read(&golden_dir("ast").join(variant)).1)
}

#[test]
fn every_stage_matches() {
    for variant in VARIANTS {
        let (golden, network) = open(variant);
        let spectrograms = || tensor(&golden, "input_values", &device());
        let model = &network.audio_spectrogram_transformer;
        let stage = |key: &str, got| check(variant, &golden, key, got, STAGE);
        stage("patches", model.embeddings.patch_embeddings.forward(spectrograms()));
        let mut hidden = model.embeddings.forward(spectrograms(), None);
        stage("hidden_states.0", hidden.clone());
        for (i, layer) in model.encoder.layer.iter().enumerate() {
            hidden = layer.forward(hidden, None);
            stage(&format!("hidden_states.{}", i + 1), hidden.clone());
        }
        stage("last_hidden_state", network.base().forward(spectrograms(), None).unwrap());
    }
}

#[test]
fn an_embedding_is_the_mean_of_the_two_tokens() {
    for variant in VARIANTS {
        let (golden, network) = open(variant);
        let input = || Input::Spectrograms(tensor(&golden, "input_values", &device()));
        let clips = golden.shape("input_values")[0];
        let want = means(&golden, "last_hidden_state", &vec![2; clips]);
        assert_close(variant, &values(network.embed(input()).unwrap()), &want, STAGE);
        let short = Input::Spectrograms(tensor::<3>(&golden, "input_values", &device()).narrow(1, 0, 4));
        assert!(matches!(network.embed(short).unwrap_err(), ErrorKind::BadInput(_)));
    }
}

#[test]
fn every_hidden_state_pools_to_the_references() {
    for variant in VARIANTS {
        let (golden, network) = open(variant);
        let input = || Input::Spectrograms(tensor(&golden, "input_values", &device()));
        let [clips, steps, _] = golden.shape("last_hidden_state")[..] else { panic!("other axes") };
        check_embeddings(variant, &golden, &network, input, (2, &vec![steps - 2; clips]), STAGE);
    }
}

#[test]
fn logits_match() {
    for variant in VARIANTS {
        let (golden, network) = open(variant);
        let logits = network.forward(tensor(&golden, "input_values", &device()), None).unwrap();
        check(variant, &golden, "logits", logits, LOGITS);
    }
}

#[test]
fn gradients_are_the_same_when_blocks_are_computed_again() {
    for variant in VARIANTS {
        let (golden, network) = open(variant);
        let labels: Vec<i64> = golden.f32s("labels").iter().map(|&id| id as i64).collect();
        check_gradient_checkpointing(variant, &network, &device(), &labels, |network, device, rng| {
            network.forward(tensor(&golden, "input_values", device), Some(rng)).unwrap()
        });
    }
}

/// In half precision a block's weights are casts of the parameters, which pass their gradients on.
#[test]
fn gradients_in_half_precision_are_the_same_when_blocks_are_computed_again() {
    let (golden, network) = open(VARIANTS[0]);
    let labels: Vec<i64> = golden.f32s("labels").iter().map(|&id| id as i64).collect();
    check_gradient_checkpointing("bf16", &network, &device(), &labels, |network, device, rng| {
        let half = mixed_precision(network.clone(), FloatDType::BF16);
        half.forward(tensor(&golden, "input_values", device), Some(rng)).unwrap().cast(DType::F32)
    });
}

/// Loss and the gradient of every parameter, in training mode with nothing random.
#[test]
fn gradients_match() {
    for variant in VARIANTS {
        let (golden, network) = open(variant);
        let labels = golden.f32s("labels").iter().map(|&id| id as i64).collect();
        let (loss, found) = gradients(network, &device(), labels, |network, device| {
            network.forward(tensor(&golden, "input_values", device), None).unwrap()
        });
        assert_close("loss", &[loss], &golden.f32s("loss"), LOGITS);
        for (name, got) in &found {
            let worst = assert_close(name, got, &golden.f32s(&format!("grad.{name}")), GRADIENT);
            println!("{variant}: {name} {worst:e}");
        }
        let expected = golden.keys().iter().filter(|key| key.starts_with("grad.")).count();
        assert_eq!(found.len(), expected, "{variant}: gradients compared");
    }
}

#[test]
fn load_save_load_is_identity_and_keeps_the_files_names() {
    for variant in VARIANTS {
        let (_, first) = open(variant);
        let dir = tempfile::tempdir().unwrap();
        let source = golden_dir("ast").join(variant);
        fs::copy(source.join("config.json"), dir.path().join("config.json")).unwrap();
        let saved = dir.path().join("model.safetensors");
        save(&first, &saved).unwrap();
        assert_eq!(Golden::open(&saved).keys(), Golden::open(source.join("model.safetensors")).keys());
        let (_, second) = read(dir.path());
        for (a, b) in parameters(&first).iter().zip(parameters(&second)) {
            assert!(a.to_bytes().unwrap()[..] == b.to_bytes().unwrap()[..], "{variant}: {}", a.name);
        }
    }
}

/// A bare encoder's file lacks the prefix and the head; a head for other labels is refused.
#[test]
fn only_a_new_head_fits_a_bare_encoder_or_other_labels() {
    let source = golden_dir("ast").join("overlapping");
    let bytes = fs::read(source.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let base = file
        .iter()
        .filter_map(|(name, view)| Some((name.strip_prefix(earmark_config::AST.keys.base)?, view)));
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("model.safetensors"), safetensors::serialize(base, None).unwrap()).unwrap();

    let (config, _) = read(&source);
    let try_load = |dir: &Path, head| {
        let zeros = AstForAudioClassification::zeros(&config, 4, &device());
        load(zeros, &Checkpoint::open(dir).unwrap(), head, 0.02, 7)
    };
    let (_, drawn) = try_load(dir.path(), Head::NewIfMissing).unwrap();
    assert_eq!(drawn.len(), 4, "{drawn:?}");
    let error = try_load(dir.path(), Head::FromCheckpoint).unwrap_err().kind.to_string();
    assert!(error.contains("`classifier.dense.weight` is missing"), "{error}");
    let error = try_load(&source, Head::NewIfMissing).unwrap_err().kind.to_string();
    assert!(error.contains("has 3 labels, but 4 are needed"), "{error}");
    assert_eq!(try_load(&source, Head::New).unwrap().1, drawn);
}

#[test]
fn new_tokens_and_positions_are_zero_and_new_weights_have_the_configs_deviation() {
    let config = AstConfig { num_hidden_layers: 1, hidden_size: 96, ..AstConfig::default() };
    let network = AstForAudioClassification::zeros(&config, 3, &device());
    let network = init_weights(network, 0.02, 7, |_| true);
    let embeddings = &network.audio_spectrogram_transformer.embeddings;
    for tokens in [&embeddings.cls_token, &embeddings.distillation_token, &embeddings.position_embeddings] {
        assert!(values(tokens.val()).iter().all(|&value| value == 0.0));
    }
    let weights = values(embeddings.patch_embeddings.projection.weight.val());
    let mean_square = weights.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / weights.len() as f64;
    // 24 576 draws: their deviation is 0.02 within half a per cent, one time in three, and within 2 per cent always.
    assert!((mean_square.sqrt() - 0.02).abs() < 4e-4, "{}", mean_square.sqrt());
}

#[test]
fn patches_overlap_as_published() {
    assert_eq!(AstConfig::default().patches(), 1212);
    assert_eq!(AstConfig { max_length: 128, ..AstConfig::default() }.patches(), 144);
}

#[test]
fn an_impossible_config_names_its_key() {
    let usual = AstConfig::default;
    let cases: [(&str, AstConfig); 7] = [
        ("num_attention_heads", AstConfig { num_attention_heads: 7, ..usual() }),
        ("hidden_size", AstConfig { hidden_size: 1 << 40, ..usual() }),
        ("patch_size", AstConfig { patch_size: 129, ..usual() }),
        ("time_stride", AstConfig { time_stride: 0, ..usual() }),
        ("max_length", AstConfig { max_length: 1 << 16, time_stride: 1, frequency_stride: 1, ..usual() }),
        ("layer_norm_eps", AstConfig { layer_norm_eps: f64::NAN, ..usual() }),
        ("hidden_dropout_prob", AstConfig { hidden_dropout_prob: 1.0, ..usual() }),
    ];
    for (key, config) in cases {
        let error = config.validate().expect_err(key).to_string();
        assert!(error.contains(&format!("`{key}`")), "{error}");
    }
}

/// From the sound files on. Worst logit seen: 4.6e-5. Worst gradient: 9.2e-6 of its norm.
#[test]
fn every_reference_case_matches() {
    let device = device();
    let (mut worst, mut worst_gradient): (f32, f32) = (0.0, 0.0);
    for (name, count) in [("ast-sc", 14), ("ast-long", 13)] {
        let Some(model) = ReferenceModel::open("every_reference_case_matches", name) else {
            return;
        };
        let (_, network) = read(&model.folder());
        let cases = model.cases();
        assert_eq!(cases.len(), count, "{name}");
        for case in cases {
            let spectrograms = model.spectrograms(&case, &device, WhisperOptions::default());
            match case.kind.as_str() {
                "grad" => {
                    let (loss, found) =
                        gradients(network.clone(), &device, targets(&case), |network, device| {
                            network.forward(spectrograms.to_device(device), None).unwrap()
                        });
                    worst_gradient = worst_gradient.max(check_gradients(name, &case, loss, &found));
                }
                "batch" => {
                    let logits = network.forward(spectrograms, None).unwrap();
                    worst = worst.max(check_logits(name, &case, "default.logits", logits));
                }
                _ => {
                    let logits = network.forward(spectrograms, None).unwrap();
                    worst = worst.max(check_logits(name, &case, "logits", logits));
                }
            }
        }
    }
    println!("worst logit {worst:e}, worst gradient {worst_gradient:e}");
}
