//! Help texts and error messages, word for word. When a change is meant, `INSTA_UPDATE=always cargo test --release
//! -p earmark-cli --test cli help` writes the new texts; read them as a user would before they are committed.

use std::fs;

use earmark_testkit::tone;
use insta::assert_snapshot;

use crate::work_dir::{Ran, WorkDir, golden_model};

/// On a terminal of 80 columns.
fn run(args: &[&str]) -> Ran {
    Ran::of(WorkDir::empty().command("").args(args).env("COLUMNS", "80"))
}

/// What a command prints that succeeds.
#[track_caller]
fn text(args: &[&str]) -> String {
    run(args).well().out.clone()
}

/// The texts are in `snapshots/NAME.snap`.
fn check(name: &str, text: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false }, { assert_snapshot!(name, text) });
}

const COMMANDS: &[&str] = &[
    "classify",
    "zero-shot",
    "listen",
    "serve",
    "train",
    "sweep",
    "probe",
    "eval",
    "calibrate",
    "runs",
    "data",
    "push",
    "decode",
    "embed",
    "search",
    "clip",
    "merge",
    "inspect",
    "features",
    "bench",
    "login",
    "whoami",
    "logout",
    "completions",
    "man",
];

/// `earmark COMMAND --help`, and where that is another text, `-h`.
fn help(command: &[&str]) -> String {
    let [long, short] = ["--help", "-h"].map(|flag| text(&[command, &[flag]].concat()));
    let all = if long == short { long } else { format!("{long}\n==== -h ====\n{short}") };
    for line in all.lines() {
        assert!(line.chars().count() <= 80, "{command:?}: more than 80 columns:\n{line}");
    }
    all
}

#[test]
fn the_help_of_every_command() {
    check("earmark", &help(&[]));
    let script = text(&["completions", "fish"]);
    let is_command = |line: &&str| line.contains("__fish_earmark_needs_command\" -f -a \"");
    let listed = script.lines().filter(is_command).filter_map(|line| line.split('"').nth(3));
    let listed: Vec<&str> = listed.filter(|name| *name != "help").collect();
    assert_eq!(listed, COMMANDS, "each command has its snapshot");
    for command in COMMANDS {
        check(&format!("earmark-{command}"), &help(&[command]));
    }
    check("earmark-runs-diff", &help(&["runs", "diff"]));
    for what in ["compare", "merge"] {
        check(&format!("earmark-eval-{what}"), &help(&["eval", what]));
    }
    for what in ["list", "protocols", "info", "head", "stats", "verify", "export"] {
        check(&format!("earmark-data-{what}"), &help(&["data", what]));
    }
}

/// Flags that a text names: `--force`, `--top-k`.
fn flags(text: &str) -> Vec<&str> {
    text.split(|c: char| !(c.is_ascii_lowercase() || c == '-'))
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(|word| word.trim_end_matches('-'))
        .collect()
}

/// Every flag that a message names is one of the command, or of the `earmark COMMAND …` that it quotes.
#[track_caller]
fn advises_what_there_is(line: &str, said: &str) {
    let help = |command: &str| {
        let mut words: Vec<&str> = command.split(' ').take_while(|word| !word.starts_with('-')).collect();
        words.truncate(if words.first() == Some(&"data") { 2 } else { 1 });
        run(&[&words[..], &["--help"]].concat()).out
    };
    let has = |command: &str, text: &str| {
        let known = help(command);
        let known = [flags(&known), vec!["--help"]].concat();
        for flag in flags(text) {
            assert!(known.contains(&flag), "`earmark {command}` has no {flag}, which this advises:\n{said}");
        }
    };
    // Between backticks are commands, in the odd places.
    for (place, text) in said.split('`').enumerate() {
        match (place % 2, text.split_once(' ')) {
            (0, _) => has(line, text),
            (_, Some(("earmark", command))) => has(command, text),
            _ => {}
        }
    }
}

#[test]
fn an_error_is_one_line_and_all_of_its_causes_are_told_with_v() {
    let place = WorkDir::empty();
    place.write("half/config.json", r#"{"model_type": "hubert", "hidden_size": "many"}"#);
    let failed = |flag: &str| {
        place.run(&format!("classify clip.wav --model half {flag}")).says(1, &["`hidden_size`"]).err.clone()
    };
    assert_eq!(failed("").lines().count(), 1, "{}", failed(""));
    let verbose = failed("-v");
    assert!(verbose.contains("error: cannot open the model in `half`\n  because "), "{verbose}");
    assert!(verbose.lines().last().unwrap().starts_with("  because "), "{verbose}");
}

#[test]
fn errors_and_warnings_are_coloured_as_those_of_clap_are() {
    let place = WorkDir::empty();
    place.clip("clip.wav", tone(440.0, 0.5, 16_000));
    place.copy_model("speech/group", "model");
    // Red and bold; yellow and bold.
    let (error, warning) = ("\u{1b}[1m\u{1b}[31merror:\u{1b}[0m ", "\u{1b}[1m\u{1b}[33mwarning:\u{1b}[0m ");
    let run = |args: &str, name: &str, value: &str| Ran::of(place.command(args).env(name, value)).err;
    for args in ["classify", "classify gone.wav --model model"] {
        let coloured = run(args, "CLICOLOR_FORCE", "1");
        assert!(coloured.starts_with(error), "{coloured:?}");
        for name in ["CLICOLOR", "NO_COLOR"] {
            let plain = run(args, name, "1");
            assert!(plain.starts_with("error: ") && !plain.contains('\u{1b}'), "{plain:?}");
        }
    }
    let json = run("classify gone.wav --model model --log-format json", "CLICOLOR_FORCE", "1");
    assert!(json.starts_with('{') && !json.contains("u001b"), "{json:?}");
    place.write(
        "model/config.json",
        place
            .read("model/config.json")
            .replace("bell", "LABEL_0")
            .replace("rain", "LABEL_1")
            .replace("siren", "LABEL_2"),
    );
    let coloured = run("classify clip.wav --model model", "CLICOLOR_FORCE", "1");
    assert!(coloured.contains(warning), "{coloured:?}");
}

/// One a line: the command, its exit code, and what it says.
#[test]
fn what_is_said_when_something_is_wrong() {
    let place = WorkDir::empty();
    place.clip("clip.wav", tone(440.0, 0.5, 16_000));
    place.clip("short.wav", vec![0.5; 100]);
    place.write("broken.wav", "RIFF, or so it says");
    place.write("page.mp3", "<!doctype html>");
    place.write("empty.flac", "");
    fs::create_dir(place.path("nothing")).unwrap();
    place.write("quill/config.json", r#"{"model_type": "quill"}"#);
    place.write("half/config.json", r#"{"model_type": "hubert", "hidden_size": "many"}"#);
    place.write("bare/config.json", fs::read(golden_model("speech/group").join("config.json")).unwrap());
    place.copy_model("speech/group", "model");
    place.write("clap/config.json", r#"{"model_type": "clap"}"#);

    let mut said = String::new();
    for line in [
        "classify clip.wav",
        "classify clip.wav --model no/such",
        "classify clip.wav --model nowhere/at/all",
        "classify clip.wav --model nothing",
        "classify clip.wav --model quill",
        "classify clip.wav --model half",
        "classify clip.wav --model bare",
        "classify clip.wav --model model --device cuda",
        "classify clip.wav --model model --device abacus",
        "classify clip.wav --model model --top-k none",
        "classify clip.wav --model model --shard 3/2",
        "classify clip.wav --model model --format raven",
        "classify clip.wav --model model --hop 1s",
        "classify clip.wav --model model --window soon",
        "classify nothing --model model",
        "classify *.ogg --model model",
        "classify gone.wav broken.wav page.mp3 empty.flac short.wav --model model",
        "classify https://127.0.0.1:1/clip.wav --model model",
        "classify clip.wav --model model -o clip.wav",
        "zero-shot clip.wav --model model",
        "zero-shot clip.wav --model model --labels dog,cat",
        "classify clip.wav --model clap",
        "eval --model clap --data nothing",
        "embed clip.wav --model model -o rows.txt",
        "embed broken.wav --model model -o rows.npy",
        "search vectors.parquet",
        "search vectors.npy clip.wav",
        "search page.mp3 clip.wav",
        "listen --model model",
        "train --data nothing --from-scratch sample",
        "train --resume",
        "eval",
        "inspect nothing",
        "push nothing --repo me/model",
        "push model --repo me/model",
        "push model --repo me/a/model",
        "push model",
        "train --data nothing --from-scratch sample --push-to-hub me/model",
        "login",
        "whoami",
        "data info mnist",
        "data head minds14:en-CA",
        "data head esc50 --split test",
        "data stats nothing",
        "data head gtzan --stream",
        "fine-tune",
    ] {
        let output = place.command(line).env("HF_HOME", "cache").output().unwrap();
        let code = output.status.code().unwrap();
        assert_ne!(code, 0, "{line}");
        advises_what_there_is(line, std::str::from_utf8(&output.stderr).unwrap());
        said += &format!("$ earmark {line}\n{}({code})\n\n", String::from_utf8(output.stderr).unwrap());
    }
    let here = fs::canonicalize(place.path(".")).unwrap();
    check("messages", &said.replace(here.to_str().unwrap(), "/here"));
}
