//! What the command does about numbers that are none, clips that do not fit the model, and checkpoints without a head.

use std::fs;
use std::process::Stdio;

use earmark_audio::{SampleRate, WavFormat, write_wav_channels};
use earmark_testkit::noise;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::work_dir::{Ran, WorkDir, golden_model};

/// A folder with `good.wav`, `spike.wav` (one sample of 1e30) and `better.wav`, a quarter of a second each.
fn with_spike() -> WorkDir {
    let place = WorkDir::empty();
    let mut spike = noise(4000, 2);
    spike[1600] = 1e30;
    for (name, samples) in [("good", noise(4000, 1)), ("spike", spike), ("better", noise(4000, 3))] {
        write_clip(&place, &format!("{name}.wav"), 16_000, samples);
    }
    place
}

fn write_clip(place: &WorkDir, name: &str, hz: u32, samples: Vec<f32>) {
    place.clip_at(name, hz, samples, WavFormat::Float32);
}

/// A golden model as `name`, its tensors as `change` leaves them; those that it says no to are left out.
fn change_model(place: &WorkDir, name: &str, golden: &str, change: impl Fn(&str, &mut [f32]) -> bool) {
    let (from, to) = (golden_model(golden), place.path(name));
    fs::create_dir_all(&to).unwrap();
    for file in ["config.json", "preprocessor_config.json"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    let file = fs::read(from.join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let mut kept = Vec::new();
    for (key, view) in tensors.iter() {
        let bytes = view.data().chunks_exact(4);
        let mut values: Vec<f32> = bytes.map(|x| f32::from_le_bytes(x.try_into().unwrap())).collect();
        if change(key, &mut values) {
            let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            kept.push((key.to_owned(), view.shape().to_vec(), bytes));
        }
    }
    let views = kept.iter().map(|(key, shape, bytes)| {
        (key.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    fs::write(to.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    if golden == "whisper/last" {
        // Of a second as many frames as the network has places for.
        let path = to.join("preprocessor_config.json");
        let extractor = fs::read_to_string(&path).unwrap();
        fs::write(path, extractor.replace(r#""hop_length": 160"#, r#""hop_length": 533"#)).unwrap();
    }
}

/// As [`WorkDir::run`], with something on standard input.
fn run_with(place: &WorkDir, args: &str, stdin: Stdio) -> Ran {
    Ran::of(place.command(args).stdin(stdin))
}

/// Keeps a head whose logits overflow, whatever is heard.
fn overflowing(key: &str, values: &mut [f32]) -> bool {
    match key {
        "projector.weight" => values.iter_mut().for_each(|x| *x *= 1e20),
        "classifier.weight" | "classifier.dense.weight" => values.iter_mut().for_each(|x| *x = 3e38),
        _ => {}
    }
    true
}

#[track_caller]
fn no_nan(what: &str, said: &Ran) {
    // The reason in an error's row is no number.
    let out = ["inf", "-inf", "NaN"]
        .iter()
        .fold(said.out.clone(), |out, value| out.replace(&format!("` is {value}:"), ""))
        .to_ascii_lowercase();
    assert!(!out.contains("nan") && !out.contains("inf"), "{what}:\n{out}");
}

const CLIPS: &str = "good.wav spike.wav better.wav";
const SPIKE: &[&str] = &["`spike.wav`", "sample 1600, at 0.100 s, is 1e30"];

#[test]
fn one_clip_that_overflows_is_named_and_the_other_rows_are_written() {
    let place = with_spike();
    for golden in ["speech/group", "speech/wav2vec2", "ast/overlapping", "whisper/last"] {
        let model = golden.replace('/', "-");
        change_model(&place, &model, golden, |_, _| true);
        for format in ["json", "jsonl", "csv", "table"] {
            let said = place.run(&format!("classify {CLIPS} --format {format} --model {model}"));
            said.says(3, SPIKE);
            no_nan(format, &said);
            assert!(said.out.contains("good.wav") && said.out.contains("better.wav"), "{}", said.out);
        }
        for (output, window) in
            [("rows.csv", ""), ("rows.jsonl", "--window 100ms"), ("rows.parquet", "--window 100ms --merge")]
        {
            let said = place.run(&format!("classify {CLIPS} {window} -o {output} --force --model {model}"));
            said.says(3, SPIKE);
            assert!(place.path(output).exists() && !place.path(format!("{output}.part")).exists());
        }
        for window in ["--format raven", "--format rttm", "--aggregate mean", "--aggregate max", "--merge"] {
            let said = place.run(&format!("classify {CLIPS} --window 100ms {window} --model {model}"));
            said.says(3, SPIKE);
            no_nan(window, &said);
        }
        let said = place.run(&format!("embed {CLIPS} -o vectors.npy --force --model {model}"));
        said.says(3, SPIKE);
        assert_eq!(place.read("vectors.rows.csv"), "path,start,end\ngood.wav,,\nbetter.wav,,\n");
        let npy = fs::read(place.path("vectors.npy")).unwrap();
        assert!(npy[128..].chunks_exact(4).all(|x| f32::from_le_bytes(x.try_into().unwrap()).is_finite()));
        place.run(&format!("features spike.wav -o f.safetensors --model {model}")).says(1, &SPIKE[1..]);
    }
}

#[test]
fn logits_that_overflow_are_never_printed() {
    let place = with_spike();
    for (name, golden) in
        [("speech", "speech/group"), ("ast", "ast/overlapping"), ("whisper", "whisper/last")]
    {
        change_model(&place, name, golden, overflowing);
        for rest in [
            "--format json",
            "--format jsonl",
            "--format csv",
            "--format table",
            "--format jsonl --scores none",
            "--format jsonl --window 100ms",
            "--format raven --window 100ms",
            "--format audacity --window 100ms",
            "--format rttm --window 100ms",
            "--format csv --window 100ms --merge",
            "--format csv --window 100ms --aggregate mean",
        ] {
            let said = place.run(&format!("classify good.wav {rest} --model {name}"));
            said.says(3, &["cannot use `good.wav`", "the logit of `bell` is"]);
            no_nan(rest, &said);
        }
        let wav = fs::File::open(place.path("good.wav")).unwrap();
        let said =
            run_with(&place, &format!("listen --window 100ms --format jsonl --model {name}"), wav.into());
        said.says(3, &["at 0:00.0", "at 0:00.1", "the logit of `bell` is"]);
        no_nan("listen", &said);
    }
}

#[test]
fn zero_shot_names_the_clip_that_overflows_too() {
    let place = with_spike();
    for name in ["fused", "unfused"] {
        place.copy_clap(name);
        let said = place.run(&format!("zero-shot {CLIPS} --labels dog,rain --format jsonl --model {name}"));
        said.says(3, SPIKE);
        let rows = said.rows();
        assert!(rows[1].get("error").is_some() && rows[2]["predictions"][0]["score"].is_f64(), "{rows:?}");
        let said = place.run(&format!("embed {CLIPS} -o vectors.npy --force --model {name}"));
        said.says(3, SPIKE);
        assert_eq!(place.read("vectors.rows.csv"), "path,start,end\ngood.wav,,\nbetter.wav,,\n");
    }
}

/// Worst seen: 2e-3 for f16, 3e-2 for bf16.
#[test]
fn zero_shot_in_half_precision_gives_nearly_the_same_scores() {
    let place = with_spike();
    for name in ["fused", "unfused"] {
        place.copy_clap(name);
        let score = |dtype: &str| {
            let args =
                format!("zero-shot good.wav --labels dog,rain --format jsonl --dtype {dtype} --model {name}");
            let said = place.run(&args);
            said.says(0, &[]);
            let rows = said.rows();
            let dog =
                rows[0]["predictions"].as_array().unwrap().iter().find(|it| it["label"] == "dog").unwrap();
            dog["score"].as_f64().unwrap()
        };
        let want = score("f32");
        for (dtype, tolerance) in [("f16", 0.02), ("bf16", 0.15)] {
            let got = score(dtype);
            assert!((got - want).abs() < tolerance, "{name} {dtype}: {got} and not {want}");
        }
    }
}

#[test]
fn a_rest_shorter_than_a_frame_of_the_extractor_is_no_window() {
    let place = with_spike();
    write_clip(&place, "rest.wav", 16_000, noise(16_000 + 300, 1));
    let model = golden_model("ast/overlapping").display().to_string();
    let said = place.run(&format!("classify rest.wav --window 500ms --format jsonl --model {model}"));
    said.says(0, &[]);
    assert_eq!(said.rows().len(), 2, "{}", said.out);
    let wav = fs::File::open(place.path("rest.wav")).unwrap();
    let said = run_with(
        &place,
        &format!("listen --window 500ms --hop 500ms --format jsonl --model {model}"),
        wav.into(),
    );
    said.says(0, &[]);
    assert_eq!(said.rows().len(), 2, "{}", said.out);

    write_clip(&place, "short.wav", 16_000, noise(399, 1));
    for command in [
        format!("classify short.wav --model {model}"),
        format!("classify short.wav --window 500ms --model {model}"),
    ] {
        let words = ["`short.wav`", "399 samples at 16000 Hz", "needs 400"];
        place.run(&command).says(3, &words);
    }
    for command in ["classify rest.wav --format jsonl", "listen"] {
        place.run(&format!("{command} --window 20ms --model {model}")).says(2, &["320 samples", "needs 400"]);
    }
}

#[test]
fn a_part_that_is_not_read_is_told_of_once_a_job_with_what_helps() {
    let place = with_spike();
    write_clip(&place, "long.wav", 16_000, noise(40_000, 1));
    change_model(&place, "whisper", "whisper/last", |_, _| true);
    let whisper = "whisper";
    let said = place.run(&format!("classify long.wav good.wav --format jsonl --model {whisper}"));
    let line = "warning: `long.wav` is 2.5 s long, and the model reads only the first 1.0 s: --window 1s covers all \
                of it\n";
    assert!(said.says(0, &[]).err.starts_with(line), "{}", said.err);
    assert_eq!(said.err.matches("warning").count(), 1, "{}", said.err);
    write_clip(&place, "longer.wav", 16_000, noise(50_000, 1));
    let said = place.run(&format!("classify long.wav longer.wav --format jsonl --model {whisper}"));
    said.says(0, &["2 files were longer than the model reads"]);
    assert_eq!(said.err.matches("warning").count(), 2, "{}", said.err);
    let said = place.run(&format!("classify long.wav --window 1s --format jsonl --model {whisper}"));
    assert_eq!((said.says(0, &[]).err.matches("warning").count(), said.rows().len()), (0, 3));
    let said = place.run(&format!("classify long.wav --window 2s --format jsonl --model {whisper}"));
    said.says(0, &["--window is longer than the model is made for", "the first 1.0 s of 2.0 s"]);
    let said = place.run(&format!("embed long.wav -o v.npy --model {whisper}"));
    said.says(0, &["`long.wav` is 2.5 s long, and the model reads only the first 1.0 s", "--window 1s"]);

    write_clip(&place, "minutes.wav", 16_000, noise(61 * 16_000, 1));
    let speech = golden_model("speech/group").display().to_string();
    let said = place.run(&format!("classify minutes.wav --format jsonl --model {speech}"));
    said.says(0, &["`minutes.wav` is 1:01 long", "square of its length", "--window 5s"]);
}

#[test]
fn stereo_that_cancels_is_told_of_with_what_helps() {
    let place = with_spike();
    let left = noise(8_000, 1);
    let right: Vec<f32> = left.iter().map(|x| -x).collect();
    let planes = [left.as_slice(), right.as_slice()];
    write_wav_channels(place.path("anti.wav"), &planes, SampleRate::HZ_16000, WavFormat::Pcm16).unwrap();
    let model = golden_model("speech/group").display().to_string();
    for command in [
        format!("classify anti.wav --model {model}"),
        format!("classify anti.wav --window 100ms --model {model}"),
        format!("embed anti.wav -o v.npy --model {model}"),
        format!("features anti.wav -o f.safetensors --model {model}"),
        "decode anti.wav -o mono.wav".to_owned(),
    ] {
        place.run(&command).says(0, &["`anti.wav`", "channels cancel each other", "--downmix left"]);
    }
    let said = place.run(&format!("classify anti.wav --downmix left --model {model}"));
    assert_eq!(said.says(0, &[]).err, "");
}

#[test]
fn a_base_checkpoint_embeds_and_says_what_else_it_is_good_for() {
    let place = with_spike();
    change_model(&place, "base", "speech/group", |key, _| key.starts_with("hubert."));
    let model = golden_model("speech/group").display().to_string();
    for output in ["base.npy", "base.parquet"] {
        place
            .run(&format!("embed good.wav better.wav -o {output} --model base"))
            .says(0, &["2 vectors of 16 numbers from 2 files"]);
    }
    place.run(&format!("embed good.wav better.wav -o whole.npy --model {model}")).says(0, &[]);
    assert_eq!(fs::read(place.path("base.npy")).unwrap(), fs::read(place.path("whole.npy")).unwrap());
    place
        .run("classify good.wav --model base")
        .says(1, &["no classification head", "earmark embed", "earmark train"]);
    place.run("bench --model base --seconds 0.5 --repeat 1").says(0, &[]);
}

#[test]
fn vectors_that_are_there_are_replaced_only_when_asked() {
    let place = with_spike();
    fs::write(place.path("v.npy"), "mine").unwrap();
    let model = golden_model("speech/group").display().to_string();
    let command = format!("embed good.wav -o v.npy --model {model}");
    place.run(&command).says(1, &["`v.npy` already exists", "--force"]);
    assert_eq!(fs::read(place.path("v.npy")).unwrap(), b"mine");
    place.run(&format!("{command} --force")).says(0, &[]);
    assert!(fs::read(place.path("v.npy")).unwrap().starts_with(b"\x93NUMPY"));
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_label() {
    let place = with_spike();
    place.copy_clap("unfused");
    fs::write(place.path("labels.txt"), "\u{feff}dog\r\nrain\r\n").unwrap();
    let said = place.run("zero-shot good.wav --labels-file labels.txt --format jsonl --model unfused");
    let rows = said.says(0, &[]).rows();
    let mut labels: Vec<&str> =
        rows[0]["predictions"].as_array().unwrap().iter().map(|it| it["label"].as_str().unwrap()).collect();
    labels.sort_unstable();
    assert_eq!(labels, ["dog", "rain"]);
}

#[test]
fn a_recording_without_a_window_is_an_error_whatever_is_asked_of_its_windows() {
    let place = with_spike();
    change_model(&place, "model", "speech/group", |_, _| true);
    // A header, and no sample behind it.
    write_clip(&place, "empty.wav", 16_000, vec![0.0]);
    let header = fs::read(place.path("empty.wav")).unwrap();
    let mut header = header[..header.len() - 4].to_vec();
    let data = header.len() - 4;
    header[data..].fill(0);
    fs::write(place.path("empty.wav"), header).unwrap();
    for how in ["", "--merge", "--aggregate mean", "--aggregate max"] {
        let said = place
            .run(&format!("classify empty.wav good.wav --window 100ms {how} --format jsonl --model model"));
        said.says(3, &["cannot use `empty.wav`"]);
        assert!(said.rows().iter().any(|row| row["path"] == "good.wav"), "{how}: {}", said.out);
    }
}

#[test]
fn a_job_does_not_write_over_what_it_reads() {
    let place = with_spike();
    change_model(&place, "model", "speech/group", |_, _| true);
    for (output, why) in [
        ("good.wav", "`good.wav` is an input of this command"),
        ("model/config.json", "`model/config.json` is a file of the model"),
        ("-", "standard output"),
    ] {
        let before = fs::read(place.path(output)).ok();
        let args = format!("classify {CLIPS} -o {output} --force --format csv --model model");
        place.run(&args).says(2, &[why]);
        assert_eq!(fs::read(place.path(output)).ok(), before, "{output}");
    }
}
