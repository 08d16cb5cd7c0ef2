//! The speech encoder against transformers 5.23.0 on tiny random checkpoints, stage by stage, so that a failure says where.
//!
//! Remake the goldens: `cargo xtask goldens speech`. Four architectures between them cover every branch of the config:
//! see `tests/golden/README.md`.

use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use earmark_testkit::{Golden, assert_close};

use super::*;
use crate::{
    Checkpoint, Classifier, Head, HubertForSequenceClassification, Input, ModelConfig, NetworkConfig, load,
};

const VARIANTS: [&str; 7] =
    ["group", "layer-stable", "weighted", "batch-norm-pos", "wav2vec2", "unispeech", "unispeech-sat"];

/// Worst hidden state seen on a CPU in f32: 1.6e-5, the reference's own error being 6.9e-6.
const STAGE: f32 = 3e-5;
/// Worst logit seen: 5.8e-6.
const LOGITS: f32 = 2e-5;
/// Worst gradient seen: 1.6e-5, where the largest gradients are about 1.
const GRADIENT: f32 = 5e-5;

pub(crate) fn golden_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/speech")
}

fn speech(config: &ModelConfig) -> &SpeechConfig {
    match config.network() {
        NetworkConfig::Hubert(speech)
        | NetworkConfig::Wav2Vec2(speech)
        | NetworkConfig::UniSpeech(speech)
        | NetworkConfig::UniSpeechSat(speech) => speech,
        other => panic!("{other:?}"),
    }
}

fn base(network: &Classifier) -> &SpeechEncoder {
    match network {
        Classifier::Hubert(network) => network.base(),
        Classifier::Wav2Vec2(network) => network.base(),
        Classifier::UniSpeech(network) => network.base(),
        Classifier::UniSpeechSat(network) => network.base(),
        other => panic!("{other:?}"),
    }
}

struct Case {
    name: &'static str,
    golden: Golden,
    config: ModelConfig,
    network: Classifier,
    device: Device,
}

impl Case {
    fn open(name: &'static str) -> Case {
        let dir = golden_dir().join(name);
        let golden = Golden::open(golden_dir().join(format!("{name}.safetensors")));
        let config = ModelConfig::read(&dir).unwrap().without_dropout();
        let device = Device::flex();
        let checkpoint = Checkpoint::open(&dir).unwrap();
        let (network, drawn) = Classifier::load(
            config.network(),
            config.labels().len(),
            &checkpoint,
            Head::FromCheckpoint,
            0,
            &device,
        )
        .unwrap();
        assert!(drawn.is_empty(), "{name}: {drawn:?} were not read");
        Case { name, golden, config, network, device }
    }

    fn speech(&self) -> &SpeechConfig {
        speech(&self.config)
    }

    fn waveforms(&self, device: &Device) -> Tensor<2> {
        let shape = self.golden.shape("input_values");
        Tensor::from_data(TensorData::new(self.golden.f32s("input_values"), shape), device)
    }

    fn lengths(&self) -> Vec<usize> {
        let samples = self.golden.shape("attention_mask")[1];
        let mask = self.golden.f32s("attention_mask");
        mask.chunks(samples).map(|row| row.iter().sum::<f32>() as usize).collect()
    }

    /// The logits; with `mask` the network is told which samples are padding.
    fn forward(&self, values: Tensor<2>, mask: bool) -> Tensor<2> {
        let lengths = mask.then(|| self.lengths());
        self.network.forward(Input::Waveforms { values, lengths }, None)
    }

    #[track_caller]
    fn check<const D: usize>(&self, key: &str, got: Tensor<D>, tolerance: f32) {
        assert_eq!(got.dims().to_vec(), self.golden.shape(key), "{}: {key}", self.name);
        let worst =
            assert_close(&format!("{}: {key}", self.name), &values(got), &self.golden.f32s(key), tolerance);
        println!("{}: {key} {worst:e}", self.name);
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

#[test]
fn every_stage_matches() {
    for case in VARIANTS.map(Case::open) {
        let encoder = base(&case.network);
        let features = encoder.feature_extractor.forward(case.waveforms(&case.device));
        case.check("feature_encoder", features.clone().swap_dims(1, 2), STAGE);
        let frames = features.dims()[1];
        let projected = encoder.feature_projection.forward(features);
        case.check("feature_projection", projected.clone(), STAGE);

        let lengths = case.lengths().iter().map(|&n| case.speech().frames(n)).collect();
        let mask = FrameMask::new(lengths, frames).expect("one of the clips is padded");
        let silenced = projected * mask.keep(&case.device);
        case.check("pos_conv_embed", encoder.encoder.pos_conv_embed.forward(silenced), STAGE);

        let (states, _) = encoder.hidden_states(case.waveforms(&case.device), Some(&case.lengths()), None);
        let last = states.len() - 1;
        for (i, state) in states.into_iter().enumerate() {
            // 5.23 hands out the last state of a stable model before its norm; ours, like 4.x, is after it.
            let key = match case.speech().do_stable_layer_norm && i == last {
                true => "last_hidden_state".to_owned(),
                false => format!("hidden_states.{i}"),
            };
            case.check(&key, state, STAGE);
        }
    }
}

#[test]
fn logits_match_with_and_without_a_mask() {
    for case in VARIANTS.map(Case::open) {
        let waveforms = || case.waveforms(&case.device);
        case.check("logits", case.forward(waveforms(), true), LOGITS);
        case.check("unmasked.logits", case.forward(waveforms(), false), LOGITS);
        for (i, length) in case.lengths().into_iter().enumerate() {
            let alone = waveforms().narrow(0, i, 1).narrow(1, 0, length);
            case.check(&format!("alone.{i}.logits"), case.forward(alone, false), LOGITS);
        }
    }
}

/// Loss and the gradient of every parameter, in training mode with nothing random.
#[test]
fn gradients_match() {
    struct Compare<'a> {
        case: &'a Case,
        gradients: &'a GradientsParams,
        path: Vec<String>,
        owners: Vec<String>,
        seen: usize,
    }
    impl ModuleVisitor for Compare<'_> {
        fn enter_module(&mut self, name: &str, owner: &str) {
            if !owner.starts_with("Enum:") {
                self.path.push(name.to_owned());
            }
            self.owners.push(owner.to_owned());
        }
        fn exit_module(&mut self, _name: &str, owner: &str) {
            if !owner.starts_with("Enum:") {
                self.path.pop();
            }
            self.owners.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let name = self.path.join(".");
            let key = name
                .replace("gamma", "weight")
                .replace("beta", "bias")
                .replace("weight_g", "parametrizations.weight.original0")
                .replace("weight_v", "parametrizations.weight.original1");
            let key = format!("grad.{key}");
            if !self.case.golden.has(&key) {
                // Statistics have no gradient, and no mask means no embedding for it.
                assert!(
                    name.contains("running_") || name.contains("masked_spec_embed"),
                    "{name} has no golden"
                );
                return;
            }
            let gradient =
                self.gradients.get::<D>(param.id).expect("a parameter that matters has a gradient");
            let transposed = self.owners.last().is_some_and(|owner| owner == "Struct:Linear") && D == 2;
            let gradient = if transposed { gradient.swap_dims(0, 1) } else { gradient };
            self.case.check(&key, gradient, GRADIENT);
            self.seen += 1;
        }
    }

    for mut case in VARIANTS.map(Case::open) {
        let device = case.device.clone().autodiff();
        case.network = case.network.train();
        let logits = case.forward(case.waveforms(&device), true);
        let labels: Vec<i64> = case.golden.f32s("labels").iter().map(|&id| id as i64).collect();
        let targets: Tensor<1, Int> = Tensor::from_data(TensorData::new(labels, [2]), &device);
        let loss = CrossEntropyLossConfig::new().init(&device).forward(logits, targets);
        assert_close("loss", &values(loss.clone()), &case.golden.f32s("loss"), LOGITS);
        let gradients = GradientsParams::from_grads(loss.backward(), &case.network);
        let mut compare =
            Compare { case: &case, gradients: &gradients, path: Vec::new(), owners: Vec::new(), seen: 0 };
        case.network.visit(&mut compare);
        let expected = case.golden.keys().iter().filter(|key| key.starts_with("grad.")).count();
        assert_eq!(compare.seen, expected, "{}: gradients compared", case.name);
    }
}

#[test]
fn a_clip_alone_has_the_logits_it_has_beside_a_longer_one_when_nothing_norms_over_time() {
    let case = Case::open("layer-stable");
    let batched = values(case.forward(case.waveforms(&case.device), true));
    let labels = case.config.labels().len();
    for (i, length) in case.lengths().into_iter().enumerate() {
        let alone = case.waveforms(&case.device).narrow(0, i, 1).narrow(1, 0, length);
        let alone = values(case.forward(alone, false));
        assert_close("alone", &alone, &batched[i * labels..][..labels], LOGITS);
    }
}

#[test]
fn frames_follow_the_convolutions() {
    let config = SpeechConfig::default();
    assert_eq!(config.frames(16_000), 49);
    assert_eq!(config.frames(480_000), 1499);
    assert_eq!(config.min_samples(), 400);
    assert_eq!((config.frames(400), config.frames(399)), (1, 0));
}

#[test]
fn an_impossible_config_names_its_key() {
    let cases: [(&str, SpeechConfig); 6] = [
        ("num_attention_heads", SpeechConfig { num_attention_heads: 7, ..SpeechConfig::default() }),
        ("conv_kernel", SpeechConfig { conv_kernel: vec![3], ..SpeechConfig::default() }),
        ("conv_stride", SpeechConfig { conv_stride: vec![0; 7], ..SpeechConfig::default() }),
        ("hidden_size", SpeechConfig { hidden_size: 1 << 40, ..SpeechConfig::default() }),
        ("layerdrop", SpeechConfig { layerdrop: f64::NAN, ..SpeechConfig::default() }),
        ("conv_dim", SpeechConfig { conv_dim: vec![], ..SpeechConfig::default() }),
    ];
    for (key, config) in cases {
        let error = config.validate().expect_err(key).to_string();
        assert!(error.contains(&format!("`{key}`")), "{error}");
    }
}

#[test]
fn layerdrop_of_almost_one_skips_layers_and_forward_never_does() {
    let case = Case::open("group");
    let mut config = case.speech().clone();
    config.layerdrop = 0.999_999;
    let device = &case.device;
    let zeros = HubertForSequenceClassification::zeros(&config, case.config.labels().len(), device);
    let checkpoint = Checkpoint::open(&golden_dir().join("group")).unwrap();
    let (network, _) = load(zeros, &checkpoint, Head::FromCheckpoint, 0.02, 0).unwrap();
    let kept = values(network.forward(case.waveforms(device), None, None));
    let dropped = values(network.forward(case.waveforms(device), None, Some(&mut Noise::new(1))));
    assert_close("forward", &kept, &case.golden.f32s("unmasked.logits"), LOGITS);
    let worst = earmark_testkit::worst_difference(&kept, &dropped).difference;
    assert!(worst > 1e-3, "layers were not skipped: {worst}");
}
