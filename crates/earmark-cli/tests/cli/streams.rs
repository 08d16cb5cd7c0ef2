//! Stdout and stderr as they are met in shells: pipes whose reader leaves, disks that are full, and terminals that would act on
//! what a label or a file name holds.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, pipe};
use std::net::TcpListener;
use std::process::Stdio;

use earmark_testkit::http::Response;
use earmark_testkit::hub::LoopbackHub;
use earmark_testkit::{noise, tone};
use serde_json::{Value, json};

use crate::work_dir::{TINY, WorkDir};

/// A folder with `model/`, a classifier of three classes, and clips in `data/`.
fn with_model() -> WorkDir {
    let place = WorkDir::empty();
    place.copy_model("speech/group", "model");
    for clip in 0..4u32 {
        place.clip(format!("data/bell/{clip}.wav"), tone(1500.0 + f64::from(clip), 0.2, 16_000));
        place.clip(format!("data/rain/{clip}.wav"), noise(3000, clip.into()));
    }
    place.write("tiny.json", TINY);
    place
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Commands that print, and one that trains first.
const PRINTING: &[&str] = &[
    "--help",
    "--version",
    "train --help",
    "completions bash",
    "inspect model --keys",
    "classify data --model model",
    "classify data --model model --format csv",
    "classify data --model model --format parquet",
    "data list",
    "data info data",
    "data head data",
    "data stats data",
    "data verify data",
    "search vectors.parquet data/bell/0.wav",
    "bench --model model --seconds 0.1 --repeat 1",
    "eval --model run/model --data data --split all -o scores",
    "train --data data --from-scratch tiny.json --epochs 1 --test-size 0.25 --output again",
];

/// `run/`, for `eval`.
fn trained() -> WorkDir {
    let place = with_model();
    let train = "train --data data --from-scratch tiny.json --epochs 1 --test-size 0.25 --output run";
    assert!(place.command(train).output().unwrap().status.success());
    place.run("embed data --model model -o vectors.parquet").well();
    place
}

#[test]
fn a_reader_that_leaves_is_no_failure_and_what_was_asked_for_is_written_all_the_same() {
    let place = trained();
    for args in PRINTING {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let output = place.command(args).stdout(writer).output().unwrap();
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args}\n{err}");
        assert!(!err.contains("panicked") && !err.contains("error"), "{args}\n{err}");
    }
    for written in ["scores/report.json", "scores/predictions.parquet", "again/model/model.safetensors"] {
        assert!(place.path(written).exists(), "{written}");
    }
}

#[test]
fn a_full_stdout_is_an_error_that_says_so() {
    let place = trained();
    for args in PRINTING {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = place.command(args).stdout(full).output().unwrap();
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args}\n{err}");
        assert!(err.contains("error: cannot write to standard output: no space left"), "{args}\n{err}");
        assert!(!err.contains("panicked"), "{args}\n{err}");
    }
    // Written before anything is printed.
    assert!(place.path("scores/report.json").exists() && place.path("again/report.json").exists());
}

#[test]
fn a_stderr_that_has_ended_or_is_full_stops_nothing() {
    let place = trained();
    fs::write(place.path("data/bell/broken.wav"), "RIFF, or so it says").unwrap();
    for args in [
        "classify data --model model --format csv",
        "classify data --model model --format csv --log-format json",
        "classify data --model nowhere",
        "data verify data",
        "fine-tune",
        "",
        "train --data data --from-scratch tiny.json --epochs 2 --test-size 0.25 --skip-bad --output third",
    ] {
        let usual = place.command(args).output().unwrap();
        let _ = fs::remove_dir_all(place.path("third"));
        let (reader, closed) = pipe().unwrap();
        drop(reader);
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        for stderr in [Stdio::from(closed), Stdio::from(full)] {
            let output = place.command(args).stderr(stderr).output().unwrap();
            assert_eq!(output.status.code(), usual.status.code(), "{args}");
            if !args.starts_with("train") {
                assert_eq!(text(&output.stdout), text(&usual.stdout), "{args}");
            } else {
                assert!(fs::remove_dir_all(place.path("third")).is_ok(), "the training went on");
            }
        }
    }
}

#[test]
fn both_streams_into_a_pipe_whose_reader_leaves_end_no_training() {
    let place = with_model();
    let train = "train --data data --from-scratch tiny.json --epochs 2 --test-size 0.25 --output run";
    let (mut reader, writer) = pipe().unwrap();
    let mut child = place.command(train).stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
    // As `2>&1 | head -c 10`.
    reader.read_exact(&mut [0; 10]).unwrap();
    drop(reader);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(place.path("run/model/model.safetensors").exists());
}

#[test]
fn a_connection_that_breaks_is_not_our_reader_that_left() {
    let place = with_model();
    let (hub, storage) = (LoopbackHub::start(), TcpListener::bind("127.0.0.1:0").unwrap());
    hub.add_token("hf_writes", "me", true);
    let address = format!("http://{}/upload", storage.local_addr().unwrap());
    // Storage that hangs up while a file comes in.
    let hangs_up = std::thread::spawn(move || {
        for connection in storage.incoming() {
            let Ok(mut connection) = connection else { break };
            let mut some = [0; 4096];
            if connection.read(&mut some).is_ok_and(|read| some[..read].starts_with(b"GET /enough")) {
                break;
            }
        }
    });
    let upload = address.clone();
    hub.set_fault(move |request| {
        let batch: Value =
            serde_json::from_slice(&request.body).ok().filter(|_| request.path.ends_with("/batch"))?;
        let objects: Vec<Value> = batch["objects"]
            .as_array()?
            .iter()
            .map(|it| json!({"oid": it["oid"], "size": it["size"], "actions": {"upload": {"href": upload}}}))
            .collect();
        let answer = json!({"transfer": "basic", "objects": objects}).to_string();
        Some(Response::new(200, answer).header("content-type", "application/vnd.git-lfs+json"))
    });
    fs::write(place.path("model/more.safetensors"), vec![7; 32 << 20]).unwrap();
    let mut command = place.command("push model --repo me/model");
    command.env("HF_ENDPOINT", hub.url()).env("HF_TOKEN", "hf_writes").env_remove("HF_HUB_OFFLINE");
    let output = command.output().unwrap();
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("error: cannot push to model `me/model@main`"), "{err}");
    let _ = std::net::TcpStream::connect(address.trim_start_matches("http://").trim_end_matches("/upload"))
        .and_then(|mut stream| std::io::Write::write_all(&mut stream, b"GET /enough"));
    hangs_up.join().unwrap();
}

/// What would act on a terminal, if it got there: colours, a forged line, a hidden end, text that runs backwards.
const HOSTILE: &str = "do\u{1b}[31mg\nerror: forged\r\u{9b}2J\u{202e}gnp\u{2066}.\u{200b}\u{7}";

#[track_caller]
fn harmless(args: &str, bytes: &[u8]) {
    let text = text(bytes);
    for c in text.chars() {
        let acts = (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        assert!(!acts, "{args}: {c:?} in\n{text}");
    }
    assert!(!text.lines().any(|line| line.starts_with("error: forged")), "{args}: a forged line in\n{text}");
}

#[test]
fn labels_names_and_what_a_server_says_are_escaped_on_both_streams() {
    let place = with_model();
    let class = HOSTILE.replace('/', "");
    for clip in 0..4 {
        place.clip(format!("data/{class}/{class}{clip}.wav"), noise(3000, 50 + clip));
    }
    fs::write(place.path(format!("data/{class}/broken {class}.wav")), "RIFF?").unwrap();
    let mut config: Value =
        serde_json::from_slice(&fs::read(place.path("model/config.json")).unwrap()).unwrap();
    config["id2label"]["0"] = HOSTILE.into();
    config["label2id"] = json!({HOSTILE: 0, "rain": 1, "siren": 2});
    config["architectures"] = json!([HOSTILE]);
    for (name, problem) in [("hostile", Value::Null), ("refused", HOSTILE.into())] {
        config["problem_type"] = problem;
        fs::create_dir(place.path(name)).unwrap();
        fs::write(place.path(name).join("config.json"), config.to_string()).unwrap();
        for file in ["preprocessor_config.json", "model.safetensors"] {
            fs::copy(place.path("model").join(file), place.path(name).join(file)).unwrap();
        }
    }
    fs::create_dir(place.path(&class)).unwrap();
    fs::write(place.path(&class).join("config.json"), json!({"model_type": HOSTILE}).to_string()).unwrap();

    for args in [
        "classify data --model hostile",
        "classify data --model hostile --window 100ms",
        "classify data --model hostile --window 100ms --format raven",
        "classify data --model hostile --window 100ms --format rttm",
        "embed data --model model -o rows.npy",
        "inspect hostile --labels --keys",
        "inspect refused --labels",
        "classify data --model refused",
        "data info data --all",
        "data head data -n 20",
        "data stats data",
        "data verify data",
        "train --data data --from-scratch tiny.json --epochs 1 --test-size 0.25 --output run",
        "train --data data --from-scratch tiny.json --epochs 1 --test-size 0.25 --output run --skip-bad",
        "eval run",
        "eval --model model --data data --split all",
    ] {
        let output = place.command(args).output().unwrap();
        let code = output.status.code().unwrap();
        assert!(code == 0 || code == 3 || code == 1, "{args}: {code}");
        if args.contains("hostile") {
            // One clip of them is broken.
            assert_eq!(
                code,
                if args.starts_with("inspect") { 0 } else { 3 },
                "{args}: {}",
                text(&output.stderr)
            );
        }
        assert!(!(output.stdout.is_empty() && output.stderr.is_empty()), "{args}");
        // Raven's table has tabs between its columns.
        let tabs = args.ends_with("raven");
        let stdout: Vec<u8> =
            output.stdout.into_iter().map(|byte| if tabs && byte == b'\t' { b' ' } else { byte }).collect();
        harmless(args, &stdout);
        harmless(args, &output.stderr);
    }
    for more in [&class, "a\u{1b}b.wav"] {
        for args in [["inspect", more], ["decode", more], ["data", more]] {
            let output = place.command("").args(args).output().unwrap();
            harmless(more, &output.stderr);
        }
    }
    // As data they are whole.
    let output = place.command("classify data/rain/0.wav --model hostile --format jsonl").output().unwrap();
    let row: Value = serde_json::from_slice(&output.stdout).unwrap();
    let labels: Vec<&str> =
        row["predictions"].as_array().unwrap().iter().map(|it| it["label"].as_str().unwrap()).collect();
    assert!(labels.contains(&HOSTILE), "{labels:?}");
}

#[test]
fn wrong_usage_quotes_hostile_arguments_escaped_and_keeps_its_own_lines() {
    let place = WorkDir::empty();
    for args in [
        vec![HOSTILE],
        vec!["classify", "a.wav", "--model", "m", "--format", HOSTILE],
        vec!["classify", "a.wav", "--model", "m", "--device", HOSTILE],
        vec!["classify", "a.wav", HOSTILE],
        vec!["train", "--set", HOSTILE],
        vec!["train", "--lr", HOSTILE, "--sample"],
    ] {
        let output = place.command("").args(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        harmless(&format!("{args:?}"), &output.stderr);
        let err = text(&output.stderr);
        assert!(err.starts_with("error: ") && err.lines().count() > 2 && !err.contains("\\n\\n"), "{err}");
    }
}

#[test]
fn the_hubs_user_name_is_escaped() {
    let place = with_model();
    let hub = LoopbackHub::start();
    hub.add_token("hf_reads", HOSTILE, false);
    let mut command = place.command("whoami");
    command.env("HF_ENDPOINT", hub.url()).env("HF_TOKEN", "hf_reads").env_remove("HF_HUB_OFFLINE");
    let output = command.output().unwrap();
    harmless("whoami", &output.stdout);
    harmless("whoami", &output.stderr);
    assert_eq!(text(&output.stdout).lines().count(), 1);
    let log = File::create(place.path("log")).unwrap();
    command.arg("-vv").stderr(log).status().unwrap();
    harmless("whoami -vv", &fs::read(place.path("log")).unwrap());
}
