//! `earmark embed` of chosen layers, frames and texts, and its `.npz`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use earmark_audio::WavFormat;
use earmark_data::VectorTable;
use earmark_testkit::noise;
use zip::ZipArchive;

use crate::work_dir::WorkDir;

/// With `model/` of two layers, 16 wide, `short.wav` of a second and `long.wav` of two.
fn place() -> WorkDir {
    let place = WorkDir::empty();
    place.copy_model("speech/group", "model");
    for (name, samples) in [("short", 16_000), ("long", 32_000)] {
        let samples = noise(samples, samples as u64);
        place.clip_at(format!("{name}.wav"), 16_000, samples, WavFormat::Float32);
    }
    place
}

/// An array of NumPy's: its type, its shape and its bytes.
struct Array {
    descr: String,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Array {
    fn f32s(&self) -> Vec<f32> {
        assert_eq!(self.descr, "<f4");
        self.bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    fn f64s(&self) -> Vec<f64> {
        assert_eq!(self.descr, "<f8");
        self.bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
    }

    fn texts(&self) -> Vec<String> {
        let letters: usize = self.descr.strip_prefix("<U").unwrap().parse().unwrap();
        let points = self.bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
        let points: Vec<char> = points.map(|point| char::from_u32(point).unwrap()).collect();
        points.chunks(letters).map(|text| text.iter().filter(|it| **it != '\0').collect()).collect()
    }
}

/// Every array of an `.npz`.
fn arrays(path: &Path) -> BTreeMap<String, Array> {
    let mut archive = ZipArchive::new(File::open(path).unwrap()).unwrap();
    (0..archive.len())
        .map(|number| {
            let mut file = archive.by_index(number).unwrap();
            let name = file.name().unwrap().strip_suffix(".npy").unwrap().to_owned();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            assert!(bytes.starts_with(b"\x93NUMPY\x01\x00"));
            let header = String::from_utf8(bytes[10..128].to_vec()).unwrap();
            let between = |from: &str, to: &str| {
                let start = header.find(from).unwrap() + from.len();
                header[start..start + header[start..].find(to).unwrap()].to_owned()
            };
            let sizes = between("'shape': (", ")");
            let sizes = sizes.split(',').map(str::trim).filter(|size| !size.is_empty());
            let shape = sizes.map(|size| size.parse().unwrap()).collect();
            (name, Array { descr: between("'descr': '", "'"), shape, bytes: bytes[128..].to_vec() })
        })
        .collect()
}

fn mean(rows: &[f32], width: usize) -> Vec<f32> {
    let count = (rows.len() / width) as f32;
    (0..width).map(|at| rows.iter().skip(at).step_by(width).sum::<f32>() / count).collect()
}

#[track_caller]
fn assert_near(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5), "{a:?} and {b:?}");
}

#[test]
fn every_layer_is_an_array_and_frames_are_rows_with_their_times() {
    let place = place();
    let embed = |what: &str| place.run(&format!("embed short.wav long.wav --model model {what}"));
    embed("--layer all -o all.npz")
        .says(0, &["wrote all.npz: 2 vectors of 16 numbers, 3 layers each, from 2 files"]);
    let all = arrays(&place.path("all.npz"));
    assert_eq!(
        all.keys().map(String::as_str).collect::<Vec<_>>(),
        ["end", "layer_0", "layer_1", "layer_2", "path", "start"]
    );
    assert_eq!(all["path"].texts(), ["short.wav", "long.wav"]);
    assert!(all["start"].f64s().iter().all(|time| time.is_nan()));
    for (layer, name) in [("0", "layer_0"), ("1", "layer_1"), ("2", "layer_2"), ("last", "layer_2")] {
        embed(&format!("--layer {layer} -o one.npz --force")).well();
        let one = arrays(&place.path("one.npz"));
        assert_eq!(one["vector"].shape, [2, 16]);
        assert_eq!(one["vector"].f32s(), all[name].f32s(), "{layer}");
    }

    embed("--layer all --pool none -o frames.npz")
        .says(0, &["148 frames of 16 numbers, 3 layers each, from 2 files"]);
    let frames = arrays(&place.path("frames.npz"));
    let (starts, ends) = (frames["start"].f64s(), frames["end"].f64s());
    // A second makes 49 frames of 20 ms, two make 99.
    assert_eq!(frames["path"].texts(), [vec!["short.wav"; 49], vec!["long.wav"; 99]].concat());
    for (first, count) in [(0, 49), (49, 99)] {
        for frame in 0..count {
            let at = frame as f64 * 0.02;
            let (start, end) = (starts[first + frame], ends[first + frame]);
            assert!((start - at).abs() < 1e-9 && (end - at - 0.02).abs() < 1e-9, "{start} {end}");
        }
    }
    for name in ["layer_0", "layer_1", "layer_2"] {
        let (rows, pooled) = (frames[name].f32s(), all[name].f32s());
        assert_eq!(frames[name].shape, [148, 16]);
        assert_near(&mean(&rows[..49 * 16], 16), &pooled[..16]);
        assert_near(&mean(&rows[49 * 16..], 16), &pooled[16..]);
    }

    embed("--pool max -o max.npz").well();
    let (rows, max) = (frames["layer_2"].f32s(), arrays(&place.path("max.npz"))["vector"].f32s());
    for (at, max) in max.iter().enumerate().take(16) {
        let largest = rows[..49 * 16].iter().skip(at).step_by(16).copied().fold(f32::MIN, f32::max);
        assert!((largest - max).abs() < 1e-6);
    }
}

#[test]
fn frames_of_windows_have_times_of_the_recording_and_each_is_a_row_of_parquet() {
    let place = place();
    place.run("embed long.wav --window 1s --pool none -o frames.parquet --model model").well();
    let table = VectorTable::open(&place.path("frames.parquet")).unwrap();
    let rows: Vec<_> = table.rows().unwrap().map(Result::unwrap).collect();
    assert_eq!((rows.len(), rows[49].span.map(|span| span.0)), (98, Some(1.0)));
    assert!(rows.iter().all(|row| row.path == "long.wav" && row.vector.len() == 16));
}

#[test]
fn whisper_has_no_frames_behind_the_end_of_a_clip() {
    let place = WorkDir::empty();
    place.copy_model("whisper/last", "model");
    let extractor = place.read("model/preprocessor_config.json");
    // A second of 30 frames, of which the network makes 15 positions.
    place.write(
        "model/preprocessor_config.json",
        extractor.replace("\"hop_length\": 160", "\"hop_length\": 533"),
    );
    place.clip_at("clip.wav", 16_000, noise(1_600, 3), WavFormat::Float32);
    place.run("embed clip.wav --pool none -o all.npz --model model").well();
    let frames = arrays(&place.path("all.npz"));
    let starts = frames["start"].f64s();
    assert!(starts.iter().all(|start| *start < 0.1), "{starts:?}");
    assert_eq!(frames["vector"].shape[0], starts.len());
    assert!(!starts.is_empty());
}

#[test]
fn a_layer_or_a_pooling_that_a_model_does_not_have_is_wrong_usage() {
    let place = place();
    place.copy_model("speech/weighted", "weighted");
    place.copy_clap("unfused");
    let refused = |what: &str, why: &[&str]| {
        place.run(&format!("embed short.wav {what} -o no.npz")).says(2, why);
        assert!(!place.path("no.npz").exists());
    };
    refused("--model model --layer 3", &["no hidden state 3", "0 (what the first layer is given) to 2"]);
    refused("--model model --layer weighted", &["no `layer_weights`"]);
    refused("--model model --layer first", &["--layer", "a number from 0, last, all, weighted or xvector"]);
    refused("--model model --pool cls", &["no class token"]);
    refused("--model unfused --pool max", &["`clap`", "no layers to choose"]);
    refused("--model unfused --layer 0", &["`clap`", "no layers to choose"]);
    place.run("embed short.wav --model weighted --layer weighted -o yes.npz").well();
    place.run("embed short.wav --model model --layer all -o no.npy").says(2, &["`no.npy`", ".npz"]);
}

#[test]
fn texts_are_rows_of_their_own_and_only_clap_embeds_them() {
    let place = place();
    place.copy_clap("unfused");
    place.write("texts.txt", "\u{feff}rain\n\n a dog barks \n");
    let embed = "embed --text bell --text-file texts.txt --model unfused";
    place.run(&format!("{embed} -o texts.npz")).says(0, &["wrote texts.npz: 3 vectors of", "from 3 texts"]);
    let texts = arrays(&place.path("texts.npz"));
    assert_eq!(texts["text"].texts(), ["bell", "rain", "a dog barks"]);
    assert_eq!(texts.len(), 2);
    for vector in texts["vector"].f32s().chunks(texts["vector"].shape[1]) {
        assert!((vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
    }
    place.run(&format!("{embed} -o texts.npy")).well();
    assert_eq!(place.read("texts.rows.csv"), "text\nbell\nrain\na dog barks\n");
    place.run("embed short.wav --text rain --model unfused -o no.npz").says(2, &["--text"]);
    place.run("embed --model unfused -o no.npz").says(2, &["PATH"]);
    place.run("embed --text rain --model model -o no.npz").says(2, &["`hubert`", "only CLAP embeds text"]);
    assert!(!place.path("no.npz").exists());
}

#[test]
fn a_search_embeds_as_the_table_was_and_refuses_what_is_not_one_vector_a_sound() {
    let place = place();
    place.copy_clap("unfused");
    place.run("embed short.wav long.wav --layer 1 --pool max -o v.parquet --model model").well();
    let said = place.run("search v.parquet short.wav --top-k 1 --format csv");
    assert!(said.well().out.contains("short.wav,1,short.wav,,,1"), "{}", said.out);
    for (flags, why) in [
        ("short.wav --pool none --model model", "a vector for each frame"),
        ("short.wav --layer all --model model", "a vector for each layer"),
        ("--text rain --model unfused", "the vectors of texts"),
    ] {
        place.run(&format!("embed {flags} -o other.parquet --force")).well();
        place.run("search other.parquet short.wav").says(2, &["`other.parquet`", why]);
    }
    place.run("embed short.wav -o v.npz --model model").well();
    place.run("search v.npz short.wav").says(2, &["`v.npz`", ".parquet"]);
}
