//! Checkpoints that know the sounds of a planted dataset: the published models' architectures in small.
//!
//! Their layers are randomly initialised, all but the last: that one is the linear discriminant of what the others make of a few
//! clips of each class. So whoever has the sounds right, from the file to the last layer, is right about every clip.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use earmark_audio::{SampleRate, Waveform};
use earmark_models::{ClapConfig, ClapModel, Classifier, ModelConfig, init_weights, save};
use earmark_pipeline::{AudioClassifier, HYPOTHESIS_TEMPLATE, ZeroShotClassifier};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Map, Value, json};

use crate::work_dir::golden_model;

/// Width of the layer below the last one.
const WIDTH: usize = 64;
/// The same of CLAP, where it has to be more than there are texts.
const CLAP_WIDTH: usize = 128;
/// Clips of each class that the last layer is made from.
const CLIPS: usize = 12;
const SEED: u64 = 7;

/// What the clip of a class, with this number, sounds like.
pub(crate) type Sound<'a> = &'a dyn Fn(usize, usize) -> Waveform;

/// The files of a repository, by name.
pub(crate) type Files = Vec<(&'static str, Vec<u8>)>;

pub(crate) fn waveform(samples: Vec<f32>, rate: u32) -> Waveform {
    Waveform::new(samples, SampleRate::new(rate).unwrap()).unwrap()
}

/// The model of a classifier in small.
pub(crate) struct SmallClassifier {
    config: Value,
    extractor: Value,
    /// The name of its last layer.
    head: &'static str,
}

/// XLS-R: layer norms, and a norm before each layer.
pub(crate) fn xls_r() -> SmallClassifier {
    let more = json!({"feat_extract_norm": "layer", "do_stable_layer_norm": true, "conv_bias": true});
    speech("wav2vec2", "Wav2Vec2ForSequenceClassification", more)
}

/// DistilHuBERT: a group norm.
pub(crate) fn distilhubert() -> SmallClassifier {
    let more =
        json!({"feat_extract_norm": "group", "do_stable_layer_norm": false, "feat_proj_layer_norm": false});
    speech("hubert", "HubertForSequenceClassification", more)
}

fn speech(model_type: &str, class: &str, more: Value) -> SmallClassifier {
    // A frame every 40 samples, so that a tenth of a second has some.
    let config = json!({
        "model_type": model_type, "architectures": [class],
        "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
        "conv_dim": [32, 32, 32, 32], "conv_kernel": [10, 3, 3, 2], "conv_stride": [5, 2, 2, 2],
        "num_feat_extract_layers": 4, "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 4,
        "classifier_proj_size": WIDTH, "initializer_range": 0.2,
    });
    let extractor = json!({
        "feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": true, "feature_size": 1,
        "padding_side": "right", "padding_value": 0.0, "return_attention_mask": true, "sampling_rate": 16_000,
    });
    SmallClassifier { config: merged(config, more), extractor, head: "classifier" }
}

/// AST, which looks at a third of a second in three patches.
pub(crate) fn ast() -> SmallClassifier {
    let config = json!({
        "model_type": "audio-spectrogram-transformer", "architectures": ["ASTForAudioClassification"],
        "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
        "patch_size": 32, "frequency_stride": 16, "time_stride": 16, "num_mel_bins": 64, "max_length": 32,
        "initializer_range": 0.2,
    });
    let extractor = json!({
        "feature_extractor_type": "ASTFeatureExtractor", "do_normalize": true, "feature_size": 1, "max_length": 32,
        "mean": -4.267_739_3, "std": 4.568_997_4, "num_mel_bins": 64, "padding_side": "right", "padding_value": 0.0,
        "return_attention_mask": false, "sampling_rate": 16_000,
    });
    SmallClassifier { config, extractor, head: "classifier.dense" }
}

/// Whisper, which hears one second.
pub(crate) fn whisper() -> SmallClassifier {
    let config = json!({
        "model_type": "whisper", "architectures": ["WhisperForAudioClassification"], "d_model": 64,
        "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 64, "num_mel_bins": 80,
        "max_source_positions": 50, "classifier_proj_size": WIDTH, "init_std": 0.2,
    });
    let extractor = json!({
        "feature_extractor_type": "WhisperFeatureExtractor", "feature_size": 80, "chunk_length": 1, "hop_length": 160,
        "n_fft": 400, "n_samples": 16_000, "nb_max_frames": 100, "padding_side": "right", "padding_value": 0.0,
        "return_attention_mask": false, "sampling_rate": 16_000,
    });
    SmallClassifier { config, extractor, head: "classifier" }
}

impl SmallClassifier {
    /// Its files: it calls the sounds of class `i` by the name `labels[i]`.
    pub(crate) fn plant(&self, labels: &[&str], sound: Sound<'_>) -> Files {
        // With the identity as its last layer it says what the others made of a clip.
        let below: Vec<String> = (0..WIDTH).map(|output| output.to_string()).collect();
        let below: Vec<&str> = below.iter().map(String::as_str).collect();
        let identity =
            (0..WIDTH).map(|row| (0..WIDTH).map(|column| f64::from(row == column)).collect()).collect();
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in self.files(&below, &identity, &[0.0; WIDTH]) {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        let classifier = AudioClassifier::open(folder.path(), &Device::flex()).unwrap();
        let heard = |sound| classifier.decode(sound).unwrap().waveform;
        let answers = |class| -> Vec<Vec<f64>> {
            let features: Vec<_> =
                (0..CLIPS).map(|clip| classifier.features(&heard(sound(class, clip))).unwrap()).collect();
            classifier.logits(&features).into_iter().map(|answer| f64s(&answer.unwrap())).collect()
        };
        let classes: Vec<_> = (0..labels.len()).map(answers).collect();
        let (weight, bias) = discriminant(&classes);
        self.files(labels, &weight, &bias)
    }

    /// With this last layer.
    fn files(&self, labels: &[&str], weight: &Matrix, bias: &[f64]) -> Files {
        let id2label: Map<_, _> =
            labels.iter().enumerate().map(|(id, label)| (id.to_string(), json!(label))).collect();
        let label2id: Map<_, _> =
            labels.iter().enumerate().map(|(id, label)| ((*label).to_owned(), json!(id))).collect();
        let config = merged(self.config.clone(), json!({"id2label": id2label, "label2id": label2id}));
        let config = config.to_string().into_bytes();
        let network = ModelConfig::from_json(&config).unwrap();
        let network = Classifier::init(network.network(), labels.len(), SEED, &Device::flex());
        let head = [
            (format!("{}.weight", self.head), vec![labels.len(), WIDTH], weight.concat()),
            (format!("{}.bias", self.head), vec![labels.len()], bias.to_vec()),
        ];
        let weights = weights(&|path| network.save(path).unwrap(), &head);
        let extractor = self.extractor.to_string().into_bytes();
        vec![("config.json", config), ("preprocessor_config.json", extractor), ("model.safetensors", weights)]
    }
}

/// CLAP without fusion, which hears one second. Its texts stay as they are, and the last layer for sounds leads to them: those of class
/// `i` to the sentence with `labels[i]`.
pub(crate) fn clap(labels: &[String], sound: Sound<'_>) -> Files {
    // With this last layer an embedding is what the layers below made of a clip, then a one, all divided by their length.
    let below = |row, column| f64::from(row == column && row != CLAP_WIDTH - 1);
    let below =
        (0..CLAP_WIDTH).map(|row| (0..CLAP_WIDTH).map(|column| below(row, column)).collect()).collect();
    let one: Vec<f64> = (0..CLAP_WIDTH).map(|row| f64::from(row == CLAP_WIDTH - 1)).collect();
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in &clap_files(&below, &one) {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let model = ZeroShotClassifier::open(folder.path(), &Device::flex()).unwrap();
    let answer = |class, clip| -> Vec<f64> {
        let heard = model.decode(sound(class, clip)).unwrap().waveform;
        let embedding = f64s(&model.embedding(&model.features(&heard).unwrap()).unwrap());
        let (one, below) = embedding.split_last().unwrap();
        below.iter().map(|x| x / one).chain([0.0]).collect()
    };
    let classes: Vec<Matrix> =
        (0..labels.len()).map(|class| (0..CLIPS).map(|clip| answer(class, clip)).collect()).collect();
    let (weight, bias) = discriminant(&classes);
    let sentences: Vec<String> =
        labels.iter().map(|label| HYPOTHESIS_TEMPLATE.replace("{}", label)).collect();
    let texts: Matrix = model.text_embeddings(&sentences).unwrap().iter().map(|text| f64s(text)).collect();
    // What is added to all logits of a clip changes nothing, so that deviations from the mean are enough. There are more dimensions
    // than texts: Tᵀ (T Tᵀ)⁻¹ leads from logits to an embedding that has them, but for its length.
    let texts = around(&mean(&texts), &texts);
    let transpose = transposed(&texts);
    let mut gram = product(&texts, &transpose);
    let trace: f64 = (0..gram.len()).map(|i| gram[i][i]).sum();
    (0..gram.len()).for_each(|i| gram[i][i] += 1e-10 * trace);
    let bias: Matrix = bias.iter().map(|&bias| vec![bias]).collect();
    let lead = |logits: &Matrix| product(&transpose, &solved(gram.clone(), around(&mean(logits), logits)));
    clap_files(&lead(&weight), &lead(&bias).concat())
}

/// With this last layer for sounds.
fn clap_files(weight: &Matrix, bias: &[f64]) -> Files {
    let config = json!({
        "model_type": "clap", "architectures": ["ClapModel"], "projection_dim": CLAP_WIDTH,
        "audio_config": {
            "model_type": "clap_audio_model", "num_mel_bins": 32, "spec_size": 64, "patch_size": 4, "patch_stride": [4, 4],
            "window_size": 4, "depths": [2, 2], "num_attention_heads": [2, 4], "patch_embeds_hidden_size": 32,
            "hidden_size": 64, "enable_fusion": false,
        },
        "text_config": {
            "model_type": "clap_text_model", "vocab_size": 300, "hidden_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 64,
        },
    });
    let extractor = json!({
        "feature_extractor_type": "ClapFeatureExtractor", "feature_size": 32, "hop_length": 480, "max_length_s": 1,
        "fft_window_size": 1024, "frequency_min": 50, "frequency_max": 14_000, "truncation": "rand_trunc",
        "padding": "repeatpad", "sampling_rate": 48_000,
    });
    let values = ClapConfig::from_json(config.as_object().unwrap().clone()).unwrap();
    let network = init_weights(ClapModel::zeros(&values, &Device::flex()), 0.3, SEED, |_| true);
    let changed = [
        // As published models have it, in the log.
        ("logit_scale_a".to_owned(), vec![], vec![100.0_f64.ln()]),
        ("audio_projection.linear2.weight".to_owned(), vec![CLAP_WIDTH; 2], weight.concat()),
        ("audio_projection.linear2.bias".to_owned(), vec![CLAP_WIDTH], bias.to_vec()),
    ];
    let weights = weights(&|path| save(&network, path).unwrap(), &changed);
    let tokenizer = fs::read(golden_model("clap/unfused").join("tokenizer.json")).unwrap();
    vec![
        ("config.json", config.to_string().into_bytes()),
        ("preprocessor_config.json", extractor.to_string().into_bytes()),
        ("tokenizer.json", tokenizer),
        ("model.safetensors", weights),
    ]
}

fn merged(mut object: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("no object: {more}") };
    object.as_object_mut().unwrap().extend(more);
    object
}

type Tensor = (String, Vec<usize>, Vec<f64>);

/// The file that `save` writes, with some of its tensors changed.
fn weights(save: &dyn Fn(&Path), changed: &[Tensor]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    save(&path);
    let file = fs::read(&path).unwrap();
    let f32s = |values: &Vec<f64>| values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect();
    let bytes: Vec<Vec<u8>> = changed.iter().map(|(.., values)| f32s(values)).collect();
    let mut tensors = SafeTensors::deserialize(&file).unwrap().tensors();
    for ((name, shape, _), bytes) in changed.iter().zip(&bytes) {
        let old = tensors.iter_mut().find(|(old, _)| old == name).unwrap_or_else(|| panic!("no `{name}`"));
        assert_eq!(old.1.shape(), shape, "{name}");
        old.1 = TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap();
    }
    safetensors::serialize(tensors, None).unwrap()
}

fn f64s(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|&number| number.into()).collect()
}

/// Rows.
type Matrix = Vec<Vec<f64>>;

fn transposed(a: &Matrix) -> Matrix {
    (0..a[0].len()).map(|column| a.iter().map(|row| row[column]).collect()).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let columns = transposed(b);
    a.iter().map(|row| columns.iter().map(|column| dot(row, column)).collect()).collect()
}

fn mean(rows: &[Vec<f64>]) -> Vec<f64> {
    let sum = |column: usize| rows.iter().map(|row| row[column]).sum::<f64>();
    (0..rows[0].len()).map(|column| sum(column) / rows.len() as f64).collect()
}

/// The rows as seen from a point.
fn around(point: &[f64], rows: &[Vec<f64>]) -> Matrix {
    rows.iter().map(|row| row.iter().zip(point).map(|(x, point)| x - point).collect()).collect()
}

/// The X of A X = B, by Gaussian elimination with the largest pivot.
fn solved(mut a: Matrix, mut b: Matrix) -> Matrix {
    for at in 0..a.len() {
        let pivot = (at..a.len()).max_by(|&i, &j| a[i][at].abs().total_cmp(&a[j][at].abs())).unwrap();
        a.swap(at, pivot);
        b.swap(at, pivot);
        let (pivot_a, pivot_b) = (a[at].clone(), b[at].clone());
        for row in (0..a.len()).filter(|&row| row != at) {
            let factor = a[row][at] / pivot_a[at];
            a[row].iter_mut().zip(&pivot_a).for_each(|(x, p)| *x -= factor * p);
            b[row].iter_mut().zip(&pivot_b).for_each(|(x, p)| *x -= factor * p);
        }
    }
    for (row, values) in b.iter_mut().enumerate() {
        values.iter_mut().for_each(|value| *value /= a[row][row]);
    }
    b
}

/// Weight and bias of the linear discriminant: with the covariance S within classes, S⁻¹ (μ - m) and -(μ + m)ᵀ S⁻¹ (μ - m) / 2 for the
/// mean μ of each class, where m is the mean of those.
fn discriminant(classes: &[Matrix]) -> (Matrix, Vec<f64>) {
    let means: Matrix = classes.iter().map(|clips| mean(clips)).collect();
    let centre = mean(&means);
    let within: Matrix = classes.iter().zip(&means).flat_map(|(clips, mean)| around(mean, clips)).collect();
    let (between, width) = (around(&centre, &means), centre.len());
    let mut covariance = product(&transposed(&within), &within);
    covariance.iter_mut().flatten().for_each(|value| *value /= within.len() as f64);
    // Directions in which the clips of a class hardly differ are no reason for weights without bound.
    let spread = between.concat().iter().map(|x| x * x).sum::<f64>() / (between.len() * width) as f64;
    (0..width).for_each(|i| covariance[i][i] += 1e-3 * spread);
    let weight = transposed(&solved(covariance, transposed(&between)));
    let middle =
        |mean: &Vec<f64>| -> Vec<f64> { mean.iter().zip(&centre).map(|(a, b)| (a + b) / 2.0).collect() };
    let bias = weight.iter().zip(&means).map(|(weight, mean)| -dot(weight, &middle(mean))).collect();
    (weight, bias)
}
