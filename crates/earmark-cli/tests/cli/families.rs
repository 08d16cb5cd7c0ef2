//! Checkpoints that are no classifier with a label a clip: speaker embeddings, labels of frames, adapters, CED's tags.

use std::path::Path;

use earmark_audio::WavFormat;
use earmark_data::VectorTable;
use earmark_testkit::{Golden, noise, tone};
use safetensors::SafeTensors;
use serde_json::Value;

use crate::work_dir::{WorkDir, golden_model};

fn vectors(path: &Path) -> Vec<Vec<f32>> {
    VectorTable::open(path).unwrap().rows().unwrap().map(|row| row.unwrap().vector).collect()
}

/// With the two clips of a golden as `0.wav` and `1.wav`, and its checkpoint as `model`.
fn place(golden: &str) -> (WorkDir, Golden) {
    let (place, folder) = (WorkDir::with_clips(), golden_model(golden));
    place.copy_model(golden, "model");
    let golden = Golden::open(folder.with_extension("safetensors"));
    for clip in [0, 1] {
        let samples = golden.f32s(&format!("clip.{clip}"));
        place.clip_at(format!("{clip}.wav"), 16_000, samples, WavFormat::Float32);
    }
    (place, golden)
}

#[track_caller]
fn assert_near(got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len());
    let worst = got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 3e-5, "{worst}");
}

#[test]
fn embed_gives_the_x_vector_of_each_clip_alone_and_a_layer_when_asked() {
    for golden in ["x_vectors/wavlm", "x_vectors/wav2vec2", "x_vectors/wav2vec2-bert"] {
        let (place, golden) = place(golden);
        place.run("embed 0.wav 1.wav -o v.parquet --model model").says(0, &["2 vectors of 12 numbers"]);
        let found = vectors(&place.path("v.parquet"));
        for clip in [0, 1] {
            assert_near(&found[clip], &golden.f32s(&format!("alone.{clip}.embeddings")));
        }
        place.run("embed 0.wav --layer 1 -o one.parquet --model model").says(0, &["1 vector of 16 numbers"]);
        place.run("embed 0.wav --layer last --pool max -o last.parquet --model model").well();
        place.run("embed 0.wav --layer xvector -o x.parquet --model model").well();
        assert_eq!(vectors(&place.path("x.parquet"))[0], found[0]);
        place.run("embed 0.wav --pool max -o no.parquet --model model").says(2, &["nothing to pool"]);
    }
    let place = WorkDir::with_clips();
    place.copy_model("speech/group", "model");
    place
        .run("embed data --layer xvector -o no.parquet --model model")
        .says(2, &["no x-vector head: only speaker-embedding models have one"]);
}

#[test]
fn search_compares_voices_and_a_clip_that_is_too_short_is_refused_with_its_length() {
    let (place, _) = place("x_vectors/wav2vec2");
    place.run("embed 0.wav 1.wav -o voices.parquet --model model").well();
    let said = place.run("search voices.parquet 1.wav --top-k 1 --format csv").well().out.clone();
    assert!(said.lines().nth(1).unwrap().contains("1.wav"), "{said}");
    place.clip("short.wav", noise(400, 1));
    place
        .run("embed short.wav -o no.parquet --model model")
        .says(1, &["too short: it has 400 samples at 16000 Hz, but the model needs 460"]);
}

#[test]
fn a_speaker_embedding_model_is_no_classifier_and_every_command_says_so() {
    let (place, _) = place("x_vectors/wavlm");
    let what =
        ["it is a speaker-embedding model, which has no labels: use `earmark embed` and `earmark search`"];
    place.run("classify 0.wav --model model").says(1, &what);
    place.run("eval --data data --model model -o eval").says(1, &what);
    let said = place.run("inspect model").well().out.clone();
    assert!(said.contains("labels        none: it is a speaker-embedding model"), "{said}");
    let train = "train --data data --model model --output run --epochs 1 --test-size 3 --batch-size 4";
    place.run(train).says(1, &["it is a speaker-embedding model", "pass --new-head to do so"]);
    place.run(&format!("{train} --new-head")).well();
    place.run("classify data/rain/0.wav --model run/model").says(0, &[]);
    place
        .run("probe --data data --model model --split-by random --c 1 -o probe")
        .says(0, &["no head of this model reads x-vectors, so no model is written"]);
}

#[test]
fn a_model_of_frames_says_what_it_is_and_its_encoder_embeds() {
    let place = WorkDir::with_clips();
    place.copy_model("speech/group", "model");
    // Without the projector its head is that of frames.
    let bytes = std::fs::read(place.path("model/model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let kept = file.iter().filter(|(name, _)| !name.starts_with("projector."));
    let written = safetensors::serialize(kept, None).unwrap();
    place.write("model/model.safetensors", written);
    place
        .run("classify data --model model")
        .says(1, &["it labels frames, not clips: use `earmark embed`", "`earmark train --new-head`"]);
    let said = place.run("inspect model").well().out.clone();
    assert!(said.contains("none: it labels each frame of a clip"), "{said}");
    place.run("embed data -o v.parquet --model model").says(0, &["12 vectors of 16 numbers"]);
}

#[test]
fn an_adapter_is_embedded_with_and_not_classified_by() {
    let (place, golden) = place("adapters/wav2vec2");
    place.run("embed 0.wav --pool none -o v.parquet --model model").says(0, &["frames of 12 numbers"]);
    let found: Vec<f32> = vectors(&place.path("v.parquet")).concat();
    assert_near(&found, &golden.f32s("alone.0.last_hidden_state"));
    place.run("embed 0.wav --layer 2 -o two.parquet --model model").says(0, &["1 vector of 16 numbers"]);
    place
        .run("classify 0.wav --model model")
        .says(1, &["`add_adapter` is true, and transformers has no classifier with an adapter"]);
    let said = place.run("inspect model").well().out.clone();
    assert!(said.contains("labels        none: `add_adapter` is true"), "{said}");
}

#[test]
fn ced_tags_with_any_number_of_labels_and_is_fine_tuned_to_tell_one() {
    let (place, golden) = place("ced/short");
    let said = place.run("classify 0.wav 1.wav --top-k all --format jsonl --model model");
    for (clip, row) in said.rows().iter().enumerate() {
        let answer = golden.f32s(&format!("alone.{clip}.answer"));
        for prediction in row["predictions"].as_array().unwrap() {
            let label = prediction["label"].as_str().unwrap();
            let want = answer[label.strip_prefix("LABEL_").unwrap().parse::<usize>().unwrap()];
            let got = prediction["score"].as_f64().unwrap() as f32;
            assert!((got - want).abs() < 1e-5, "{label}: {got} {want}");
        }
    }
    place.run("embed 0.wav 1.wav -o v.parquet --model model").says(0, &["2 vectors of 24 numbers"]);
    place.clip("tiny.wav", tone(440.0, 0.1, 16_000));
    place
        .run("classify tiny.wav --model model")
        .says(3, &["too short: it has 1600 samples at 16000 Hz, but the model needs 2400"]);
    let train =
        "train --data data --model model --output run --epochs 2 --test-size 3 --batch-size 4 --new-head";
    place.run(train).well();
    let trained: Value = place.json("run/model/config.json");
    assert_eq!((&trained["outputdim"], &trained["pooling"]), (&3.into(), &"logit".into()));
    let rows = place.run("classify data/rain/0.wav --top-k all --format jsonl --model run/model").rows();
    let scores = rows[0]["predictions"].as_array().unwrap().iter().map(|it| it["score"].as_f64().unwrap());
    assert!((scores.sum::<f64>() - 1.0).abs() < 1e-5);
}
