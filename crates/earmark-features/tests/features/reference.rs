//! Every case of the larger reference material, from the sound file on.
//!
//! Decoded by `earmark-audio`, resampled as `torchaudio` does, extracted, and compared with what transformers 5.23.0
//! gave for the same file. The tests pass over material that is not there, and say so.

use std::path::Path;

use earmark_audio::{DecodeOptions, SampleRate, Waveform, decode_file};
use earmark_features::{
    Batch, ClapTruncation, Crop, CropRng, PadOptions, Padding, Preprocessor, Resampler, WhisperOptions,
    resample,
};
use earmark_testkit::{Golden, assert_close, reference};
use serde_json::Value;

use super::rate;

fn json(path: impl AsRef<Path>) -> Value {
    serde_json::from_slice(
        &std::fs::read(path.as_ref()).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display())),
    )
    .unwrap()
}

/// The clip `id`, at the model's rate.
fn sound(cases: &Path, id: &str, to: SampleRate) -> Waveform {
    let audio = json(cases.join("audio/audio.json"));
    let path = cases.join(audio[id]["file"].as_str().unwrap());
    let clip = decode_file(path, &DecodeOptions::default()).unwrap().waveform;
    resample(clip, to, Resampler::Torchaudio).unwrap()
}

fn preprocessor(cases: &Path, model: &str) -> Preprocessor {
    let path = cases.join("models").join(model).join("preprocessor_config.json");
    Preprocessor::from_json(std::fs::read(path).unwrap()).unwrap()
}

/// Compares with the tensor `key`, or with the part of it that is kept.
fn compare(what: &str, got: &[f32], key: &str, folder: &Path, tolerance: f32) -> f32 {
    let golden = Golden::open(folder.join("tensors.safetensors"));
    let about = &json(folder.join("expected.json"))["tensors"][key];
    let elements: u64 = about["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).product();
    assert_eq!(got.len() as u64, elements, "{what}");
    match about["stored"].as_str().unwrap() {
        "full" => assert_close(what, got, &golden.f32s(key), tolerance),
        "sample" => {
            let stride = about["stride"].as_u64().unwrap() as usize;
            let got: Vec<f32> = got.iter().copied().step_by(stride).collect();
            assert_close(what, &got, &golden.f32s(&format!("{key}.sample")), tolerance)
        }
        other => panic!("{what}: stored as {other}"),
    }
}

/// Calls `check(folder, model, id)` for every audio case of the models that `wanted` accepts.
fn each_case(
    test: &str,
    wanted: impl Fn(&Preprocessor) -> bool,
    mut check: impl FnMut(&Path, &Preprocessor, &str),
) {
    let Some(cases) = reference(test, "cases") else {
        return;
    };
    let mut checked = 0;
    for case in json(cases.join("manifest.json"))["cases"].as_array().unwrap() {
        let (Some(model), Some(id)) = (case["model"].as_str(), case["audio"].as_str()) else {
            continue;
        };
        let preprocessor = preprocessor(&cases, model);
        if wanted(&preprocessor) {
            check(&cases.join(case["dir"].as_str().unwrap()), &preprocessor, id);
            checked += 1;
        }
    }
    assert!(checked > 0, "no case in the manifest");
}

fn cases_of(folder: &Path) -> &Path {
    folder.ancestors().nth(3).unwrap()
}

#[test]
fn resampling_matches_torchaudio() {
    let Some(folder) = reference("resampling_matches_torchaudio", "cases/resample") else {
        return;
    };
    let mut worst: f32 = 0.0;
    for (pair, _) in json(folder.join("resample.json")).as_object().unwrap() {
        let (from, to) = pair.split_once('_').unwrap();
        let golden = Golden::open(folder.join(format!("{pair}.safetensors")));
        let input = super::clip(golden.f32s("input"), from.parse().unwrap());
        let got = resample(input, rate(to.parse().unwrap()), Resampler::Torchaudio).unwrap();
        worst = worst.max(assert_close(pair, got.samples(), &golden.f32s("torchaudio"), 2e-5));
    }
    eprintln!("resample: {worst:e}"); // Measured: 1.2e-7.
}

#[test]
fn wav2vec2_matches_on_every_clip() {
    let mut worst: f32 = 0.0;
    let wanted = |it: &Preprocessor| matches!(it, Preprocessor::Wav2Vec2(_));
    each_case("wav2vec2_matches_on_every_clip", wanted, |folder, preprocessor, id| {
        let clip = sound(cases_of(folder), id, preprocessor.sampling_rate());
        let features = preprocessor.extract(&clip).unwrap();
        worst = worst.max(compare(id, &features.data, "input_values", folder, 2e-5));
    });
    eprintln!("wav2vec2: {worst:e}");
}

#[test]
fn ast_matches_on_every_clip() {
    let mut worst: f32 = 0.0;
    let wanted = |it: &Preprocessor| matches!(it, Preprocessor::Ast(_));
    each_case("ast_matches_on_every_clip", wanted, |folder, preprocessor, id| {
        let clip = sound(cases_of(folder), id, preprocessor.sampling_rate());
        let features = preprocessor.extract(&clip).unwrap();
        worst = worst.max(compare(id, &features.data, "input_values", folder, 1e-3));
    });
    eprintln!("ast: {worst:e}");
}

#[test]
fn whisper_matches_on_every_clip() {
    let mut worst: f32 = 0.0;
    let wanted = |it: &Preprocessor| matches!(it, Preprocessor::Whisper(_));
    each_case("whisper_matches_on_every_clip", wanted, |folder, preprocessor, id| {
        let clip = sound(cases_of(folder), id, preprocessor.sampling_rate());
        let features = preprocessor.extract(&clip).unwrap();
        worst = worst.max(compare(id, &features.data, "input_features", folder, 2e-4));
    });
    eprintln!("whisper: {worst:e}");
}

#[test]
fn batches_match() {
    let Some(cases) = reference("batches_match", "cases") else {
        return;
    };
    let mut worst = [0.0f32; 3];
    for case in json(cases.join("manifest.json"))["cases"].as_array().unwrap() {
        if case["kind"] != "batch" {
            continue;
        }
        let model = case["model"].as_str().unwrap();
        let folder = cases.join(case["dir"].as_str().unwrap());
        let preprocessor = preprocessor(&cases, model);
        let ids = case["audio"].as_array().unwrap().iter().map(|id| id.as_str().unwrap());
        let clips: Vec<Waveform> = ids.map(|id| sound(&cases, id, preprocessor.sampling_rate())).collect();
        let whole = |options: WhisperOptions, it: &earmark_features::WhisperExtractor| -> Vec<f32> {
            clips.iter().flat_map(|clip| it.extract_with(clip, options).unwrap().data).collect()
        };
        match &preprocessor {
            Preprocessor::Wav2Vec2(it) => {
                let masked = PadOptions { return_attention_mask: Some(true), ..PadOptions::default() };
                let unmasked = PadOptions { return_attention_mask: Some(false), ..PadOptions::default() };
                let one_second = PadOptions { max_length: Some(16_000), truncation: true, ..masked };
                let two_seconds = PadOptions {
                    padding: Padding::MaxLength,
                    max_length: Some(32_800),
                    pad_to_multiple_of: Some(1_000),
                    ..one_second
                };
                for (tag, options) in [
                    ("mask", masked),
                    ("nomask", unmasked),
                    ("default", PadOptions::default()),
                    ("trunc1s", one_second),
                    ("max2s_mult", two_seconds),
                ] {
                    let batch = it.extract_batch(&clips, &options).unwrap();
                    worst[0] = worst[0].max(compare_batch(model, tag, &batch, &folder));
                }
                // Normalised one by one after truncation, padded later: a training run's map() and collator.
                let alone: Vec<Vec<f32>> = clips
                    .iter()
                    .map(|clip| it.extract(&clip.clone().truncated(24_000)).unwrap().data)
                    .collect();
                let alone: Vec<&[f32]> = alone.iter().map(Vec::as_slice).collect();
                let batch = it.pad(&alone, &PadOptions::default()).unwrap();
                worst[0] = worst[0].max(compare_batch(model, "seed_collate", &batch, &folder));
            }
            Preprocessor::Whisper(it) => {
                let normalized = WhisperOptions { do_normalize: true, return_attention_mask: true };
                for (tag, options) in [("default", WhisperOptions::default()), ("do_normalize", normalized)] {
                    let key = format!("{tag}.input_features");
                    let got = whole(options, it);
                    worst[1] = worst[1].max(compare(model, &got, &key, &folder, 2e-4));
                }
                let masks = clips
                    .iter()
                    .map(|clip| it.extract_with(clip, normalized).unwrap().attention_mask.unwrap());
                let sums: Vec<i32> = masks.map(|mask| mask.iter().sum()).collect();
                assert_eq!(sums, whisper_mask_sums(&folder), "{model}");
            }
            _ => {
                let features = preprocessor.extract_all(&clips).unwrap();
                let got: Vec<f32> = features.into_iter().flat_map(|it| it.data).collect();
                worst[2] = worst[2].max(compare(model, &got, "default.input_values", &folder, 1e-3));
            }
        }
    }
    eprintln!("batches: wav2vec2 {:e}, whisper {:e}, ast {:e}", worst[0], worst[1], worst[2]);
}

fn compare_batch(model: &str, tag: &str, batch: &Batch, folder: &Path) -> f32 {
    let what = format!("{model} {tag}");
    let mask = batch.attention_mask.as_ref();
    let sums = mask.map(|mask| mask.chunks(batch.cols).map(|row| row.iter().sum()).collect());
    assert_eq!(sums, mask_sums(folder, tag), "{what}");
    compare(&what, &batch.input_values, &format!("{tag}.input_values"), folder, 2e-5)
}

/// What is kept of a batch's mask: the number of ones in each row.
fn mask_sums(folder: &Path, tag: &str) -> Option<Vec<i32>> {
    let about = &json(folder.join("expected.json"))["tensors"][format!("{tag}.attention_mask")];
    let sums = about["row_sums"].as_array()?;
    Some(sums.iter().map(|sum| sum.as_i64().unwrap() as i32).collect())
}

/// The frames that hold sound. A small mask is stored whole.
fn whisper_mask_sums(folder: &Path) -> Vec<i32> {
    mask_sums(folder, "do_normalize").unwrap_or_else(|| {
        let golden = Golden::open(folder.join("tensors.safetensors"));
        let frames = golden.shape("do_normalize.attention_mask")[1];
        let mask = golden.f64s("do_normalize.attention_mask");
        mask.chunks(frames).map(|row| row.iter().sum::<f64>() as i32).collect()
    })
}

/// How CLAP's decibels differ: at worst, and on average.
#[derive(Default)]
struct Decibels {
    worst: f32,
    sum: f64,
    values: usize,
}

impl Decibels {
    fn compare(&mut self, what: &str, got: &[f32], want: &[f32]) {
        // Clips brought up to 48 kHz have bands that hold nothing but the resampler's rounding.
        self.worst = self.worst.max(assert_close(what, got, want, 0.3));
        let sum: f64 = got.iter().zip(want).map(|(g, w)| f64::from((g - w).abs())).sum();
        assert!(sum / got.len() as f64 <= 1e-3, "{what}: {} dB on average", sum / got.len() as f64);
        self.sum += sum;
        self.values += got.len();
    }
}

/// Every `stride`-th frame of one view.
fn frames(view: &[f32], mels: usize, stride: usize) -> Vec<f32> {
    view.chunks(mels).step_by(stride).flatten().copied().collect()
}

#[test]
fn clap_matches_on_every_clip() {
    let mut seen = Decibels::default();
    let wanted = |it: &Preprocessor| matches!(it, Preprocessor::Clap(_));
    each_case("clap_matches_on_every_clip", wanted, |folder, preprocessor, id| {
        let Preprocessor::Clap(it) = preprocessor else { unreachable!() };
        let clip = sound(cases_of(folder), id, preprocessor.sampling_rate());
        let expected = json(folder.join("expected.json"));
        let crop = it.draw_crop(clip.samples().len(), &mut CropRng::seed(1234));
        let index = |value: &Value| value.as_u64().unwrap() as usize;
        match crop {
            Crop::Whole => assert!(expected["seeded_crop_start"].is_null(), "{id}"),
            Crop::Start(start) => assert_eq!(start, index(&expected["seeded_crop_start"]), "{id}"),
            Crop::Frames { front, middle, back } => {
                let drawn = expected["seeded_fusion_idx"].as_array().unwrap();
                assert_eq!(
                    [front, middle, back].as_slice(),
                    drawn.iter().map(index).collect::<Vec<_>>(),
                    "{id}"
                );
            }
        }
        let features = it.extract_at(&clip, crop).unwrap();
        assert_eq!(features.is_longer, expected["is_longer"][0][0].as_bool(), "{id}");
        let golden = Golden::open(folder.join("tensors.safetensors"));
        let mels = features.shape[2];
        let view = features.shape[1] * mels;
        if golden.has("mel0") {
            seen.compare(id, &features.data[..view], &golden.f32s("mel0"));
        } else {
            seen.compare(id, &frames(&features.data[..view], mels, 37), &golden.f32s("mel0.frames"));
        }
        if golden.has("mel123.frames") {
            let got: Vec<f32> =
                features.data[view..].chunks(view).flat_map(|it| frames(it, mels, 37)).collect();
            seen.compare(id, &got, &golden.f32s("mel123.frames"));
        }
    });
    eprintln!("clap: worst {:e} dB, mean {:e} dB", seen.worst, seen.sum / seen.values as f64);
}

#[test]
fn clap_matches_at_the_edges_of_its_window() {
    let Some(cases) = reference("clap_matches_at_the_edges_of_its_window", "cases") else {
        return;
    };
    let mut seen = Decibels::default();
    for case in json(cases.join("manifest.json"))["cases"].as_array().unwrap() {
        if case["kind"] != "clap-edge" {
            continue;
        }
        let model = case["model"].as_str().unwrap();
        let folder = cases.join(case["dir"].as_str().unwrap());
        let golden = Golden::open(folder.join("tensors.safetensors"));
        let config =
            std::fs::read_to_string(cases.join("models").join(model).join("preprocessor_config.json"));
        let config = config.unwrap();
        for edge in json(folder.join("expected.json"))["what"].as_array().unwrap() {
            let tag = edge["tag"].as_str().unwrap();
            let padding = tag.strip_prefix("padding_").unwrap_or("repeatpad");
            let config = config.replace(r#""repeatpad""#, &format!("\"{padding}\""));
            let Ok(Preprocessor::Clap(it)) = Preprocessor::from_json(config) else {
                panic!("{model} is CLAP")
            };
            let rate = it.config().sampling_rate;
            let clip = match edge["n"].as_u64() {
                Some(n) => {
                    let id = edge["from"].as_str().unwrap().split(' ').nth(4).unwrap();
                    sound(&cases, id, rate).truncated(n as usize)
                }
                None => sound(&cases, edge["audio"].as_str().unwrap(), rate),
            };
            let features = it.extract(&clip, &mut CropRng::seed(1234)).unwrap();
            let mels = features.shape[2];
            let view = &features.data[..features.shape[1] * mels];
            seen.compare(tag, &frames(view, mels, 53), &golden.f32s(&format!("{tag}.mel0.frames")));
        }
    }
    eprintln!("clap edges: worst {:e} dB, mean {:e} dB", seen.worst, seen.sum / seen.values as f64);
}

#[test]
fn numpys_choice_of_the_longer_clip_matches() {
    let Some(cases) = reference("numpys_choice_of_the_longer_clip_matches", "cases") else {
        return;
    };
    for case in json(cases.join("manifest.json"))["cases"].as_array().unwrap() {
        if case["kind"] != "clap-edge" {
            continue;
        }
        let Preprocessor::Clap(it) = preprocessor(&cases, case["model"].as_str().unwrap()) else {
            unreachable!()
        };
        let folder = cases.join(case["dir"].as_str().unwrap());
        let batch = json(folder.join("expected.json"))["batch3"].clone();
        let ids = batch["audio"].as_array().unwrap();
        let clips: Vec<Waveform> =
            ids.iter().map(|id| sound(&cases, id.as_str().unwrap(), it.config().sampling_rate)).collect();
        let got = it.extract_batch(&clips, &mut CropRng::seed(7)).unwrap();
        let got: Vec<Option<bool>> = got.iter().map(|features| features.is_longer).collect();
        let want = batch["is_longer"].as_array().unwrap().iter().map(|row| row[0].as_bool());
        assert_eq!(got, want.collect::<Vec<_>>(), "{:?}", it.config().truncation);
        let marked = got.iter().filter(|&&longer| longer == Some(true)).count();
        assert_eq!(marked, usize::from(it.config().truncation == ClapTruncation::Fusion));
    }
}
