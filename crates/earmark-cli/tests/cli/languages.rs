//! A whole Whisper, which identifies languages without a classification head.

use std::fs;

use earmark_testkit::noise;
use serde_json::Value;

use crate::work_dir::{WorkDir, golden_model};

/// A folder with clips, and a whole Whisper in `model` that hears a second and tells four languages apart.
fn with_whisper() -> WorkDir {
    let place = WorkDir::with_clips();
    for entry in fs::read_dir(golden_model("languages/tied")).unwrap() {
        let entry = entry.unwrap();
        place.write(place.path("model").join(entry.file_name()), fs::read(entry.path()).unwrap());
    }
    place
}

#[test]
fn classify_names_the_language_with_its_code_and_probability() {
    let place = with_whisper();
    let said = place.run("classify data/rain/0.wav --format jsonl --model model");
    let row: Value = serde_json::from_str(&said.says(0, &[]).out).unwrap();
    let predictions = row["predictions"].as_array().unwrap();
    let mut named: Vec<_> =
        predictions.iter().map(|it| (it["code"].as_str(), it["label"].as_str())).collect();
    named.sort_unstable();
    let want = [("de", "german"), ("en", "english"), ("haw", "hawaiian"), ("yue", "cantonese")];
    assert_eq!(named, want.map(|(code, label)| (Some(code), Some(label))));
    let sum: f64 = predictions.iter().map(|it| it["score"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    assert!(said.out.contains(r#"{"label":""#) && said.out.contains(r#"","code":""#), "{}", said.out);

    let csv =
        place.run("classify data/rain/0.wav --format csv --top-k 1 --model model").says(0, &[]).out.clone();
    let best = &predictions[0];
    let code = best["code"].as_str().unwrap();
    assert!(csv.starts_with("path,duration,start,end,rank,label,score,error,code\n"), "{csv}");
    assert!(csv.trim_end().ends_with(&format!(",,{code}")), "{csv}");
}

#[test]
fn a_long_file_is_read_in_windows_and_may_have_one_language() {
    let place = with_whisper();
    place.clip("long.wav", noise(50_000, 1));
    let rows =
        |args: &str| place.run(&format!("classify long.wav {args} --format jsonl --model model")).rows();
    let windows = rows("--window 1s");
    assert_eq!(windows.len(), 4);
    let whole = rows("--window 1s --aggregate mean");
    assert_eq!(whole.len(), 1);
    let score = |row: &Value, code: &str| {
        let found = row["predictions"].as_array().unwrap().iter().find(|it| it["code"] == code).unwrap();
        found["score"].as_f64().unwrap()
    };
    let mean = windows.iter().map(|row| score(row, "de")).sum::<f64>() / 4.0;
    assert!((mean - score(&whole[0], "de")).abs() < 1e-6);
}

#[test]
fn inspect_lists_the_languages() {
    let place = with_whisper();
    let said = place.run("inspect model");
    assert!(said.says(0, &[]).out.contains("4: english, hawaiian, german, cantonese"), "{}", said.out);
    place.write("model/generation_config.json", r#"{"is_multilingual": false}"#);
    let said = place.run("inspect model");
    assert!(said.says(0, &[]).out.contains("none: it is an English-only model"), "{}", said.out);
}

#[test]
fn an_english_only_whisper_is_refused_with_what_to_do() {
    let place = with_whisper();
    place.write("model/generation_config.json", r#"{"is_multilingual": false}"#);
    let said = place.run("classify data/rain/0.wav --model model");
    said.says(1, &["English-only", "openai/whisper-base"]);
}

#[test]
fn its_encoder_is_embedded_and_fine_tuned_as_ever() {
    let place = with_whisper();
    place.run("embed data/rain/0.wav -o v.npy --model model").says(0, &[]);
    place.run("zero-shot data/rain/0.wav --labels a,b --model model").says(1, &["`whisper`", "CLAP"]);
    let train = "train --data data --model model --epochs 1 --batch-size 4 --test-size 3 --output run";
    place.run(train).says(0, &[]);
    let said = place.run("classify data/rain/0.wav --format jsonl --model run");
    let row: Value = serde_json::from_str(&said.says(0, &[]).out).unwrap();
    assert!(row["predictions"][0].get("code").is_none(), "{row}");
}

#[test]
fn eval_scores_it_on_languages_by_their_names() {
    let place = with_whisper();
    for (language, count) in [("English", 2), ("Cantonese Chinese", 1), ("German", 1)] {
        for clip in 0..count {
            place.clip(format!("spoken/{language}/{clip}.wav"), noise(8000, clip));
        }
    }
    place.run("eval --model model --data spoken --split all -o scores").says(0, &[]);
    let report = place.json("scores/report.json");
    assert_eq!(report["n"], 4);
    assert_eq!(report["labels"], serde_json::json!(["english", "hawaiian", "german", "cantonese"]));
    place.clip("spoken/Kamba/0.wav", noise(8000, 9));
    place.run("eval --model model --data spoken --split all -o other").says(1, &["`Kamba`"]);
}
