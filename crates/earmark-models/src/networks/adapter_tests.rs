//! Encoders with adapters against transformers 5.23.0 on tiny random checkpoints without a head, alone and in padded batches.
//!
//! Remake the goldens: `cargo xtask goldens adapters`. See `tests/golden/README.md`.

use burn::tensor::{Device, Tensor, TensorData};
use earmark_audio::{SampleRate, Waveform};
use earmark_features::{FrameBatch, Preprocessor};
use earmark_testkit::Golden;

use crate::test_support::{self, device, golden_dir, tensor, values};
use crate::{Checkpoint, Classifier, ErrorKind, Head, Input, Layer, ModelConfig, Pool};

const VARIANTS: [&str; 5] =
    ["wav2vec2", "languages", "wav2vec2-conformer", "wav2vec2-bert", "wav2vec2-bert-ffn"];

/// Worst number of a state seen on a CPU in f32: 1.5e-5.
const TOLERANCE: f32 = 3e-5;

struct Case {
    name: &'static str,
    golden: Golden,
    config: ModelConfig,
    network: Classifier,
    preprocessor: Preprocessor,
    device: Device,
}

impl Case {
    fn open(name: &'static str) -> Case {
        let dir = golden_dir("adapters").join(name);
        let golden = Golden::open(golden_dir("adapters").join(format!("{name}.safetensors")));
        let checkpoint = Checkpoint::open(&dir).unwrap();
        let config = ModelConfig::read(&dir).unwrap();
        let device = device();
        let (network, drawn) =
            Classifier::load(config.network(), 1, &checkpoint, Head::NewIfMissing, 0, &device).unwrap();
        let of_head = ["projector.", "classifier."];
        assert!(drawn.iter().all(|it| of_head.iter().any(|head| it.starts_with(head))), "{name}: {drawn:?}");
        let preprocessor = std::fs::read(dir.join("preprocessor_config.json")).unwrap();
        let preprocessor = Preprocessor::from_json(preprocessor).unwrap();
        Case { name, golden, config, network, preprocessor, device }
    }

    fn is_over_frames(&self) -> bool {
        self.config.network().frame_width().is_some()
    }

    /// The padded batch.
    fn batch(&self) -> Input {
        let columns = self.golden.shape("attention_mask")[1];
        let mask = self.golden.f32s("attention_mask");
        let lengths = Some(mask.chunks(columns).map(|row| row.iter().sum::<f32>() as usize).collect());
        if self.is_over_frames() {
            Input::Frames { values: tensor(&self.golden, "input_features", &self.device), lengths }
        } else {
            Input::Waveforms { values: tensor(&self.golden, "input_values", &self.device), lengths }
        }
    }

    /// A clip as the extractor makes it.
    fn alone(&self, samples: Vec<f32>) -> Input {
        let features = self.preprocessor.extract(&Waveform::new(samples, SampleRate::HZ_16000).unwrap());
        let features = features.unwrap();
        if self.is_over_frames() {
            let batch = FrameBatch::new(&[&features]);
            let data = TensorData::new(batch.input_features, [1, batch.frames, batch.width]);
            let values = Tensor::from_data(data, &self.device);
            Input::Frames { values, lengths: Some(batch.lengths) }
        } else {
            let data = TensorData::new(features.data.clone(), [1, features.data.len()]);
            Input::Waveforms { values: Tensor::from_data(data, &self.device), lengths: None }
        }
    }

    fn states(&self, input: Input, layer: Layer) -> Vec<Tensor<3>> {
        self.network.embeddings(input, layer, Pool::None).unwrap()
    }

    #[track_caller]
    fn check(&self, key: &str, got: Tensor<3>) {
        test_support::check(self.name, &self.golden, key, got, TOLERANCE);
    }
}

#[test]
fn the_last_state_is_the_adapters_and_those_before_it_the_layers() {
    for case in VARIANTS.map(Case::open) {
        case.check("last_hidden_state", case.states(case.batch(), Layer::Last).swap_remove(0));
        for (number, state) in case.states(case.batch(), Layer::All).into_iter().enumerate() {
            case.check(&format!("hidden_states.{number}"), state);
        }
        for clip in [0, 1] {
            let clip_alone = case.alone(case.golden.f32s(&format!("clip.{clip}")));
            let key = format!("alone.{clip}.last_hidden_state");
            case.check(&key, case.states(clip_alone, Layer::Last).swap_remove(0));
        }
        let network = case.config.network();
        let [.., width] = case.golden.shape("last_hidden_state")[..] else { panic!("{}", case.name) };
        assert_eq!(network.vector_width(Layer::Last), width, "{}", case.name);
        assert_eq!(network.padding_is_harmless(), case.name == "languages");
    }
}

#[test]
fn the_shortest_clip_gives_one_frame() {
    for case in VARIANTS.map(Case::open).into_iter().filter(|case| !case.is_over_frames()) {
        let least = case.config.network().min_samples();
        let noise = |samples: usize| (0..samples).map(|i| (i * i % 17) as f32 / 17.0 - 0.5).collect();
        let state = case.states(case.alone(noise(least)), Layer::Last).swap_remove(0);
        assert_eq!(state.dims()[1], 1, "{}", case.name);
        assert!(values(state).iter().all(|x| x.is_finite()));
        assert!(case.network.embeddings(case.alone(noise(least - 1)), Layer::Last, Pool::None).is_err());
    }
}

#[test]
fn a_classifier_with_an_adapter_is_refused_by_the_key() {
    for case in VARIANTS.map(Case::open) {
        let checked = case.config.network().check_classification();
        match case.name {
            "languages" => assert!(checked.is_ok()),
            _ => assert!(
                matches!(checked, Err(ErrorKind::BadConfig { key: "add_adapter", .. })),
                "{checked:?}"
            ),
        }
    }
}

#[test]
fn a_config_is_written_as_it_was_read() {
    for case in VARIANTS.map(Case::open) {
        let again = ModelConfig::from_json(case.config.to_json().as_bytes()).unwrap();
        assert_eq!(again.network(), case.config.network());
        // Of an adapter that is not there the sizes are not written.
        if case.name == "languages" {
            continue;
        }
        let mut bare = ModelConfig::new(case.config.network().clone()).unwrap().to_json();
        bare.retain(|c| !c.is_whitespace());
        let again = ModelConfig::from_json(bare.as_bytes()).unwrap();
        assert_eq!(again.network(), case.config.network(), "{bare}");
    }
}
