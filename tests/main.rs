//! Tests of the whole: training and what it leaves behind, against the reference and against itself.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "what a helper cannot open fails its test")]

mod attacks;
mod end_to_end;
mod model_folders;
mod parity;
mod pipeline;
mod recordings;
mod resume;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use earmark_data::AudioDataset;
use earmark_train::{
    CardDataset, Error, Event, Finished, Job, Outcome, OutputFolder, Recipe, Start, StepDone, train,
};

/// Where the tests compute: the CPU, or libtorch's CPU when `cargo xtask test --device libtorch` asks for it.
fn device() -> Device {
    match std::env::var("EARMARK_TEST_DEVICE").as_deref() {
        #[cfg(feature = "libtorch")]
        #[allow(deprecated, reason = "deprecated upstream, and what its users ask for")]
        Ok("libtorch") => Device::libtorch(),
        Ok(other) => panic!("this build has no test device `{other}`"),
        Err(_) => Device::flex(),
    }
}

/// A file or folder of `tests/golden`.
fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(path)
}

/// A run of `recipe` over the clips in `data`, into `output`.
fn job(recipe: Recipe, data: &Path, start: Start, output: &Path) -> Job {
    let folder = match start {
        Start::Resume => OutputFolder::open_run(output),
        _ => OutputFolder::create_run(output),
    };
    Job {
        recipe,
        dataset: AudioDataset::open_folder(data).expect("the data of a test is a class folder"),
        start,
        cache: None,
        device: device(),
        output: folder.expect("the folder of a test is free"),
        command: String::new(),
        card: CardDataset { name: "test".into(), id: "audiofolder".into(), config: None, split: None },
        base_model: None,
    }
}

/// Runs a job to its end, and returns every step.
#[track_caller]
fn finish(job: &Job) -> (Finished, Vec<StepDone>) {
    let steps = Mutex::new(Vec::new());
    let watch = |event: &Event<'_>| {
        if let Event::Step(done) = event {
            steps.lock().expect("nobody panics with the lock").push(*done);
        }
    };
    match train(job, &watch, &AtomicBool::new(false)) {
        Ok(Outcome::Finished(finished)) => (*finished, steps.into_inner().expect("as above")),
        other => panic!("the run ended with {other:?}"),
    }
}

/// Runs a job and asks it to stop as soon as so many steps are done.
fn stop_after(job: &Job, steps: u64) -> Result<Outcome, Error> {
    let stop = AtomicBool::new(false);
    let watch = |event: &Event<'_>| {
        if let Event::Step(done) = event
            && done.step >= steps
        {
            stop.store(true, Ordering::Relaxed);
        }
    };
    train(job, &watch, &stop)
}

/// The error of a job that cannot be run.
#[track_caller]
fn refusal(job: &Job) -> Error {
    train(job, &|_| {}, &AtomicBool::new(false)).expect_err("it has to be refused")
}

/// The lines of `metrics.jsonl` in a run folder, as JSON.
fn metrics(run: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).expect("a run writes its metrics");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of it is JSON")).collect()
}
