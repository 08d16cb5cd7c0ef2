//! Speaker-embedding models against transformers 5.23.0 on tiny random checkpoints, alone and in padded batches.
//!
//! Remake the goldens: `cargo xtask goldens x_vectors`. See `tests/golden/README.md`.

use std::path::PathBuf;

use burn::tensor::TensorData;
use earmark_audio::{SampleRate, Waveform};
use earmark_features::{FrameBatch, Preprocessor};
use earmark_testkit::Golden;

use super::*;
use crate::hidden_states::{Layer, Pool};
use crate::test_support::{self, device, golden_dir, tensor, values};
use crate::{Checkpoint, Classifier, Head, ModelConfig, NetworkConfig};

const VARIANTS: [&str; 8] = [
    "wavlm",
    "wav2vec2",
    "undilated",
    "unispeech-sat",
    "data2vec-audio",
    "wav2vec2-conformer",
    "adapter",
    "wav2vec2-bert",
];

/// Worst number of an x-vector seen on a CPU in f32: 7.9e-6.
const TOLERANCE: f32 = 2e-5;

struct Case {
    name: &'static str,
    golden: Golden,
    config: ModelConfig,
    network: Classifier,
    preprocessor: Preprocessor,
    device: Device,
}

fn folder(name: &str) -> PathBuf {
    golden_dir("x_vectors").join(name)
}

impl Case {
    fn open(name: &'static str) -> Case {
        let dir = folder(name);
        let golden = Golden::open(golden_dir("x_vectors").join(format!("{name}.safetensors")));
        let checkpoint = Checkpoint::open(&dir).unwrap();
        let config = ModelConfig::read(&dir).unwrap().for_embedding(&checkpoint).unwrap();
        let device = device();
        let (network, drawn) =
            Classifier::load(config.network(), 1, &checkpoint, Head::FromCheckpoint, 0, &device).unwrap();
        assert!(drawn.is_empty(), "{name}: {drawn:?} were not read");
        let preprocessor = std::fs::read(dir.join("preprocessor_config.json")).unwrap();
        let preprocessor = Preprocessor::from_json(preprocessor).unwrap();
        Case { name, golden, config, network, preprocessor, device }
    }

    fn config(&self) -> &XVectorConfig {
        match self.config.network() {
            NetworkConfig::XVector(config) => config,
            other => panic!("{other:?}"),
        }
    }

    fn is_over_frames(&self) -> bool {
        self.config.network().frame_width().is_some()
    }

    fn input(&self, lengths: Option<Vec<usize>>) -> Input {
        if self.is_over_frames() {
            Input::Frames { values: tensor(&self.golden, "input_features", &self.device), lengths }
        } else {
            Input::Waveforms { values: tensor(&self.golden, "input_values", &self.device), lengths }
        }
    }

    fn lengths(&self) -> Vec<usize> {
        let columns = self.golden.shape("attention_mask")[1];
        let mask = self.golden.f32s("attention_mask");
        mask.chunks(columns).map(|row| row.iter().sum::<f32>() as usize).collect()
    }

    /// A clip as the extractor makes it.
    fn alone(&self, clip: usize) -> Input {
        let samples = self.golden.f32s(&format!("clip.{clip}"));
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

    fn x_vectors(&self, input: Input) -> Tensor<2> {
        let vectors = self.network.embeddings(input, Layer::XVector, Pool::Mean).unwrap();
        let [vectors] = <[Tensor<3>; 1]>::try_from(vectors).unwrap();
        vectors.squeeze_dim(1)
    }

    #[track_caller]
    fn check<const D: usize>(&self, key: &str, got: Tensor<D>) {
        test_support::check(self.name, &self.golden, key, got, TOLERANCE);
    }
}

#[test]
fn x_vectors_match_alone_in_a_padded_batch_and_without_a_mask() {
    for case in VARIANTS.map(Case::open) {
        case.check("embeddings", case.x_vectors(case.input(Some(case.lengths()))));
        case.check("unmasked.embeddings", case.x_vectors(case.input(None)));
        for clip in [0, 1] {
            case.check(&format!("alone.{clip}.embeddings"), case.x_vectors(case.alone(clip)));
        }
    }
}

#[test]
fn the_states_of_the_encoder_are_there_beside_the_x_vector() {
    for case in VARIANTS.map(Case::open) {
        let states =
            case.network.embeddings(case.input(Some(case.lengths())), Layer::All, Pool::None).unwrap();
        assert_eq!(states.len(), case.config.network().layers() + 1);
        for (number, state) in states.into_iter().enumerate() {
            case.check(&format!("hidden_states.{number}"), state);
        }
    }
}

#[test]
fn only_without_dilation_is_a_padded_clip_worth_what_it_is_alone() {
    for case in VARIANTS.map(Case::open) {
        let apart = [0, 1].map(|clip| {
            let alone = case.golden.f32s(&format!("alone.{clip}.embeddings"));
            let padded = case.golden.f32s("embeddings");
            let padded = &padded[clip * alone.len()..][..alone.len()];
            alone.iter().zip(padded).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        });
        let harmless = case.config.network().padding_is_harmless();
        assert_eq!(harmless, case.name == "undilated");
        assert_eq!(apart.into_iter().all(|it| it < TOLERANCE), harmless, "{}: {apart:?}", case.name);
    }
}

#[test]
fn a_clip_that_the_kernels_do_not_fit_into_is_refused_with_the_frames_that_they_need() {
    let case = Case::open("wav2vec2");
    assert_eq!((case.config().context(), case.config().min_frames()), (9, 11));
    let least = case.config.network().min_samples();
    let clip = |samples: usize| Input::Waveforms {
        values: Tensor::<2>::ones([1, samples], &case.device),
        lengths: None,
    };
    assert!(values(case.x_vectors(clip(least))).iter().all(|x| x.is_finite()));
    let error = case.network.embeddings(clip(least - 1), Layer::XVector, Pool::Mean).unwrap_err();
    let wanted = "a clip makes 10 frames, but the time-delay layers (`tdnn_kernel`, `tdnn_dilation`) need 11";
    assert_eq!(error.to_string(), wanted);
    // The encoder alone needs no more than one.
    assert!(case.network.embeddings(clip(least - 1), Layer::Last, Pool::Mean).is_ok());
    let short = Input::Waveforms {
        values: Tensor::<2>::ones([2, 1000], &case.device),
        lengths: Some(vec![1000, 100]),
    };
    let error = case.network.embeddings(short, Layer::XVector, Pool::Mean).unwrap_err();
    assert!(matches!(error, ErrorKind::BadInput(_)), "{error}");
}

#[test]
fn such_a_checkpoint_is_no_classifier_and_others_have_no_x_vector() {
    let dir = folder("wavlm");
    let (config, checkpoint) = (ModelConfig::read(&dir).unwrap(), Checkpoint::open(&dir).unwrap());
    let error = config.clone().for_classification(&dir, &checkpoint).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::OtherTask(Task::SpeakerEmbedding)), "{error:?}");
    let network = config.network();
    assert!(matches!(network.check_embedding(Layer::XVector, Pool::Mean), Err(ErrorKind::NoXVector)));
    assert_eq!(network.embedding_layer(), Layer::Last);
    let network = config.for_embedding(&checkpoint).unwrap().network().clone();
    assert_eq!((network.embedding_layer(), network.vector_width(Layer::XVector)), (Layer::XVector, 12));
    assert_eq!(network.vector_width(Layer::Number(0)), 16);
    assert!(network.with_linear_head(Layer::Last, Pool::Mean).is_none());
}

#[test]
fn the_config_is_written_with_the_head_and_read_again() {
    for case in VARIANTS.map(Case::open) {
        let text = case.config.to_json();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(json["architectures"][0].as_str().unwrap().ends_with("ForXVector"), "{text}");
        assert_eq!(json["tdnn_dim"], serde_json::json!([7, 6, 8, 9]));
        let checkpoint = Checkpoint::open(&folder(case.name)).unwrap();
        let again = ModelConfig::from_json(text.as_bytes()).unwrap().for_embedding(&checkpoint).unwrap();
        assert_eq!(again.network(), case.config.network());
    }
}

#[test]
fn sizes_that_do_not_fit_together_are_refused_by_their_key() {
    let text = std::fs::read_to_string(folder("wavlm").join("config.json")).unwrap();
    let checkpoint = Checkpoint::open(&folder("wavlm")).unwrap();
    for (key, value) in [
        ("tdnn_kernel", serde_json::json!([3, 3])),
        ("tdnn_dilation", serde_json::json!([1, 0, 1, 1])),
        ("tdnn_dim", serde_json::json!([])),
        ("xvector_output_dim", serde_json::json!(0)),
    ] {
        let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json[key] = value;
        let config = ModelConfig::from_json(json.to_string().as_bytes()).unwrap();
        match config.for_embedding(&checkpoint) {
            Err(ErrorKind::BadConfig { key: found, .. }) => assert_eq!(found, key),
            other => panic!("{key}: {other:?}"),
        }
    }
}
