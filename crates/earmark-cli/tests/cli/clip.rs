//! Clips cut from recordings where a table of results says so: which, how long, what they are called and what is in them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use earmark_audio::{DecodeOptions, SampleRate, WavFormat, decode_file_channels, write_wav_channels};
use earmark_testkit::noise;

use crate::work_dir::WorkDir;

const HEADER: &str = "path,duration,start,end,rank,label,score,error\n";

/// A folder with a recording `night.wav`: four seconds, two channels, 16-bit samples at 22 050 Hz.
fn with_recording() -> WorkDir {
    let place = WorkDir::empty();
    record(&place, "night.wav", 1);
    place
}

fn record(place: &WorkDir, name: &str, seed: u64) {
    let planes = [noise(88_200, seed), noise(88_200, seed + 100)];
    let rate = SampleRate::new(22_050).unwrap();
    write_wav_channels(place.path(name), &planes, rate, WavFormat::Pcm16).unwrap();
}

/// A table of results; a row is `path,start,end,label,score`.
fn write_table(place: &WorkDir, name: &str, rows: &[&str]) {
    let mut table = HEADER.to_owned();
    for row in rows {
        let cells: Vec<&str> = row.split(',').collect();
        let [path, start, end, label, score] = cells[..] else { panic!("{row}") };
        writeln!(table, "{path},4,{start},{end},1,{label},{score},").unwrap();
    }
    place.write(name, table);
}

fn planes(path: &Path) -> Vec<Vec<f32>> {
    decode_file_channels(path, &DecodeOptions::default()).unwrap().planes
}

/// The rows of `clips.csv`: file, path, start, end, label, score.
fn manifest(place: &WorkDir, folder: &str) -> Vec<Vec<String>> {
    let table = place.read(&format!("{folder}/clips.csv"));
    let mut rows = csv::Reader::from_reader(table.as_bytes());
    assert_eq!(rows.headers().unwrap(), vec!["file", "path", "start", "end", "label", "score"]);
    rows.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn clips_hold_the_very_samples_of_their_recording() {
    let place = with_recording();
    place.copy_model("speech/group", "model");
    let classify = "classify night.wav --model model --window 500ms --hop 250ms --top-k 2";
    for name in ["found.csv", "found.parquet", "found.jsonl"] {
        place.run(&format!("{classify} -o {name}")).well();
    }
    place.run("classify night.wav --model model --window 500ms -o found.txt --format raven").well();
    let said = place.run("clip found.csv -o clips --threshold 0 --top-n all");
    said.says(0, &["wrote clips: ", "from 1 recording", "that overlap a better one"]);
    let rows = manifest(&place, "clips");
    assert!(rows.len() >= 8, "{}", said.err);
    let source = planes(&place.path("night.wav"));
    for row in &rows {
        let [file, path, start, end, label, score] = &row[..] else { panic!("{row:?}") };
        let [start, end] = [start, end].map(|at| (at.parse::<f64>().unwrap() * 22_050.0).round() as usize);
        let clip = planes(&place.path("clips").join(file));
        assert_eq!(clip.len(), 2);
        for (clip, source) in clip.iter().zip(&source) {
            assert_eq!(clip, &source[start..end], "{file}");
        }
        assert_eq!((path.as_str(), file.split('/').next()), ("night.wav", Some(label.as_str())));
        let score: f32 = score.parse().unwrap();
        assert!(file.starts_with(&format!("{label}/{score:.3}_night_")), "{file}");
    }
    let listed = |table: &str| {
        let run = place.run(&format!("clip {table} -o other --threshold 0 --top-n all --dry-run"));
        run.well().out.clone()
    };
    let csv = listed("found.csv");
    assert_eq!(csv.lines().count(), rows.len());
    assert_eq!(listed("found.parquet"), csv);
    assert_eq!(listed("found.jsonl"), csv);
    assert_eq!(listed("found.csv found.jsonl"), csv, "a sound that is found twice is one clip");
    assert_eq!(listed("found.txt").lines().count(), 8, "a window of Raven's table each");
    place.write("no.wav", "no sound");
    place.run("classify night.wav no.wav --model model --window 500ms -o found/ --format raven").says(3, &[]);
    assert!(place.path("found/failures.csv").exists());
    assert_eq!(listed("found"), listed("found.txt"));
    assert!(!place.path("other").exists());
}

#[test]
fn clips_are_padded_and_lengthened_within_their_recording() {
    let place = with_recording();
    write_table(
        &place,
        "found.csv",
        &["night.wav,1,2,owl,0.9", "night.wav,3.5,4,fox,0.8", "night.wav,0,0.5,fox,0.7"],
    );
    place.run("clip found.csv -o clips --pad 500ms --min-length 3s --format float32").well();
    let spans: Vec<[String; 2]> =
        manifest(&place, "clips").into_iter().map(|row| [row[2].clone(), row[3].clone()]).collect();
    assert_eq!(spans, [["2.25", "4"], ["0", "1.75"], ["0", "3"]]);
    let clip = place.path("clips/owl/0.900_night_1.0-2.0.wav");
    assert_eq!(planes(&clip)[0], planes(&place.path("night.wav"))[0][..66_150]);
    assert_eq!(fs::read(clip).unwrap()[20], 3, "32-bit floats");
}

#[test]
fn the_best_of_each_label_are_cut_and_the_rest_is_counted() {
    let place = with_recording();
    record(&place, "dawn.wav", 2);
    let rows = [
        "night.wav,0,1,owl,0.9",
        "night.wav,0.5,1.5,owl,0.8",
        "night.wav,2,3,owl,0.7",
        "dawn.wav,0,1,owl,0.95",
        "dawn.wav,1,2,fox,0.6",
        "dawn.wav,2,3,fox,0.4",
        "dawn.wav,3,4,rain,0.99",
        "dawn.wav,3,4,,",
    ];
    write_table(&place, "found.csv", &rows);
    let said = place.run("clip found.csv -o clips --top-n 2 --except-labels rain,wind");
    said.says(
        0,
        &[
            "wrote clips: 3 clips of 2 labels from 2 recordings, 0:03.0 in all; left out: 1 below 0.5, 1 with other labels, 1 \
             that overlap a better one, 1 beyond --top-n",
            "no sound in the results is labelled `wind`",
        ],
    );
    let files: Vec<String> = manifest(&place, "clips").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(
        files,
        ["fox/0.600_dawn_1.0-2.0.wav", "owl/0.950_dawn_0.0-1.0.wav", "owl/0.900_night_0.0-1.0.wav"]
    );
    place.write("wanted.txt", "fox\n");
    let only = place.run("clip found.csv -o fox --only-labels wanted.txt --threshold 0.1");
    only.says(0, &["wrote fox: 2 clips of 1 label"]);
    let none = place.run("clip found.csv -o none --threshold 1");
    none.says(0, &["no clips to cut: 7 below 1"]);
    assert!(!place.path("none").exists());
}

#[test]
fn bins_take_clips_of_all_scores_and_the_same_for_the_same_seed() {
    let place = with_recording();
    let rows: Vec<String> = (0..40)
        .map(|n| format!("night.wav,{},{},owl,{}", n as f64 / 10.0, (n + 1) as f64 / 10.0, n as f64 / 40.0))
        .collect();
    write_table(&place, "found.csv", &rows.iter().map(String::as_str).collect::<Vec<_>>());
    let list =
        |flags: &str| place.run(&format!("clip found.csv -o clips --dry-run {flags}")).well().out.clone();
    let drawn = list("--bins 4 --per-bin 3 --seed 1");
    for quarter in ["0.0 0.1 0.2", "0.25 0.3 0.4", "0.5 0.6 0.7", "0.75 0.8 0.9"] {
        let (from, scores) = (quarter.split(' ').next().unwrap().parse::<f32>().unwrap(), drawn.lines());
        let scores = scores.map(|line| line.split(['/', '_']).nth(2).unwrap().parse::<f32>().unwrap());
        assert_eq!(scores.filter(|score| (from..from + 0.25).contains(score)).count(), 3, "{drawn}");
    }
    assert_eq!(list("--bins 4 --per-bin 3 --seed 1"), drawn);
    assert_ne!(list("--bins 4 --per-bin 3 --seed 2"), drawn);
    write_table(&place, "logits.csv", &["night.wav,1,2,owl,3.5"]);
    place
        .run("clip logits.csv -o clips --bins 4")
        .says(2, &["--bins needs scores between 0 and 1, and the sound at 0:01.0 of `night.wav` has 3.5"]);
}

#[test]
fn a_label_stays_in_its_own_folder_whatever_it_is_called() {
    let place = with_recording();
    let long = "long".repeat(75);
    let labels = ["../x", "CON", ".hidden", "a\\b", "A:B", "Owl", "owl", "clips.csv", &long, "nul.wav"];
    let mut table = HEADER.to_owned();
    for (n, label) in labels.iter().enumerate() {
        let start = n as f64 / 4.0;
        writeln!(table, "night.wav,4,{start},{},1,{label},0.9,", start + 0.25).unwrap();
    }
    place.write("inner/found.csv", table);
    place.run("clip inner/found.csv -o inner/clips").says(0, &["10 clips of 10 labels"]);
    assert_eq!(place.list("."), ["inner", "night.wav"]);
    assert_eq!(place.list("inner"), ["clips", "found.csv"]);
    let folders = place.list("inner/clips");
    let short = &long[..64];
    let want = [
        ".clips.plan",
        "A_B",
        "Owl",
        "_._x",
        "_CON",
        "_hidden",
        "_nul.wav",
        "a_b-2",
        "clips.csv",
        "clips.csv-2",
        short,
        "owl-2",
    ];
    assert_eq!(folders, want);
    // The table has the labels as they are.
    let mut listed: Vec<String> =
        manifest(&place, "inner/clips").into_iter().map(|row| row[4].clone()).collect();
    listed.sort();
    let mut all: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
    all.sort();
    assert_eq!(listed, all);
    place.write("tiny.json", crate::work_dir::TINY);
    let plan = place.run("train --data inner/clips --from-scratch tiny.json --output run --dry-run");
    plan.says(0, &[]);
    let split = place.json("run/split.json");
    let clips = ["train", "test"].map(|part| split[part].as_array().unwrap().len());
    assert_eq!(clips.iter().sum::<usize>(), 10);
}

#[test]
fn a_damaged_table_is_refused_with_its_line_before_anything_is_written() {
    let place = with_recording();
    let good = "night.wav,4,0,1,1,owl,0.9,\n";
    for (name, table, said) in [
        (
            "a.csv",
            format!("{HEADER}{good}night.wav,4,0,x,1,owl,0.9,\n"),
            "line 3 has `x` as its end, which is not a number",
        ),
        ("b.csv", format!("{HEADER}{good}night.wav,4,0\n"), "line 3 has 3 cells, and the first line 8"),
        ("c.csv", format!("{HEADER}{good}{good}\"night.wav,4,0,1,1,owl,0.9,\n"), "line 4 has 1 cells"),
        ("d.csv", format!("{HEADER}{good}night.wav,4,2,1,1,owl,0.9,\n"), "line 3 goes from 2 to 1 s"),
        (
            "e.csv",
            format!("{HEADER}night.wav,4,,,1,owl,0.9,\n"),
            "line 2 has no start and no end: classify with --window",
        ),
        (
            "f.csv",
            "path,label\nnight.wav,owl\n".to_owned(),
            "it has no column `start` (or Start (s)), only `path`, `label`",
        ),
        ("g.csv", String::new(), "it has no line with the names of its columns"),
        ("h.jsonl", "{\"path\": \"a.wav\"}\n{\n".to_owned(), "line 2 is not a result of `classify`"),
        ("i.parquet", "PAR1 and no more".to_owned(), "i.parquet"),
        ("j.txt", "0.0\t1.0\towl\n".to_owned(), "it has no column `start`"),
    ] {
        place.write(name, table);
        place.run(&format!("clip {name} -o clips")).says(1, &[name, said]);
        assert!(!place.path("clips").exists(), "{name}");
    }
    let mut table = format!("{HEADER}{good}\"").into_bytes();
    table.resize(table.len() + (3 << 20), b'x');
    place.write("k.csv", &table);
    place.run("clip k.csv -o clips").says(1, &["k.csv", "line 3", "is longer than 1048576 bytes"]);
    place.write("l.csv", b"path,start,end,label\n\xff,0,1,owl\n");
    place.run("clip l.csv -o clips").says(1, &["`l.csv`: line 2 is not UTF-8"]);
    place.run("clip results.json -o clips").says(2, &["`results.json` is not a table of results"]);
    place.run("clip none.csv -o clips").says(1, &["`none.csv`: no such file"]);
}

#[test]
fn recordings_that_cannot_be_cut_are_named_and_the_same_command_tries_them_again() {
    let place = with_recording();
    place.write("noise.wav", "no sound");
    let rows = [
        "night.wav,0,1,owl,0.9",
        "night.wav,3.5,4.5,owl,0.8", // longer than the recording
        "night.wav,9,10,owl,0.8",    // behind its end
        "noise.wav,0,1,fox,0.9",
        "later.wav,0,1,fox,0.8",
        "later.wav,1,2,fox,0.7",
    ];
    write_table(&place, "found.csv", &rows);
    let said = place.run("clip found.csv -o clips");
    said.says(
        3,
        &[
            "cannot cut 2 clips from `night.wav`: it ends at 0:04.0, before the sound from 0:03.5 to 0:04.5 does",
            "cannot cut 1 clip from `noise.wav`",
            "cannot cut 2 clips from `later.wav`: no such file",
            "wrote clips: 1 clip of 1 label from 1 recording, 0:01.0 in all; 5 clips failed, which the same command tries again",
        ],
    );
    assert_eq!(manifest(&place, "clips").len(), 1);
    let first = place.path("clips/owl/0.900_night_0.0-1.0.wav");
    let written = fs::metadata(&first).unwrap().modified().unwrap();
    record(&place, "later.wav", 3);
    place
        .run("clip found.csv -o clips")
        .says(3, &["3 clips of 2 labels from 2 recordings", "3 clips failed"]);
    assert_eq!(fs::metadata(&first).unwrap().modified().unwrap(), written, "a clip that was there stays");
    // Another plan is another job.
    place
        .run("clip found.csv -o clips --pad 1s")
        .says(1, &["`clips` holds the clips of a job with other results or options", "--force"]);
}

#[test]
fn a_job_goes_on_where_it_was_and_a_finished_one_is_replaced_by_force_only() {
    let place = with_recording();
    write_table(
        &place,
        "found.csv",
        &["night.wav,0,1,owl,0.9", "night.wav,2,3,fox,0.8", "gone.wav,2,3,fox,0.8"],
    );
    record(&place, "gone.wav", 4);
    let clip = "clip found.csv -o clips";
    place.run(clip).well();
    let table = place.read("clips/clips.csv");
    place.run(clip).says(0, &["wrote clips: 3 clips of 2 labels from 2 recordings"]);
    assert_eq!(place.read("clips/clips.csv"), table);
    fs::remove_file(place.path("clips/.clips.plan")).unwrap();
    place.run(clip).says(1, &["`clips` already holds the clips of another job", "--force"]);
    // As a job leaves it that was killed: a plan, some clips, one of them not finished.
    place.run(&format!("{clip} --force --pad 1s")).well();
    let padded = place.read("clips/clips.csv");
    assert_ne!(padded, table);
    fs::remove_file(place.path("gone.wav")).unwrap();
    place.run(&format!("{clip} --force")).says(3, &["2 clips of 2 labels"]);
    assert!(place.path("clips/.clips.plan").exists());
    let kept = place.path("clips/owl/0.900_night_0.0-1.0.wav");
    let lost = place.path("clips/fox/0.800_night_2.0-3.0.wav");
    fs::remove_file(&lost).unwrap();
    place.write("clips/fox/.unfinished-1-0", "half a clip");
    let (mine, written) =
        (place.path("clips/owl/mine.wav"), fs::metadata(&kept).unwrap().modified().unwrap());
    fs::copy(&kept, &mine).unwrap();
    record(&place, "gone.wav", 4);
    place.run(clip).says(0, &["3 clips of 2 labels from 2 recordings"]);
    assert_eq!(place.read("clips/clips.csv"), table);
    assert_eq!(fs::metadata(&kept).unwrap().modified().unwrap(), written);
    assert!(lost.exists());
    assert_eq!(place.list("clips/fox").len(), 2);
    // The clips of the job are replaced, and what a person put beside them stays.
    place.run(&format!("{clip} --force --only-labels fox")).says(0, &["2 clips of 1 label"]);
    assert_eq!(place.list("clips/owl"), ["mine.wav"]);
    let foreign = place.run("clip found.csv -o .");
    foreign.says(1, &["the folder `.` is not empty", "--force"]);
}

#[test]
fn where_no_recording_is_there_one_line_says_so() {
    let place = with_recording();
    write_table(&place, "found.csv", &["far/night.wav,0,1,owl,0.9", "far/other.wav,2,3,fox,0.8"]);
    let said = place.run("clip found.csv -o clips");
    said.says(1, &["none of the recordings is there, such as `far/", "`: pass --audio DIR"]);
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    assert!(!place.path("clips").exists());
    fs::create_dir_all(place.path("disk/far")).unwrap();
    fs::rename(place.path("night.wav"), place.path("disk/far/night.wav")).unwrap();
    place.run("clip found.csv -o clips --audio disk").says(3, &["1 clip of 1 label", "1 clip failed"]);
}

#[test]
fn clips_of_a_recording_that_changed_meanwhile_are_cut_again() {
    let place = with_recording();
    write_table(&place, "found.csv", &["night.wav,0,1,owl,0.9", "gone.wav,2,3,fox,0.8"]);
    place.run("clip found.csv -o clips").says(3, &["gone.wav"]);
    let clip = place.path("clips/owl/0.900_night_0.0-1.0.wav");
    let before = planes(&clip);
    record(&place, "night.wav", 9);
    let later = fs::metadata(place.path("night.wav")).unwrap().modified().unwrap()
        + std::time::Duration::from_secs(9);
    fs::File::options().write(true).open(place.path("night.wav")).unwrap().set_modified(later).unwrap();
    place.run("clip found.csv -o clips").says(3, &["`night.wav` changed since, and is cut again"]);
    assert_ne!(planes(&clip), before);
    assert_eq!(planes(&clip)[0], planes(&place.path("night.wav"))[0][..22_050]);
}

#[test]
fn recordings_are_found_where_audio_says_and_tables_in_folders() {
    let place = WorkDir::empty();
    fs::create_dir_all(place.path("disk/site")).unwrap();
    record(&place, "disk/site/night.wav", 1);
    write_table(&place, "tables/a.csv", &["site/night.wav,0,1,owl,0.9"]);
    write_table(&place, "tables/deep/b.csv", &["site/night.wav,1,2,fox,0.9"]);
    place.run("clip tables -o clips --audio disk").says(0, &["2 clips of 2 labels from 1 recording"]);
    place.run("clip tables -o other").says(1, &["none of the recordings is there, such as `site/night.wav`"]);
    place.run("clip disk -o other").says(1, &["the folder `disk` holds no tables"]);
}

#[test]
fn more_clips_than_are_written_at_once_are_all_cut() {
    let place = with_recording();
    // Each of another label, and each over the whole recording.
    let rows: Vec<String> =
        (0..70).map(|n| format!("night.wav,{},4,label{n},0.9", n as f64 / 100.0)).collect();
    write_table(&place, "found.csv", &rows.iter().map(String::as_str).collect::<Vec<_>>());
    place.run("clip found.csv -o clips").says(0, &["70 clips of 70 labels"]);
    let source = planes(&place.path("night.wav"));
    for (n, row) in manifest(&place, "clips").iter().enumerate() {
        let start = (row[2].parse::<f64>().unwrap() * 22_050.0).round() as usize;
        assert_eq!(planes(&place.path("clips").join(&row[0]))[1], source[1][start..], "{n}");
    }
}

#[cfg(unix)]
#[test]
fn a_recording_whose_name_is_not_utf_8_is_found_by_its_text() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = with_recording();
    let name = std::ffi::OsStr::from_bytes(b"n\xe4cht.wav");
    fs::rename(place.path("night.wav"), place.path(name)).unwrap();
    write_table(&place, "found.csv", &["n\\xe4cht.wav,0,1,owl,0.9"]);
    place.run("clip found.csv -o clips").well();
    assert_eq!(manifest(&place, "clips")[0][0], "owl/0.900_n_xe4cht_0.0-1.0.wav");
}
