//! The cache of features between processes: two at once, one that is killed, and one after them that decodes nothing.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "what a helper cannot open fails its test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use earmark_audio::{SampleRate, WavFormat, Waveform, write_wav};
use earmark_testkit::{noise, tone};

const CONFIG: &str = r#"{
    "model_type": "hubert", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 4,
    "intermediate_size": 32, "conv_dim": [16, 16, 16, 16], "conv_kernel": [10, 8, 4, 4],
    "conv_stride": [5, 4, 4, 4], "num_feat_extract_layers": 4, "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 4, "classifier_proj_size": 16, "apply_spec_augment": false
}"#;

const CLIPS: usize = 60;

/// A folder with `tiny.json` and clips of two classes at 44.1 kHz, so that hearing them takes some time.
fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..CLIPS / 2 {
        for (class, samples) in
            [("hiss", noise(44_100, i as u64)), ("hum", tone(200.0 + i as f64, 1.0, 44_100))]
        {
            let path = dir.path().join(format!("data/{class}/{i:02}.wav"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let clip = Waveform::new(samples, SampleRate::new(44_100).unwrap()).unwrap();
            write_wav(path, &clip, WavFormat::Pcm16).unwrap();
        }
    }
    fs::write(dir.path().join("tiny.json"), CONFIG).unwrap();
    dir
}

/// Hears every clip, and trains on none; what it made and what it found is on stderr.
fn hear(dir: &Path, output: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_earmark"));
    command.args(["train", "--dry-run", "--data", "data", "--from-scratch", "tiny.json", "--output", output]);
    command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.env("EARMARK_CACHE", dir.join("cache")).env("EARMARK_LOG", "earmark_train=debug");
    command.env("HF_HUB_OFFLINE", "1");
    command
}

#[track_caller]
fn finds(dir: &Path, output: &str, found: usize, made: usize) {
    let said = hear(dir, output).output().unwrap();
    let text = String::from_utf8(said.stderr).unwrap();
    assert!(said.status.success(), "{text}");
    assert!(text.contains(&format!("{found} found in the cache, {made} made")), "{text}");
}

#[test]
fn two_at_once_fill_one_cache_and_the_next_decodes_nothing() {
    let dir = place();
    let both = ["one", "two"].map(|output| hear(dir.path(), output).spawn().unwrap());
    for run in both {
        let said = run.wait_with_output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }
    finds(dir.path(), "three", CLIPS, 0);
}

#[test]
fn one_that_is_killed_leaves_nothing_that_the_next_would_trust_by_mistake() {
    let dir = place();
    let features = dir.path().join("cache/features");
    // Files that are whole: their names are hashes.
    let whole = || {
        let list = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
        let files = list(&features).flat_map(|folder| list(&folder));
        files.filter(|path| path.file_name().is_some_and(|name| name.len() == 64)).count()
    };
    let mut run = hear(dir.path(), "one").spawn().unwrap();
    let begun = Instant::now();
    while whole() < 3 {
        assert!(begun.elapsed() < Duration::from_secs(60), "it keeps nothing");
        thread::sleep(Duration::from_micros(200));
    }
    run.kill().unwrap();
    run.wait().unwrap();

    let left = whole();
    finds(dir.path(), "two", left, CLIPS - left);
    finds(dir.path(), "three", CLIPS, 0);
}
