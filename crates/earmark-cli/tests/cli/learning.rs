//! What a run can learn beside one class a clip, and how.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::work_dir::WorkDir;

const SHORT: &str =
    "train --data data --from-scratch tiny.json --epochs 2 --batch-size 4 --test-size 0.25 --lr 1e-3";

/// The clips of [`WorkDir::with_clips`], each with the classes that `table` gives its row.
fn several(table: &str, row: impl Fn(&str, &[&str]) -> String) -> WorkDir {
    let place = WorkDir::with_clips();
    let mut text = String::new();
    for clip in 0..4 {
        for (label, other) in [("bell", "rain"), ("rain", "siren"), ("siren", "bell")] {
            let both: &[&str] = if clip % 2 == 0 { &[label, other] } else { &[label] };
            text += &row(&format!("{label}/{clip}.wav"), both);
        }
    }
    let head = if table.ends_with(".csv") { "file_name,label\n" } else { "" };
    place.write(format!("data/{table}"), format!("{head}{text}"));
    place
}

#[test]
fn clips_of_several_classes_are_trained_scored_exported_and_classified_as_such() {
    let place = several("metadata.csv", |file, labels| format!("{file},{}\n", labels.join("|")));
    let said = place.run(&format!("{SHORT} --multi-label --output run"));
    let said = said.says(0, &["mAP"]);
    assert!(said.out.contains("mAP ") && said.out.contains("exact match"), "{}", said.out);
    let config = place.json("run/model/config.json");
    assert_eq!(config["problem_type"], "multi_label_classification");
    assert_eq!(config["id2label"].as_object().unwrap().len(), 3);
    let lines = place.read("run/metrics.jsonl");
    let epochs: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line.get("eval_loss").is_some())
        .collect();
    assert_eq!(epochs.len(), 2);
    let report = place.json("run/report.json");
    let best = |key: &str| epochs.iter().map(|it| it[key].as_f64().unwrap()).fold(f64::MIN, f64::max);
    assert_eq!(report["average_precision"]["macro"].as_f64().unwrap(), best("eval_map"));
    assert_eq!(
        (&report["problem_type"], report["confusion"].as_array().unwrap().len()),
        (&"multi_label_classification".into(), 0)
    );
    assert!(place.read("run/model/README.md").contains("- mAP: "));
    assert!(!place.path("run/confusion_matrix.svg").exists());
    assert!(place.read("run/report.html").contains("mAP"));

    let said = place.run("classify data/rain/0.wav --model run/model --format jsonl");
    let row: Value = serde_json::from_str(said.says(0, &[]).out.trim()).unwrap();
    let sum: f64 =
        row["predictions"].as_array().unwrap().iter().map(|it| it["score"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() > 1e-3, "each label has a score of its own: {row}");

    let list = place.run("runs run");
    assert!(list.says(0, &[]).out.contains(" mAP (epoch "));
    // What asks for one class a clip is refused, by its name.
    for (more, key) in [
        ("--split-by stratified", "`split_by` is stratified"),
        ("--sampling balanced", "`sampling` is balanced"),
        ("--mixup 0.4", "`mixup` is 0.4"),
        ("--label-smoothing 0.1", "`label_smoothing` is 0.1"),
        ("--focal-gamma 2", "`focal_gamma` is 2"),
    ] {
        place.run(&format!("{SHORT} --multi-label {more}")).says(1, &[key, "one class a clip"]);
    }
    let said = place.run("eval run -o scores");
    let (said, again) = (said.says(0, &[]), place.json("scores/report.json"));
    assert!(said.out.contains("mAP ") && said.out.contains("held-out clips"), "{}", said.out);
    for key in ["accuracy", "macro_f1", "average_precision", "per_class", "loss", "n"] {
        assert_eq!(again[key], report[key], "{key}");
    }
    place.run("eval run --shard 0/2 -o shard").says(2, &["--shard is for clips of one class each"]);
    let all = place.run("eval --model run/model --data data --multi-label --split all");
    assert!(all.says(0, &[]).out.contains("on 12 clips"));
    place.copy_model("speech/group", "one");
    place.run("eval --model one --data data --multi-label").says(2, &["tells one label a clip"]);
    // Without being asked for, a bar is a part of a class's name.
    place.run(&format!("{SHORT} --output single")).says(0, &[]);
    assert_eq!(place.json("single/model/config.json")["id2label"].as_object().unwrap().len(), 6);
    let folders = WorkDir::with_clips();
    folders.run(&format!("{SHORT} --multi-label")).says(1, &["its folders give each clip one class"]);
}

#[test]
fn a_column_of_lists_makes_a_run_of_several_classes_which_resumes_as_one() {
    let place = several("metadata.jsonl", |file, labels| {
        format!("{{\"file_name\": \"{file}\", \"tags\": {labels:?}}}\n")
    });
    place
        .run(&format!("{SHORT} --label-column tags --class-weights balanced --output whole"))
        .says(0, &["`tags` has lists"]);
    assert!(place.read("whole/recipe.toml").contains("multi_label = true"));
    place
        .run("data stats data --label-column tags")
        .says(1, &["`tags` holds lists", "eval --model M --data DIR --multi-label"]);
    place.run(&format!("{SHORT} --label-column tags --class-weights balanced --output part")).says(0, &[]);
    for gone in ["model", "report.json", "checkpoint-6"] {
        let path = place.path(format!("part/{gone}"));
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        removed.unwrap();
    }
    place.run("train --resume part").says(0, &["resumed  after step 3"]);
    for file in ["metrics.jsonl", "report.json", "model/README.md", "model/config.json"] {
        assert_eq!(place.read(&format!("part/{file}")), place.read(&format!("whole/{file}")), "{file}");
    }
}

/// Takes the last epoch from a finished run.
fn shorten(place: &WorkDir, run: &str) {
    for gone in ["model", "adapter", "report.json", "checkpoint-6"] {
        let path = place.path(format!("{run}/{gone}"));
        match path.is_dir() {
            true => fs::remove_dir_all(path).unwrap(),
            false => _ = fs::remove_file(path),
        }
    }
}

/// The tensors of a `.safetensors` file: their names, and the bytes of each.
fn tensors(place: &WorkDir, file: &str) -> BTreeMap<String, Vec<u8>> {
    let bytes = fs::read(place.path(file)).unwrap();
    let start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..start]).unwrap();
    let tensor = |(name, about): (&String, &Value)| {
        let at = |side: usize| start + about["data_offsets"][side].as_u64().unwrap() as usize;
        (name.clone(), bytes[at(0)..at(1)].to_vec())
    };
    header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__").map(tensor).collect()
}

#[test]
fn adapters_change_only_what_they_adapt_and_lie_in_the_model_and_beside_it() {
    let place = WorkDir::with_clips();
    place.copy_model("speech/group", "base");
    let args = "train --data data --model base --lora-rank 4 --lora-alpha 8 --epochs 2 --batch-size 4 --test-size 0.25 --lr 1e-2";
    place.run(&format!("{args} --output run")).says(0, &["frozen; adapters with"]);
    let config = place.json("run/adapter/adapter_config.json");
    assert_eq!(
        (&config["peft_type"], &config["r"], &config["lora_alpha"]),
        (&"LORA".into(), &4.into(), &8.into())
    );
    assert_eq!(config["target_modules"], json!(["q_proj", "v_proj"]));
    assert_eq!(config["modules_to_save"], json!(["classifier", "projector"]));
    let adapter = tensors(&place, "run/adapter/adapter_model.safetensors");
    assert_eq!(adapter.len(), 2 * 2 * 2 + 4, "{:?}", adapter.keys());
    let (base, model) =
        (tensors(&place, "base/model.safetensors"), tensors(&place, "run/model/model.safetensors"));
    for (name, bytes) in &model {
        let is_adapted = ["q_proj.weight", "v_proj.weight"].iter().any(|part| name.ends_with(part));
        let is_head = name.starts_with("classifier.") || name.starts_with("projector.");
        assert_eq!(base[name] != *bytes, is_adapted || is_head, "{name}");
        let kept = adapter.get(&format!("base_model.model.{name}"));
        assert!(kept.is_none_or(|kept| kept == bytes), "{name} of the head is in both");
    }
    // A resumed run goes on with the adapters, not with the weights that they are in.
    place.run(&format!("{args} --output part")).says(0, &[]);
    shorten(&place, "part");
    place.run("train --resume part").says(0, &["resumed  after step 3"]);
    for file in [
        "metrics.jsonl",
        "report.json",
        "model/README.md",
        "model/model.safetensors",
        "adapter/adapter_model.safetensors",
    ] {
        let [part, run] = ["part", "run"].map(|run| fs::read(place.path(format!("{run}/{file}"))).unwrap());
        assert!(part == run, "{file}");
    }
    for (more, why) in [
        ("--lora-rank 4 --freeze backbone", "`freeze` is set, and so is `lora_rank`"),
        (
            "--lora-rank 4 --lora-targets q_proj,w_proj",
            "no linear layer called w_proj; those of its encoder are called",
        ),
        ("--lora-rank 4 --ema 0.9", "an average of adapters is not supported"),
        ("--lora-alpha 8", "`lora_alpha` is set, but there are no adapters"),
    ] {
        place.run(&format!("train --data data --model base {more}")).says(1, &[why]);
    }
    place.run(&format!("{SHORT} --lora-rank 4")).says(1, &["the model is new"]);
}

#[test]
fn the_average_of_the_weights_is_what_is_scored_and_exported_and_a_resumed_run_has_the_same() {
    let place = WorkDir::with_clips();
    let args = format!("{SHORT} --ema 0.75");
    place.run(&format!("{args} --output whole")).says(0, &[]);
    let [average, behind] =
        ["model", "training"].map(|name| tensors(&place, &format!("whole/checkpoint-6/{name}.safetensors")));
    assert_eq!(average.keys().collect::<Vec<_>>(), behind.keys().collect::<Vec<_>>());
    assert_ne!(average["classifier.weight"], behind["classifier.weight"]);
    place.run(&format!("{args} --output part")).says(0, &[]);
    shorten(&place, "part");
    place.run("train --resume part").says(0, &["resumed  after step 3"]);
    for file in
        ["metrics.jsonl", "report.json", "model/model.safetensors", "checkpoint-6/training.safetensors"]
    {
        let [part, whole] =
            ["part", "whole"].map(|run| fs::read(place.path(format!("{run}/{file}"))).unwrap());
        assert!(part == whole, "{file}");
    }
    // It is another run without.
    place.run(&format!("{SHORT} --output plain")).says(0, &[]);
    assert_ne!(place.read("plain/metrics.jsonl"), place.read("whole/metrics.jsonl"));
    assert!(!place.path("plain/checkpoint-6/training.safetensors").exists());
}

#[test]
fn class_weights_and_masks_are_those_that_are_named() {
    let place = WorkDir::with_clips();
    place.run(&format!("{SHORT} --class-weights rain=2.5,bell=0.5 --output run")).says(0, &[]);
    assert!(place.read("run/recipe.toml").contains("class_weights = \"bell=0.5,rain=2.5\""));
    assert!(
        place.read("run/model/README.md").contains("class\\_weights: bell=0.5,rain=2.5")
            || place.read("run/model/README.md").contains("class_weights: bell=0.5,rain=2.5")
    );
    place
        .run(&format!("{SHORT} --class-weights hail=2"))
        .says(1, &["`class_weights` names `hail`", "bell, rain, siren"]);
    place.run(&format!("{SHORT} --class-weights rain=-2")).says(2, &["NAME=WEIGHT"]);

    let masks =
        "--mask-time-prob 0.25 --mask-time-length 2 --mask-feature-prob 0.125 --mask-feature-length 4";
    place.run(&format!("{SHORT} {masks} --output masked")).says(0, &[]);
    let config = place.json("masked/model/config.json");
    let keys = [
        "mask_time_prob",
        "mask_time_length",
        "mask_feature_prob",
        "mask_feature_length",
        "apply_spec_augment",
    ];
    assert_eq!(
        keys.map(|key| config[key].clone()),
        [json!(0.25), json!(2), json!(0.125), json!(4), json!(true)]
    );
    place
        .run(&format!("{SHORT} --mask-time-prob 0.25 --dropout-off"))
        .says(1, &["`dropout` is false, which leaves out SpecAugment"]);
    place.copy_model("ast/unbiased", "ast");
    let args = "train --data data --model ast --new-head --mask-time-prob 0.25";
    place
        .run(args)
        .says(1, &["`mask_time_prob` is set", "a model of type `audio-spectrogram-transformer` has none"]);
}

#[test]
fn long_clips_are_evaluated_in_windows_where_that_is_asked_for() {
    let place = WorkDir::with_clips();
    let args = format!("{SHORT} --max-duration 0.06");
    place.run(&format!("{args} --output beginnings")).says(0, &[]);
    place.run(&format!("{args} --eval-windows --output windows")).says(0, &[]);
    let losses = |run: &str, key: &str| -> Vec<Value> {
        let lines = place.read(&format!("{run}/metrics.jsonl"));
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter_map(|line| line.get(key).cloned()).collect()
    };
    // Trained on the same, evaluated on more.
    assert_eq!(losses("windows", "loss"), losses("beginnings", "loss"));
    assert_ne!(losses("windows", "eval_loss"), losses("beginnings", "eval_loss"));
    assert!(place.read("windows/model/README.md").contains("of 0.06 s, their logits averaged"));
    place.run("eval windows").says(1, &["were scored in windows", "windows/report.json"]);
}
