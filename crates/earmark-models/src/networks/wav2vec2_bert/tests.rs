//! Wav2Vec2-BERT against transformers 5.23.0 on tiny random checkpoints, stage by stage and from the samples on.
//!
//! Remake the goldens: `cargo xtask goldens wav2vec2_bert`. See `tests/golden/README.md`.

use burn::tensor::{Device, Tensor, TensorData};
use earmark_audio::{SampleRate, Waveform};
use earmark_features::{FrameBatch, Preprocessor};
use earmark_testkit::{Golden, assert_close};

use super::*;
use crate::test_support::{
    self, check_gradient_checkpointing, device, golden_dir, gradients, tensor, values,
};
use crate::{Checkpoint, Classifier, Head, ModelConfig, NetworkConfig};

const VARIANTS: [&str; 4] = ["relative-key", "relative", "rotary", "none"];

/// Worst hidden state seen on a CPU in f32: 3.3e-6.
const STAGE: f32 = 1e-5;
/// Worst logit seen: 1.4e-6.
const LOGITS: f32 = 5e-6;
/// Worst gradient seen: 2.7e-6.
const GRADIENT: f32 = 1e-5;

struct Case {
    name: &'static str,
    golden: Golden,
    config: Wav2Vec2BertConfig,
    network: Classifier,
    preprocessor: Preprocessor,
    device: Device,
}

impl Case {
    fn open(name: &'static str) -> Case {
        let dir = golden_dir("wav2vec2_bert").join(name);
        let golden = Golden::open(golden_dir("wav2vec2_bert").join(format!("{name}.safetensors")));
        let config = ModelConfig::read(&dir).unwrap().without_dropout();
        let (checkpoint, labels) = (Checkpoint::open(&dir).unwrap(), config.labels().len());
        let device = device();
        let (network, drawn) =
            Classifier::load(config.network(), labels, &checkpoint, Head::FromCheckpoint, 0, &device)
                .unwrap();
        assert!(drawn.is_empty(), "{name}: {drawn:?} were not read");
        let preprocessor = std::fs::read(dir.join("preprocessor_config.json")).unwrap();
        let NetworkConfig::Wav2Vec2Bert(config) = config.network().clone() else { panic!("{name}") };
        let preprocessor = Preprocessor::from_json(preprocessor).unwrap();
        Case { name, golden, config, network, preprocessor, device }
    }

    fn base(&self) -> &Wav2Vec2BertModel {
        match &self.network {
            Classifier::Wav2Vec2Bert(network) => network.base(),
            other => panic!("{other:?}"),
        }
    }

    fn frames(&self, device: &Device) -> Tensor<3> {
        tensor(&self.golden, "input_features", device)
    }

    fn lengths(&self) -> Vec<usize> {
        let frames = self.golden.shape("attention_mask")[1];
        let mask = self.golden.f32s("attention_mask");
        mask.chunks(frames).map(|row| row.iter().sum::<f32>() as usize).collect()
    }

    fn logits(&self, values: Tensor<3>, lengths: Option<Vec<usize>>) -> Tensor<2> {
        self.network.forward(Input::Frames { values, lengths }, None).unwrap()
    }

    #[track_caller]
    fn check<const D: usize>(&self, key: &str, got: Tensor<D>, tolerance: f32) {
        test_support::check(self.name, &self.golden, key, got, tolerance);
    }

    /// The clips of the golden as the extractor makes them.
    fn extracted(&self, clips: &[usize]) -> (Tensor<3>, Vec<usize>) {
        let extract = |clip: &usize| {
            let samples = self.golden.f32s(&format!("clip.{clip}"));
            self.preprocessor.extract(&Waveform::new(samples, SampleRate::HZ_16000).unwrap()).unwrap()
        };
        let features: Vec<_> = clips.iter().map(extract).collect();
        let batch = FrameBatch::new(&features.iter().collect::<Vec<_>>());
        let data = TensorData::new(batch.input_features, [clips.len(), batch.frames, batch.width]);
        (Tensor::from_data(data, &self.device), batch.lengths)
    }
}

#[test]
fn every_stage_matches() {
    for case in VARIANTS.map(Case::open) {
        let projected = case.base().feature_projection.forward(case.frames(&case.device), None);
        case.check("feature_projection", projected, STAGE);
        let lengths = case.lengths();
        let (states, _) = case.base().hidden_states(case.frames(&case.device), Some(&lengths), None).unwrap();
        assert_eq!(states.len(), case.config.num_hidden_layers + 1);
        for (i, state) in states.into_iter().enumerate() {
            case.check(&format!("hidden_states.{i}"), state, STAGE);
        }
    }
}

#[test]
fn logits_match_with_and_without_a_mask_and_from_the_samples_on() {
    for case in VARIANTS.map(Case::open) {
        let frames = || case.frames(&case.device);
        case.check("logits", case.logits(frames(), Some(case.lengths())), LOGITS);
        case.check("unmasked.logits", case.logits(frames(), None), LOGITS);
        let (values, lengths) = case.extracted(&[0, 1]);
        assert_eq!(lengths, case.lengths(), "{}", case.name);
        case.check("logits", case.logits(values, Some(lengths)), LOGITS);
        for clip in [0, 1] {
            let (values, lengths) = case.extracted(&[clip]);
            case.check(&format!("alone.{clip}.logits"), case.logits(values, Some(lengths)), LOGITS);
        }
    }
}

#[test]
fn a_clip_alone_has_the_logits_it_has_beside_a_longer_one() {
    for case in VARIANTS.map(Case::open) {
        let together = values(case.logits(case.frames(&case.device), Some(case.lengths())));
        let labels = together.len() / 2;
        for (clip, length) in case.lengths().into_iter().enumerate() {
            // Without the frames that the mask hides.
            let alone = case.frames(&case.device).narrow(0, clip, 1).narrow(1, 0, length);
            let alone = values(case.logits(alone, None));
            assert_close(case.name, &alone, &together[clip * labels..][..labels], LOGITS);
        }
    }
}

#[test]
fn an_embedding_is_the_mean_of_the_last_states_over_real_frames() {
    for case in VARIANTS.map(Case::open) {
        let input = Input::Frames { values: case.frames(&case.device), lengths: Some(case.lengths()) };
        let key = format!("hidden_states.{}", case.config.num_hidden_layers);
        let want = test_support::means(&case.golden, &key, &case.lengths());
        assert_close(case.name, &values(case.network.embed(input).unwrap()), &want, STAGE);
    }
}

#[test]
fn gradients_are_the_same_when_blocks_are_computed_again() {
    for case in VARIANTS.map(Case::open) {
        let labels: Vec<i64> = case.golden.f32s("labels").iter().map(|&id| id as i64).collect();
        check_gradient_checkpointing(
            case.name,
            &case.network,
            &case.device,
            &labels,
            |network, device, rng| {
                let input = Input::Frames { values: case.frames(device), lengths: Some(case.lengths()) };
                network.forward(input, Some(rng)).unwrap()
            },
        );
    }
}

/// Loss and the gradient of every parameter, in training mode with nothing random.
#[test]
fn gradients_match() {
    for case in VARIANTS.map(Case::open) {
        let labels = case.golden.f32s("labels").iter().map(|&id| id as i64).collect();
        let (loss, found) = gradients(case.network.clone(), &case.device, labels, |network, device| {
            let input = Input::Frames { values: case.frames(device), lengths: Some(case.lengths()) };
            network.forward(input, None).unwrap()
        });
        assert_close("loss", &[loss], &case.golden.f32s("loss"), LOGITS);
        let keys = case.golden.keys();
        let expected = keys.iter().filter_map(|key| key.strip_prefix("grad."));
        assert!(found.keys().map(String::as_str).eq(expected), "{}: other parameters", case.name);
        for (key, got) in &found {
            let key = format!("grad.{key}");
            let worst =
                assert_close(&format!("{}: {key}", case.name), got, &case.golden.f32s(&key), GRADIENT);
            println!("{}: {key} {worst:e}", case.name);
        }
    }
}

#[test]
fn frames_and_lengths_that_are_not_the_models_are_refused() {
    let case = Case::open("none");
    let said = |values: Tensor<3>, lengths: Option<Vec<usize>>| {
        case.network.forward(Input::Frames { values, lengths }, None).unwrap_err().to_string()
    };
    let frames = case.frames(&case.device);
    let [_, steps, width] = frames.dims();
    assert!(said(frames.clone().narrow(2, 0, width - 1), None).contains("expects 12"));
    for lengths in [vec![], vec![1], vec![0, 1], vec![1, steps + 1], vec![1, 1, 1]] {
        assert!(said(frames.clone(), Some(lengths)).contains("the lengths are not those of 2 clips"));
    }
    let spectrograms = case.network.forward(Input::Spectrograms(frames), None).unwrap_err().to_string();
    assert!(spectrograms.contains("any number of frames"), "{spectrograms}");
}

#[test]
fn an_impossible_config_names_its_key() {
    let default = Wav2Vec2BertConfig::default;
    let cases: [(&str, Wav2Vec2BertConfig); 6] = [
        ("num_attention_heads", Wav2Vec2BertConfig { num_attention_heads: 7, ..default() }),
        ("conv_depthwise_kernel_size", Wav2Vec2BertConfig { conv_depthwise_kernel_size: 4, ..default() }),
        ("adapter_stride", Wav2Vec2BertConfig { add_adapter: true, adapter_stride: 4, ..default() }),
        (
            "left_max_position_embeddings",
            Wav2Vec2BertConfig { left_max_position_embeddings: 1 << 40, ..default() },
        ),
        ("conformer_conv_dropout", Wav2Vec2BertConfig { conformer_conv_dropout: 1.0, ..default() }),
        (
            "position_embeddings_type",
            Wav2Vec2BertConfig {
                hidden_size: 15,
                num_attention_heads: 3,
                position_embeddings_type: Some(crate::PositionEmbeddings::Rotary),
                ..default()
            },
        ),
    ];
    assert!(default().validate().is_ok());
    for (key, config) in cases {
        let error = config.validate().expect_err(key).to_string();
        assert!(error.contains(&format!("`{key}`")), "{error}");
    }
}

/// Dropout, layerdrop and SpecAugment run, and only with an rng.
#[test]
fn training_is_random_and_inference_is_not() {
    let case = Case::open("none");
    let config = Wav2Vec2BertConfig {
        hidden_dropout: 0.5,
        mask_time_length: 2,
        mask_time_prob: 0.5,
        apply_spec_augment: true,
        ..case.config
    };
    let device = case.device.clone().autodiff();
    let network = Classifier::init(&NetworkConfig::Wav2Vec2Bert(config), 3, 1, &device);
    let run = |seed: Option<u64>| {
        let input = Input::Frames { values: case.frames(&device), lengths: Some(case.lengths()) };
        let mut rng = seed.map(TrainingRng::new);
        values(network.forward(input, rng.as_mut()).unwrap().inner())
    };
    assert_eq!(run(None), run(None));
    assert_eq!(run(Some(1)), run(Some(1)));
    assert_ne!(run(Some(1)), run(Some(2)));
    assert_ne!(run(Some(1)), run(None));
}
