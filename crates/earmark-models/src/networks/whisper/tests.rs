//! Whisper's encoder against transformers 5.23.0 on tiny random checkpoints, stage by stage, so that a failure says where.
//!
//! Remake the goldens: `cargo xtask goldens spectrograms`. See `tests/golden/README.md`.

use std::fs;
use std::path::Path;

use earmark_features::WhisperOptions;
use earmark_testkit::{Golden, assert_close, worst_difference};
use safetensors::SafeTensors;

use super::*;
use crate::test_support::{
    ReferenceModel, check, check_embeddings, check_gradient_checkpointing, check_gradients, check_logits,
    device, golden_dir, gradients, json, means, targets, tensor, values,
};
use crate::{Checkpoint, Head, Layer, Pool, init_weights, load, parameters, save};

const VARIANTS: [&str; 2] = ["last", "weighted"];

/// Worst hidden state seen on a CPU in f32: 4.5e-6.
const STAGE: f32 = 2e-5;
/// Worst logit seen: 8.3e-7.
const LOGITS: f32 = 5e-6;
/// Worst gradient seen: 4.2e-6, where the largest gradients are about 1.
const GRADIENT: f32 = 1e-5;

fn config(dir: &Path) -> (WhisperConfig, usize) {
    let config = json(dir.join("config.json"));
    let labels = config["id2label"].as_object().unwrap().len();
    let config: WhisperConfig = serde_json::from_value(config).unwrap();
    config.validate().unwrap();
    (config, labels)
}

fn read(dir: &Path) -> WhisperForAudioClassification {
    let (config, labels) = config(dir);
    let network = WhisperForAudioClassification::zeros(&config, labels, &device());
    let (network, drawn) =
        load(network, &Checkpoint::open(dir).unwrap(), Head::FromCheckpoint, 0.02, 0).unwrap();
    assert!(drawn.is_empty(), "{drawn:?} were not read");
    network
}

fn open(variant: &str) -> (Golden, WhisperForAudioClassification) {
    let golden = Golden::open(golden_dir("whisper").join(format!("{variant}.safetensors")));
    (golden, read(&golden_dir("whisper").join(variant)))
}

#[test]
fn every_stage_matches() {
    for variant in VARIANTS {
        let (golden, network) = open(variant);
        let spectrograms: Tensor<3> = tensor(&golden, "input_features", &device());
        let stage = |key: &str, got| check(variant, &golden, key, got, STAGE);
        let features = spectrograms.clone().swap_dims(1, 2);
        stage("conv1", network.encoder.conv1.forward(features.clone()).swap_dims(1, 2));
        let hidden = network.encoder.conv1.forward_activated(features, Activation::Gelu);
        stage("conv2", network.encoder.conv2.forward(hidden).swap_dims(1, 2));
        let states = network.base().hidden_states(spectrograms, None).unwrap();
        let last = states.last().expect("there is a layer").clone();
        stage("last_hidden_state", last);
        for (i, state) in states.into_iter().enumerate() {
            stage(&format!("hidden_states.{i}"), state);
        }
    }
}

#[test]
fn an_embedding_is_the_mean_of_the_last_states() {
    for variant in VARIANTS {
        let (golden, network) = open(variant);
        let input = Input::Spectrograms(tensor(&golden, "input_features", &device()));
        let [clips, steps, _] = golden.shape("last_hidden_state")[..] else { panic!("other axes") };
        let want = means(&golden, "last_hidden_state", &vec![steps; clips]);
        assert_close(variant, &values(network.embed(input).unwrap()), &want, STAGE);
    }
}

#[test]
fn every_hidden_state_pools_to_the_references() {
    for variant in VARIANTS {
        let (golden, network) = open(variant);
        let input = || Input::Spectrograms(tensor(&golden, "input_features", &device()));
        let [clips, steps, _] = golden.shape("last_hidden_state")[..] else { panic!("other axes") };
        check_embeddings(variant, &golden, &network, input, (0, &vec![steps; clips]), STAGE);
    }
}

/// The head is linear: pooled before the projector or behind it, a clip has the same logits.
#[test]
fn a_weighted_embedding_is_what_the_head_is_given() {
    let (golden, network) = open("weighted");
    let input = Input::Spectrograms(tensor(&golden, "input_features", &device()));
    let pooled = network.embeddings(input.clone(), Layer::Weighted, Pool::Mean).unwrap().swap_remove(0);
    let logits = network.classifier.forward(network.projector.forward(pooled));
    check("weighted", &golden, "logits", logits.squeeze_dim::<2>(1), LOGITS);
    let unweighted = open("last").1.embeddings(input, Layer::Weighted, Pool::Mean);
    assert!(matches!(unweighted, Err(ErrorKind::NoLayerWeights)));
}

#[test]
fn logits_match_with_and_without_a_weighted_sum() {
    for variant in VARIANTS {
        let (golden, network) = open(variant);
        let logits = network.forward(tensor(&golden, "input_features", &device()), None).unwrap();
        check(variant, &golden, "logits", logits, LOGITS);
    }
}

#[test]
fn gradients_are_the_same_when_blocks_are_computed_again() {
    for variant in VARIANTS {
        let (golden, network) = open(variant);
        let labels: Vec<i64> = golden.f32s("labels").iter().map(|&id| id as i64).collect();
        check_gradient_checkpointing(variant, &network, &device(), &labels, |network, device, rng| {
            network.forward(tensor(&golden, "input_features", device), Some(rng)).unwrap()
        });
    }
}

/// Loss and the gradient of every parameter, positions included, in training mode with nothing random.
#[test]
fn gradients_match() {
    for variant in VARIANTS {
        let (golden, network) = open(variant);
        let labels = golden.f32s("labels").iter().map(|&id| id as i64).collect();
        let (loss, found) = gradients(network, &device(), labels, |network, device| {
            network
                .forward(tensor(&golden, "input_features", device), Some(&mut TrainingRng::new(1)))
                .unwrap()
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
        let source = golden_dir("whisper").join(variant);
        fs::copy(source.join("config.json"), dir.path().join("config.json")).unwrap();
        let saved = dir.path().join("model.safetensors");
        save(&first, &saved).unwrap();
        assert_eq!(Golden::open(&saved).keys(), Golden::open(source.join("model.safetensors")).keys());
        for (a, b) in parameters(&first).iter().zip(parameters(&read(dir.path()))) {
            assert!(a.to_bytes().unwrap()[..] == b.to_bytes().unwrap()[..], "{variant}: {}", a.name);
        }
    }
}

/// A recogniser's file keeps the encoder under `model.`, beside a decoder and no head.
#[test]
fn a_speech_recogniser_gives_its_encoder_to_a_new_head() {
    let source = golden_dir("whisper").join("last");
    let bytes = fs::read(source.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let position = file.tensor("encoder.embed_positions.weight").unwrap();
    let encoder = file.iter().filter(|(name, _)| name.starts_with("encoder."));
    let mut tensors: Vec<_> = encoder.map(|(name, view)| (format!("model.{name}"), view)).collect();
    tensors.push(("model.decoder.embed_positions.weight".to_owned(), position.clone()));
    tensors.push(("proj_out.weight".to_owned(), position));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    fs::write(path, safetensors::serialize(tensors, None).unwrap()).unwrap();

    let (config, _) = config(&source);
    let checkpoint = Checkpoint::open(dir.path()).unwrap();
    let zeros = || WhisperForAudioClassification::zeros(&config, 4, &device());
    let (network, drawn) = load(zeros(), &checkpoint, Head::NewIfMissing, config.init_std, 7).unwrap();
    assert_eq!(drawn, ["projector.weight", "projector.bias", "classifier.weight", "classifier.bias"]);
    let (golden, _) = open("last");
    let states = network.base().hidden_states(tensor(&golden, "input_features", &device()), None).unwrap();
    check("recogniser", &golden, "last_hidden_state", states.into_iter().next_back().unwrap(), STAGE);
    let error = load(zeros(), &checkpoint, Head::FromCheckpoint, config.init_std, 7).unwrap_err();
    assert!(error.kind.to_string().contains("base checkpoint"), "{}", error.kind);
}

/// The reference's `sinusoids(4, 6)`, transformers 5.23.0.
#[test]
fn new_positions_are_the_papers_sinusoids() {
    let config = WhisperConfig {
        d_model: 6,
        encoder_attention_heads: 2,
        max_source_positions: 4,
        encoder_layers: 1,
        ..WhisperConfig::default()
    };
    let network = WhisperForAudioClassification::zeros(&config, 3, &device());
    let network = init_weights(network, config.init_std, 7, |_| true);
    let want = [
        0.0,
        0.0,
        0.0,
        1.0,
        1.0,
        1.0,
        0.84147096,
        0.009999833,
        9.999999e-05,
        0.54030234,
        0.99995,
        1.0,
        0.9092974,
        0.019998666,
        0.00019999998,
        -0.41614684,
        0.9998,
        1.0,
        0.14112,
        0.0299955,
        0.00029999996,
        -0.9899925,
        0.99955004,
        0.99999994,
    ];
    assert_close("positions", &values(network.encoder.embed_positions.weight.val()), &want, 1e-7);
}

#[test]
fn a_spectrogram_of_another_size_is_refused() {
    let (golden, network) = open("last");
    let spectrograms: Tensor<3> = tensor(&golden, "input_features", &device());
    for other in [spectrograms.clone().narrow(2, 0, 28), spectrograms.narrow(1, 0, 4)] {
        let error = network.forward(other, None).expect_err("another size");
        assert!(matches!(error, ErrorKind::BadInput(_)), "{error}");
    }
}

#[test]
fn frames_are_two_to_a_position() {
    assert_eq!(WhisperConfig::default().frames(), 3000);
}

#[test]
fn layerdrop_of_almost_one_skips_layers_and_forward_never_does() {
    let (mut config, labels) = config(&golden_dir("whisper").join("last"));
    config.encoder_layerdrop = 0.999_999;
    let zeros = WhisperForAudioClassification::zeros(&config, labels, &device());
    let checkpoint = Checkpoint::open(&golden_dir("whisper").join("last")).unwrap();
    let (network, _) = load(zeros, &checkpoint, Head::FromCheckpoint, 0.02, 0).unwrap();
    let (golden, _) = open("last");
    let spectrograms = || tensor(&golden, "input_features", &device());
    let kept = values(network.forward(spectrograms(), None).unwrap());
    let dropped = values(network.forward(spectrograms(), Some(&mut TrainingRng::new(1))).unwrap());
    assert_close("forward", &kept, &golden.f32s("logits"), LOGITS);
    let worst = worst_difference(&kept, &dropped).difference;
    assert!(worst > 1e-3, "layers were not skipped: {worst}");
}

#[test]
fn an_impossible_config_names_its_key() {
    let usual = WhisperConfig::default;
    let cases: [(&str, WhisperConfig); 7] = [
        ("d_model", WhisperConfig { d_model: 15, encoder_attention_heads: 5, ..usual() }),
        ("encoder_attention_heads", WhisperConfig { encoder_attention_heads: 7, ..usual() }),
        ("d_model", WhisperConfig { d_model: 1 << 40, ..usual() }),
        ("max_source_positions", WhisperConfig { max_source_positions: 0, ..usual() }),
        ("encoder_layerdrop", WhisperConfig { encoder_layerdrop: f64::NAN, ..usual() }),
        ("activation_dropout", WhisperConfig { activation_dropout: -0.1, ..usual() }),
        ("init_std", WhisperConfig { init_std: f64::INFINITY, ..usual() }),
    ];
    for (key, config) in cases {
        let error = config.validate().expect_err(key).to_string();
        assert!(error.contains(&format!("`{key}`")), "{error}");
    }
}

/// From the sound files on. Worst logit seen: 2.1e-5. Worst gradient: 7.3e-6 of its norm.
#[test]
fn every_reference_case_matches() {
    let device = device();
    let normalized = WhisperOptions { do_normalize: true, return_attention_mask: true };
    let (mut worst, mut worst_gradient): (f32, f32) = (0.0, 0.0);
    for (name, count) in [("whisper-30s", 13), ("whisper-weighted", 14)] {
        let Some(model) = ReferenceModel::open("every_reference_case_matches", name) else {
            return;
        };
        let network = read(&model.folder());
        let cases = model.cases();
        assert_eq!(cases.len(), count, "{name}");
        for case in cases {
            let spectrograms = |options| model.spectrograms(&case, &device, options);
            let mut logits = |key: &str, options| {
                let logits = network.forward(spectrograms(options), None).unwrap();
                worst = worst.max(check_logits(name, &case, key, logits));
            };
            match case.kind.as_str() {
                "grad" => {
                    let spectrograms = spectrograms(WhisperOptions::default());
                    let (loss, found) =
                        gradients(network.clone(), &device, targets(&case), |network, device| {
                            network.forward(spectrograms.to_device(device), None).unwrap()
                        });
                    worst_gradient = worst_gradient.max(check_gradients(name, &case, loss, &found));
                }
                "batch" => {
                    logits("default.logits", WhisperOptions::default());
                    logits("do_normalize.logits", normalized);
                }
                _ => logits("logits", WhisperOptions::default()),
            }
        }
    }
    println!("worst logit {worst:e}, worst gradient {worst_gradient:e}");
}
