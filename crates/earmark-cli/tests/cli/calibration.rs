//! `earmark calibrate`, and `earmark classify --calibrated`.

use std::fs;

use earmark_testkit::{noise, tone};
use serde_json::{Value, json};

use crate::work_dir::{Ran, WorkDir, lines};

const LABELS: &str = "bell,rain,siren";
const CALIBRATE: &str = "calibrate --model model --data clips --split all";

/// A calibration of softmax scores, of these labels.
pub(crate) fn temperature(temperature: f64, labels: &str) -> String {
    calibration(&json!({ "method": "temperature", "temperature": temperature }), labels)
}

fn calibration(method: &Value, labels: &str) -> String {
    let mut calibration = json!({
        "labels": labels.split(',').collect::<Vec<_>>(),
        "fitted_on": { "model": "model", "dataset": "clips", "split": "all", "clips": 8 },
        "before": { "clips": 8, "ece": 0.2, "log_loss": 0.9 },
        "after": { "clips": 8, "ece": 0.1, "log_loss": 0.8 },
    });
    calibration.as_object_mut().unwrap().extend(method.as_object().unwrap().clone());
    calibration.to_string()
}

/// With `model` and `clips`, of which the model is right on about three of four; `columns` is the header of more columns, and `more` what
/// stands in them. `problem_type` is the model's.
fn place(problem_type: &str, columns: &str, more: impl Fn(usize) -> String) -> WorkDir {
    let place = WorkDir::empty();
    place.copy_model("speech/group", "model");
    let config = place.read("model/config.json");
    let mut config: Value = serde_json::from_str(&config).unwrap();
    config["problem_type"] = problem_type.into();
    place.write("model/config.json", config.to_string());
    for clip in 0..24 {
        let hz = 300.0 + 60.0 * clip as f64;
        let samples = if clip % 3 == 2 { noise(4000, clip as u64) } else { tone(hz, 0.25, 16_000) };
        place.clip(format!("clips/{clip:02}.wav"), samples);
    }
    let rows = scored(&place, "--scores none");
    let label = |(clip, (path, logits)): (usize, &Row)| {
        let name = path.rsplit('/').next().unwrap();
        let (label, _) = &logits[usize::from(clip % 4 == 0)];
        format!("{name},{label}{}\n", more(clip))
    };
    let table: String = rows.iter().enumerate().map(label).collect();
    place.write("clips/metadata.csv", format!("file_name,label{columns}\n{table}"));
    place
}

fn plain() -> WorkDir {
    place("single_label_classification", "", |_| String::new())
}

/// A clip, and its labels with their scores.
type Row = (String, Vec<(String, f32)>);

/// Each clip with all of its labels, the best first.
fn scored(place: &WorkDir, more: &str) -> Vec<Row> {
    rows(&place.run(&format!("classify clips --model model --top-k all --format jsonl {more}")))
}

fn rows(ran: &Ran) -> Vec<Row> {
    let label = |it: &Value| {
        let score = it["score"].to_string().parse().unwrap();
        (it["label"].as_str().unwrap().to_owned(), score)
    };
    let row = |row: &Value| {
        let labels = row["predictions"].as_array().unwrap().iter().map(label).collect();
        (row["path"].as_str().unwrap().to_owned(), labels)
    };
    lines(&ran.well().out).iter().map(row).collect()
}

#[test]
fn a_calibrated_score_is_the_softmax_of_the_logits_over_the_temperature() {
    let place = plain();
    let printed = place.run(&format!("{CALIBRATE} -o model"));
    printed.says(0, &["wrote model/calibration.json", "--model model --calibrated`"]);
    let kept = place.json("model/calibration.json");
    let temperature = kept["temperature"].as_f64().unwrap();
    assert_eq!(
        (&kept["method"], &kept["labels"]),
        (&json!("temperature"), &json!(["bell", "rain", "siren"]))
    );
    let clips = [&kept["fitted_on"]["clips"], &kept["before"]["clips"], &kept["after"]["clips"]];
    assert_eq!(clips, [&json!(12), &json!(12), &json!(12)]);
    let quality = |when: &str, key: &str| kept[when][key].as_f64().unwrap();
    for text in [
        format!(
            "temperature {temperature:.4}, fitted on 12 clips and measured on 12 others (no sound is in both)"
        ),
        format!("before {:.4} {:.4}", quality("before", "log_loss"), quality("before", "ece")),
        format!("after {:.4} {:.4}", quality("after", "log_loss"), quality("after", "ece")),
    ] {
        let words = printed.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&text), "no `{text}` in {words}");
    }
    let (logits, calibrated) = (scored(&place, "--scores none"), scored(&place, "--calibrated"));
    assert_eq!(calibrated.len(), 24);
    assert_ne!(calibrated, scored(&place, ""));
    for ((path, logits), (same, calibrated)) in logits.iter().zip(&calibrated) {
        assert_eq!(path, same);
        let powers: Vec<f64> = logits.iter().map(|it| (f64::from(it.1) / temperature).exp()).collect();
        for ((power, (label, _)), (same, score)) in powers.iter().zip(logits).zip(calibrated) {
            assert_eq!(label, same);
            let by_hand = (power / powers.iter().sum::<f64>()) as f32;
            assert!((by_hand - score).abs() <= f32::EPSILON / 2.0, "{path} {label}: {score}, not {by_hand}");
        }
    }
    // Windows and their mean are of calibrated scores as well.
    let windows =
        rows(&place.run(
            "classify clips/00.wav --model model --calibrated --window 1s --aggregate mean --format jsonl",
        ));
    assert_eq!(windows[0], calibrated[0]);

    // It is replaced where that is asked for, and nothing else is.
    let before = fs::read(place.path("model/calibration.json")).unwrap();
    let again = format!("{CALIBRATE} --seed 7 -o model");
    place.run(&again).says(1, &["`model/calibration.json` is there already", "--force"]);
    assert_eq!(fs::read(place.path("model/calibration.json")).unwrap(), before);
    place.run(&format!("{again} --force")).well();
    assert_ne!(fs::read(place.path("model/calibration.json")).unwrap(), before);
}

#[test]
fn without_a_folder_a_calibration_is_printed_and_elsewhere_it_is_named() {
    let place = plain();
    let printed = place.run(CALIBRATE);
    printed.says(0, &["nothing was written", "-o DIR"]);
    assert!(printed.out.contains("temperature"), "{}", printed.out);
    assert!(!place.path("model/calibration.json").exists());
    place.run(&format!("{CALIBRATE} -o a/b")).says(0, &["wrote a/b/calibration.json", "--calibrated=a/b`"]);
    let chosen = scored(&place, "--calibrated=a/b");
    assert_eq!(scored(&place, "--calibrated=a/b/calibration.json"), chosen);
    let missing = place.run("classify clips/00.wav --model model --calibrated");
    missing.says(1, &["no `calibration.json` in `model`", "earmark calibrate --model model", "-o model`"]);
    // Beside the model of a run, by either name.
    place.write("run/recipe.toml", "");
    fs::rename(place.path("model"), place.path("run/model")).unwrap();
    let calibrate = CALIBRATE.replace("--model model", "--model run");
    place.run(&format!("{calibrate} -o run")).says(0, &["wrote run/model/calibration.json", "--calibrated`"]);
    let of_run = "classify clips --top-k all --format jsonl --model";
    assert_eq!(rows(&place.run(&format!("{of_run} run --calibrated"))), chosen);
    assert_eq!(rows(&place.run(&format!("{of_run} run/model --calibrated=run"))), chosen);
}

#[test]
fn the_scores_of_a_model_with_many_labels_are_calibrated_label_by_label() {
    let place = place("multi_label_classification", "", |_| String::new());
    let printed = place.run(&format!("{CALIBRATE} -o model"));
    printed.well();
    let kept = place.json("model/calibration.json");
    assert_eq!(kept["method"], "platt");
    let fits = kept["classes"].as_array().unwrap();
    let fitted = fits.iter().filter(|fit| !fit.is_null()).count();
    assert!(fitted > 0, "{kept}");
    assert!(printed.out.contains(&format!("slope and intercept of {fitted} of 3 labels")), "{}", printed.out);
    assert_eq!(printed.err.contains("stay what they are"), fitted < 3, "{}", printed.err);
    let (logits, calibrated) = (scored(&place, "--scores none"), scored(&place, "--calibrated"));
    for ((_, logits), (_, calibrated)) in logits.iter().zip(&calibrated) {
        for (label, logit) in logits {
            let class = LABELS.split(',').position(|it| it == label).unwrap();
            let number = |key: &str, otherwise: f64| fits[class][key].as_f64().unwrap_or(otherwise);
            let z = number("slope", 1.0) * f64::from(*logit) + number("intercept", 0.0);
            let by_hand = (1.0 / (1.0 + (-z).exp())) as f32;
            let score = calibrated.iter().find(|it| it.0 == *label).unwrap().1;
            assert!((by_hand - score).abs() <= f32::EPSILON / 2.0, "{label}: {score}, not {by_hand}");
        }
        assert!(calibrated.is_sorted_by(|a, b| a.1 >= b.1), "{calibrated:?}");
    }
}

#[test]
fn clips_of_one_recording_are_in_one_half() {
    let grouped = |groups: usize| {
        place("single_label_classification", ",recording", move |clip| format!(",r{}", clip % groups))
    };
    let place = grouped(4);
    let printed = place.run(CALIBRATE);
    let halves = "fitted on 12 clips and measured on 12 others (no recording is in both)";
    assert!(printed.well().out.contains(halves), "{}", printed.out);
    // Or by a table.
    let table: String = (0..24).map(|clip| format!("{clip:02}.wav,a{}\n", clip % 6)).collect();
    place.write("artists.csv", format!("file_name,artist\n{table}"));
    let printed = place.run(&format!("{CALIBRATE} --fields artists.csv"));
    assert!(printed.well().out.contains("(no artist is in both)"), "{}", printed.out);
    grouped(1).run(CALIBRATE).says(1, &["cannot hold out half of the clips"]);
}

#[test]
fn what_cannot_be_calibrated_is_refused_with_the_reason() {
    let place = plain();
    // Right on every clip: sharper is always better.
    let best: String = scored(&place, "")
        .iter()
        .map(|(path, labels)| format!("{},{}\n", path.rsplit('/').next().unwrap(), labels[0].0))
        .collect();
    place.write("clips/metadata.csv", format!("file_name,label\n{best}"));
    place.run(&format!("{CALIBRATE} -o kept")).says(1, &["no temperature from 0.05 to 20", "harder ones"]);
    assert!(!place.path("kept").exists());
    let config = place.read("model/config.json");
    place.write("model/config.json", config.replace("single_label_classification", "regression"));
    place.run(CALIBRATE).says(1, &["`model` is a regression model"]);
    place.write_data();
    place.copy_clap("unfused");
    place.run("calibrate --model unfused --data data --split all").says(1, &["CLAP", "labels of its own"]);
    for (command, words) in [
        ("calibrate --model model", &["--data", "--dataset"][..]),
        ("calibrate --data data", &["--model"]),
        ("calibrate --model model --data data --force", &["--output"]),
        ("calibrate --model model --data data -o clips/00.wav", &["`clips/00.wav` is a file"]),
        ("classify clips --model model --calibrated --scores softmax", &["--calibrated", "--scores"]),
    ] {
        place.run(command).says(2, words);
    }
}

#[test]
fn a_calibration_that_is_damaged_or_another_models_is_refused() {
    let place = plain();
    let with = |text: String| {
        place.write("model/calibration.json", text);
        place.run("classify clips/00.wav --model model --calibrated")
    };
    let whole = temperature(2.0, LABELS);
    with(whole.clone()).well();
    for (text, words) in [
        (temperature(2.0, "bell,siren,rain"), &["its label 1 is `siren`", "`rain`"][..]),
        (temperature(2.0, "bell,rain"), &["2 labels, the model has 3"]),
        (temperature(0.0, LABELS), &["temperature is 0"]),
        (temperature(-1.0, LABELS), &["temperature is -1"]),
        (whole.replace("2.0", "1e999"), &["not a calibration"]),
        (whole.replace("temperature", "oven"), &["not a calibration"]),
        (whole[..whole.len() / 2].to_owned(), &["not a calibration"]),
        ("[".repeat(100_000), &["not a calibration"]),
        (String::new(), &["not a calibration"]),
        (calibration(&json!({"method": "platt", "classes": [null]}), LABELS), &["1 classes and 3 labels"]),
        (
            calibration(&json!({"method": "platt", "classes": [null, null, null]}), LABELS),
            &["sigmoid", "`softmax`", "earmark calibrate"],
        ),
    ] {
        with(text).says(1, &[&["calibration.json"], words].concat());
    }
    // Any temperature above 0 gives scores from 0 to 1.
    for extreme in ["5e-324", "1e-300", "1.7e308"] {
        let scores = rows(&{
            with(whole.replace("2.0", extreme)).well();
            place.run("classify clips --model model --calibrated --top-k all --format jsonl")
        });
        assert!(
            scores.iter().all(|(_, labels)| labels.iter().all(|it| (0.0..=1.0).contains(&it.1))),
            "{scores:?}"
        );
    }
}

#[test]
fn a_calibration_is_a_setting_of_a_job_where_it_is_used_and_none_where_it_is_not() {
    let place = plain();
    place.write("clips/zz.wav", "no sound");
    let job = "classify clips --model model -o scores/";
    place.run(job).says(3, &["wrote scores/"]);
    place.write("model/calibration.json", temperature(2.0, LABELS));
    place.run(job).says(3, &["wrote scores/"]);
    place
        .run(&format!("{job} --calibrated"))
        .says(1, &["--calibrated was not there, is by the temperature 2"]);
}
