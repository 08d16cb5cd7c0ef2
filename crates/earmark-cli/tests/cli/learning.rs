//! What a run can learn beside one class a clip, and how.

use serde_json::Value;

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
    place.run("eval run").says(1, &["any number of classes", "report.json"]);
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
    place.run(&format!("{SHORT} --label-column tags --class-weights balanced --output part")).says(0, &[]);
    for gone in ["model", "report.json", "checkpoint-6"] {
        let path = place.path(format!("part/{gone}"));
        let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        removed.unwrap();
    }
    place.run("train --resume part").says(0, &["resumed  after step 3"]);
    for file in ["metrics.jsonl", "report.json", "model/README.md", "model/config.json"] {
        assert_eq!(place.read(&format!("part/{file}")), place.read(&format!("whole/{file}")), "{file}");
    }
}
