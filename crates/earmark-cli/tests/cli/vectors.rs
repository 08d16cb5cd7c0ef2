//! `earmark embed` and `earmark search`: vectors of files and windows, and what is nearest to a sound or a text.

use std::fs;
use std::path::Path;

use earmark_audio::WavFormat;
use earmark_data::{VectorRow, VectorTable};
use earmark_testkit::{noise, tone};
use serde_json::Value;

use crate::work_dir::{WorkDir, lines};

fn rows(path: &Path) -> Vec<VectorRow> {
    VectorTable::open(path).unwrap().rows().unwrap().map(Result::unwrap).collect()
}

/// With `model/`, and `night.wav`: three seconds of noise, a tone and noise.
fn place() -> WorkDir {
    let place = WorkDir::empty();
    place.copy_model("speech/group", "model");
    let seconds = [noise(16_000, 1), tone(440.0, 1.0, 16_000), noise(16_000, 2)];
    for (number, samples) in seconds.iter().enumerate() {
        place.clip_at(format!("{number}.wav"), 16_000, samples.clone(), WavFormat::Float32);
    }
    place.clip_at("night.wav", 16_000, seconds.concat(), WavFormat::Float32);
    place
}

#[test]
fn each_window_has_the_vector_of_the_clip_it_holds() {
    let place = place();
    let embed = |what: &str| place.run(&format!("embed {what} --model model"));
    embed("0.wav 1.wav 2.wav -o clips.parquet")
        .says(0, &["wrote clips.parquet: 3 vectors of 16 numbers from 3 files"]);
    embed("night.wav --window 1s -o night.parquet").says(0, &["3 vectors of 16 numbers from 1 file\n"]);
    let (clips, night) = (rows(&place.path("clips.parquet")), rows(&place.path("night.parquet")));
    for (number, (clip, window)) in clips.iter().zip(&night).enumerate() {
        assert_eq!((clip.path.as_str(), clip.span), (format!("{number}.wav").as_str(), None));
        let start = number as f64;
        assert_eq!((window.path.as_str(), window.span), ("night.wav", Some((start, start + 1.0))));
        assert_eq!(clip.vector, window.vector, "{number}");
    }
    embed("night.wav --window 1s --hop 500ms -o half.npy").says(0, &["5 vectors", "listed in half.rows.csv"]);
    let list = place.read("half.rows.csv");
    assert!(list.starts_with("path,start,end\nnight.wav,0,1\nnight.wav,0.5,1.5\n"), "{list}");
    assert_eq!(list.lines().count(), 6);

    let table = VectorTable::open(&place.path("night.parquet")).unwrap();
    let note: Value = serde_json::from_str(table.note("earmark").unwrap()).unwrap();
    assert_eq!((&note["model"], &note["window"], &note["hop"]), (&"model".into(), &1.0.into(), &1.0.into()));
}

#[test]
fn a_file_that_fails_is_reported_and_the_others_are_written() {
    let place = place();
    place.write("broken.wav", "RIFF?");
    place.clip("short.wav", noise(100, 1));
    for window in ["", "--window 1s"] {
        let said = place.run(&format!(
            "embed broken.wav night.wav short.wav 0.wav {window} -o v.parquet --force --model model"
        ));
        said.says(3, &["`broken.wav`", "`short.wav`", "has 100 samples at 16000 Hz", "from 2 files"]);
        let paths: Vec<_> = rows(&place.path("v.parquet")).into_iter().map(|row| row.path).collect();
        let night = if window.is_empty() { 1 } else { 3 };
        assert_eq!(paths, [vec!["night.wav"; night], vec!["0.wav"]].concat());
    }
}

#[test]
fn no_output_is_replaced_without_force() {
    let place = place();
    place.write("a.parquet", "mine");
    place.write("b.npy", "mine");
    place.write("c.rows.csv", "mine");
    for output in ["a.parquet", "b.npy", "c.npy"] {
        let embed = format!("embed 0.wav --model model -o {output}");
        let refused = output.replace("c.npy", "c.rows.csv");
        place.run(&embed).says(1, &[&format!("`{refused}`"), "--force"]);
        assert_eq!(place.read(&refused), "mine");
        place.run(&format!("{embed} --force")).well();
    }
    assert!(place.list(".").iter().all(|name| !name.contains("unfinished")));
}

/// `(query, path, start, cosine)` of each line of the CSV.
fn found(csv: &str) -> Vec<(String, String, String, f64)> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(reader.headers().unwrap(), ["query", "rank", "path", "start", "end", "cosine"].as_slice());
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        (row[0].to_owned(), row[2].to_owned(), row[3].to_owned(), row[5].parse().unwrap())
    });
    rows.collect()
}

#[test]
fn a_search_ranks_all_rows_by_their_cosine_with_the_query() {
    let place = place();
    place.run("embed night.wav 0.wav 1.wav 2.wav --window 1s --hop 250ms -o v.parquet --model model").well();
    let table = rows(&place.path("v.parquet"));
    assert_eq!(table.len(), 12);
    let said = place.run("search v.parquet 1.wav --top-k 12 --format csv");
    let got = found(&said.well().out);

    place.run("embed 1.wav -o query.parquet --model model").well();
    let query = rows(&place.path("query.parquet")).remove(0).vector;
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let cosine = |row: &VectorRow| {
        dot(&query, &row.vector) / (dot(&query, &query).sqrt() * dot(&row.vector, &row.vector).sqrt())
    };
    let mut want: Vec<_> =
        table.iter().map(|row| (row.path.clone(), row.span.unwrap().0.to_string(), cosine(row))).collect();
    want.sort_by(|a, b| b.2.total_cmp(&a.2));
    for (got, want) in got.iter().zip(&want) {
        assert!((got.3 - want.2).abs() < 1e-9, "{got:?} and not {want:?}");
    }
    // Itself, once as a clip and once as a window of the night.
    let mut best: Vec<_> = got[..2].iter().map(|row| (row.1.as_str(), row.2.as_str())).collect();
    best.sort_unstable();
    assert_eq!(best, [("1.wav", "0"), ("night.wav", "1")]);
    assert!((got[1].3 - 1.0).abs() < 1e-6 && got[2].3 < got[1].3, "{got:?}");

    let said = place.run("search v.parquet 1.wav broken.wav 0.wav --top-k 2 --format jsonl");
    let objects = lines(&said.says(3, &["broken.wav"]).out);
    assert_eq!(objects.len(), 3);
    assert_eq!((&objects[0]["query"], &objects[1]["query"]), (&"1.wav".into(), &"broken.wav".into()));
    let matches = objects[0]["matches"].as_array().unwrap();
    assert_eq!((matches.len(), matches[0]["cosine"].as_f64()), (2, Some(got[0].3)));
    assert!(objects[1]["error"].as_str().unwrap().contains("broken.wav"));

    let said = place.run("search v.parquet 1.wav --top-k 1");
    let words: Vec<&str> = said.well().out.split_whitespace().collect();
    assert_eq!(&words[..5], ["1.wav", "path", "start", "end", "cosine"]);
    assert_eq!(words.last(), Some(&"1.0000"), "{}", said.out);
}

#[test]
fn vectors_of_another_model_are_not_compared() {
    let place = place();
    place.run("embed 0.wav -o v.parquet --model model").well();
    place.copy_model("speech/group", "copy");
    place.copy_model("speech/wav2vec2", "other");
    place.run("search v.parquet 0.wav --model copy").well();
    place.run("search v.parquet 0.wav --model other").says(1, &["`model`", "`other`", "cannot be compared"]);
    fs::rename(place.path("model"), place.path("moved")).unwrap();
    place.run("search v.parquet 0.wav").says(1, &["`model`, which made the vectors", "--model"]);
    place.run("search v.parquet 0.wav --model moved").well();
}

#[test]
fn a_text_is_searched_for_with_clap_and_with_nothing_else() {
    let place = place();
    place.copy_clap("unfused");
    place.run("embed 0.wav 1.wav -o v.parquet --model unfused").well();
    let search = "search v.parquet --text dog --text rain --format csv";
    let cosines = found(&place.run(search).well().out);
    assert_eq!(cosines.len(), 4);
    // The scores of zero-shot classification are a softmax over the same cosines, times the model's scale.
    let said =
        place.run("zero-shot 0.wav 1.wav --labels dog,rain --template {} --format jsonl --model unfused");
    let scales: Vec<f64> = said
        .well()
        .rows()
        .iter()
        .map(|row| {
            let cosine = |label: &str| {
                cosines.iter().find(|it| it.0 == label && row["path"] == it.1.as_str()).unwrap().3
            };
            let score = |label: &str| {
                let predictions = row["predictions"].as_array().unwrap();
                predictions.iter().find(|it| it["label"] == label).unwrap()["score"].as_f64().unwrap()
            };
            (score("dog") / score("rain")).ln() / (cosine("dog") - cosine("rain"))
        })
        .collect();
    assert!(scales[0] > 1.0 && (scales[0] / scales[1] - 1.0).abs() < 1e-2, "{scales:?}");

    place.run("embed 0.wav -o speech.parquet --model model").well();
    place.run("search speech.parquet --text dog").says(2, &["hubert", "CLAP"]);
}

#[test]
fn one_label_alone_is_warned_of_and_a_model_of_the_other_kind_names_its_command() {
    let place = place();
    place.copy_clap("unfused");
    let said = place.run("zero-shot 0.wav --labels dog --model unfused");
    said.says(0, &["warning: with `dog` as the only label its score is always 1: give at least two"]);
    let said = place.run("zero-shot 0.wav --labels dog,rain --model unfused");
    assert!(!said.well().err.contains("only label"), "{}", said.err);
    place.run("classify 0.wav --model unfused").says(1, &["CLAP", "`earmark zero-shot --labels A,B`"]);
    place.run("zero-shot 0.wav --labels dog,rain --model model").says(1, &["`hubert`", "`earmark classify`"]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_writes_no_vectors_and_a_killed_job_leaves_nothing_for_long() {
    use crate::work_dir::{Ran, signal, wait_until};
    use std::process::Stdio;

    let place = place();
    let start = || {
        // It waits for a sound that never comes.
        let mut command = place.command("embed 0.wav - --window 1s -o v.parquet --model model");
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let begun = || place.list(".").iter().any(|name| name.contains("unfinished"));
        wait_until("it begins to write", begun);
        (child, stdin)
    };
    for name in ["INT", "KILL"] {
        let (child, stdin) = start();
        signal(&child, name);
        let ran = Ran::end_of(child);
        drop(stdin);
        assert_eq!(ran.code, (name == "INT").then_some(130), "{}", ran.err);
        assert!(!place.path("v.parquet").exists());
    }
    place.run("embed 0.wav -o v.parquet --model model").well();
    assert!(place.list(".").iter().all(|name| !name.contains("unfinished")), "{:?}", place.list("."));
}
