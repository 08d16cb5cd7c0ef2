//! `-o DIR/`: one file of results for each recording.

use std::fs;

use earmark_testkit::noise;

use crate::work_dir::{Ran, WorkDir};

/// A folder with `model/`, and `rec/` with three recordings of two seconds, two of which have one stem.
fn place() -> WorkDir {
    let place = WorkDir::empty();
    place.copy_model("speech/group", "model");
    for (seed, name) in ["a.wav", "site/b.mp3", "site/b.wav"].iter().enumerate() {
        place.clip(format!("rec/{name}"), noise(32_000, seed as u64));
    }
    place
}

fn classify(place: &WorkDir, more: &str) -> Ran {
    place.run(&format!("classify rec --model model {more}"))
}

const FILES: [(&str, &str); 3] =
    [("rec/a.wav", "a"), ("rec/site/b.mp3", "site/b.mp3"), ("rec/site/b.wav", "site/b.wav")];

#[test]
fn each_recording_has_its_own_file_where_it_lies_itself() {
    let place = place();
    for (format, extension) in [
        ("csv", "csv"),
        ("jsonl", "jsonl"),
        ("json", "json"),
        ("table", "txt"),
        ("rttm", "rttm"),
        ("audacity", "txt"),
        ("raven", "selections.txt"),
    ] {
        let folder = format!("out/{format}");
        let said = classify(&place, &format!("--window 1s --top-k 2 --format {format} -o {folder}/"));
        said.says(0, &[&format!("wrote {folder}/: "), "from 3 files (", "`rec/site/b.mp3`", "b.mp3."]);
        assert_eq!(said.out, "");
        for (path, name) in FILES {
            let one =
                place.run(&format!("classify {path} --model model --window 1s --top-k 2 --format {format}"));
            assert_eq!(
                place.read(&format!("{folder}/{name}.{extension}")),
                one.well().out,
                "{format} {path}"
            );
        }
    }
    // A folder that is there needs no slash, and csv is what it gets.
    fs::create_dir(place.path("here")).unwrap();
    classify(&place, "-o here").says(0, &["wrote here: 9 rows from 3 files"]);
    assert_eq!(place.list("here"), [".earmark-journal", "a.csv", "site"]);
    classify(&place, "--format parquet -o parquet/").says(0, &["9 rows from 3 files"]);
    assert!(fs::read(place.path("parquet/a.parquet")).unwrap().starts_with(b"PAR1"));
    assert_eq!(place.list("."), ["here", "model", "out", "parquet", "rec"]);
}

#[test]
fn the_same_command_does_what_is_new_and_nothing_else() {
    let place = place();
    classify(&place, "-o out/").says(0, &[]);
    let b = place.read("out/site/b.wav.csv");
    // What is not written again stays as it is.
    place.write("out/a.csv", "mine");
    fs::remove_file(place.path("out/site/b.wav.csv")).unwrap();
    place.clip("rec/c.wav", noise(16_000, 9));
    classify(&place, "-o out/").says(0, &["wrote out/: 12 rows from 4 files"]);
    assert_eq!(place.read("out/a.csv"), "mine");
    assert_eq!(place.read("out/site/b.wav.csv"), b);
    assert!(place.read("out/c.csv").contains("rec/c.wav,1,"));
    // A recording that changed is done again.
    place.clip("rec/a.wav", noise(8000, 9));
    classify(&place, "-o out/").says(0, &["`rec/a.wav` changed", "12 rows from 4 files"]);
    assert!(place.read("out/a.csv").contains("rec/a.wav,0.5,"));
    // Other recordings go beside them.
    place.clip("more/d.wav", noise(8000, 10));
    place.run("classify more --model model -o out/").says(0, &["3 rows from 1 file ("]);
    assert_eq!(place.list("out"), [".earmark-journal", "a.csv", "c.csv", "d.csv", "site"]);
}

#[test]
fn files_of_other_settings_and_of_others_are_replaced_by_force_alone() {
    let place = place();
    classify(&place, "-o out/").says(0, &[]);
    let before = place.read("out/a.csv");
    for (more, was) in
        [("--top-k 1", "--top-k was 5, is 1"), ("--format jsonl", "--format was csv, is jsonl")]
    {
        classify(&place, &format!("{more} -o out/")).says(1, &[was, "--force"]);
    }
    assert_eq!(place.read("out/a.csv"), before);
    classify(&place, "--top-k 1 -o out/ --force").says(0, &["3 rows from 3 files"]);
    assert_eq!(place.read("out/a.csv").lines().count(), 2);

    for name in ["a.csv", "failures.csv"] {
        place.write(format!("theirs/{name}"), "somebody's");
        classify(&place, "-o theirs/")
            .says(1, &[&format!("theirs/{name}` exists and was not written"), "--force"]);
        assert_eq!(place.read(&format!("theirs/{name}")), "somebody's");
        fs::remove_dir_all(place.path("theirs")).unwrap();
    }
    place.write("theirs/a.csv", "somebody's");
    classify(&place, "-o theirs/ --force").says(0, &[]);
    assert!(place.read("theirs/a.csv").starts_with("path,"));
    // The results of a recording of that name elsewhere.
    place.clip("more/a.wav", noise(8000, 10));
    place
        .run("classify more --model model -o theirs/")
        .says(1, &["holds the results of `rec/a.wav`", "--force"]);
    place.run("classify more --model model -o theirs/ --force").says(0, &[]);
    classify(&place, "-o theirs/").says(1, &["holds the results of `more/a.wav`"]);
}

#[test]
fn recordings_that_fail_are_listed_and_done_again_once_they_are_mended() {
    let place = place();
    place.write("rec/broken.wav", "RIFF?");
    let said = classify(&place, "-o out/");
    said.says(3, &["9 rows from 3 files (", "; 1 file failed, listed there in failures.csv"]);
    assert_eq!(place.list("out"), [".earmark-journal", "a.csv", "failures.csv", "site"]);
    let failures = place.read("out/failures.csv");
    assert!(failures.starts_with("path,error\nrec/broken.wav,"), "{failures}");
    classify(&place, "-o out/").says(3, &["1 file failed"]);
    assert_eq!(place.read("out/failures.csv"), failures);
    // Whatever other recordings are added meanwhile.
    place.clip("more/d.wav", noise(8000, 10));
    place.run("classify more --model model -o out/").says(0, &["from 1 file ("]);
    assert_eq!(place.read("out/failures.csv"), failures);
    place.clip("rec/broken.wav", noise(8000, 9));
    classify(&place, "-o out/").says(0, &["12 rows from 4 files ("]);
    assert_eq!(place.list("out"), [".earmark-journal", "a.csv", "broken.csv", "d.csv", "site"]);
    // A file that is broken later has no results any more.
    place.write("rec/a.wav", "RIFF?");
    classify(&place, "-o out/").says(3, &["1 file failed"]);
    assert!(!place.path("out/a.csv").exists());
}

#[test]
fn no_input_is_written_over() {
    let place = place();
    place.write("rec/a.txt", "notes");
    for force in ["", "--force"] {
        let said =
            place.run(&format!("classify rec/a.wav rec/a.txt --model model --format table -o rec/ {force}"));
        assert_ne!(said.code, Some(0), "{}", said.err);
        assert!(said.err.contains("a.txt"), "{}", said.err);
        assert_eq!(place.read("rec/a.txt"), "notes");
    }
}

#[cfg(unix)]
#[test]
fn a_long_recording_that_is_killed_midway_goes_on_there() {
    use crate::work_dir::wait_until;

    let place = place();
    place.clip("rec/z.wav", noise(16_000 * 1800, 7));
    let command = "classify rec --model model --window 1s --hop 250ms -o";
    place.run(&format!("{command} whole/")).says(0, &[]);
    let journal = place.path("cut/.earmark-journal");
    let length = || fs::metadata(&journal).map_or(0, |it| it.len());
    for _ in 0..2 {
        let before = length();
        let mut child = place.start(&format!("{command} cut/"));
        wait_until("windows", || length() > before + 20_000 || child.try_wait().unwrap().is_some());
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "the job was over before it was killed");
        // Those before it are there already.
        assert_eq!(place.list("cut"), [".earmark-journal", "a.csv", "site"]);
    }
    place.run(&format!("{command} cut/")).says(0, &["from 4 files"]);
    for name in ["a.csv", "site/b.mp3.csv", "site/b.wav.csv", "z.csv"] {
        assert_eq!(place.read(&format!("cut/{name}")), place.read(&format!("whole/{name}")), "{name}");
    }
    // The windows are in the results now.
    assert!(length() < 2000 + place.read("cut/.earmark-journal").lines().next().unwrap().len() as u64);
}
