//! CLAP against transformers 5.23.0 on tiny random checkpoints, stage by stage, so that a failure says where.
//!
//! Remake the goldens: `cargo xtask goldens clap`. Two architectures between them cover every branch of the configs: see
//! `tests/golden/README.md`.

use std::path::Path;

use burn::tensor::activation::softmax;
use burn::tensor::{FloatDType, TensorData};
use earmark_audio::Waveform;
use earmark_features::{ClapExtractor, CropRng, Features, Preprocessor};
use earmark_testkit::{Golden, assert_close};
use serde_json::Value;

use super::*;
use crate::test_support::{
    ReferenceModel, check, check_logits, device, golden_dir, gradients, json, tensor, values,
};
use crate::{Checkpoint, Head, load, mixed_precision, parameters, save};

const VARIANTS: [&str; 2] = ["fused", "unfused"];
/// As `clap.py` has them.
const TEXTS: [&str; 4] = [
    "This is a sound of rain.",
    "it's  a   dog, isn't\tit?!",
    "café ☕ 雨の音",
    "<mask> 3.14 siren </s> trailing ",
];

/// Worst hidden state seen on a CPU in f32: 5.4e-6, the reference's own error being 4.5e-5: positions between frames are
/// rounded before the weights are taken from them, and we round alike.
const STAGE: f32 = 2e-5;
/// Worst feature or logit seen: 9.5e-7.
const LOGITS: f32 = 1e-5;
/// Worst gradient seen, as a share of its norm: 3.9e-5, of a norm of 2e-3.
const GRADIENT: f32 = 1e-4;

fn read(dir: &Path) -> (ClapConfig, ClapModel) {
    let config: ClapConfig = serde_json::from_value(json(dir.join("config.json"))).unwrap();
    config.validate().unwrap();
    let zeros = ClapModel::zeros(&config, &device());
    let checkpoint = Checkpoint::open(dir).unwrap();
    let (network, drawn) = load(zeros, &checkpoint, Head::FromCheckpoint, 0.02, 0).unwrap();
    assert!(drawn.is_empty(), "{drawn:?} were not read");
    (config, network)
}

fn tokenizer(dir: &Path) -> ClapTokenizer {
    ClapTokenizer::from_bytes(&std::fs::read(dir.join("tokenizer.json")).unwrap()).unwrap()
}

struct Case {
    name: &'static str,
    golden: Golden,
    config: ClapConfig,
    network: ClapModel,
    tokens: TokenBatch,
}

impl Case {
    fn open(name: &'static str) -> Case {
        let dir = golden_dir("clap").join(name);
        let golden = Golden::open(golden_dir("clap").join(format!("{name}.safetensors")));
        let (config, network) = read(&dir);
        let tokens = tokenizer(&dir).encode(&TEXTS).unwrap();
        Case { name, golden, config, network, tokens }
    }

    fn features(&self, device: &Device) -> Tensor<4> {
        tensor(&self.golden, "input_features", device)
    }

    fn is_longer(&self) -> Vec<bool> {
        self.golden.f32s("is_longer").iter().map(|&longer| longer == 1.0).collect()
    }

    #[track_caller]
    fn check<const D: usize>(&self, key: &str, got: Tensor<D>, tolerance: f32) {
        check(self.name, &self.golden, key, got, tolerance);
    }
}

#[test]
fn tokens_match_whatever_the_file_says_of_padding_and_cutting() {
    for case in VARIANTS.map(Case::open) {
        let ids: Vec<f32> = case.tokens.input_ids().iter().map(|&id| id as f32).collect();
        let mask: Vec<f32> =
            case.tokens.attention_mask().iter().map(|&real| f32::from(u8::from(real))).collect();
        assert_eq!(case.golden.shape("input_ids"), [case.tokens.rows(), case.tokens.cols()]);
        assert_eq!(ids, case.golden.f32s("input_ids"));
        assert_eq!(mask, case.golden.f32s("attention_mask"));
    }
}

#[test]
fn every_stage_of_the_audio_tower_matches() {
    for case in VARIANTS.map(Case::open) {
        let (features, longer) = (case.features(&device()), case.is_longer());
        let encoder = &case.network.audio_model.audio_encoder;
        let image = encoder.image(features.clone());
        case.check("image", image.clone(), STAGE);
        let mut hidden = encoder.patch_embed.forward(image, &longer);
        case.check("patches", hidden.clone(), STAGE);
        for (i, stage) in encoder.layers.iter().enumerate() {
            hidden = stage.forward(hidden);
            case.check(&format!("stages.{i}"), hidden.clone(), STAGE);
        }
        case.check("audio_pooled", case.network.audio_model.forward(features, &longer).unwrap(), STAGE);
    }
}

#[test]
fn every_stage_of_the_text_tower_matches() {
    for case in VARIANTS.map(Case::open) {
        let model = &case.network.text_model;
        let mut hidden = model.embeddings.forward(&case.tokens, case.config.text_config.pad_token_id);
        case.check("text_embeddings", hidden.clone(), STAGE);
        let bias = text::attention_bias(&case.tokens, &device());
        for (i, layer) in model.encoder.layer.iter().enumerate() {
            hidden = layer.forward(hidden, bias.as_ref());
            case.check(&format!("text_layers.{i}"), hidden.clone(), STAGE);
        }
        case.check("text_pooled", model.forward(&case.tokens).unwrap(), STAGE);
    }
}

#[test]
fn features_and_logits_match() {
    for case in VARIANTS.map(Case::open) {
        let audio = case.network.get_audio_features(case.features(&device()), &case.is_longer()).unwrap();
        let text = case.network.get_text_features(&case.tokens).unwrap();
        case.check("audio_features", audio.clone(), LOGITS);
        case.check("text_features", text.clone(), LOGITS);
        case.check("logits_per_audio", case.network.logits_per_audio(audio.clone(), text.clone()), LOGITS);
        case.check("logits_per_text", case.network.logits_per_text(audio, text), LOGITS);
    }
}

/// The contrastive loss and the gradient of every parameter, in training mode with nothing random.
#[test]
fn gradients_match() {
    for case in VARIANTS.map(Case::open) {
        let count = case.tokens.rows();
        // The reference's loss is the mean of two cross-entropies over as many rows.
        let labels = (0..2 * count).map(|row| (row % count) as i64).collect();
        let (loss, found) = gradients(case.network.clone(), &device(), labels, |network, device| {
            let audio = network.get_audio_features(case.features(device), &case.is_longer()).unwrap();
            let text = network.get_text_features(&case.tokens).unwrap();
            let per_audio = network.logits_per_audio(audio.clone(), text.clone());
            Tensor::cat(vec![network.logits_per_text(audio, text), per_audio.transpose()], 0)
        });
        assert_close("loss", &[loss], &case.golden.f32s("loss"), LOGITS);
        let mut worst: f32 = 0.0;
        for (name, got) in &found {
            let name = name.replace("self_attention", "self").replace("layer_norm.", "LayerNorm.");
            let want = case.golden.f32s(&format!("grad.{name}"));
            let norm = |values: &[f32]| values.iter().map(|v| v * v).sum::<f32>().sqrt();
            let off: Vec<f32> = got.iter().zip(&want).map(|(got, want)| got - want).collect();
            // Softmax cancels a bias of the keys, and a batch norm the bias before it: both gradients are rounding noise.
            let noise = norm(&want) < 1e-5;
            let relative = if noise { norm(&off) } else { norm(&off) / norm(&want) };
            println!("{}: {name} {relative:e} of {:e}", case.name, norm(&want));
            assert!(relative < GRADIENT, "{}: {name} is off by {relative:e}", case.name);
            worst = worst.max(relative);
        }
        println!("{}: worst gradient {worst:e}", case.name);
        let expected = case.golden.keys().iter().filter(|key| key.starts_with("grad.")).count();
        assert_eq!(found.len(), expected, "{}: gradients compared", case.name);
    }
}

#[test]
fn a_clip_and_a_text_alone_have_the_features_they_have_in_a_batch() {
    for case in VARIANTS.map(Case::open) {
        let dir = golden_dir("clap").join(case.name);
        let (audio, text) = (case.golden.f32s("audio_features"), case.golden.f32s("text_features"));
        let width = case.config.projection_dim;
        for (i, longer) in case.is_longer().into_iter().enumerate() {
            let clip = case.features(&device()).narrow(0, i, 1);
            let alone = values(case.network.get_audio_features(clip, &[longer]).unwrap());
            assert_close("clip", &alone, &audio[i * width..][..width], LOGITS);
            let tokens = tokenizer(&dir).encode(&TEXTS[i..=i]).unwrap();
            assert!(tokens.attention_mask().iter().all(|&real| real));
            let alone = values(case.network.get_text_features(&tokens).unwrap());
            assert_close("text", &alone, &text[i * width..][..width], LOGITS);
        }
    }
}

#[test]
fn load_save_load_is_identity_and_keeps_the_files_names_and_shapes() {
    for variant in VARIANTS {
        let source = golden_dir("clap").join(variant);
        let (_, first) = read(&source);
        let dir = tempfile::tempdir().unwrap();
        std::fs::copy(source.join("config.json"), dir.path().join("config.json")).unwrap();
        let saved = dir.path().join("model.safetensors");
        save(&first, &saved).unwrap();
        if variant == "fused" {
            let (saved, source) = (Golden::open(&saved), Golden::open(source.join("model.safetensors")));
            // Not read, and written anew.
            let counter = |key: &str| key.ends_with(".num_batches_tracked");
            let unused = |key: &str| {
                !counter(key) && earmark_config::CLAP.keys.unused.iter().any(|(end, _)| key.ends_with(end))
            };
            let kept: Vec<String> = source.keys().into_iter().filter(|key| !unused(key)).collect();
            assert_eq!(saved.keys(), kept);
            for key in kept {
                assert_eq!(saved.shape(&key), source.shape(&key), "{key}");
                assert!(counter(&key) || saved.f32s(&key) == source.f32s(&key), "{key}");
            }
        }
        let (_, second) = read(dir.path());
        for (a, b) in parameters(&first).iter().zip(parameters(&second)) {
            assert!(a.to_bytes().unwrap()[..] == b.to_bytes().unwrap()[..], "{variant}: {}", a.name);
        }
    }
}

/// Worst seen: f16 1.1e-3, bf16 6.6e-3, where features are at most 1.
#[test]
fn products_in_half_precision_are_of_that_type_and_stay_close() {
    for case in VARIANTS.map(Case::open) {
        for (dtype, tolerance) in [(FloatDType::F16, 5e-3), (FloatDType::BF16, 5e-2)] {
            let half = mixed_precision(case.network.clone(), dtype);
            let encoder = &half.audio_model.audio_encoder;
            let image = encoder.image(case.features(&device()));
            let patches = encoder.patch_embed.forward(image, &case.is_longer());
            if !case.config.audio_config.enable_patch_layer_norm {
                assert_eq!(patches.dtype(), dtype.into());
            }
            let audio = half.get_audio_features(case.features(&device()), &case.is_longer()).unwrap();
            let text = half.get_text_features(&case.tokens).unwrap();
            for (key, got) in [("audio_features", audio), ("text_features", text)] {
                let worst = check(case.name, &case.golden, key, got, tolerance);
                println!("{dtype:?}: {worst:e}");
            }
        }
    }
}

#[test]
fn features_of_another_shape_are_refused() {
    let case = Case::open("fused");
    let features = || case.features(&device());
    let refused = [
        case.network.get_audio_features(features().narrow(1, 0, 1), &case.is_longer()),
        case.network.get_audio_features(features().narrow(3, 0, 4), &case.is_longer()),
        case.network.get_audio_features(features().repeat_dim(2, 2), &case.is_longer()),
        case.network.get_audio_features(features(), &[true]),
    ];
    for result in refused {
        let error = result.expect_err("another shape");
        assert!(matches!(error, ErrorKind::BadInput(_)), "{error}");
    }
}

#[test]
fn a_text_that_is_too_long_and_a_token_that_is_not_known_are_refused() {
    let case = Case::open("fused");
    let most = case.config.text_config.max_tokens();
    let text = |ids: &[u32]| case.network.get_text_features(&TokenBatch::pad(&[ids], 1));
    assert!(text(&vec![5; most]).is_ok());
    let known = case.config.text_config.vocab_size as u32;
    for ids in [vec![5; most + 1], vec![0, known, 2], vec![]] {
        let error = text(&ids).expect_err("no text of this model");
        assert!(matches!(error, ErrorKind::BadInput(_)), "{error}");
    }
}

#[test]
fn a_broken_tokenizer_is_refused() {
    for text in
        ["", "{}", "[1, 2", r#"{"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": []}}"#]
    {
        let error = ClapTokenizer::from_bytes(text.as_bytes()).expect_err(text);
        assert!(matches!(error, ErrorKind::BrokenTokenizer(_)), "{error}");
    }
}

#[test]
fn stretching_keeps_the_ends_and_a_straight_line() {
    let line: Vec<f32> = (0..11).map(|i| i as f32).collect();
    let line: Tensor<4> = Tensor::<1>::from_data(line.as_slice(), &device()).reshape([1, 1, 11, 1]);
    let stretched = values(audio::stretch(line, 41));
    assert_eq!((stretched[0], stretched[40]), (0.0, 10.0));
    // A cubic of slope -0.75 bends next to the ends only, where frames are repeated.
    for (i, &value) in stretched.iter().enumerate().take(37).skip(4) {
        // Halfway between frames it is exact; between, the kernel is off by this much at most.
        assert!((value - i as f32 / 4.0).abs() < 0.05, "{i}: {value}");
    }
}

#[test]
fn an_impossible_config_names_its_key() {
    let audio = |change: fn(&mut ClapAudioConfig)| {
        let mut config = ClapConfig::default();
        change(&mut config.audio_config);
        config
    };
    let text = |change: fn(&mut ClapTextConfig)| {
        let mut config = ClapConfig::default();
        change(&mut config.text_config);
        config
    };
    let cases = [
        ("projection_dim", ClapConfig { projection_dim: 0, ..ClapConfig::default() }),
        ("audio_config.depths", audio(|it| it.depths.clear())),
        ("audio_config.num_attention_heads", audio(|it| it.num_attention_heads = vec![4, 8])),
        ("audio_config.num_attention_heads", audio(|it| it.num_attention_heads[2] = 7)),
        ("audio_config.spec_size", audio(|it| it.spec_size = 1 << 40)),
        ("audio_config.num_mel_bins", audio(|it| it.num_mel_bins = 60)),
        ("audio_config.patch_size", audio(|it| it.patch_size = Sides::Each([4, 5]))),
        (
            "audio_config.patch_size",
            audio(|it| (it.spec_size, it.num_mel_bins, it.patch_size) = (8, 8, Sides::Both(64))),
        ),
        ("audio_config.patch_stride", audio(|it| it.patch_stride = Sides::Both(0))),
        ("audio_config.window_size", audio(|it| it.window_size = 7)),
        ("audio_config.window_size", audio(|it| it.window_size = 16)),
        ("audio_config.hidden_size", audio(|it| it.hidden_size = 96)),
        ("audio_config.mlp_ratio", audio(|it| it.mlp_ratio = f64::NAN)),
        ("audio_config.aff_block_r", audio(|it| it.aff_block_r = 97)),
        ("audio_config.patch_embed_input_channels", audio(|it| it.patch_embed_input_channels = 4)),
        ("audio_config.flatten_patch_embeds", audio(|it| it.flatten_patch_embeds = false)),
        (
            "audio_config.fusion_type",
            audio(|it| (it.enable_fusion, it.fusion_type) = (true, Some("channel_map".into()))),
        ),
        ("text_config.num_attention_heads", text(|it| it.num_attention_heads = 7)),
        ("text_config.pad_token_id", text(|it| it.pad_token_id = 514)),
        ("text_config.vocab_size", text(|it| it.vocab_size = 1 << 40)),
        ("text_config.hidden_dropout_prob", text(|it| it.hidden_dropout_prob = 1.0)),
        ("text_config.layer_norm_eps", text(|it| it.layer_norm_eps = 0.0)),
    ];
    ClapConfig::default().validate().unwrap();
    for (key, config) in cases {
        let error = config.validate().expect_err(key).to_string();
        assert!(error.contains(&format!("`{key}`")), "{key}: {error}");
    }
}

#[test]
fn a_patch_may_be_given_by_one_side_or_two() {
    for (text, pair) in [("4", [4, 4]), ("[4, 2]", [4, 2])] {
        assert_eq!(serde_json::from_str::<Sides>(text).unwrap().pair(), pair);
    }
}

/// What is known of one model of the larger reference material.
struct Reference {
    material: ReferenceModel,
    name: &'static str,
    network: ClapModel,
    tokenizer: ClapTokenizer,
    /// Of embeddings, logits, probabilities, and of logits where the spectrogram is the reference's own.
    worst: [f32; 4],
}

impl Reference {
    fn extractor(&self) -> &ClapExtractor {
        let Preprocessor::Clap(it) = &self.material.preprocessor else { panic!("{} is CLAP", self.name) };
        it
    }

    fn text(&self, template: &str, labels: &Value) -> Tensor<2> {
        self.network.get_text_features(&self.tokens(template, labels)).unwrap()
    }

    fn tokens(&self, template: &str, labels: &Value) -> TokenBatch {
        let texts: Vec<String> = labels
            .as_array()
            .unwrap()
            .iter()
            .map(|it| template.replace("{}", it.as_str().unwrap()))
            .collect();
        self.tokenizer.encode(&texts.iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
    }

    fn audio(&self, batch: Vec<Features>) -> Tensor<2> {
        let [views, frames, bins] = batch[0].shape[..] else { panic!("CLAP's features have three axes") };
        let (shape, longer) =
            ([batch.len(), views, frames, bins], batch.iter().map(|it| it.is_longer == Some(true)));
        let longer: Vec<bool> = longer.collect();
        let data: Vec<f32> = batch.into_iter().flat_map(|it| it.data).collect();
        let features = Tensor::from_data(TensorData::new(data, shape), &device());
        self.network.get_audio_features(features, &longer).unwrap()
    }

    /// The reference's own spectrogram, where all of it is kept: like `ours`, which is made from the sound file.
    fn stored(&self, golden: &Golden, expected: &Value, ours: &Features) -> Option<Features> {
        let views = ours.shape[0];
        let same = views == 1 || expected["tensors"]["four_mels_identical"] == true;
        (same && golden.has("mel0"))
            .then(|| Features { data: golden.f32s("mel0").repeat(views), ..ours.clone() })
    }

    /// Tokens of every text, embeddings of every set of labels.
    fn check_texts(&mut self, folder: &Path) {
        let expected = json(folder.join("expected.json"));
        let golden = Golden::open(folder.join("tensors.safetensors"));
        for text in expected["tokenizer"].as_array().unwrap() {
            let ids = text["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32);
            let batch = self.tokenizer.encode(&[text["text"].as_str().unwrap()]).unwrap();
            assert_eq!(batch.input_ids(), ids.collect::<Vec<_>>(), "{}: {}", self.name, text["text"]);
        }
        for (set, labels) in expected["padding"].as_object().unwrap() {
            let tokens = self.tokens(SENTENCE, labels);
            let ids: Vec<f32> = tokens.input_ids().iter().map(|&id| id as f32).collect();
            assert_eq!(ids, golden.f32s(&format!("{set}.input_ids")), "{}: {set}", self.name);
            let pooled = self.network.text_model.forward(&tokens).unwrap();
            let key = format!("{set}.text_embeds_unnormalised");
            let worst = check(self.name, &golden, &key, self.network.text_projection.forward(pooled), 3e-4);
            self.worst[0] = self.worst[0].max(worst);
        }
    }
}

/// The reference pipeline's `hypothesis_template`.
const SENTENCE: &str = "This is a sound of {}.";

/// Worst embedding seen: 1.3e-5. Worst logit: 2.6e-4, but 2.3e-5 where the spectrogram is the reference's own: bands that a
/// clip's rate leaves silent hold rounding noise, up to 0.3 dB apart. Worst probability: 4.9e-5.
#[test]
fn every_reference_case_matches() {
    for name in ["clap-fused", "clap-unfused"] {
        let Some(material) = ReferenceModel::open("every_reference_case_matches", name) else {
            return;
        };
        let (network, tokenizer) = (read(&material.folder()).1, tokenizer(&material.folder()));
        let cases = material.cases();
        assert_eq!(cases.len(), 14, "{name}");
        let mut it = Reference { material, name, network, tokenizer, worst: [0.0; 4] };
        let texts = cases.iter().find(|case| case.kind == "clap-text").expect("a case of texts");
        let sets = json(texts.folder.join("expected.json"))["padding"].clone();
        for case in cases {
            let expected = json(case.folder.join("expected.json"));
            let golden = Golden::open(case.folder.join("tensors.safetensors"));
            match case.kind.as_str() {
                "clap-text" => it.check_texts(&case.folder),
                "clap-edge" => {
                    let text = it.text(SENTENCE, &expected["labels"]);
                    let clip = |id: &Value| it.material.sound(id.as_str().unwrap());
                    let mut batches = Vec::new();
                    for edge in expected["what"].as_array().unwrap() {
                        if let Some(samples) = edge["n"].as_u64() {
                            let id = edge["from"].as_str().unwrap().split(' ').nth(4).unwrap();
                            let clip = clip(&id.into()).truncated(samples as usize);
                            let features = it.extractor().extract(&clip, &mut CropRng::seed(1234)).unwrap();
                            batches.push((edge["tag"].as_str().unwrap(), vec![features]));
                        }
                    }
                    let clips: Vec<Waveform> =
                        expected["batch3"]["audio"].as_array().unwrap().iter().map(clip).collect();
                    let three = it.extractor().extract_batch(&clips, &mut CropRng::seed(7)).unwrap();
                    batches.push(("batch3", three));
                    for (tag, batch) in batches {
                        let logits = it.network.logits_per_audio(it.audio(batch), text.clone());
                        let worst = check_logits(name, &case, &format!("{tag}.logits_per_audio"), logits);
                        it.worst[1] = it.worst[1].max(worst);
                    }
                }
                _ => {
                    let clip = it.material.sound(&case.clips[0]);
                    let features = it.extractor().extract(&clip, &mut CropRng::seed(1234)).unwrap();
                    let stored = it.stored(&golden, &expected, &features);
                    let audio = it.audio(vec![features]);
                    let text = it.text(SENTENCE, &sets[expected["logits_labels"].as_str().unwrap()]);
                    let what = format!("{name}: {}", case.clips[0]);
                    let worst = check(&what, &golden, "audio_embeds", audio.clone(), 3e-4);
                    let worst = worst.max(check(&what, &golden, "text_embeds", text.clone(), 3e-4));
                    it.worst[0] = it.worst[0].max(worst);
                    let logits = it.network.logits_per_audio(audio.clone(), text.clone());
                    let worst = check_logits(name, &case, "logits_per_audio", logits);
                    let per_text = it.network.logits_per_text(audio.clone(), text.clone());
                    let worst = worst.max(check(&what, &golden, "logits_per_text", per_text, 3e-4));
                    it.worst[1] = it.worst[1].max(worst);
                    if let Some(features) = stored {
                        let logits = it.network.logits_per_audio(it.audio(vec![features]), text);
                        let worst = check_logits(name, &case, "logits_per_audio", logits);
                        it.worst[3] = it.worst[3].max(worst);
                    }
                    let plain = &expected["zero_shot.seed.custom_template"];
                    let asked = sets.as_object().unwrap().iter().map(|(set, labels)| {
                        (SENTENCE, labels, &expected[format!("zero_shot.{set}").as_str()])
                    });
                    let asked = asked.chain([("{}", &sets["seed"], &plain["out"])]);
                    for (template, labels, scores) in asked {
                        let logits = it.network.logits_per_audio(audio.clone(), it.text(template, labels));
                        let got = values(softmax(logits, 1));
                        let score = |label: &Value| {
                            let row = scores.as_array().unwrap().iter().find(|row| row["label"] == *label);
                            row.unwrap()["score"].as_f64().unwrap() as f32
                        };
                        let want: Vec<f32> = labels.as_array().unwrap().iter().map(score).collect();
                        let worst = assert_close(&what, &got, &want, 1e-4);
                        it.worst[2] = it.worst[2].max(worst);
                        let best =
                            labels.as_array().unwrap().iter().zip(&got).max_by(|a, b| a.1.total_cmp(b.1));
                        assert_eq!(*best.unwrap().0, scores[0]["label"], "{what}");
                    }
                }
            }
        }
        println!("{name}: worst embedding, logit, probability, logit of stored spectrogram: {:?}", it.worst);
    }
}

#[test]
fn a_tokenizer_with_a_part_that_makes_much_of_little_is_refused_by_its_name() {
    let dir = golden_dir("clap").join("unfused");
    let with = |key: &str, value: Value| {
        let mut file = json(dir.join("tokenizer.json"));
        file[key] = value;
        let read = ClapTokenizer::from_bytes(&serde_json::to_vec(&file).unwrap());
        read.map(|_| ()).map_err(|error| std::error::Error::source(&error).unwrap().to_string())
    };
    let doubling = json_of(r#"{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}"#);
    let byte_level = json_of(r#"{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true}"#);
    let sequence = |key: &str, members: Vec<Value>| {
        let mut sequence = json_of(r#"{"type": "Sequence"}"#);
        sequence[key] = members.into();
        sequence
    };
    for (key, value, named) in [
        ("normalizer", doubling.clone(), "Replace"),
        ("normalizer", sequence("normalizers", vec![doubling; 30]), "Replace"),
        ("normalizer", json_of(r#"{"pattern": {"String": "a"}, "content": "aa"}"#), "no type"),
        ("normalizer", json_of(r#"{"type": "Prepend", "prepend": "a"}"#), "Prepend"),
        ("pre_tokenizer", sequence("pretokenizers", vec![byte_level.clone(); 16]), "ByteLevel"),
        (
            "pre_tokenizer",
            json_of(
                r#"{"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Removed", "invert": false}"#,
            ),
            "Split",
        ),
        (
            "post_processor",
            json_of(r#"{"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}"#),
            "TemplateProcessing",
        ),
        ("decoder", json_of(r#"{"type": "Fuse"}"#), "Fuse"),
        ("model", json_of(r#"{"type": "Unigram", "vocab": []}"#), "Unigram"),
    ] {
        let said = with(key, value).unwrap_err();
        assert!(said.contains(key) && said.contains(named), "{key}: {said}");
    }
    // What published files have, and what does not make a text much longer.
    with("normalizer", Value::Null).unwrap();
    with(
        "normalizer",
        sequence("normalizers", vec![json_of(r#"{"type": "NFC"}"#), json_of(r#"{"type": "Lowercase"}"#)]),
    )
    .unwrap();
    with("pre_tokenizer", sequence("pretokenizers", vec![byte_level])).unwrap();

    let large = vec![b' '; 9 << 20];
    let said = ClapTokenizer::from_bytes(&large).unwrap_err();
    assert!(std::error::Error::source(&said).unwrap().to_string().contains("8388608"));
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn towers_that_are_too_large_together_name_their_keys() {
    let said = |key: &str, changes: &str| {
        let mut config = json(golden_dir("clap").join("unfused/config.json"));
        config[key].as_object_mut().unwrap().extend(json_of(changes).as_object().unwrap().clone());
        ClapConfig::from_json(config.as_object().unwrap().clone()).unwrap_err().to_string()
    };
    let text =
        said("text_config", r#"{"hidden_size": 16384, "num_attention_heads": 16, "num_hidden_layers": 512}"#);
    assert!(text.contains("`text_config.hidden_size`") && text.contains("num_hidden_layers"), "{text}");
}
