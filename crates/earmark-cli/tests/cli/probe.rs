//! `earmark probe`: folds, draws, what is kept, and the model that is left.

use std::collections::BTreeMap;
use std::fs;

use earmark_audio::WavFormat;
use earmark_testkit::{noise, tone};
use polars::prelude::*;
use serde_json::Value;

use crate::work_dir::WorkDir;

/// With `clips/`: four clips each of a low tone, a high tone and noise in each of three folds, a little noise on all of them.
fn place(models: &[&str]) -> WorkDir {
    let place = WorkDir::empty();
    for model in models {
        let name = model.rsplit('/').next().unwrap();
        place.copy_model(model, name);
        if model.starts_with("whisper") {
            // As many frames as the network reads.
            let extractor = format!("{name}/preprocessor_config.json");
            let text = place.read(&extractor).replace("\"hop_length\": 160", "\"hop_length\": 533");
            place.write(extractor, text);
        }
    }
    let mut table = "file_name,label,fold\n".to_owned();
    for number in 0..36 {
        let (class, fold) = (["low", "high", "hiss"][number % 3], 1 + number / 12);
        let samples = 6_000 + 100 * (number % 4);
        let grain = noise(samples, number as u64).into_iter().map(|x| x * 0.1);
        let seconds = samples as f64 / 16_000.0;
        let sound = match class {
            "low" => tone(150.0 + number as f64, seconds, 16_000),
            "high" => tone(2_500.0 + 20.0 * number as f64, seconds, 16_000),
            _ => noise(samples, 1_000 + number as u64),
        };
        let clip = sound.into_iter().zip(grain).map(|(x, y)| 0.7 * x + y).collect();
        place.clip_at(format!("clips/{number}.wav"), 16_000, clip, WavFormat::Float32);
        table += &format!("{number}.wav,{class},{fold}\n");
    }
    place.write("clips/metadata.csv", table);
    place
}

/// The scores of each clip in `predictions.parquet`.
fn predictions(place: &WorkDir, folder: &str) -> BTreeMap<String, Vec<f32>> {
    let file = fs::File::open(place.path(format!("{folder}/predictions.parquet"))).unwrap();
    let table = ParquetReader::new(file).finish().unwrap();
    let paths = table.column("path").unwrap().str().unwrap().clone();
    let scores = table.column("scores").unwrap().list().unwrap().clone();
    let row = |(path, scores): (Option<&str>, Option<Series>)| {
        let scores = scores.unwrap();
        let scores = scores.f32().unwrap().iter().map(Option::unwrap).collect();
        (path.unwrap().to_owned(), scores)
    };
    paths.iter().zip(scores.series_iter()).map(row).collect()
}

#[test]
fn each_fold_is_predicted_by_the_others_and_the_embeddings_are_computed_once() {
    let place = place(&["speech/group"]);
    let probe = |more: &str| place.run(&format!("probe --model group --data clips {more} -o out"));
    let said = probe("--split-by folds:fold --c 1");
    said.says(0, &["wrote out/model"]);
    assert!(said.out.contains("mean of 3 accuracies"), "{}", said.out);
    let report: Value = place.json("out/report.json");
    assert_eq!(
        (&report["n"], &report["split"], &report["labels"].as_array().unwrap().len()),
        (&36.into(), &"all".into(), &3)
    );
    let names: Vec<&str> =
        report["parts"]["parts"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["1", "2", "3"]);
    assert_eq!(report["probe"]["fits"].as_array().unwrap().len(), 3);
    assert_eq!((&report["probe"]["fits"][0]["n"], &report["probe"]["model"]["n"]), (&24.into(), &36.into()));
    assert!(report.get("repeats").is_none());
    let predicted = predictions(&place, "out");
    assert_eq!(predicted.len(), 36);
    let table = place.read("clips/metadata.csv");
    let right = table.lines().skip(1).filter(|line| {
        let [file, label, _] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let scores = &predicted[file];
        let best = (0..3).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap();
        report["labels"][best] == label
    });
    assert_eq!(report["accuracy"].as_f64().unwrap(), right.count() as f64 / 36.0);
    assert_eq!(
        place.list("out"),
        ["confusion_matrix.svg", "embeddings.journal", "model", "predictions.parquet", "report.json"]
    );

    // Nothing is decoded any more.
    let first = place.read("out/report.json");
    let said = probe("--split-by folds:fold --c 1");
    said.says(0, &["the embeddings of 36 clips are there already"]);
    assert_eq!(place.read("out/report.json"), first);
    probe("--split-by folds:fold").says(0, &["there already"]);
    let c = place.json("out/report.json")["probe"]["fits"][0]["c"].as_f64().unwrap();
    assert!([0.001, 0.01, 0.1, 1.0, 10.0, 100.0].contains(&c), "{c}");
    probe("--layer 1").says(1, &["other settings", "--layer", "choose another --output"]);
}

#[test]
fn draws_of_few_clips_have_scores_of_their_own() {
    let place = place(&["speech/group"]);
    let probe =
        "probe --model group --data clips --split-by folds:fold --c 1 --per-class 3 --repeat 4 -o out";
    let said = place.run(probe);
    said.says(0, &[]);
    assert!(
        said.out.contains("mean of 4 draws") && said.out.contains("predictions of 4 draws"),
        "{}",
        said.out
    );
    let report: Value = place.json("out/report.json");
    let repeats = report["repeats"].as_array().unwrap();
    let seeds: Vec<u64> = repeats.iter().map(|it| it["seed"].as_u64().unwrap()).collect();
    assert_eq!((seeds, &report["n"]), (vec![42, 43, 44, 45], &144.into()));
    let mean = repeats.iter().map(|it| it["accuracy"].as_f64().unwrap()).sum::<f64>() / 4.0;
    assert!((report["accuracy"].as_f64().unwrap() - mean).abs() < 1e-12);
    assert!(repeats.iter().all(|it| it["n"] == 36 && it["parts"].as_object().unwrap().len() == 3));
    let fits = report["probe"]["fits"].as_array().unwrap();
    assert!(fits.len() == 12 && fits.iter().all(|fit| fit["n"] == 9));
    place
        .run(&probe.replace("--per-class 3", "--per-class 9"))
        .says(1, &["--per-class 9: there are only 8 clips of `"]);
}

#[test]
fn the_model_that_is_written_gives_the_probes_scores() {
    let models = ["speech/group", "speech/wav2vec2", "speech/weighted", "whisper/last", "ast/overlapping"];
    let place = place(&models);
    for (model, flags) in [
        ("group", ""),
        ("group", "--layer 1"),
        ("wav2vec2", ""),
        ("wav2vec2", "--layer 0"),
        ("weighted", "--layer weighted"),
        ("weighted", ""),
        ("last", ""),
        ("last", "--layer 1"),
        ("overlapping", ""),
    ] {
        let out = format!("out-{model}{}", flags.replace(' ', ""));
        let probe =
            format!("probe --model {model} --data clips --split-by fold:fold=2 --c 0.1 {flags} -o {out}");
        place.run(&probe).says(0, &["wrote"]);
        let want = predictions(&place, &out);
        assert_eq!(want.len(), 12, "{out}");
        let labels = place.json(&format!("{out}/report.json"))["labels"].clone();
        let labels: Vec<String> = serde_json::from_value(labels).unwrap();
        let said = place.run(&format!("classify clips --model {out}/model --top-k all --format jsonl"));
        for row in said.well().rows() {
            let path = row["path"].as_str().unwrap().rsplit('/').next().unwrap();
            let Some(want) = want.get(path) else { continue };
            for (label, want) in labels.iter().zip(want) {
                let found = row["predictions"].as_array().unwrap().iter().find(|it| it["label"] == **label);
                let got = found.unwrap()["score"].as_f64().unwrap() as f32;
                assert!((got - want).abs() < 1e-4, "{out}: {path} {label} is {got}, not {want}");
            }
        }
    }
}

#[test]
fn without_a_head_for_it_there_are_scores_and_no_model() {
    let place = place(&["speech/group", "speech/wav2vec2"]);
    place.copy_clap("unfused");
    for (model, flags, why) in [
        ("unfused", "", "CLAP has no classification head"),
        ("group", "--pool max", "no head of this model reads layer last pooled by max"),
        // The reference sums it before its norm, and earmark after it.
        ("wav2vec2", "--layer 2", "no head of this model reads layer 2"),
    ] {
        let said = place.run(&format!(
            "probe --model {model} --data clips --split-by folds:fold --c 1 {flags} -o out-{model}"
        ));
        said.says(0, &[why]);
        assert!(!place.path(format!("out-{model}/model")).exists());
        assert!(place.json(&format!("out-{model}/report.json"))["probe"].get("model").is_none());
    }
}

#[test]
fn what_cannot_be_probed_is_refused_before_it_is_computed() {
    let place = place(&["speech/group"]);
    let refused = |flags: &str, code: i32, words: &[&str]| {
        place.run(&format!("probe --model group {flags} -o out")).says(code, words);
        assert!(!place.path("out/embeddings.journal").exists());
    };
    refused("", 2, &["--data"]);
    refused("--data clips --layer all", 2, &["a number from 0, last, weighted or xvector"]);
    refused("--data clips --pool none", 2, &["mean, max or cls"]);
    refused("--data clips --split-by folds", 2, &["folds:FIELD"]);
    refused("--data clips --split-by folds:speaker", 1, &["speaker"]);
    refused("--data clips --c 0", 2, &["a number above 0, or cv"]);
    refused("--data clips --repeat 3", 2, &["--per-class"]);
    refused("--protocol gtzan:course", 1, &[]);
    place.write("mine/thesis.txt", "years of work");
    place.run("probe --model group --data clips -o mine").says(1, &["`mine`", "choose another --output"]);
}
