//! The exit codes that the help of `earmark` lists, each by several commands.

use crate::work_dir::WorkDir;
#[cfg(unix)]
use crate::work_dir::{Ran, signal, wait_until};

#[test]
fn each_exit_code_means_what_the_help_says() {
    let place = WorkDir::with_clips();
    place.copy_model("speech/group", "model");
    place.write("data/rain/broken.wav", "RIFF?");
    let help = place.run("--help").out;
    for (code, meaning, commands) in [
        (
            0,
            "done",
            &[
                "--version",
                "data list",
                "classify data/bell --model model",
                "embed data/bell -o bell.npy --model model",
                "inspect model",
            ][..],
        ),
        (
            1,
            "failed",
            &[
                "classify data/bell --model data",
                "classify nothing/*.wav --model model",
                "decode data/rain/broken.wav -o out.wav",
                "inspect data",
                "data info nothing/here",
                "train --resume",
                "train --data nowhere --from-scratch tiny.json",
                "eval",
                "push nowhere --repo me/model",
                "whoami",
            ],
        ),
        (
            2,
            "wrong usage",
            &[
                "",
                "classify",
                "classy data --model model",
                "classify data --model model --topk 3",
                "classify data/bell --model model --device cuda",
                "classify data/bell --model model --format raven",
                "classify data/bell --model model --threshold 80",
                "classify data/bell --model model --hop 1s",
                "classify data/bell --model model --window 1ms",
                "decode data/bell/0.wav -o out.mp3",
                "embed data/bell -o bell.txt --model model",
                "eval --model model",
                "eval --model model --data data --split none",
                "zero-shot data/bell --model model",
                "train --data data --sample",
                "train --epochs 0",
                "bench --model model --seconds 3000 --batch 2",
            ],
        ),
        (
            3,
            "done, but some inputs failed; each of them is reported",
            &[
                "classify data --model model",
                "classify data/bell/0.wav nowhere.wav --model model",
                "embed data -o data.npy --model model",
                "data verify data",
                "data stats data",
            ],
        ),
    ] {
        assert!(help.contains(&format!("  {code}    {meaning}\n")), "{help}");
        for command in commands {
            place.run(command).says(code, &[]);
        }
    }
    for line in ["  130  interrupted by Ctrl-C; what", "  143  ended by SIGTERM (Slurm"] {
        assert!(help.contains(line), "{help}");
    }
}

#[cfg(unix)]
#[test]
fn a_command_that_is_interrupted_ends_with_128_and_the_number_of_the_signal() {
    let place = WorkDir::with_clips();
    place.copy_model("speech/group", "model");
    for (command, begun) in [
        ("train --data data --from-scratch tiny.json --epochs 100000 --output run", "run/metrics.jsonl"),
        // Nothing comes on standard input.
        ("classify - --window 1s --model model -o rows.csv", "rows.csv.part"),
    ] {
        for (name, code) in [("INT", 130), ("TERM", 143)] {
            let _ = std::fs::remove_dir_all(place.path("run"));
            let mut silent = place.command(command);
            silent.stdin(std::process::Stdio::piped());
            silent.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            let mut child = silent.spawn().unwrap();
            let stdin = child.stdin.take();
            wait_until(command, || place.path(begun).exists());
            // The journal is there just before signals are minded.
            wait_until(command, || {
                let status =
                    std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
                let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("");
                // SIGINT is the second bit.
                !cfg!(target_os = "linux") || u64::from_str_radix(caught.trim(), 16).unwrap_or(0) & 2 != 0
            });
            signal(&child, name);
            let ended = Ran::end_of(child);
            drop(stdin);
            ended.says(code, &[]);
        }
    }
}
