//! The cache of features between processes: two at once, one that is killed, and one after them that decodes nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use earmark_audio::WavFormat;
use earmark_testkit::{noise, tone};

use crate::work_dir::{TINY, WorkDir};

const CLIPS: usize = 60;

/// A folder with `tiny.json` and clips of two classes at 44.1 kHz, so that decoding them takes some time.
fn place() -> WorkDir {
    let place = WorkDir::empty();
    for i in 0..CLIPS / 2 {
        for (class, samples) in
            [("hiss", noise(44_100, i as u64)), ("hum", tone(200.0 + i as f64, 1.0, 44_100))]
        {
            place.clip_at(format!("data/{class}/{i:02}.wav"), 44_100, samples, WavFormat::Pcm16);
        }
    }
    place.write("tiny.json", TINY);
    place
}

/// Decodes every clip, and trains on none; what it made and what it found is on stderr.
fn decode_all(place: &WorkDir, output: &str) -> Command {
    let mut command =
        place.command(&format!("train --dry-run --data data --from-scratch tiny.json --output {output}"));
    command.stdout(Stdio::null()).stderr(Stdio::piped()).env("EARMARK_LOG", "earmark_train=debug");
    command
}

#[track_caller]
fn finds(place: &WorkDir, output: &str, found: usize, made: usize) {
    let said = decode_all(place, output).output().unwrap();
    let text = String::from_utf8(said.stderr).unwrap();
    assert!(said.status.success(), "{text}");
    assert!(text.contains(&format!("{found} found in the cache, {made} made")), "{text}");
}

#[test]
fn two_at_once_fill_one_cache_and_the_next_decodes_nothing() {
    let place = place();
    let both = ["one", "two"].map(|output| decode_all(&place, output).spawn().unwrap());
    for run in both {
        let said = run.wait_with_output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }
    finds(&place, "three", CLIPS, 0);
}

#[test]
fn one_that_is_killed_leaves_nothing_that_the_next_would_trust_by_mistake() {
    let place = place();
    let features = place.path("features/features");
    // Files that are whole: their names are hashes.
    let whole = || {
        let list = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
        let files = list(&features).flat_map(|folder| list(&folder));
        files.filter(|path| path.file_name().is_some_and(|name| name.len() == 64)).count()
    };
    let mut run = decode_all(&place, "one").spawn().unwrap();
    let begun = Instant::now();
    while whole() < 3 {
        assert!(begun.elapsed() < Duration::from_secs(60), "it keeps nothing");
        thread::sleep(Duration::from_micros(200));
    }
    run.kill().unwrap();
    run.wait().unwrap();

    let left = whole();
    finds(&place, "two", left, CLIPS - left);
    finds(&place, "three", CLIPS, 0);
}
