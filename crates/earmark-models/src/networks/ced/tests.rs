//! CED against the code of its authors on tiny random checkpoints, stage by stage and from the samples on.
//!
//! Remake the goldens: `cargo xtask goldens ced`, which says what it needs. See `tests/golden/README.md`.

use std::path::PathBuf;

use earmark_audio::{SampleRate, Waveform};
use earmark_features::{Features, FrameBatch, Preprocessor};
use earmark_testkit::{Golden, assert_close};

use super::*;
use crate::hidden_states::{Layer, Pool};
use crate::test_support::{check_gradient_checkpointing, device, golden_dir, gradients, tensor, values};
use crate::{Checkpoint, Classifier, Head, ModelConfig, NetworkConfig};

const VARIANTS: [&str; 3] = ["short", "windows", "cut"];

/// Worst hidden state seen on a CPU in f32, from the same spectrogram: 5.7e-6.
const STAGE: f32 = 2e-5;
/// Worst logit seen: 4.8e-7.
const LOGITS: f32 = 2e-6;
/// Worst decibel seen, the reference's being rounded at each step: 2.1e-4.
const DECIBELS: f32 = 1e-3;
/// Worst gradient seen: 4.8e-7.
const GRADIENT: f32 = 5e-6;

struct Case {
    name: &'static str,
    golden: Golden,
    config: ModelConfig,
    network: Classifier,
    preprocessor: Preprocessor,
    device: Device,
    clips: usize,
}

fn folder(name: &str) -> PathBuf {
    golden_dir("ced").join(name)
}

impl Case {
    fn open(name: &'static str) -> Case {
        let dir = folder(name);
        let golden = Golden::open(golden_dir("ced").join(format!("{name}.safetensors")));
        let (config, checkpoint) = (ModelConfig::read(&dir).unwrap(), Checkpoint::open(&dir).unwrap());
        let device = device();
        let (network, drawn) =
            Classifier::load(config.network(), 3, &checkpoint, Head::FromCheckpoint, 0, &device).unwrap();
        assert!(drawn.is_empty(), "{name}: {drawn:?} were not read");
        let preprocessor = std::fs::read(dir.join("preprocessor_config.json")).unwrap();
        let preprocessor = Preprocessor::from_json(preprocessor).unwrap();
        let clips = golden.keys().iter().filter(|key| key.starts_with("clip.")).count();
        Case { name, golden, config, network, preprocessor, device, clips }
    }

    fn config(&self) -> &CedConfig {
        match self.config.network() {
            NetworkConfig::Ced(config) => config,
            other => panic!("{other:?}"),
        }
    }

    /// The reference's spectrogram of a clip, in our order of axes.
    fn spectrogram(&self, key: &str, device: &Device) -> Tensor<3> {
        tensor::<3>(&self.golden, key, device).swap_dims(1, 2)
    }

    fn alone(&self, clip: usize) -> Input {
        let values = self.spectrogram(&format!("alone.{clip}.input_values"), &self.device);
        Input::Frames { values, lengths: None }
    }

    fn extracted(&self, clip: usize) -> Features {
        let samples = self.golden.f32s(&format!("clip.{clip}"));
        self.preprocessor.extract(&Waveform::new(samples, SampleRate::HZ_16000).unwrap()).unwrap()
    }

    #[track_caller]
    fn check<const D: usize>(&self, key: &str, got: Tensor<D>, tolerance: f32) {
        crate::test_support::check(self.name, &self.golden, key, got, tolerance);
    }
}

#[test]
fn the_extractor_makes_the_spectrograms_of_the_reference() {
    for case in VARIANTS.map(Case::open) {
        for clip in 0..case.clips {
            let features = case.extracted(clip);
            let key = format!("alone.{clip}.input_values");
            let [1, bands, frames] = case.golden.shape(&key)[..] else { panic!("{key}") };
            assert_eq!(features.shape, [frames, bands]);
            let theirs = case.golden.f32s(&key);
            let turned: Vec<f32> =
                (0..frames * bands).map(|at| theirs[at % bands * frames + at / bands]).collect();
            let what = format!("{}: {key}", case.name);
            let worst = assert_close(&what, &features.data, &turned, DECIBELS);
            println!("{what} {worst:e}");
        }
    }
}

#[test]
fn every_state_and_the_logits_match_whatever_the_length_of_a_clip() {
    for case in VARIANTS.map(Case::open) {
        for clip in 0..case.clips {
            let states = case.network.embeddings(case.alone(clip), Layer::All, Pool::None).unwrap();
            assert_eq!(states.len(), case.config.network().layers() + 1);
            for (number, state) in states.into_iter().enumerate() {
                case.check(&format!("alone.{clip}.hidden_states.{number}"), state, STAGE);
            }
            let last = case.network.embeddings(case.alone(clip), Layer::Last, Pool::None).unwrap();
            case.check(&format!("alone.{clip}.last_hidden_state"), last[0].clone(), STAGE);
            let logits = case.network.forward(case.alone(clip), None).unwrap();
            case.check(&format!("alone.{clip}.logits"), logits.clone(), LOGITS);
            // What the authors' class answers is the sigmoid of the logits, or the logits.
            let answer = match case.config().pooling {
                CedPooling::Mean => burn::tensor::activation::sigmoid(logits),
                CedPooling::Logit => logits,
            };
            case.check(&format!("alone.{clip}.answer"), answer, LOGITS);
        }
    }
}

#[test]
fn logits_match_from_the_samples_on() {
    for case in VARIANTS.map(Case::open) {
        for clip in 0..case.clips {
            let features = case.extracted(clip);
            let batch = FrameBatch::new(&[&features]);
            let data = TensorData::new(batch.input_features, [1, batch.frames, batch.width]);
            let values = Tensor::from_data(data, &case.device);
            let logits = case.network.forward(Input::Frames { values, lengths: None }, None).unwrap();
            case.check(&format!("alone.{clip}.logits"), logits, LOGITS);
        }
    }
}

#[test]
fn a_clip_has_the_logits_that_it_has_alone_beside_any_other() {
    for case in VARIANTS.map(Case::open) {
        let clips: Vec<Features> = (0..case.clips).map(|clip| case.extracted(clip)).collect();
        let batch = FrameBatch::new(&clips.iter().collect::<Vec<_>>());
        let data = TensorData::new(batch.input_features, [case.clips, batch.frames, batch.width]);
        let input =
            Input::Frames { values: Tensor::from_data(data, &case.device), lengths: Some(batch.lengths) };
        let together = case.network.forward(input.clone(), None).unwrap();
        let pooled = case.network.embed(input).unwrap();
        for (clip, features) in clips.iter().enumerate() {
            let alone = FrameBatch::new(&[features]);
            let data = TensorData::new(alone.input_features, [1, alone.frames, alone.width]);
            let input = Input::Frames { values: Tensor::from_data(data, &case.device), lengths: None };
            let row = |all: &Tensor<2>| values(all.clone().narrow(0, clip, 1));
            let what = format!("{} {clip}", case.name);
            let alone = values(case.network.forward(input.clone(), None).unwrap());
            assert_close(&what, &row(&together), &alone, LOGITS);
            assert_close(&what, &row(&pooled), &values(case.network.embed(input).unwrap()), LOGITS);
        }
    }
}

#[test]
fn a_clip_of_more_windows_than_go_together_is_as_if_they_did() {
    let case = Case::open("windows");
    let window = case.config().target_length;
    let frames = |count: usize| {
        let one = case.spectrogram("alone.1.input_values", &case.device).narrow(1, 0, window);
        let values = Tensor::cat(vec![one; count], 1);
        let rest = values.clone().narrow(1, 0, 1);
        Input::Frames { values: Tensor::cat(vec![values, rest], 1), lengths: None }
    };
    let state = |count: usize| {
        case.network.embeddings(frames(count), Layer::Last, Pool::None).unwrap().swap_remove(0)
    };
    let (few, many) = (values(state(2)), values(state(AT_ONCE + 3)));
    let of_window = few.len() / 3;
    for (number, part) in many.chunks(of_window).enumerate().take(AT_ONCE + 3) {
        assert_close(&format!("window {number}"), part, &few[..of_window], 1e-6);
    }
    assert_close("the last", &many[many.len() - of_window..], &few[few.len() - of_window..], 1e-6);
}

#[test]
fn gradients_match() {
    let case = Case::open("short");
    let frames = |device: &Device| case.spectrogram("input_values", device);
    let batch = case.network.forward(Input::Frames { values: frames(&case.device), lengths: None }, None);
    case.check("logits", batch.unwrap(), LOGITS);
    let targets = vec![2, 0];
    let (loss, found) = gradients(case.network.clone(), &case.device, targets, |network, device| {
        network.forward(Input::Frames { values: frames(device), lengths: None }, None).unwrap()
    });
    assert_close("loss", &[loss], &case.golden.f32s("loss"), LOGITS);
    let wanted: Vec<_> =
        case.golden.keys().iter().filter_map(|key| key.strip_prefix("grad.")).map(str::to_owned).collect();
    assert_eq!(found.len(), wanted.len());
    let mut worst = 0.0f32;
    for name in wanted {
        let got = found.get(&name).unwrap_or_else(|| panic!("{name} has no gradient"));
        let want = case.golden.f32s(&format!("grad.{name}"));
        worst = worst.max(assert_close(&name, got, &want, GRADIENT));
    }
    println!("gradients {worst:e}");
}

#[test]
fn gradients_are_the_same_when_blocks_are_computed_again() {
    let case = Case::open("short");
    check_gradient_checkpointing("ced", &case.network, &case.device, &[2, 0], |network, device, rng| {
        let values = case.spectrogram("input_values", device);
        network.forward(Input::Frames { values, lengths: None }, Some(rng)).unwrap()
    });
}

#[test]
fn it_tags_with_any_number_of_labels_until_it_is_trained_for_one() {
    let dir = folder("short");
    let config = ModelConfig::read(&dir).unwrap();
    assert_eq!(config.problem_type(), Some("multi_label_classification"));
    let trained = config.with_labels(vec!["rain".to_owned(), "siren".to_owned()]).with_one_label_a_clip();
    assert_eq!(trained.problem_type(), Some("single_label_classification"));
    let json: serde_json::Value = serde_json::from_str(&trained.to_json()).unwrap();
    // So the authors' class answers with logits, of which softmax is taken.
    assert_eq!((json["pooling"].as_str(), json["outputdim"].as_u64()), (Some("logit"), Some(2)));
}

#[test]
fn the_name_of_a_published_model_decides_its_sizes_and_a_wrong_value_is_refused_by_its_key() {
    let read = |json: &str| ModelConfig::from_json(json.as_bytes());
    let named = read(r#"{"model_type": "ced", "name": "ced-small", "embed_dim": 100}"#).unwrap();
    let NetworkConfig::Ced(small) = named.network() else { panic!("{named:?}") };
    assert_eq!((small.embed_dim, small.num_heads, small.grid()), (384, 6, [4, 63]));
    for (key, json) in [
        ("pooling", r#"{"model_type": "ced", "pooling": "token"}"#),
        ("num_heads", r#"{"model_type": "ced", "num_heads": 7}"#),
        ("patch_size", r#"{"model_type": "ced", "patch_stride": 8}"#),
        ("mlp_ratio", r#"{"model_type": "ced", "mlp_ratio": 0}"#),
        ("target_length", r#"{"model_type": "ced", "target_length": 0}"#),
    ] {
        match read(json) {
            Err(ErrorKind::BadConfig { key: found, .. }) => assert_eq!(found, key),
            other => panic!("{key}: {other:?}"),
        }
    }
}

#[test]
fn frames_that_are_no_clips_are_refused() {
    let case = Case::open("short");
    let input = |frames: usize, bands: usize, lengths: Option<Vec<usize>>| Input::Frames {
        values: Tensor::zeros([1, frames, bands], &case.device),
        lengths,
    };
    for wrong in
        [input(15, 64, None), input(20, 63, None), input(20, 64, Some(vec![15])), input(20, 64, Some(vec![]))]
    {
        assert!(matches!(case.network.forward(wrong, None), Err(ErrorKind::BadInput(_))));
    }
}
