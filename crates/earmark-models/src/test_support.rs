//! What the tests of several models need: goldens as tensors, gradients by name, and the larger reference material.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::{ModuleVisitor, Param};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use earmark_audio::{DecodeOptions, Waveform, decode_file};
use earmark_config::Keys;
use earmark_features::{Features, Preprocessor, Resampler, WhisperOptions, resample};
use earmark_testkit::{Golden, assert_close, reference};
use serde_json::Value;

use crate::architecture::{Architecture, Classify, Input};
use crate::checkpoint::keys::in_file;
use crate::checkpoint::module_path::ModulePath;
use crate::hidden_states::{Layer, Pool};
use crate::training::rng::TrainingRng;

/// Where the tests compute: the CPU, or libtorch's CPU when `cargo xtask test --device libtorch` asks for it.
pub(crate) fn device() -> Device {
    match std::env::var("EARMARK_TEST_DEVICE").as_deref() {
        #[cfg(feature = "libtorch")]
        #[allow(deprecated, reason = "deprecated upstream, and what its users ask for")]
        Ok("libtorch") => Device::libtorch(),
        Ok(other) => panic!("this build has no test device `{other}`"),
        Err(_) => Device::flex(),
    }
}

/// The goldens of a model, `tests/golden/<model>`.
pub(crate) fn golden_dir(model: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(model)
}

pub(crate) fn json(path: impl AsRef<Path>) -> Value {
    let path = path.as_ref();
    let text = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

pub(crate) fn tensor<const D: usize>(golden: &Golden, key: &str, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(golden.f32s(key), golden.shape(key)), device)
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// Compares with the golden `key`, shape included.
#[track_caller]
pub(crate) fn check<const D: usize>(
    what: &str,
    golden: &Golden,
    key: &str,
    got: Tensor<D>,
    tolerance: f32,
) -> f32 {
    assert_eq!(got.dims().to_vec(), golden.shape(key), "{what}: {key}");
    let worst = assert_close(&format!("{what}: {key}"), &values(got), &golden.f32s(key), tolerance);
    println!("{what}: {key} {worst:e}");
    worst
}

/// Cross-entropy in training mode: its value, and its gradient by every parameter, named and laid out as the reference's.
pub(crate) fn gradients<M: Architecture>(
    network: M,
    device: &Device,
    targets: Vec<i64>,
    forward: impl FnOnce(&M, &Device) -> Tensor<2>,
) -> (f32, BTreeMap<String, Vec<f32>>) {
    struct Collect {
        keys: &'static Keys,
        gradients: GradientsParams,
        at: ModulePath,
        found: BTreeMap<String, Vec<f32>>,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.at.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, container: &str) {
            self.at.exit(container);
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let name = in_file(self.keys, &self.at.joined());
            if name.contains(".running_") {
                return; // A batch norm's statistics are counted, not learned.
            }
            let Some(gradient) = self.gradients.get::<D>(param.id) else {
                // Without SpecAugment nothing is masked, a Conformer reads no convolutional positions, and a weighted sum of SEW's
                // states leaves them squeezed. The caller compares the names with the reference's.
                let unread = ["masked_spec_embed", ".inv_freq", ".pos_conv_embed.", ".upsample."];
                assert!(unread.iter().any(|part| name.contains(part)), "{name} has no gradient");
                return;
            };
            let transposed = self.at.container() == "Struct:Linear" && D == 2;
            let gradient = if transposed { gradient.swap_dims(0, 1) } else { gradient };
            let name = match name.rsplit_once('.') {
                Some((stem, "gamma")) => format!("{stem}.weight"),
                Some((stem, "beta")) => format!("{stem}.bias"),
                Some((stem, "weight_g")) => format!("{stem}.parametrizations.weight.original0"),
                Some((stem, "weight_v")) => format!("{stem}.parametrizations.weight.original1"),
                _ => name,
            };
            let renames = self.keys.renames.iter();
            let name = renames.fold(name, |name, (theirs, ours)| name.replace(ours, theirs));
            self.found.insert(name, values(gradient));
        }
    }

    let device = device.clone().autodiff();
    let network = network.train();
    let logits = forward(&network, &device);
    let count = targets.len();
    let targets: Tensor<1, Int> = Tensor::from_data(TensorData::new(targets, [count]), &device);
    let loss = CrossEntropyLossConfig::new().init(&device).forward(logits, targets);
    let value = values(loss.clone())[0];
    let gradients = GradientsParams::from_grads(loss.backward(), &network);
    let mut collect = Collect {
        keys: &network.family().keys,
        gradients,
        at: ModulePath::default(),
        found: BTreeMap::new(),
    };
    network.visit(&mut collect);
    (value, collect.found)
}

/// That a step has the same loss and gradients with checkpointing and without, whatever it drops.
#[track_caller]
pub(crate) fn check_gradient_checkpointing<M: Architecture>(
    what: &str,
    network: &M,
    device: &Device,
    targets: &[i64],
    forward: impl Fn(&M, &Device, &mut TrainingRng) -> Tensor<2>,
) {
    for seed in 0..3 {
        let [kept, again] = [false, true].map(|checkpointing| {
            gradients(network.clone(), device, targets.to_vec(), |network, device| {
                forward(
                    network,
                    device,
                    &mut TrainingRng::new(seed).with_gradient_checkpointing(checkpointing),
                )
            })
        });
        assert_eq!(kept.0, again.0, "{what}: the loss");
        assert!(kept.1.keys().eq(again.1.keys()), "{what}: other parameters have a gradient");
        for (name, want) in &kept.1 {
            // The gradients of the convolutions over samples are summed clip by clip, and those of a batch at once.
            assert_close(&format!("{what}: {name}"), &again.1[name], want, 2e-6);
        }
    }
}

/// Compares every hidden state, pooled in every way, with what the reference's make by plain sums: of the clips' real frames,
/// `frames` of them, behind `tokens`.
#[track_caller]
pub(crate) fn check_embeddings(
    what: &str,
    golden: &Golden,
    network: &dyn Classify,
    input: impl Fn() -> Input,
    (tokens, frames): (usize, &[usize]),
    tolerance: f32,
) {
    let states = golden.keys().iter().filter(|key| key.starts_with("hidden_states.")).count();
    let embed = |layer, pool| network.embeddings(input(), layer, pool).unwrap();
    for (_, pool) in Pool::NAMES.into_iter().filter(|(_, pool)| *pool != Pool::Cls || tokens > 0) {
        let all = embed(Layer::All, pool);
        assert_eq!(all.len(), states, "{what}");
        for (number, got) in all.into_iter().enumerate() {
            let key = format!("hidden_states.{number}");
            let [_, steps, width] = golden.shape(&key)[..] else { panic!("{key} has other axes") };
            let state = golden.f32s(&key);
            let clips = state.chunks(steps * width).zip(frames);
            let want = clips.flat_map(|(clip, &frames)| {
                let rows = |from: usize, count: usize| &clip[from * width..(from + count) * width];
                let over = |rows: &[f32], fold: fn(f32, f32) -> f32, first: f32, count: usize| {
                    let of = |at| rows.iter().skip(at).step_by(width).copied().fold(first, fold);
                    (0..width).map(|at| of(at) / count as f32).collect::<Vec<f32>>()
                };
                match pool {
                    Pool::None => rows(tokens, steps - tokens).to_vec(),
                    Pool::Cls => over(rows(0, tokens), |a, b| a + b, 0.0, tokens),
                    Pool::Mean => over(rows(tokens, frames), |a, b| a + b, 0.0, frames),
                    Pool::Max => over(rows(tokens, frames), f32::max, f32::MIN, 1),
                }
            });
            let want: Vec<f32> = want.collect();
            assert_close(&format!("{what}: {key} {pool}"), &values(got.clone()), &want, tolerance);
            let alone = embed(Layer::Number(number), pool).swap_remove(0);
            assert_eq!(values(alone), values(got), "{what}: {key} {pool} alone");
        }
    }
    assert!(embed(Layer::Number(states), Pool::Mean).is_empty());
}

/// The mean of each clip's first rows of a golden `[B, T, D]`, as many as `counts` says: `[B, D]`.
pub(crate) fn means(golden: &Golden, key: &str, counts: &[usize]) -> Vec<f32> {
    let [_, rows, width] = golden.shape(key)[..] else { panic!("{key} has other axes") };
    let values = golden.f64s(key);
    let clips = values.chunks(rows * width).zip(counts);
    let mean = |clip: &[f64], count: usize, i: usize| {
        clip.iter().skip(i).step_by(width).take(count).sum::<f64>() / count as f64
    };
    clips.flat_map(|(clip, &count)| (0..width).map(move |i| mean(clip, count, i) as f32)).collect()
}

/// A model of the larger reference material, and what is known of it.
pub(crate) struct ReferenceModel {
    cases: PathBuf,
    name: String,
    pub(crate) preprocessor: Preprocessor,
}

/// One of its cases: its kind, its clips, and the folder of the expected outputs.
pub(crate) struct ReferenceCase {
    pub(crate) kind: String,
    pub(crate) folder: PathBuf,
    pub(crate) clips: Vec<String>,
}

impl ReferenceModel {
    /// `None`, with a message, where the material is absent.
    pub(crate) fn open(test: &str, name: &str) -> Option<ReferenceModel> {
        let cases = reference(test, "cases")?;
        let preprocessor = cases.join("models").join(name).join("preprocessor_config.json");
        let preprocessor = Preprocessor::from_json(std::fs::read(preprocessor).unwrap()).unwrap();
        Some(ReferenceModel { cases, name: name.to_owned(), preprocessor })
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.cases.join("models").join(&self.name)
    }

    pub(crate) fn cases(&self) -> Vec<ReferenceCase> {
        let manifest = json(self.cases.join("manifest.json"));
        let cases = manifest["cases"].as_array().unwrap().iter().filter(|case| case["model"] == self.name);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        cases
            .map(|case| ReferenceCase {
                kind: text(&case["kind"]),
                folder: self.cases.join(text(&case["dir"])),
                clips: match &case["audio"] {
                    Value::Array(ids) => ids.iter().map(text).collect(),
                    // A case of texts has none.
                    id => id.as_str().map(str::to_owned).into_iter().collect(),
                },
            })
            .collect()
    }

    /// The features of a case's clips, from their sound files on: `[B, rows, columns]`.
    pub(crate) fn spectrograms(
        &self,
        case: &ReferenceCase,
        device: &Device,
        options: WhisperOptions,
    ) -> Tensor<3> {
        let extract = |clip: Waveform| -> Features {
            match &self.preprocessor {
                Preprocessor::Whisper(it) => it.extract_with(&clip, options).unwrap(),
                it => it.extract(&clip).unwrap(),
            }
        };
        let features: Vec<Features> = case.clips.iter().map(|id| extract(self.sound(id))).collect();
        let [rows, columns] = features[0].shape[..] else { panic!("not a spectrogram") };
        let shape = [features.len(), rows, columns];
        let data = features.into_iter().flat_map(|it| it.data).collect();
        Tensor::from_data(TensorData::new::<f32, _>(data, shape), device)
    }

    pub(crate) fn sound(&self, id: &str) -> Waveform {
        let audio = json(self.cases.join("audio/audio.json"));
        let path = self.cases.join(audio[id]["file"].as_str().unwrap());
        let clip = decode_file(path, &DecodeOptions::default()).unwrap().waveform;
        resample(clip, self.preprocessor.sampling_rate(), Resampler::Torchaudio).unwrap()
    }
}

/// The reference's tolerance on logits, and the same label first in every row.
#[track_caller]
pub(crate) fn check_logits(what: &str, case: &ReferenceCase, key: &str, got: Tensor<2>) -> f32 {
    let golden = Golden::open(case.folder.join("tensors.safetensors"));
    let [_, labels] = got.dims();
    let (got, want) = (values(got), golden.f32s(key));
    for (got, want) in got.chunks(labels).zip(want.chunks(labels)) {
        assert_eq!(top(got), top(want), "{what}: {key}");
    }
    assert_close(&format!("{what}: {key}"), &got, &want, 3e-4)
}

fn top(scores: &[f32]) -> usize {
    (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap()
}

/// Every gradient of a `_grad` case within 1e-3 of its parameter's norm; gives the worst.
#[track_caller]
pub(crate) fn check_gradients(
    what: &str,
    case: &ReferenceCase,
    loss: f32,
    gradients: &BTreeMap<String, Vec<f32>>,
) -> f32 {
    let expected = json(case.folder.join("expected.json"));
    let golden = Golden::open(case.folder.join("tensors.safetensors"));
    assert_close(what, &[loss], &[expected["loss"].as_f64().unwrap() as f32], 3e-4);
    assert!(gradients.keys().eq(golden.keys().iter()), "{what}: other parameters");
    let mut worst: f64 = 0.0;
    for (name, got) in gradients {
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let want = golden.f64s(name);
        let size = norm(&mut want.iter().copied());
        let off = norm(&mut got.iter().zip(&want).map(|(&got, want)| f64::from(got) - want));
        // Softmax cancels a bias of the keys: its gradient is rounding noise on both sides.
        let relative =
            if ["key.bias", "k_proj.bias"].iter().any(|end| name.ends_with(end)) { off } else { off / size };
        assert!(relative < 1e-3, "{what}: {name} is off by {relative:e}");
        worst = worst.max(relative);
    }
    worst as f32
}

/// The labels of a `_grad` case.
pub(crate) fn targets(case: &ReferenceCase) -> Vec<i64> {
    let expected = json(case.folder.join("expected.json"));
    expected["labels"].as_array().unwrap().iter().map(|label| label.as_i64().unwrap()).collect()
}
