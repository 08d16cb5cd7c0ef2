//! Model folders on the command line: what is assumed or passed over is said, and errors advise what the command has.

use std::fs;

use earmark_testkit::{noise, tone};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

use crate::work_dir::WorkDir;

/// A folder with `model`, a golden checkpoint, and two clips of each of three classes.
fn with_model(golden: &str) -> WorkDir {
    let place = WorkDir::empty();
    place.copy_model(golden, "model");
    for class in ["bell", "rain", "siren"] {
        for clip in 0..2_u8 {
            let samples = match class {
                "rain" => noise(3000, clip.into()),
                _ => tone(if class == "bell" { 1500.0 } else { 300.0 }, 0.25, 16_000),
            };
            place.clip(format!("data/{class}/{clip}.wav"), samples);
        }
    }
    place
}

/// Changes a JSON file.
fn edit(place: &WorkDir, name: &str, edit: impl FnOnce(&mut Value)) {
    let mut json = place.json(name);
    edit(&mut json);
    place.write(name, json.to_string());
}

/// Adds a tensor to the weights.
fn add_tensor(place: &WorkDir, name: &str) {
    let bytes = fs::read(place.path("model/model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let extra = TensorView::new(safetensors::Dtype::F32, vec![1], &[0; 4]).unwrap();
    let tensors = file.iter().map(|(name, view)| (name.to_owned(), view)).chain([(name.to_owned(), extra)]);
    place
        .write("model/model.safetensors", safetensors::serialize(tensors.collect::<Vec<_>>(), None).unwrap());
}

const CLASSIFY: &str = "classify data/rain/0.wav --model model --format jsonl";

#[test]
fn an_ordinary_model_is_used_without_a_word() {
    let said = with_model("speech/group").run(CLASSIFY);
    said.says(0, &[]);
    assert!(!said.err.contains("warning"), "{}", said.err);
}

#[test]
fn what_the_weights_have_too_much_is_named_and_passed_over() {
    let place = with_model("speech/group");
    let expected = place.run(CLASSIFY).out;
    add_tensor(&place, "loss_fct.weight");
    let said = place.run(CLASSIFY);
    said.says(0, &["warning: ", "`model/model.safetensors`", "`loss_fct.weight`"]);
    assert_eq!(said.out, expected);
}

#[test]
fn what_is_assumed_of_the_extractor_is_said() {
    let place = with_model("speech/group");
    edit(&place, "model/preprocessor_config.json", |json| {
        json.as_object_mut().unwrap().remove("sampling_rate");
    });
    place.run(CLASSIFY).says(0, &["warning: ", "Wav2Vec2FeatureExtractor", "`sampling_rate` (16000)"]);
    fs::remove_file(place.path("model/preprocessor_config.json")).unwrap();
    let words = ["warning: ", "neither processor_config.json nor preprocessor_config.json", "16000 Hz"];
    place.run(CLASSIFY).says(0, &words);
    place.run("features data/rain/0.wav --model model -o a.safetensors").says(0, &words);
    let said = place.run("inspect model");
    said.says(0, &[]);
    assert!(said.out.contains("neither processor_config.json nor"), "{}", said.out);
}

#[test]
fn classes_of_one_name_are_said() {
    let place = with_model("speech/group");
    edit(&place, "model/config.json", |json| json["id2label"] = json!({ "0": "a", "1": "b", "2": "a" }));
    let said = place.run(CLASSIFY);
    said.says(0, &["warning: ", "`a`"]);
    let row: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(row["predictions"].as_array().unwrap().len(), 3);
}

#[test]
fn advice_is_what_the_command_has() {
    let place = with_model("speech/group");
    edit(&place, "model/config.json", |json| json["id2label"] = json!({ "0": "a", "1": "b" }));
    let said = place.run(CLASSIFY);
    said.says(1, &["has 2 labels", "has 3"]);
    assert!(!said.err.contains("--new-head"), "{}", said.err);
}

#[test]
fn features_are_made_as_a_processor_config_says() {
    let place = with_model("speech/group");
    let features = || {
        place.run("features data/rain/0.wav --model model -o a.safetensors --force").says(0, &[]);
        fs::read(place.path("a.safetensors")).unwrap()
    };
    let expected = features();
    let old = place.path("model/preprocessor_config.json");
    let extractor: Value = serde_json::from_slice(&fs::read(&old).unwrap()).unwrap();
    fs::write(
        place.path("model/processor_config.json"),
        json!({ "feature_extractor": extractor }).to_string(),
    )
    .unwrap();
    edit(&place, "model/preprocessor_config.json", |json| json["do_normalize"] = false.into());
    assert!(features() == expected, "the old file was read");
    fs::remove_file(&old).unwrap();
    assert!(features() == expected);
}

#[test]
fn inspect_says_which_file_the_extractor_is_from_and_needs_no_weights() {
    let place = with_model("ast/overlapping");
    let said = place.run("inspect model");
    said.says(0, &[]);
    assert!(said.out.contains("(preprocessor_config.json)"), "{}", said.out);
    fs::remove_file(place.path("model/model.safetensors")).unwrap();
    let extractor = fs::read(place.path("model/preprocessor_config.json")).unwrap();
    let extractor: Value = serde_json::from_slice(&extractor).unwrap();
    fs::remove_file(place.path("model/preprocessor_config.json")).unwrap();
    fs::write(
        place.path("model/processor_config.json"),
        json!({ "feature_extractor": extractor }).to_string(),
    )
    .unwrap();
    let said = place.run("inspect model");
    said.says(0, &[]);
    for word in ["(processor_config.json)", "none: expected one of model.safetensors", "16000 Hz"] {
        assert!(said.out.contains(word), "no `{word}` in {}", said.out);
    }
}

#[test]
fn a_model_that_is_trained_for_one_label_a_clip_says_so_in_its_config() {
    for kind in ["regression", "multi_label_classification"] {
        let place = with_model("speech/group");
        edit(&place, "model/config.json", |json| json["problem_type"] = kind.into());
        place
            .run("train --data data --model model --new-head --epochs 1 --batch-size 2 --test-size 3 --output run")
            .says(0, &[kind, "one label"]);
        let config = fs::read(place.path("run/model/config.json")).unwrap();
        let config: Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config["problem_type"], "single_label_classification");
    }
}

#[test]
fn a_checkpoint_that_holds_nan_is_not_trained() {
    let place = with_model("speech/group");
    let path = place.path("model/model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut bias = file.tensor("classifier.bias").unwrap().data().to_vec();
    bias[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let bias = TensorView::new(safetensors::Dtype::F32, vec![3], &bias).unwrap();
    let tensors: Vec<_> = file
        .iter()
        .map(|(name, view)| (name.to_owned(), if name == "classifier.bias" { bias.clone() } else { view }))
        .collect();
    fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    let said = place.run("train --data data --model model --epochs 1 --test-size 3 --output run");
    said.says(1, &["`classifier.bias` holds NaN", "`model`"]);
    assert!(!place.path("run").exists());
}
