//! Jobs over many files and long recordings: what they take in, how they end early and go on, and what stands in their results.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use earmark_audio::{SampleRate, WavFormat, Waveform, write_wav};
use earmark_testkit::http::{Response, Server};
use earmark_testkit::hub::LoopbackHub;
use earmark_testkit::{noise, tone};
use safetensors::SafeTensors;
use serde_json::Value;

use crate::work_dir::{Ran, WorkDir, lines, signal, wait_until};

/// A folder with `model/`, a classifier of bell, rain and siren.
fn with_model() -> WorkDir {
    let place = WorkDir::online();
    place.copy_model("speech/group", "model");
    place
}

/// As [`with_model`], with sixteen clips in `many/`, which a job takes at once.
fn with_clips() -> WorkDir {
    let place = with_model();
    for clip in 0..16 {
        place.clip(format!("many/{clip:02}.wav"), noise(3000 + clip * 40, clip as u64));
    }
    place
}

/// A sound on the web that does not come until it is let go.
struct Slow {
    server: Server,
    answers: Arc<AtomicBool>,
}

impl Slow {
    fn new(place: &WorkDir) -> Slow {
        place.clip("web/last.wav", noise(4000, 99));
        let (bytes, answers) =
            (fs::read(place.path("web/last.wav")).unwrap(), Arc::new(AtomicBool::new(false)));
        let server = Server::start({
            let answers = Arc::clone(&answers);
            move |_| Response {
                silent: !answers.load(Ordering::Relaxed),
                ..Response::new(200, bytes.clone())
            }
        });
        Slow { server, answers }
    }
}

/// `classify many ADDRESS -o rows.jsonl`, of which sixteen files are done and the address does not answer.
struct Half {
    place: WorkDir,
    slow: Slow,
    command: String,
}

impl Half {
    fn new() -> Half {
        let place = with_clips();
        let slow = Slow::new(&place);
        let command = format!("classify many {}/last.wav --model model -o rows.jsonl", slow.server.url());
        let half = Half { place, slow, command };
        let mut child = half.begin();
        child.kill().unwrap();
        child.wait().unwrap();
        half.slow.answers.store(true, Ordering::Relaxed);
        half
    }

    /// Until the sixteen are done.
    fn begin(&self) -> Child {
        self.slow.answers.store(false, Ordering::Relaxed);
        let part = self.place.path("rows.jsonl.part");
        let _ = fs::remove_file(&part);
        let child = self.place.start(&self.command);
        wait_until("sixteen files", || {
            fs::read(&part).is_ok_and(|it| it.split(|&b| b == b'\n').count() >= 18)
        });
        child
    }

    fn resume(&self) -> Ran {
        self.place.run(&self.command)
    }
}

#[test]
fn weights_that_were_replaced_do_not_go_on_with_the_rows_of_the_old_ones() {
    let half = Half::new();
    let weights = half.place.path("model/model.safetensors");
    let (mut bytes, written) =
        (fs::read(&weights).unwrap(), fs::metadata(&weights).unwrap().modified().unwrap());
    // As long as before and of the same time: only the numbers differ.
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    fs::write(&weights, &bytes).unwrap();
    fs::File::options().write(true).open(&weights).unwrap().set_modified(written).unwrap();
    half.resume().says(1, &["rows.jsonl.part", "the model's model.safetensors was", "--force to begin anew"]);
    assert!(!half.place.path("rows.jsonl").exists());
    bytes[last] ^= 1;
    fs::write(&weights, &bytes).unwrap();
    let said = half.resume();
    said.says(0, &["resuming: 16 of 17 files done", "wrote rows.jsonl: 17 rows from 17 files ("]);
    assert_eq!(lines(&half.place.read("rows.jsonl")).len(), 17);
}

#[test]
fn another_preprocessor_or_other_flags_are_named_plainly() {
    let half = Half::new();
    for (more, was) in [
        ("--top-k 2", "--top-k was 5, is 2"),
        ("--scores sigmoid", "--scores was softmax, is sigmoid"),
        ("--window 1s", "--window was not given, is 1s"),
        ("--threshold 0.5", "--threshold was not given, is 0.5"),
        ("--dtype bf16", "--dtype was f32, is bf16"),
        ("--compat transformers", "--downmix was mean, is sqrt2; --resampler was hq, is torchaudio"),
    ] {
        let said = half.place.run(&format!("{} {more}", half.command));
        said.says(1, &[was]);
        assert!(!said.err.contains(" {") && !said.err.contains("Args"), "{}", said.err);
    }
    let config = half.place.path("model/preprocessor_config.json");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text + "\n").unwrap();
    half.resume().says(1, &["the model's preprocessor_config.json was"]);
}

#[test]
fn a_branch_of_the_hub_that_moved_is_another_model() {
    let place = with_clips();
    let (hub, slow) = (LoopbackHub::start(), Slow::new(&place));
    let files = || -> Vec<(&str, Vec<u8>)> {
        ["config.json", "preprocessor_config.json", "model.safetensors"]
            .map(|name| (name, fs::read(place.path("model").join(name)).unwrap()))
            .to_vec()
    };
    let add = |files: &[(&str, Vec<u8>)]| {
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
        hub.add("models/me/model", "main", &files);
    };
    let mut first = files();
    add(&first);
    let command = || {
        let args = format!("classify many {}/last.wav --model me/model -o rows.csv", slow.server.url());
        let mut command = place.command(&args);
        command.env("HF_ENDPOINT", hub.url());
        command
    };
    let mut child = command().spawn().unwrap();
    let part = place.path("rows.csv.part");
    wait_until("sixteen files", || fs::read(&part).is_ok_and(|it| it.split(|&b| b == b'\n').count() >= 18));
    child.kill().unwrap();
    child.wait().unwrap();
    slow.answers.store(true, Ordering::Relaxed);
    let last = first[2].1.len() - 1;
    first[2].1[last] ^= 1;
    add(&first);
    Ran::of(&mut command()).says(1, &["the model's model.safetensors was"]);
}

#[test]
fn an_input_that_changed_meanwhile_is_done_again() {
    let half = Half::new();
    let before = lines(&half.place.run("classify many --model model --format jsonl").out);
    half.place.clip("many/03.wav", tone(300.0, 0.3, 16_000));
    half.resume().says(0, &["`many/03.wav` changed since", "resuming: 15 of 17 files"]);
    let rows = lines(&half.place.read("rows.jsonl"));
    assert_eq!(rows.len(), 17);
    for (place, (was, is)) in before.iter().zip(&rows).enumerate() {
        assert_eq!(was == is, place != 3, "{place}");
    }
    assert_eq!(rows[3]["duration"], 0.3);
}

#[test]
fn a_flipped_byte_in_the_journal_is_said_and_what_is_behind_it_is_done_again() {
    let half = Half::new();
    let part = half.place.path("rows.jsonl.part");
    let mut bytes = fs::read(&part).unwrap();
    let line = bytes.split_inclusive(|&b| b == b'\n').take(5).map(<[u8]>::len).sum::<usize>();
    // A digit of a score: still JSON, and another number.
    let at = line + bytes[line..].windows(8).position(|it| it == b"\"score\":").unwrap() + 12;
    bytes[at] = if bytes[at] == b'7' { b'3' } else { b'7' };
    fs::write(&part, bytes).unwrap();
    half.resume().says(0, &["rows.jsonl.part` is damaged from line 6 on", "resuming: 4 of 17 files"]);
    let want = lines(&half.place.run("classify many --model model --format jsonl").out);
    assert_eq!(lines(&half.place.read("rows.jsonl"))[..16], want);
}

#[test]
fn two_jobs_do_not_write_one_file() {
    let half = Half::new();
    let mut child = half.begin();
    half.resume().says(1, &["another process writes `rows.jsonl`"]);
    child.kill().unwrap();
    child.wait().unwrap();
    half.slow.answers.store(true, Ordering::Relaxed);
    half.resume().says(0, &[]);
    half.resume().says(1, &["rows.jsonl", "--force"]);
}

#[test]
fn ctrl_c_and_sigterm_keep_what_was_done_though_a_server_does_not_answer() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let half = Half::new();
        let child = half.begin();
        signal(&child, name);
        let began = Instant::now();
        let said = Ran::end_of(child);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        said.says(
            code,
            &[
                "the same command resumes",
                "interrupted after 16 of 17 files",
                "run the same command again",
                "Ctrl-C again quits at once",
            ],
        );
        half.slow.answers.store(true, Ordering::Relaxed);
        half.resume().says(0, &["resuming: 16 of 17 files"]);
    }
}

#[test]
fn a_second_ctrl_c_quits_at_once() {
    let half = Half::new();
    let child = half.begin();
    signal(&child, "INT");
    signal(&child, "TERM");
    let began = Instant::now();
    let output = child.wait_with_output().unwrap();
    // Of two signals at once either may come last, and be the one that ends it.
    assert!(matches!(output.status.code(), Some(130 | 143)), "{:?}", output.status);
    assert!(began.elapsed() < Duration::from_millis(600), "{:?}", began.elapsed());
}

/// A second of something else each second, for as long as it takes.
fn write_long(path: &Path, seconds: usize) {
    let mut samples = Vec::with_capacity(seconds * 16_000);
    let mut state = 1u32;
    for second in 0..seconds {
        let (step, loud) = ((second * 7919 % 97 + 3) as f32 / 250.0, (second % 13) as f32 / 40.0);
        for at in 0..16_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 8) as f32 / 16_777_216.0 - 0.5;
            samples.push(0.4 * (at as f32 * step).sin() + loud * noise);
        }
    }
    write_wav(path, &Waveform::new(samples, SampleRate::HZ_16000).unwrap(), WavFormat::Pcm16).unwrap();
}

/// How many windows a journal holds of its last recording.
fn windows_in(part: &Path) -> u64 {
    let text = fs::read_to_string(part).unwrap_or_default();
    let mut counts = text.lines().filter_map(|line| {
        let record: Value = serde_json::from_str(line.get(9..)?).ok()?;
        record["windows"]["progress"]["count"].as_u64()
    });
    counts.next_back().unwrap_or(0)
}

#[test]
fn an_hour_that_is_killed_three_times_resumes_inside_and_has_the_rows_of_one_that_is_not() {
    let place = with_model();
    write_long(&place.path("hour.wav"), 3600);
    for (more, signals) in [
        ("--top-k 2", ["KILL", "KILL", "KILL"]),
        ("--merge", ["INT", "TERM", "INT"]),
        ("--aggregate mean", ["KILL", "INT", "KILL"]),
        ("--aggregate max", ["TERM", "KILL", "INT"]),
    ] {
        let command = format!("classify hour.wav --window 3s --model model {more} --format jsonl -o");
        place.run(&format!("{command} whole.jsonl --force")).says(0, &["from 1 file"]);
        let part = place.path("cut.jsonl.part");
        for name in signals {
            let before = windows_in(&part);
            let mut child = place.start(&format!("{command} cut.jsonl"));
            wait_until("windows", || windows_in(&part) >= before + 50 || child.try_wait().unwrap().is_some());
            assert!(child.try_wait().unwrap().is_none(), "the job was over before it was interrupted");
            signal(&child, name);
            let said = Ran::end_of(child);
            let code = match name {
                "INT" => Some(130),
                "TERM" => Some(143),
                _ => None,
            };
            assert_eq!(said.code, code, "{name}: {}", said.err);
            assert_eq!(name != "KILL", said.err.contains("run the same command again"), "{}", said.err);
            assert!(!place.path("cut.jsonl").exists());
        }
        // A line that was cut off counts for nothing.
        let held = windows_in(&part);
        let from = held * 3;
        let said = place.run(&format!("{command} cut.jsonl -v"));
        said.says(0, &[&format!("`hour.wav` continues at {}:{:02}", from / 60, from % 60)]);
        said.says(0, &[&format!("`hour.wav`: 1:00:00 of audio; {} windows in", 1200 - held)]);
        assert_eq!(place.read("cut.jsonl"), place.read("whole.jsonl"), "{more}");
        fs::remove_file(place.path("cut.jsonl")).unwrap();
    }
}

#[test]
fn ctrl_c_ends_what_is_printed_as_it_would_end_by_itself() {
    let place = with_clips();
    let slow = Slow::new(&place);
    for (format, rows) in [("json", 16), ("jsonl", 16), ("csv", 16 * 3 + 1)] {
        let url = slow.server.url();
        let mut child = place.start(&format!("classify many {url}/last.wav --model model --format {format}"));
        let mut printed = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        // The first row of an array has no line end before the second is there.
        for _ in 0..rows - usize::from(format == "json") {
            printed.read_line(&mut text).unwrap();
        }
        signal(&child, "INT");
        printed.read_to_string(&mut text).unwrap();
        let said = Ran::end_of(child);
        said.says(130, &["Ctrl-C again quits at once", "interrupted after 16 of 17 files", "-o FILE"]);
        match format {
            "json" => assert_eq!(text.parse::<Value>().unwrap().as_array().unwrap().len(), rows),
            _ => assert_eq!((text.lines().count(), text.ends_with('\n')), (rows, true)),
        }
    }
    // Inside a recording, at the next windows.
    write_long(&place.path("hour.wav"), 3600);
    let mut child = place.start("classify many/00.wav hour.wav --window 3s --model model --format jsonl");
    let mut printed = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    printed.read_line(&mut text).unwrap();
    signal(&child, "INT");
    printed.read_to_string(&mut text).unwrap();
    Ran::end_of(child).says(130, &["interrupted after 1 of 2 files"]);
    assert_eq!(lines(&text).len(), 1);
}

#[test]
fn with_force_a_job_of_other_settings_begins_anew() {
    let half = Half::new();
    let said = half.place.run(&format!("{} --top-k 1 --force", half.command));
    said.says(0, &["wrote rows.jsonl: 17 rows from 17 files ("]);
    assert!(!said.err.contains("resuming"), "{}", said.err);
    let rows = lines(&half.place.read("rows.jsonl"));
    assert!(rows.iter().all(|row| row["predictions"].as_array().unwrap().len() == 1));
    // The same settings go on, with or without it.
    let half = Half::new();
    half.place.run(&format!("{} --force", half.command)).says(0, &["resuming: 16 of 17 files done"]);
}

#[test]
fn a_job_that_prints_ends_with_a_word_where_it_had_several_results() {
    let place = with_clips();
    fs::write(place.path("many/x.wav"), "RIFF?").unwrap();
    let said = place.run("classify many --model model --format csv");
    said.says(3, &["done: 48 rows from 16 files (", " of audio, ", " × real time); 1 file failed\n"]);
    place.run("classify many/00.wav --window 50ms --model model").says(0, &["done: 4 rows from 1 file ("]);
    assert_eq!(place.run("classify many/00.wav --model model").says(0, &[]).err, "");
    assert_eq!(place.run("classify many/00.wav many/01.wav -q --model model").says(0, &[]).err, "");
}

#[test]
fn several_files_or_windows_have_a_line_each_and_one_file_has_a_table() {
    let place = with_clips();
    let one = place.run("classify many/00.wav --model model");
    assert!(one.says(0, &[]).out.starts_with("many/00.wav\n   label"), "{}", one.out);
    let all = place.run("classify many --model model").says(0, &[]).out.clone();
    let ends: Vec<Vec<usize>> =
        all.lines().map(|line| line.match_indices('.').map(|(at, _)| at).collect()).collect();
    assert_eq!(ends.len(), 16, "{all}");
    assert!(ends.iter().all(|points| *points == ends[0] && points.len() == 4), "{all}");
    assert!(all.starts_with("many/00.wav  "), "{all}");
    let best = place.run("classify many --top-k 1 --model model").says(0, &[]).out.clone();
    for (all, best) in all.lines().zip(best.lines()) {
        assert!(all.starts_with(best), "{all} and {best}");
    }
    let windows = place.run("classify many/00.wav --window 50ms --top-k 1 --model model");
    let lines: Vec<&str> = windows.says(0, &[]).out.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[1].trim_start().starts_with("0:00.1     0:00.1  "), "{}", lines[1]);
}

#[test]
fn parts_that_are_merged_are_the_whole_byte_for_byte() {
    let place = with_clips();
    place.clip("many/a \"quoted\", name.wav", noise(3500, 77));
    place.clip("many/two\nlines.wav", noise(3500, 78));
    fs::write(place.path("many/broken.wav"), "no sound").unwrap();
    for (file, options) in
        [("csv", "--window 50ms --threshold 0.4"), ("jsonl", "--top-k 2"), ("csv", "--top-k 1")]
    {
        let all = place.run(&format!("classify many --model model {options} -o all.{file} --force"));
        all.says(3, &["broken.wav"]);
        for part in 1..=4 {
            let command = format!(
                "classify many --model model {options} -o part-{part}.{file} --force --shard {part}/4"
            );
            assert!([Some(0), Some(3)].contains(&place.run(&command).code));
        }
        let parts: Vec<String> = (1..=4).map(|part| format!("part-{part}.{file}")).collect();
        let merged = place.run(&format!("merge {} -o merged.{file} --force", parts.join(" ")));
        merged.says(0, &["19 inputs of 4 parts"]);
        let read = |name: &str| fs::read_to_string(place.path(format!("{name}.{file}"))).unwrap();
        assert_eq!(read("merged"), read("all"));
        place
            .run(&format!("merge {} -o merged.{file}", parts.join(" ")))
            .says(1, &["already exists", "--force"]);
        let refused = |parts: &[&str], words: &[&str]| {
            let parts: Vec<String> = parts.iter().map(|part| format!("{part}.{file}")).collect();
            place.run(&format!("merge {} -o wrong.{file} --force", parts.join(" "))).says(1, words);
            assert!(!place.path(format!("wrong.{file}")).exists());
        };
        refused(&["part-1", "part-1"], &["00.wav", "is in two parts"]);
        refused(
            &["part-4", "part-1", "part-2", "part-3"],
            &["more inputs than", "in the order of their numbers"],
        );
        refused(&["gone"], &["gone"]);
        fs::write(place.path(format!("cut.{file}")), &read("part-1")[..read("part-1").len() - 3]).unwrap();
        refused(&["cut", "part-2"], &["cut", "is cut off"]);
        let turned = place.run(&format!(
            "merge part-2.{file} part-1.{file} part-3.{file} part-4.{file} -o turned.{file} --force"
        ));
        assert!(turned.err.contains("in the order of their numbers"), "{}", turned.err);
    }
    place.run("classify many/00.wav --model model -o one.parquet").well();
    place.run("merge one.parquet -o x.csv").says(1, &["one.parquet", "neither csv nor jsonl"]);
    place.run("merge part-1.csv part-2.jsonl -o x.csv").says(1, &["of different jobs"]);
}

#[test]
fn a_part_without_files_is_no_failure() {
    let place = with_clips();
    let said = place.run("classify many/00.wav many/01.wav --shard 3/4 --model model --format csv");
    said.says(0, &["--shard 3/4 has no files: there are only 2"]);
    assert_eq!(said.out.lines().count(), 1);
    place.run("classify many/00.wav --shard 2/2 --model model -o x.csv").says(0, &["--shard 2/2"]);
    assert_eq!(place.read("x.csv").lines().count(), 1);
}

#[test]
fn verbose_says_what_is_done_and_where_the_time_went() {
    let place = with_clips();
    let said = place.run("classify many --model model --format csv -v");
    said.says(0, &["device cpu, precision f32\n", "`many/07.wav`: 0.2 s of audio; decoding and features 0."]);
    said.says(0, &[" in all: decoding and features ", " over all threads, the model ", ", writing "]);
    let quiet = place.run("classify many --model model --format csv");
    assert_eq!((quiet.out == said.out, quiet.err.lines().count()), (true, 1), "{}", quiet.err);
}

#[test]
fn names_are_bytes_and_two_that_differ_in_one_are_two_rows() {
    let place = with_model();
    let names: [&[u8]; 3] = [b"many/\xfe.wav", b"many/\xff.wav", b"many/\\xff.wav"];
    for (seed, name) in names.iter().enumerate() {
        place.clip(OsStr::from_bytes(name), noise(3000, seed as u64));
    }
    let texts = [r"many/\x5cxff.wav", r"many/\xfe.wav", r"many/\xff.wav"];
    let windows = "--window 1s --format";
    for args in [
        "many --format csv",
        "many --format jsonl",
        "many --format table",
        &format!("many {windows} raven"),
        &format!("many {windows} rttm"),
        "many/*.wav --format csv",
        "ma*/** --format csv",
    ] {
        let said = place.run(&format!("classify {args} --top-k 1 --model model"));
        said.says(0, &[]);
        for text in texts {
            let text = if args.ends_with("jsonl") { text.replace('\\', r"\\") } else { text.to_owned() };
            let rows = said.out.lines().filter(|line| line.contains(&text)).count();
            assert_eq!(rows, 1, "{args}: {text} in\n{}", said.out);
        }
    }
    fs::write(place.path(OsStr::from_bytes(b"\xfd.wav")), "no sound").unwrap();
    let said = Ran::of(place.command("classify --model model").arg(OsStr::from_bytes(b"\xfd.wav")));
    said.says(3, &[r"`\xfd.wav`: not a supported audio format"]);
    // Each named by itself.
    let mut command = place.command("classify --model model -o rows.csv --top-k 1");
    Ran::of(command.args(names.map(OsStr::from_bytes))).says(0, &["3 rows from 3 files"]);
    let csv = place.read("rows.csv");
    let paths: Vec<&str> = csv.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(paths, [texts[1], texts[2], texts[0]]);
    let said = place.run("embed many -o rows.npy --model model");
    said.says(0, &["wrote rows.npy: 3 vectors", "the rows are listed in rows.rows.csv"]);
    let list = place.read("rows.rows.csv");
    let paths: Vec<&str> = list.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(paths, texts);
}

#[test]
fn the_name_of_an_output_is_bytes_too() {
    let place = with_clips();
    for class in ["bell", "rain"] {
        place.clip(format!("split/{class}/1.wav"), noise(3000, 1));
    }
    for (args, ending) in [
        ("decode many/00.wav -o", "wav"),
        ("features many/00.wav --model model -o", "safetensors"),
        ("embed many --model model -o", "npy"),
        ("embed many --model model -o", "parquet"),
        ("classify many --model model -o", "jsonl"),
        ("data stats split -o", "csv"),
    ] {
        let output = [b"r\xf6we.", ending.as_bytes()].concat();
        let output = OsStr::from_bytes(&output);
        let run = || Ran::of(place.command(args).arg(output));
        run().says(0, &[]);
        assert!(place.path(output).exists(), "{args}");
        run().says(1, &[&format!(r"`r\xf6we.{ending}` "), "--force"]);
    }
}

#[test]
fn what_is_no_regular_file_is_refused_and_links_that_lead_round_end() {
    let place = with_clips();
    assert!(Command::new("mkfifo").arg(place.path("many/pipe.wav")).status().unwrap().success());
    symlink("/dev/zero", place.path("many/zero.wav")).unwrap();
    symlink("nowhere", place.path("many/gone.wav")).unwrap();
    symlink("..", place.path("many/up")).unwrap();
    symlink(".", place.path("many/here.wav")).unwrap();
    for args in ["many", "many/*.wav", "many/**/*.wav", "**/*.wav"] {
        let said = place.run(&format!("classify {args} --model model --format jsonl --top-k 1"));
        let names = ["many/pipe.wav", "many/zero.wav", "many/gone.wav"];
        said.says(3, &names);
        let rows = lines(&said.out);
        assert_eq!(rows.len(), 19, "{args}");
        assert_eq!(rows.iter().filter(|row| row.get("error").is_some()).count(), 3, "{args}");
    }
    for device in ["/dev/zero", "/dev/random", "many/pipe.wav"] {
        for window in ["", "--window 1s"] {
            let said = place.run(&format!("classify {device} --model model --format jsonl {window}"));
            said.says(3, &[device, "regular file"]);
        }
    }
    place.run("classify many/no*.wav --model model").says(1, &["no file matches the pattern `many/no*.wav`"]);
}

/// `earmark` with a limit on the files that it writes, in blocks of 512 bytes, as a disk that is full.
fn on_a_full_disk(place: &WorkDir, blocks: usize, args: &str) -> Ran {
    let line = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" {args}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &line, env!("CARGO_BIN_EXE_earmark")]);
    Ran::of(place.prepare(shell).env("HF_HUB_OFFLINE", "1"))
}

#[test]
fn on_a_full_disk_nothing_stands_under_its_final_name() {
    let place = with_clips();
    for (blocks, args, output) in [
        (2, "features many/00.wav --model model -o", "x.safetensors"),
        (2, "decode many/00.wav -o", "x.wav"),
        (1, "embed many --model model -o", "x.npy"),
        (1, "embed many --model model -o", "x.parquet"),
        (1, "classify many --model model -o", "x.csv"),
        (1, "classify many --model model -o", "x.parquet"),
        (1, "data stats split -o", "x.parquet"),
    ] {
        for class in ["bell", "rain"] {
            place.clip(format!("split/{class}/1.wav"), noise(3000, 1));
        }
        let said = on_a_full_disk(&place, blocks, &format!("{args} {output}"));
        said.says(1, &["write", output, "file too large"]);
        assert!(!place.path(output).exists(), "{args} {output}");
        let left: Vec<String> =
            place.list(".").into_iter().filter(|name| name.contains("unfinished")).collect();
        assert!(left.is_empty(), "{left:?}");
        let _ = fs::remove_file(place.path(format!("{output}.part")));
    }
    // The table alone does not fit: the journal is kept, and the same command ends the job.
    place.run("classify many --model model -o x.csv").says(0, &[]);
    assert!(place.path("x.csv").exists());
}

#[test]
fn a_job_ends_with_a_word() {
    let place = with_clips();
    fs::write(place.path("many/x.wav"), "RIFF?").unwrap();
    place
        .run("classify many --model model -o a.csv")
        .says(3, &["wrote a.csv: 48 rows from 16 files (", " × real time); 1 file failed"]);
    place.run("classify many --model model -o a.jsonl").says(3, &["wrote a.jsonl: 16 rows from 16 files ("]);
    let said = place.run("classify many/00.wav --model model --window 50ms -o a.rttm");
    said.says(0, &["wrote a.rttm: 4 rows from 1 file ("]);
}

#[test]
fn what_cannot_be_meant_is_refused_as_wrong_usage() {
    let place = with_clips();
    for (args, words) in [
        ("-o night.txt", &["`night.txt`", "--format audacity", "raven", "table"][..]),
        ("-o night.tsv", &["`night.tsv`", "--format audacity", "raven", "table"]),
        ("-o night", &["`night`", "--format"]),
        ("-o clip.wav", &["`clip.wav`", "--format"]),
        ("--threshold 80", &["--threshold is 80", "between 0 and 1", "80 % is 0.8"]),
        ("--threshold -0.1", &["--threshold is -0.1", "between 0 and 1"]),
        ("--threshold nan", &["--threshold is not a number"]),
        ("--scores sigmoid --threshold 1.5", &["--threshold is 1.5"]),
        ("--threads 5000", &["5000", "--threads", "from 1 to"]),
        ("--format raven", &["--window"]),
        ("--format audacity --window 1s", &["one recording", "-o DIR/"]),
        ("-o out/ --format raven --window 1s --times", &["--times", "raven has none"]),
        ("--format rttm --window 1s --aggregate max", &["--aggregate"]),
    ] {
        place.run(&format!("classify many --model model {args}")).says(2, words);
    }
    place.run("classify many --model model --scores none --threshold 80 --format csv").says(0, &[]);
    place.run("classify many --model model -o night.txt --format table").says(0, &[]);
    let mut command = place.command("classify many --model model");
    let said = Ran::of(command.env("RAYON_NUM_THREADS", "100000"));
    said.says(2, &["RAYON_NUM_THREADS is 100000"]);
    place.run("classify many --model model -o model").says(2, &["the folder of the model"]);
    place.run("listen --model model --threshold 80").says(2, &["--threshold is 80"]);
}

#[test]
fn scores_that_are_no_numbers_are_an_error_of_their_file_alone_and_the_journal_reads_back() {
    let place = with_clips();
    place.copy_model("speech/group", "nan");
    let weights = place.path("nan/model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    let whole = SafeTensors::deserialize(&bytes).unwrap();
    let nan: Vec<u8> = std::iter::repeat_n(f32::NAN.to_le_bytes(), 3).flatten().collect();
    let tensors: BTreeMap<String, _> = whole
        .iter()
        .map(|(name, tensor)| match name {
            "classifier.bias" => {
                let view =
                    safetensors::tensor::TensorView::new(tensor.dtype(), tensor.shape().to_vec(), &nan);
                (name.to_owned(), view.unwrap())
            }
            _ => (name.to_owned(), tensor),
        })
        .collect();
    safetensors::serialize_to_file(tensors, None, &weights).unwrap();
    for args in
        ["--format csv", "--format jsonl --window 100ms", "--window 100ms --aggregate mean", "-o rows.csv"]
    {
        let said = place.run(&format!("classify many --model nan {args}"));
        // The model may be refused as a whole, which says it as well.
        assert!(said.code == Some(3) || said.code == Some(1), "{args}: {}", said.err);
        assert!(said.err.contains("finite") || said.err.contains("NaN"), "{args}: {}", said.err);
        assert!(!said.out.contains("NaN,") && !said.out.contains("null"), "{args}: {}", said.out);
    }
}

#[test]
fn a_labels_file_may_begin_with_a_mark_and_end_its_lines_as_windows_does() {
    let place = with_model();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/clap/unfused");
    fs::create_dir(place.path("clap")).unwrap();
    for file in ["config.json", "pytorch_model.bin", "tokenizer.json"] {
        fs::copy(golden.join(file), place.path("clap").join(file)).unwrap();
    }
    let extractor = r#"{"feature_extractor_type": "ClapFeatureExtractor", "feature_size": 8, "hop_length": 1600,
        "max_length_s": 1, "truncation": "rand_trunc", "frequency_min": 50}"#;
    fs::write(place.path("clap/preprocessor_config.json"), extractor).unwrap();
    place.clip("clip.wav", noise(16_000, 1));
    let ask = |labels: &str| {
        fs::write(place.path("labels.txt"), labels).unwrap();
        place.run("zero-shot clip.wav --model clap --labels-file labels.txt --format jsonl")
    };
    let plain = ask("dog\nrain, heavy\n");
    plain.says(0, &[]);
    let marked = ask("\u{feff}dog\r\n\r\n  rain, heavy \r\n");
    assert_eq!(marked.says(0, &[]).out, plain.out);
    ask("dog\nrain\n dog").says(2, &["`dog`", "twice"]);
    ask("\u{feff}\r\n").says(2, &["no labels"]);
}

#[test]
fn ravens_table_of_two_files_has_one_line_of_time() {
    let place = with_model();
    place.clip("d/a.wav", noise(40_000, 1));
    place.clip("d/b.wav", noise(32_000, 2));
    let said = place.run("classify d --window 1s --top-k 2 --format raven --model model");
    let table: Vec<Vec<&str>> =
        said.says(0, &[]).out.lines().map(|line| line.split('\t').collect()).collect();
    let column = |name: &str| table[0].iter().position(|it| *it == name).unwrap();
    let rows = &table[1..];
    assert_eq!(rows.len(), 10);
    let numbers =
        |name: &str| -> Vec<f64> { rows.iter().map(|row| row[column(name)].parse().unwrap()).collect() };
    assert_eq!(numbers("Selection"), (1..=10).map(f64::from).collect::<Vec<_>>());
    assert_eq!(numbers("Begin Time (s)"), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 2.5, 2.5, 3.5, 3.5]);
    assert_eq!(numbers("End Time (s)"), [1.0, 1.0, 2.0, 2.0, 2.5, 2.5, 3.5, 3.5, 4.5, 4.5]);
    assert_eq!(numbers("File Offset (s)"), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 0.0, 0.0, 1.0, 1.0]);
    assert!(numbers("High Freq (Hz)").iter().all(|it| *it == 8000.0));
    assert!(
        rows.iter()
            .all(|row| row.len() == table[0].len() && Path::new(row[column("Begin Path")]).is_absolute())
    );
    let files: Vec<&str> = rows.iter().map(|row| row[column("Begin File")]).collect();
    assert_eq!([files[5], files[6]], ["a.wav", "b.wav"]);
}
