//! `earmark eval` over many clips: killed and resumed, divided and combined.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use earmark_audio::WavFormat;
use earmark_testkit::{noise, tone};
use polars::prelude::*;

use crate::work_dir::{Ran, WorkDir, wait_until};

const RESULTS: [&str; 4] = ["confusion_matrix.svg", "predictions.parquet", "report.html", "report.json"];

/// The number of different sounds.
const SOUNDS: usize = 24;

/// With `model`, and `clips`: so many rows of Parquet of a few different short sounds in three classes.
fn many(clips: usize) -> WorkDir {
    let place = WorkDir::empty();
    place.copy_model("speech/group", "model");
    let class = |sound: usize| ["bell", "rain", "siren"][sound % 3];
    for sound in 0..SOUNDS {
        let seconds = 0.05 + 0.01 * (sound % 7) as f64;
        let samples = match class(sound) {
            "rain" => noise((16_000.0 * seconds) as usize, sound as u64),
            "bell" => tone(1500.0 + 10.0 * sound as f64, seconds, 16_000),
            _ => tone(300.0 + 10.0 * sound as f64, seconds, 16_000),
        };
        place.clip(format!("sounds/{sound}.wav"), samples);
    }
    let row = |clip: usize| {
        let sound = clip * 7 % SOUNDS;
        format!("{sound}.wav,{},{}\n", class(sound), sound % 5)
    };
    let table: String = (0..clips).map(row).collect();
    place.write("sounds/metadata.csv", format!("file_name,label,fold\n{table}"));
    place.run("data export sounds -o clips").well();
    place
}

fn eval(rest: &str) -> String {
    format!("eval --model model --data clips --split all {rest}")
}

#[track_caller]
fn same_results(place: &WorkDir, a: &str, b: &str) {
    for name in RESULTS {
        let read = |folder: &str| fs::read(place.path(format!("{folder}/{name}"))).unwrap();
        assert!(read(a) == read(b), "{name} differs between {a} and {b}");
    }
    for folder in [a, b] {
        assert_eq!(place.list(folder), RESULTS);
    }
}

/// A table of predictions.
fn table(place: &WorkDir, folder: &str) -> DataFrame {
    let file = fs::File::open(place.path(format!("{folder}/predictions.parquet"))).unwrap();
    ParquetReader::new(file).finish().unwrap()
}

fn texts(table: &DataFrame, column: &str) -> Vec<String> {
    table.column(column).unwrap().str().unwrap().iter().map(|text| text.unwrap().to_owned()).collect()
}

fn lines(journal: &Path) -> usize {
    fs::read(journal).map_or(0, |bytes| bytes.iter().filter(|&&byte| byte == b'\n').count())
}

/// Starts a command several times and kills it, each time once its journal has so many lines. Where it is done before it is killed,
/// that is tried again.
fn kill_after(place: &WorkDir, command: &str, folder: &str, counts: &[usize]) {
    let journal = place.path(format!("{folder}/answers.journal"));
    for _ in 0..20 {
        for &count in counts {
            let mut child = place.start(command);
            let mut is_over = || child.try_wait().unwrap().is_some();
            wait_until("lines of a journal", || lines(&journal) >= count || is_over());
            child.kill().unwrap();
            child.wait().unwrap();
        }
        if journal.exists() {
            return;
        }
        fs::remove_dir_all(place.path(folder)).unwrap();
    }
    panic!("it was over before it was killed, every time");
}

#[test]
fn an_evaluation_that_is_killed_twice_is_resumed_to_the_same_files_byte_for_byte() {
    let place = many(2000);
    place.run(&eval("-o whole")).well();
    let command = eval("-o killed");
    kill_after(&place, &command, "killed", &[20, 60]);
    // As a kill may leave it: half a line.
    let journal = place.path("killed/answers.journal");
    let bytes = fs::read(&journal).unwrap();
    fs::write(&journal, &bytes[..bytes.len() - 9]).unwrap();
    place.run(&command).says(0, &["resumed after", "of 2000 clips", "wrote killed/report.json"]);
    same_results(&place, "whole", "killed");
    assert_eq!(place.json("whole/report.json")["n"], 2000);
    place.run(&command).says(1, &["`killed`", "`report.json`"]);
}

#[test]
fn parts_of_an_evaluation_combine_to_the_same_files_byte_for_byte() {
    let place = many(203);
    place.run(&eval("--eval-batch-size 4 -o whole")).well();
    for part in [2, 0, 3, 1] {
        let command = eval(&format!("--eval-batch-size 4 --shard {part}/4 -o part-{part}"));
        place.run(&command).says(0, &[&format!("part {part}/4 is done"), "of 203 clips"]);
        // Given twice, it finds itself done.
        place.run(&command).says(0, &[&format!("part {part}/4 is done")]);
        assert_eq!(place.list(&format!("part-{part}")), ["answers.journal"]);
    }
    let merged = place.run("eval merge part-3 part-1 part-0 part-2 -o merged");
    let whole = place.run(&eval("--eval-batch-size 4"));
    assert_eq!(
        merged
            .well()
            .out
            .replace("every clip is in merged/predictions.parquet; hear these in merged/report.html", ""),
        whole.well().out.replace("pass -o DIR to write every clip to DIR/predictions.parquet", "")
    );
    same_results(&place, "whole", "merged");
    let table = table(&place, "merged");
    let names: Vec<&str> = table.get_column_names().iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["path", "label", "predicted", "score", "scores", "fold", "sha256"]);
    let folds: Vec<String> = (0..203).map(|clip| (clip * 7 % SOUNDS % 5).to_string()).collect();
    assert_eq!(texts(&table, "fold"), folds);
    let sha256 = earmark_testkit::hub::sha256(&fs::read(place.path("sounds/7.wav")).unwrap());
    assert_eq!(texts(&table, "sha256")[1], sha256);

    place.run("eval merge part-0 part-1 part-3 -o none").says(2, &["missing: 2/4"]);
    place.run("eval merge part-0 part-1 part-0 part-2 part-3 -o none").says(2, &["both part 0/4"]);
    place.run("eval merge whole -o none").says(1, &["`whole` holds no part of an evaluation"]);
    place.run(&eval("--eval-batch-size 4 --shard 3/4 --max-duration 5 -o other")).well();
    place
        .run("eval merge part-0 part-1 part-2 other -o none")
        .says(1, &["not parts of one evaluation", "--max-duration was 30, is 5"]);
    let journal = place.path("part-2/answers.journal");
    let text = fs::read_to_string(&journal).unwrap();
    let cut = text.trim_end().rfind('\n').unwrap();
    fs::write(&journal, &text[..=cut]).unwrap();
    place
        .run("eval merge part-0 part-1 part-2 part-3 -o none")
        .says(1, &["part 2/4 in `part-2` is not finished"]);
    fs::write(&journal, text.replacen("bell", "Bell", 1)).unwrap();
    place.run("eval merge part-0 part-1 part-2 part-3 -o none").says(1, &["part-2"]);
    assert!(!place.path("none").exists());
    fs::write(&journal, text).unwrap();
    place.run("eval merge part-0 part-1 part-2 part-3 -o whole").says(1, &["`whole`", "not empty"]);
}

#[test]
fn parts_with_clips_that_cannot_be_used_have_the_batches_of_the_whole() {
    let place = WorkDir::with_clips();
    place.copy_model("speech/group", "model");
    for name in ["bell/1", "rain/0", "siren/3"] {
        place.write(format!("data/{name}.wav"), "no sound");
    }
    let eval = "eval --model model --data data --split all --skip-bad --eval-batch-size 2";
    place.run(&format!("{eval} -o whole")).says(3, &["left out 3 in all"]);
    for part in 0..3 {
        place
            .run(&format!("{eval} --shard {part}/3 -o part-{part}"))
            .says(0, &["left out 3 clips of all parts"]);
    }
    place.run("eval merge part-0 part-1 part-2 -o merged").says(3, &["left out 3 in all"]);
    same_results(&place, "whole", "merged");
    let report = place.json("merged/report.json");
    assert_eq!((report["n"].as_u64(), report["left_out"].as_u64()), (Some(9), Some(3)));
}

/// The lowest score of a clip from which on at least `least` of the clips are of the label, by trying all.
fn lowest(scores: &[(f32, bool)], least: f64) -> f64 {
    let reaches = |threshold: f32| {
        let found: Vec<bool> = scores.iter().filter(|it| it.0 >= threshold).map(|it| it.1).collect();
        found.iter().filter(|&&is| is).count() as f64 / found.len() as f64 >= least
    };
    let reached = scores.iter().map(|it| it.0).filter(|&score| reaches(score));
    f64::from(reached.fold(f32::INFINITY, f32::min))
}

#[test]
fn thresholds_are_fitted_on_all_clips_also_when_it_was_killed_or_divided() {
    let place = many(603);
    let fit = "--fit-thresholds precision=0.4";
    let whole = place.run(&eval(&format!("{fit} -o whole")));
    whole.says(0, &["wrote whole/thresholds.csv", "--thresholds whole/thresholds.csv"]);
    let read = |folder: &str| place.read(&format!("{folder}/thresholds.csv"));
    let mut lines =
        whole.out.lines().skip_while(|line| !line.starts_with("thresholds for a precision")).skip(2);
    let predictions = table(&place, "whole");
    let (labels, lists) =
        (texts(&predictions, "label"), predictions.column("scores").unwrap().list().unwrap());
    let mut csv = "label,threshold\n".to_owned();
    for (class, label) in ["bell", "rain", "siren"].into_iter().enumerate() {
        let score = |row: usize| lists.get_as_series(row).unwrap().f32().unwrap().get(class).unwrap();
        let scores: Vec<(f32, bool)> = (0..603).map(|row| (score(row), labels[row] == label)).collect();
        let threshold = lowest(&scores, 0.4);
        csv += &format!("{label},{threshold}\n");
        let found: Vec<bool> =
            scores.iter().filter(|it| f64::from(it.0) >= threshold).map(|it| it.1).collect();
        let right = found.iter().filter(|&&is| is).count() as f64;
        let shown = match found.len() {
            0 => format!("{label} never – 0.000 201"),
            all => format!("{label} {threshold:.4} {:.3} {:.3} 201", right / all as f64, right / 201.0),
        };
        assert_eq!(lines.next().unwrap().split_whitespace().collect::<Vec<_>>().join(" "), shown);
    }
    assert_eq!(read("whole"), csv);
    assert!(csv.lines().skip(1).any(|line| !line.ends_with(",inf")), "{csv}");

    let command = eval(&format!("{fit} -o killed"));
    kill_after(&place, &command, "killed", &[20]);
    place.run(&command).says(0, &["resumed after", "wrote killed/thresholds.csv"]);
    for part in 0..2 {
        place.run(&eval(&format!("--shard {part}/2 -o part-{part}"))).well();
    }
    let merged = place.run(&format!("eval merge part-1 part-0 {fit} -o merged"));
    assert_eq!(merged.well().out, whole.out.replace("whole/", "merged/"));
    assert_eq!((read("killed"), read("merged")), (csv.clone(), csv));
    place.run(&eval(&format!("--shard 0/2 {fit} -o part"))).says(2, &["--shard", "--fit-thresholds"]);
    place.run(&eval("--fit-thresholds precision=9")).says(2, &["precision=9", "precision=0.9"]);
    // Without a folder they are printed.
    let printed = place.run(&eval(fit));
    printed.says(0, &["DIR/thresholds.csv"]);
    assert!(printed.out.contains("thresholds for a precision of at least 0.4"), "{}", printed.out);
    // And what they are for.
    place.run("classify sounds --model model --thresholds merged/thresholds.csv").well();
}

#[test]
fn an_evaluation_begun_with_other_settings_is_left_alone() {
    let place = many(400);
    kill_after(&place, &eval("-o scores"), "scores", &[10]);
    let before = fs::read(place.path("scores/answers.journal")).unwrap();
    for (other, words) in [
        ("--max-duration 5", "--max-duration was 30, is 5"),
        ("--eval-batch-size 3", "--eval-batch-size was 8, is 3"),
        ("--resampler torchaudio", "--resampler was hq, is torchaudio"),
        ("--shard 0/2", "--shard was not there, is 0/2"),
    ] {
        place
            .run(&eval(&format!("{other} -o scores")))
            .says(1, &["`scores` was begun with other settings", words, "another --output"]);
    }
    assert!(fs::read(place.path("scores/answers.journal")).unwrap().starts_with(&before[..before.len() / 2]));
    place.run(&eval("-o scores")).says(0, &["resumed after"]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_evaluation_is_code_130_and_can_be_resumed() {
    use crate::work_dir::signal;
    let place = many(2000);
    let journal = place.path("scores/answers.journal");
    let interrupted = std::iter::repeat_with(|| {
        let _ = fs::remove_dir_all(place.path("scores"));
        let mut child = place.start(&eval("-o scores"));
        let mut is_over = || child.try_wait().unwrap().is_some();
        wait_until("lines of a journal", || lines(&journal) >= 10 || is_over());
        if child.try_wait().unwrap().is_none() {
            signal(&child, "INT");
        }
        Ran::end_of(child)
    });
    // Where it is done before the signal comes, that is tried again.
    let interrupted = interrupted.take(20).find(|ran| ran.code != Some(0));
    let interrupted = interrupted.expect("it was over before it was interrupted, every time");
    interrupted.says(130, &["interrupted after", "of 2000 clips", "the same command again"]);
    place.run(&eval("-o scores")).says(0, &["resumed after"]);
    place.run(&eval("-o whole")).well();
    same_results(&place, "whole", "scores");
}

#[test]
fn an_evaluation_that_fails_at_its_first_clips_leaves_no_folder_and_names_all_that_are_bad() {
    let place = WorkDir::with_clips();
    place.copy_model("speech/group", "model");
    place.write("data/bell/0.wav", "no sound");
    place.write("data/siren/3.wav", "no sound");
    let eval = "eval --model model --data data --split all -o scores";
    place.run(eval).says(1, &["2 clips cannot be used", "bell/0.wav", "siren/3.wav", "--skip-bad"]);
    assert!(!place.path("scores").exists());
    place.run(&format!("{eval} --skip-bad")).says(3, &["left out 2 in all"]);
}

/// The WAVs in a page, in its order.
fn sounds(page: &str) -> Vec<Vec<u8>> {
    let sounds = page.split("src=\"data:audio/wav;base64,").skip(1);
    sounds.map(|rest| STANDARD.decode(rest.split('"').next().unwrap()).unwrap()).collect()
}

/// The clips of the most confident mistakes, by their scores.
fn worst(place: &WorkDir, folder: &str) -> Vec<String> {
    let mut wrong: Vec<_> = predictions(place, folder)
        .into_iter()
        .filter(|(_, label, predicted, _)| label != predicted)
        .map(|(path, _, _, scores)| (path, scores.into_iter().fold(0.0, f32::max)))
        .collect();
    wrong.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    wrong.into_iter().map(|(path, _)| path).collect()
}

#[test]
fn the_page_of_an_evaluation_has_the_sounds_of_its_worst_mistakes_and_the_command_that_made_it() {
    let place = WorkDir::with_clips();
    place.copy_model("speech/group", "model");
    // Longer than what the page takes of it, at a higher rate.
    place.clip_at("data/rain/long.wav", 32_000, noise(11 * 32_000, 5), WavFormat::Pcm16);
    place.run("eval --model model --data data --split all -o scores --seed 7").well();
    let page = fs::read_to_string(place.path("scores/report.html")).unwrap();
    let (worst, sounds) = (worst(&place, "scores"), sounds(&page));
    assert!(worst.len() <= 20 && worst.iter().any(|clip| clip == "rain/long.wav"), "{worst:?}");
    assert_eq!(sounds.len(), worst.len());
    let mut place_of_last = 0;
    for (clip, sound) in worst.iter().zip(&sounds) {
        let at = page.find(&format!("<h3>{clip}</h3>")).unwrap();
        assert!(at > place_of_last, "{clip}");
        place_of_last = at;
        let clip = fs::read(place.path(format!("data/{clip}"))).unwrap();
        match clip.len() > 500_000 {
            // Ten seconds at 16 kHz.
            true => assert_eq!(sound.len(), 44 + 320_000),
            false => assert_eq!(*sound, clip, "16-bit mono at 16 kHz stays what it is"),
        }
    }
    assert!(
        page.contains("<code>earmark eval --model model --data data --split all --seed 7</code>"),
        "{page}"
    );
    let report = place.json("scores/report.json");
    for (key, value) in [("device", "cpu"), ("dtype", "f32"), ("earmark", env!("CARGO_PKG_VERSION"))] {
        assert_eq!(report[key], value);
        assert!(page.contains(&format!("<dd>{value}</dd>")), "{key}");
    }
    assert!(report["command"].as_str().unwrap().ends_with("--seed 7"));
}

#[test]
fn a_clip_that_changed_after_it_was_scored_has_no_sound_on_the_page() {
    let place = WorkDir::with_clips();
    place.copy_model("speech/group", "model");
    let eval = "eval --model model --data data --split all";
    place.run(&format!("{eval} -o whole")).well();
    let worst = worst(&place, "whole");
    place.run(&format!("{eval} --shard 0/1 -o part")).well();
    // As if it had been killed behind its last batch.
    let journal = place.path("part/answers.journal");
    let text = fs::read_to_string(&journal).unwrap();
    let kept: Vec<&str> =
        text.lines().filter(|line| !line.contains("\"sounds\"") && !line.ends_with("\"end\"")).collect();
    assert_eq!(kept.len(), text.lines().count() - 2, "the sounds and the end");
    fs::write(&journal, kept.join("\n") + "\n").unwrap();
    place.clip(format!("data/{}", worst[0]), tone(432.0, 0.2, 16_000));
    place.run(&format!("{eval} --shard 0/1 -o part")).well();
    place.run("eval merge part -o merged").well();
    let read = |folder: &str| fs::read_to_string(place.path(format!("{folder}/report.html"))).unwrap();
    let (whole, merged) = (read("whole"), read("merged"));
    assert_eq!(sounds(&merged), sounds(&whole)[1..]);
    assert!(merged.contains("No sound: the clip has changed since it was scored"), "{merged}");
    assert_eq!(whole.matches("No sound").count(), 0);
}

#[test]
fn two_models_are_compared_on_the_same_clips_and_on_no_others() {
    let place = WorkDir::with_clips();
    place.copy_model("speech/group", "one");
    place.copy_model("speech/unispeech", "two");
    for model in ["one", "two"] {
        place.run(&format!("eval --model {model} --data data --split all -o of-{model}")).well();
    }
    let right = |folder: &str| -> Vec<bool> {
        let table = table(&place, folder);
        texts(&table, "label").iter().zip(texts(&table, "predicted")).map(|(a, b)| *a == b).collect()
    };
    let (one, two) = (right("of-one"), right("of-two"));
    let only = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| **a && !**b).count();
    let json = place.run("eval compare of-one of-two/predictions.parquet --json");
    let json: serde_json::Value = serde_json::from_str(&json.well().out).unwrap();
    assert_eq!(json["clips"], 12);
    assert_eq!(json["mcnemar"]["only_first"], only(&one, &two));
    assert_eq!(json["mcnemar"]["only_second"], only(&two, &one));
    assert_eq!(json["first_accuracy"], place.json("of-one/report.json")["accuracy"]);
    assert_eq!(json["second_accuracy"], place.json("of-two/report.json")["accuracy"]);
    let compared = place.run("eval compare of-one of-two");
    let text = &compared.well().out;
    for part in ["A  accuracy", "B - A", "95 % interval", "McNemar p =", "on 12 clips"] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    place.run("eval compare of-one of-two --group speaker").says(2, &["no column of groups `speaker`"]);

    // One clip more, one less, and another sound.
    place.clip("data/bell/9.wav", tone(900.0, 0.2, 16_000));
    place.clip("data/rain/0.wav", noise(3000, 99));
    fs::remove_file(place.path("data/siren/2.wav")).unwrap();
    place.run("eval --model two --data data --split all -o other").well();
    place.run("eval compare of-one other").says(
        1,
        &[
            "not of the same clips",
            "only in A: 1 (`siren/2.wav`)",
            "only in B: 1 (`bell/9.wav`)",
            "another sound in B: 1 (`rain/0.wav`)",
        ],
    );
    place.run("eval compare of-one one").says(1, &["predictions.parquet"]);
    place.run("embed data -o vectors.parquet --model one").well();
    place.run("eval compare of-one vectors.parquet").says(1, &["vectors.parquet", "no column `label`"]);
}

#[test]
fn classes_that_are_written_otherwise_than_the_models_labels_are_joined_with_them() {
    let place = WorkDir::with_clips();
    place.copy_model("speech/group", "model");
    // No batch, so no padding that depends on the order.
    place.run("eval --model model --data data --split all --eval-batch-size 1 -o plain").well();
    // In another order, too.
    fs::create_dir_all(place.path("other")).unwrap();
    for (from, to) in [("siren", "SIREN"), ("bell", "_bell"), ("rain", "Rain")] {
        fs::rename(place.path(format!("data/{from}")), place.path(format!("other/{to}"))).unwrap();
    }
    place.run("eval --model model --data other --split all --eval-batch-size 1 -o other-scores").well();
    for key in ["n", "accuracy", "confusion", "labels", "loss"] {
        let of = |folder: &str| place.json(&format!("{folder}/report.json"))[key].clone();
        match key {
            // The sum of the same numbers in another order.
            "loss" => {
                assert!((of("plain").as_f64().unwrap() - of("other-scores").as_f64().unwrap()).abs() < 1e-12);
            }
            _ => assert_eq!(of("plain"), of("other-scores"), "{key}"),
        }
    }
}

/// The columns of a table of predictions: path, label, predicted and scores.
fn predictions(place: &WorkDir, folder: &str) -> Vec<(String, String, String, Vec<f32>)> {
    let table = table(place, folder);
    let names: Vec<&str> = table.get_column_names().iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["path", "label", "predicted", "score", "scores", "sha256"]);
    let lists = table.column("scores").unwrap().list().unwrap();
    let scores = (0..table.height()).map(|row| {
        let row = lists.get_as_series(row).unwrap();
        row.f32().unwrap().iter().map(Option::unwrap).collect()
    });
    let [paths, labels, predicted] = ["path", "label", "predicted"].map(|column| texts(&table, column));
    let rows = paths.into_iter().zip(labels).zip(predicted).zip(scores);
    rows.map(|(((path, label), predicted), scores)| (path, label, predicted, scores)).collect()
}

#[test]
fn a_clap_model_is_scored_as_zero_shot_scores_the_same_clips() {
    let place = WorkDir::with_clips();
    place.copy_clap("unfused");
    fs::rename(place.path("data/bell"), place.path("data/church_bell")).unwrap();
    let eval = "eval --model unfused --data data --split all";
    place.run(&format!("{eval} -o scores")).well();
    let labels = ["church bell", "rain", "siren"];
    let zero_shot = place
        .run("zero-shot data --model unfused --format jsonl --label church_bell --label rain --label siren");
    let as_is = zero_shot.well().rows();
    place.write("labels.txt", labels.join("\n"));
    let rows =
        place.run("zero-shot data --model unfused --format jsonl --labels-file labels.txt").well().rows();
    place.run(&format!("{eval} --labels-as-is -o as-is")).well();
    for (folder, rows, first) in [("scores", rows, "church bell"), ("as-is", as_is, "church_bell")] {
        let predictions = predictions(&place, folder);
        assert_eq!(predictions.len(), rows.len());
        for (path, label, _, scores) in predictions {
            assert_eq!(path.split('/').next(), Some(label.as_str()));
            let row = rows.iter().find(|row| row["path"].as_str().unwrap().ends_with(&path)).unwrap();
            for (score, label) in scores.iter().zip([first, "rain", "siren"]) {
                let of_label = |it: &&serde_json::Value| it["label"] == label;
                let other = row["predictions"].as_array().unwrap().iter().find(of_label).unwrap();
                assert_eq!(*score, other["score"].as_f64().unwrap() as f32, "{path} {label}");
            }
        }
    }
    let prompts = &place.json("scores/report.json")["prompts"];
    assert_eq!(prompts["templates"], serde_json::json!(["This is a sound of {}."]));
    assert_eq!(prompts["labels"], serde_json::json!(labels));
    assert_eq!(place.json("scores/report.json")["labels"][0], "church_bell");

    // The embeddings of several templates are averaged.
    let twice = "--template {} --template {}";
    place.run(&format!("{eval} --template {{}} -o once")).well();
    place.run(&format!("{eval} {twice} -o twice")).well();
    place.run(&format!("{eval} --template {{}} --template a-{{}}-b -o mean")).well();
    let scores = |folder: &str| -> Vec<f32> {
        predictions(&place, folder).into_iter().flat_map(|(.., scores)| scores).collect()
    };
    let apart =
        |a: &str, b: &str| scores(a).iter().zip(scores(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart("once", "twice") < 1e-6, "{}", apart("once", "twice"));
    assert!(apart("once", "mean") > 1e-6);
    assert_eq!(place.json("mean/report.json")["prompts"]["templates"].as_array().unwrap().len(), 2);

    place.copy_model("speech/group", "model");
    place.run("eval --model model --data data --template {}").says(2, &["--template", "CLAP", "`model`"]);
    place.run(&format!("{eval} --template sound")).says(1, &["{}", "sound"]);
}

#[test]
fn a_published_evaluation_is_a_model_on_a_protocol() {
    let place = WorkDir::empty();
    place.write("gtzan/recipe.toml", "");
    // Offline there is nothing to score, but what would be is named.
    for (name, model, protocol) in [
        ("gtzan", "sanchit-gandhi/distilhubert-finetuned-gtzan", "`gtzan:course`"),
        ("esc50", "laion/clap-htsat-unfused", "`esc50:folds`"),
        ("minds14", "anton-l/xtreme_s_xlsr_300m_minds14", "`minds14:en-AU`"),
    ] {
        place.run(&format!("eval {name}")).says(1, &[model, protocol]);
    }
    place.run("eval gtzan").says(1, &["`gtzan` is also a run folder here", "`./gtzan`"]);
    let all = place.run("eval all -o scores");
    all.says(1, &["fleurs:all", "MIT/ast-finetuned-speech-commands-v2", "none of the evaluations"]);
    assert!(!place.path("scores").exists());
    place.run("eval gtzan --dataset esc50").says(2, &["--dataset"]);
}

/// Two thousand clips, or as many as `EARMARK_EVAL_CLIPS` says: a hundred thousand are minutes of work.
#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_clips_and_parts_combine_after_two_kills() {
    /// 268 MiB at the worst were measured on two cores with a hundred thousand clips; the features of all of those are 500 MB, and
    /// their scores grow with the labels.
    const CEILING_KB: u64 = 400 << 10;
    let clips = std::env::var("EARMARK_EVAL_CLIPS").map_or(2_000, |count| count.parse().unwrap());
    let place = many(clips);
    let peak = |command: &str, folder: &str, kill_at: Option<usize>| {
        let mut child = place.start(command);
        let (status, journal) =
            (format!("/proc/{}/status", child.id()), place.path(format!("{folder}/answers.journal")));
        let mut peak = 0;
        loop {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
            peak = peak.max(now.unwrap_or(0));
            assert!(peak < CEILING_KB, "{peak} kB");
            if kill_at.is_some_and(|count| lines(&journal) >= count) {
                child.kill().unwrap();
            }
            if child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        println!("{command}: peak {peak} kB");
    };
    peak(&eval("-o whole"), "whole", None);
    for part in 0..4 {
        let (folder, command) = (format!("part-{part}"), eval(&format!("--shard {part}/4 -o part-{part}")));
        // Batches have eight clips: a sixth of the part's, and half of them.
        for kill_at in [Some(clips / 200), Some(clips / 67), None] {
            peak(&command, &folder, kill_at.filter(|_| part == 1));
        }
    }
    peak("eval merge part-0 part-1 part-2 part-3 -o merged", "merged", None);
    same_results(&place, "whole", "merged");
}

/// With `model`, and 24 clips of three classes in `sounds`: eight speakers, each of one class.
fn spoken() -> WorkDir {
    let place = many(24);
    let row = |sound: usize| format!("{sound}.wav,{},{}\n", ["bell", "rain", "siren"][sound % 3], sound % 8);
    let table: String = (0..24).map(row).collect();
    place.write("sounds/metadata.csv", format!("file_name,label,speaker_id\n{table}"));
    place
}

#[test]
fn an_interval_resamples_what_belongs_together_and_the_report_says_why() {
    let place = spoken();
    let command = "eval --model model --data sounds --split all";
    let ran = place.run(&format!("{command} -o spoken"));
    ran.well();
    assert!(ran.out.contains("interval: cluster-bootstrap; clips of one speaker"), "{}", ran.out);
    let report = place.json("spoken/report.json");
    assert_eq!(
        (&report["interval_method"], &report["interval_cluster"]),
        (&"cluster-bootstrap".into(), &"speaker_id".into())
    );
    assert!(
        report["interval_reason"].as_str().unwrap().contains("8 by `speaker_id`; with fewer than 20"),
        "{report}"
    );
    // Another table of the same clips: artists come before speakers.
    let artists: String = (0..24).map(|sound| format!("{sound}.wav,{}\n", sound % 3)).collect();
    place.write("artists.csv", format!("file_name,artist\n{artists}"));
    place.run(&format!("{command} --fields artists.csv -o sung")).well();
    let sung = place.json("sung/report.json");
    assert_eq!((&sung["interval_cluster"], &sung["accuracy"]), (&"artist".into(), &report["accuracy"]));
    assert_ne!(sung["accuracy_interval"], report["accuracy_interval"]);
    // Without such a field clips are independent.
    let clips: String =
        (0..24).map(|sound| format!("{sound}.wav,{}\n", ["bell", "rain", "siren"][sound % 3])).collect();
    place.write("sounds/metadata.csv", format!("file_name,label\n{clips}"));
    let alone = place.run(&format!("{command} -o alone"));
    alone.well();
    assert!(alone.out.contains("interval: wilson; no field tells"), "{}", alone.out);
    assert_eq!(place.json("alone/report.json")["interval_cluster"], serde_json::Value::Null);
    place.write("none.csv", "file_name,artist\nx.wav,a\n");
    place
        .run(&format!("{command} --fields none.csv"))
        .says(1, &["`none.csv`", "none of its 1 rows is of a clip"]);
}

#[test]
fn the_scores_of_a_report_are_those_of_its_predictions() {
    let place = many(60);
    place.run(&eval("-o scores")).well();
    let report = place.json("scores/report.json");
    let table = table(&place, "scores");
    let (label, predicted) = (texts(&table, "label"), texts(&table, "predicted"));
    let labels: Vec<String> =
        report["labels"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect();
    let scores = table.column("scores").unwrap().list().unwrap();
    let rows: Vec<Vec<f32>> = scores
        .amortized_iter()
        .map(|row| row.unwrap().as_ref().f32().unwrap().into_no_null_iter().collect())
        .collect();
    let of = |name: &String| labels.iter().position(|it| it == name).unwrap();
    let close = |key: &str, want: f64| {
        let got = report[key].as_f64().unwrap();
        assert!((got - want).abs() < 1e-6, "{key}: {got}, expected {want}");
    };
    let n = label.len() as f64;
    close("accuracy", label.iter().zip(&predicted).filter(|(a, b)| a == b).count() as f64 / n);
    close(
        "log_loss",
        label.iter().zip(&rows).map(|(name, row)| -f64::from(row[of(name)]).ln()).sum::<f64>() / n,
    );
    let f1 = |class: &String| {
        let right = label.iter().zip(&predicted).filter(|(a, b)| a == b && *a == class).count() as f64;
        let both = label.iter().chain(&predicted).filter(|it| *it == class).count() as f64;
        if both == 0.0 { 0.0 } else { 2.0 * right / both }
    };
    close("weighted_f1", label.iter().map(f1).sum::<f64>() / n);
    let in_top_2 =
        |(name, row): (&String, &Vec<f32>)| row.iter().filter(|score| **score > row[of(name)]).count() < 2;
    let top_2 = label.iter().zip(&rows).filter(|it| in_top_2(*it)).count() as f64 / n;
    if labels.len() > 2 {
        assert!((report["top_k"]["2"].as_f64().unwrap() - top_2).abs() < 1e-12, "{report}");
    }
}

#[test]
fn a_protocol_is_of_its_own_clips() {
    let place = many(24);
    let wrong = place.run("eval --model model --protocol esc50:fold");
    wrong.says(2, &["--protocol", "earmark data protocols"]);
    place.run("eval --protocol esc50:folds").says(2, &["pass --model"]);
    place.run("eval gtzan --protocol esc50:folds").says(2, &["`esc50:folds` is no protocol of `gtzan`"]);
    place.run("eval --model model --protocol gtzan:course --split test").says(2, &["cannot be used with"]);
    place
        .run("eval --model model --protocol gtzan:artist-filtered --data sounds")
        .says(2, &["goes by the artist", "--fields FILE"]);
    place
        .run("eval --model model --protocol esc50:folds --data sounds")
        .says(1, &["esc50:folds", "it has 24 clips", "defined for 2000"]);
}
