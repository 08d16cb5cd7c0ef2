//! `config.json` as people's tools write it, and as nobody should.

use super::*;

fn golden(path: &str) -> Object {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(path).join("config.json");
    earmark_config::object(&std::fs::read(path).unwrap()).unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "it is made where it is passed")]
fn with(path: &str, changes: Value) -> Result<ModelConfig, ErrorKind> {
    let mut json = golden(path);
    json.extend(changes.as_object().unwrap().clone());
    ModelConfig::from_json(&serde_json::to_vec(&json).unwrap())
}

#[track_caller]
fn refused(path: &str, changes: Value) -> String {
    with(path, changes).unwrap_err().to_string()
}

#[test]
fn labels_may_be_numbers_and_one_name_may_stand_twice() {
    let labels = |map: Value| with("speech/group", json!({ "id2label": map })).unwrap();
    assert_eq!(labels(json!({"0": 3, "1": 1.5, "2": true})).labels(), ["3", "1.5", "True"]);
    let repeated = labels(json!({"2": "rain", "0": "rain", "1": "dog"}));
    assert_eq!(repeated.labels(), ["rain", "dog", "rain"]);
    assert_eq!(repeated.repeated_labels().into_iter().collect::<Vec<_>>(), ["rain"]);
    assert!(repeated.to_json().contains("\"2\": \"rain\""));
    for map in [
        json!({"0": null}),
        json!({"0": ["a"]}),
        json!({"0": "a", "2": "b"}),
        json!(["a"]),
        json!({"a": "a"}),
    ] {
        assert!(refused("speech/group", json!({ "id2label": map })).contains("`id2label`"), "{map}");
    }
}

#[test]
fn flags_and_numbers_are_read_as_python_reads_them() {
    let same = with(
        "speech/group",
        json!({ "hidden_size": golden("speech/group")["hidden_size"].as_f64().unwrap() }),
    );
    assert_eq!(same.unwrap().network(), with("speech/group", json!({})).unwrap().network());
    let NetworkConfig::Speech(off) = with("speech/group", json!({ "conv_bias": null })).unwrap().network
    else {
        panic!("a HuBERT");
    };
    assert!(!off.conv_bias);
    let numbered = with("speech/group", json!({ "id2label": null, "num_labels": 2.0 })).unwrap();
    assert_eq!(numbered.labels(), ["LABEL_0", "LABEL_1"]);
    assert!(
        refused("speech/group", json!({ "id2label": null, "num_labels": -1 })).contains("`num_labels` is -1")
    );
}

#[test]
fn a_problem_type_that_the_reference_does_not_know_is_refused() {
    for kind in [json!(null), json!("regression"), json!("multi_label_classification")] {
        let config = with("speech/group", json!({ "problem_type": kind })).unwrap();
        let one = config.clone().with_one_label_a_clip();
        assert_eq!(one.problem_type(), config.problem_type().map(|_| "single_label_classification"));
    }
    assert!(
        refused("speech/group", json!({ "problem_type": "multilabel" }))
            .contains("`problem_type` is \"multilabel\"")
    );
}

#[test]
fn sizes_that_are_too_much_together_name_their_keys() {
    let most = 1 << 14;
    for (path, changes, keys) in [
        (
            "speech/group",
            json!({ "hidden_size": most, "num_hidden_layers": 512, "intermediate_size": 1 << 16, "num_attention_heads": 16 }),
            &["`hidden_size`", "num_hidden_layers", "intermediate_size", "parameters"][..],
        ),
        (
            "speech/group",
            json!({ "conv_dim": [1, 1, 1, 1, 1, 1, 1, 1], "conv_kernel": vec![most; 8], "conv_stride": vec![most; 8] }),
            &["`conv_kernel`", "conv_stride", "samples"],
        ),
        (
            "speech/group",
            json!({ "conv_dim": [most], "conv_kernel": [1], "conv_stride": [1] }),
            &["`conv_dim`", "conv_stride", "a second"],
        ),
        (
            "speech/group",
            json!({ "hidden_size": most, "num_attention_heads": 16, "num_conv_pos_embeddings": 4096,
                "num_conv_pos_embedding_groups": 1 }),
            &["`hidden_size`", "num_conv_pos_embeddings", "parameters"],
        ),
        (
            "ast/overlapping",
            json!({ "max_length": 1 << 16, "num_mel_bins": 4096, "patch_size": 4096, "frequency_stride": 4096, "time_stride": 4096 }),
            &["`max_length`", "num_mel_bins", "numbers of a clip"],
        ),
        (
            "ast/overlapping",
            json!({ "max_length": 1 << 16, "time_stride": 1 }),
            &["`max_length`", "time_stride", "patches"],
        ),
        (
            "ast/overlapping",
            json!({ "hidden_size": most, "num_attention_heads": 16, "num_hidden_layers": 512 }),
            &["`hidden_size`", "num_hidden_layers", "parameters"],
        ),
        ("whisper/last", json!({ "max_source_positions": 1 << 15 }), &["`max_source_positions`"]),
        (
            "whisper/last",
            json!({ "max_source_positions": most, "num_mel_bins": 4096 }),
            &["`max_source_positions`", "num_mel_bins", "numbers of a clip"],
        ),
        (
            "whisper/last",
            json!({ "d_model": most, "encoder_attention_heads": 16, "encoder_layers": 512 }),
            &["`d_model`", "encoder_layers", "parameters"],
        ),
    ] {
        let said = refused(path, changes.clone());
        assert!(keys.iter().all(|key| said.contains(key)), "{changes}: {said}");
    }
}

#[test]
fn a_config_that_is_no_file_or_too_large_is_an_error_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    let said = |dir: &Path| {
        let error = ModelConfig::read(dir).unwrap_err();
        format!("{error}: {}", error.kind)
    };
    std::fs::File::create(&path).unwrap().set_len(100 << 20).unwrap();
    assert!(said(dir.path()).contains("16777216 bytes"), "{}", said(dir.path()));
    std::fs::write(&path, "version https://git-lfs.github.com/spec/v1\nsize 5\n").unwrap();
    assert!(said(dir.path()).contains("git lfs pull"), "{}", said(dir.path()));
    std::fs::write(&path, format!("{{\"a\": {}", "[".repeat(100_000))).unwrap();
    assert!(said(dir.path()).contains("config.json"));
    #[cfg(unix)]
    {
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(said(dir.path()).contains("not a regular file"), "{}", said(dir.path()));
    }
}
