//! What stands in results: which labels, and the time of day.

use earmark_testkit::noise;
use serde_json::Value;

use crate::work_dir::{Ran, WorkDir};

/// A folder with `model/`, which knows bell, rain and siren, and `clip.wav`.
fn place() -> WorkDir {
    let place = WorkDir::empty();
    place.copy_model("speech/group", "model");
    place.clip("clip.wav", noise(16_000, 1));
    place
}

fn classify(place: &WorkDir, more: &str) -> Ran {
    place.run(&format!("classify clip.wav --model model --format jsonl {more}"))
}

/// Labels and scores of the one row.
fn predictions(ran: &Ran) -> Vec<(String, f64)> {
    let row = ran.well().rows().remove(0);
    let one = |it: &Value| (it["label"].as_str().unwrap().to_owned(), it["score"].as_f64().unwrap());
    row["predictions"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn labels_that_are_left_out_make_room_for_others() {
    let place = place();
    let all = predictions(&classify(&place, ""));
    assert_eq!(all.len(), 3);
    let [first, second, third] = [0, 1, 2].map(|at| all[at].0.as_str());
    assert_eq!(predictions(&classify(&place, &format!("--except-labels {first} --top-k 1"))), all[1..2]);
    assert_eq!(predictions(&classify(&place, &format!("--only-labels {third},{second}"))), all[1..]);
    let twice = format!("--only-labels {third} --only-labels {first}");
    assert_eq!(predictions(&classify(&place, &twice)), [all[0].clone(), all[2].clone()]);
    place.write("list.txt", format!("\u{feff}{first}\r\n\r\n{third}\n"));
    assert_eq!(predictions(&classify(&place, "--only-labels list.txt --top-k 1")), all[..1]);
    assert_eq!(predictions(&classify(&place, "--except-labels list.txt")), all[1..2]);
    // A part of another list.
    let both = format!("--only-labels {first},{second} --except-labels {first}");
    assert_eq!(predictions(&classify(&place, &both)), all[1..2]);
}

#[test]
fn labels_that_the_model_does_not_have_are_refused_with_those_that_are_like_them() {
    let place = place();
    classify(&place, "--only-labels Rain").says(2, &["--only-labels", "`Rain`", "similar: `rain`"]);
    classify(&place, "--except-labels bell,sirens").says(2, &["--except-labels", "`sirens`", "`siren`"]);
    classify(&place, "--only-labels xyz").says(2, &["`xyz`", "earmark inspect"]);
    place.write("list.txt", "bell\nrein\n");
    classify(&place, "--only-labels list.txt").says(2, &["list.txt", "`rein`", "`rain`"]);
    classify(&place, "--except-labels bell,rain,siren").says(2, &["leaves no label"]);
    place.write("empty.txt", "\n");
    classify(&place, "--only-labels empty.txt").says(2, &["lists no label"]);
}

#[test]
fn a_label_has_its_own_threshold_or_the_common_one() {
    let place = place();
    let all = predictions(&classify(&place, ""));
    let table = |rows: &str| place.write("least.csv", format!("\u{feff}label,threshold\n{rows}"));
    let (best, score) = &all[0];
    table(&format!("{best},{}\n", (score + 1.0) / 2.0));
    assert_eq!(predictions(&classify(&place, "--thresholds least.csv --threshold 0")), all[1..]);
    assert_eq!(predictions(&classify(&place, "--thresholds least.csv --threshold 0 --top-k 1")), all[1..2]);
    // Without a common one, every label that is kept must have its own.
    let others =
        [&*format!("`{}`", all[1].0), &*format!("`{}`", all[2].0), "no threshold for", "--threshold"];
    classify(&place, "--thresholds least.csv").says(2, &others);
    let only = format!("--thresholds least.csv --only-labels {best}");
    assert!(predictions(&classify(&place, &only)).is_empty());
    table(&format!("{best},0\n"));
    assert_eq!(predictions(&classify(&place, "--thresholds least.csv --threshold 1")), all[..1]);
    for (rows, said) in [
        ("rein,0.5\n", &["`least.csv`, line 2", "`rein`", "`rain`"][..]),
        ("rain,half\n", &["line 2", "`half` of `rain`", "not a number"]),
        ("rain,80\n", &["line 2", "`rain` is 80", "between 0 and 1", "0.8"]),
        ("rain,nan\n", &["line 2", "`rain` is not a number"]),
        ("rain,0.5\nrain,0.6\n", &["line 3", "`rain` has a threshold already"]),
    ] {
        table(rows);
        classify(&place, "--thresholds least.csv").says(2, said);
    }
    place.write("least.csv", "name,threshold\nrain,0.5\n");
    classify(&place, "--thresholds least.csv").says(2, &["no column `label`", "name, threshold"]);
    place.run("classify clip.wav --model model --thresholds gone.csv").says(1, &["gone.csv"]);
    table("bell,inf\nrain,inf\nsiren,inf\n");
    classify(&place, "--thresholds least.csv").says(2, &["--thresholds leaves no label"]);
}

#[test]
fn what_reaches_its_threshold_is_given_in_every_format_and_a_clip_without_any_has_an_empty_list() {
    let place = place();
    let all = predictions(&classify(&place, ""));
    let (best, score) = &all[0];
    let others = format!("{},inf\n{},inf\n", all[1].0, all[2].0);
    place.write("at.csv", format!("label,threshold\n{best},{score}\n{others}"));
    place.write("above.csv", format!("label,threshold\n{best},{}\n{others}", score + 1e-6));
    assert_eq!(predictions(&classify(&place, "--thresholds at.csv")), all[..1], "`at or above`");
    assert!(predictions(&classify(&place, "--thresholds above.csv")).is_empty());
    let run = |more: &str| place.run(&format!("classify clip.wav --model model {more}")).well().out.clone();
    assert_eq!(run("--thresholds above.csv --format csv").lines().nth(1), Some("clip.wav,1,,,,,,"));
    let json: Value = serde_json::from_str(&run("--thresholds above.csv --format json")).unwrap();
    assert_eq!(json[0]["predictions"], serde_json::json!([]));
    for (table, lines) in [("at", 1), ("above", 0)] {
        let table = run(&format!("--thresholds {table}.csv"));
        assert_eq!(table.lines().filter(|line| line.contains(best)).count(), lines, "{table}");
    }

    // In windows, and over them.
    let windows = place.run("classify clip.wav --model model --window 0.25s --top-k all --format jsonl");
    let rows = windows.well().rows();
    let scores = |row: &Value, label: &str| {
        let mut labels = row["predictions"].as_array().unwrap().iter();
        labels.find(|it| it["label"] == label).unwrap()["score"].as_f64().unwrap()
    };
    let mut of_best: Vec<f64> = rows.iter().map(|row| scores(row, best)).collect();
    of_best.sort_by(f64::total_cmp);
    let middle = of_best[of_best.len() / 2];
    place.write("middle.csv", format!("label,threshold\n{best},{middle}\n{others}"));
    let expected = rows.iter().filter(|row| scores(row, best) >= middle).count();
    assert!(expected > 0 && expected < rows.len(), "{of_best:?}");
    let marks = run("--window 0.25s --thresholds middle.csv --format audacity");
    assert_eq!(marks.lines().count(), expected, "{marks}");
    let mean = run("--window 0.25s --aggregate mean --format jsonl --thresholds middle.csv");
    let mean: Value = serde_json::from_str(&mean).unwrap();
    let is_given = of_best.iter().sum::<f64>() / of_best.len() as f64 >= middle;
    assert_eq!(mean["predictions"].as_array().unwrap().len(), usize::from(is_given), "{mean}");
}

#[test]
fn which_labels_are_kept_is_a_setting_of_the_job() {
    let place = place();
    place.run("classify clip.wav --model model -o out/ --only-labels rain").says(0, &[]);
    let other = place.run("classify clip.wav --model model -o out/ --only-labels bell,rain");
    other.says(1, &["--only-labels was rain, is bell, rain"]);
    place.write("least.csv", "label,threshold\nrain,0.25\n");
    let other =
        place.run("classify clip.wav --model model -o out/ --only-labels rain --thresholds least.csv");
    other.says(1, &["--thresholds was not given, is rain 0.25"]);
}

#[test]
fn windows_have_the_time_of_day_by_name_or_metadata() {
    let place = place();
    place.clip("rec/20210510_235958+0200.wav", noise(48_000, 2));
    let row = |ran: &Ran, at: usize| ran.well().rows()[at].clone();
    let said = place.run("classify rec --model model --window 1s --times --format jsonl");
    let times = ["2021-05-10T23:59:58+02:00", "2021-05-10T23:59:59+02:00", "2021-05-11T00:00:00+02:00"];
    for (at, time) in times.iter().enumerate() {
        assert_eq!(row(&said, at)["time"], *time);
    }
    let csv = place.run("classify rec --model model --window 1s --times --format csv --top-k 1");
    let lines: Vec<&str> = csv.well().out.lines().collect();
    assert!(lines[0].ends_with(",error,time"), "{}", lines[0]);
    assert!(lines[3].ends_with(&format!(",,{}", times[2])), "{}", lines[3]);
    // A whole file begins where its recording does; what is not known is said.
    let said = place.run("classify rec clip.wav --model model --times --format jsonl");
    said.says(0, &["no time in the metadata or the name of `clip.wav`"]);
    assert_eq!(row(&said, 0)["time"], times[0]);
    assert_eq!(row(&said, 1).get("time"), None);
    // Nobody gets a column that is not asked for.
    let plain = place.run("classify rec --model model --window 1s --format jsonl");
    assert_eq!(row(&plain, 0).get("time"), None);
    // What the recorder wrote into the file counts for more than its name.
    let name = "rec/20210510_235958+0200.wav";
    let mut bytes = std::fs::read(place.path(name)).unwrap();
    let guano = b"GUANO|Version: 1.0\nTimestamp: 2020-01-02T03:04:05Z\n";
    bytes.extend([&b"guan"[..], &(guano.len() as u32).to_le_bytes(), guano].concat());
    place.write(name, bytes);
    let said = place.run("classify rec --model model --window 1s --times --format jsonl");
    assert_eq!(row(&said, 1)["time"], "2020-01-02T03:04:06Z");
}
