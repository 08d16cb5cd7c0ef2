//! A run that stops and goes on is the run that never stopped.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use earmark_audio::{SampleRate, WavFormat, Waveform, write_wav};
use earmark_models::{NetworkConfig, SpeechConfig};
use earmark_testkit::{Golden, assert_close, noise, tone};
use earmark_train::{ErrorKind, Event, Outcome, Recipe, SplitFile, Start, StepDone, train};

use crate::{finish, golden, job, metrics, refusal, stop_after};

/// Dropout of every kind, layerdrop and SpecAugment: whatever a step draws at random.
fn noisy() -> Start {
    Start::Scratch(Box::new(NetworkConfig::Hubert(SpeechConfig {
        hidden_size: 16,
        num_hidden_layers: 3,
        num_attention_heads: 4,
        intermediate_size: 32,
        conv_dim: vec![16; 4],
        conv_kernel: vec![10, 8, 4, 4],
        conv_stride: vec![5, 4, 4, 4],
        num_conv_pos_embeddings: 8,
        num_conv_pos_embedding_groups: 4,
        classifier_proj_size: 16,
        hidden_dropout: 0.2,
        attention_dropout: 0.2,
        activation_dropout: 0.2,
        feat_proj_dropout: 0.2,
        layerdrop: 0.3,
        apply_spec_augment: true,
        mask_time_prob: 0.3,
        mask_time_length: 3,
        mask_feature_prob: 0.3,
        mask_feature_length: 3,
        ..SpeechConfig::default()
    })))
}

/// 18 clips to train on in batches of 4: five steps an epoch, the last with 2 clips. Two steps a line, so that a mean
/// crosses the end of every epoch.
fn recipe() -> Recipe {
    Recipe {
        test_size: 0.25,
        epochs: 3,
        batch_size: 4,
        lr: 2e-3,
        max_duration: 0.4,
        logging_steps: 2,
        ..Recipe::new("resume", "scratch:noisy", "golden")
    }
}

/// The same files with the same bytes, in both run folders.
#[track_caller]
fn assert_same_run(got: &Path, want: &Path) {
    let files = [
        "metrics.jsonl",
        "recipe.toml",
        "split.json",
        "report.json",
        "report.html",
        "model/model.safetensors",
        "model/config.json",
        "model/README.md",
        "checkpoint-15/model.safetensors",
        "checkpoint-15/trainer_state.json",
    ];
    for file in files {
        let read = |run: &Path| fs::read(run.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(read(got) == read(want), "`{file}` of {} and {} differ", got.display(), want.display());
    }
}

/// Stops a run after each of `stops` steps, resumes it, and compares it with one that never stopped.
#[track_caller]
fn check(stops: &[u64]) {
    let (data, runs) = (golden("train/data"), tempfile::tempdir().unwrap());
    let [whole, parts] = ["whole", "parts"].map(|name| runs.path().join(name));
    finish(&job(recipe(), &data, noisy(), &whole));

    let mut start = noisy();
    for &steps in stops {
        let outcome = stop_after(&job(recipe(), &data, start, &parts), steps);
        let stopped = matches!(outcome, Ok(Outcome::Stopped { step, steps: 15 }) if step == steps);
        assert!(stopped, "{outcome:?}");
        start = Start::Resume;
    }
    finish(&job(recipe(), &data, start, &parts));
    assert_same_run(&parts, &whole);
}

#[test]
fn a_run_that_stops_inside_an_epoch_goes_on_as_if_it_had_not() {
    check(&[3, 7, 8]);
}

#[test]
fn a_run_that_stops_after_an_epochs_last_step_evaluates_it_when_it_goes_on() {
    check(&[5, 10]);
}

#[test]
fn a_run_that_is_asked_to_stop_at_its_last_step_is_not_lost() {
    let (data, runs) = (golden("train/data"), tempfile::tempdir().unwrap());
    let [whole, parts] = ["whole", "parts"].map(|name| runs.path().join(name));
    finish(&job(recipe(), &data, noisy(), &whole));
    if let Outcome::Stopped { step, steps } = stop_after(&job(recipe(), &data, noisy(), &parts), 15).unwrap()
    {
        assert_eq!((step, steps), (15, 15));
        finish(&job(recipe(), &data, Start::Resume, &parts));
    }
    assert_same_run(&parts, &whole);
}

#[test]
fn two_runs_at_once_do_not_disturb_each_other() {
    let (data, runs) = (golden("train/data"), tempfile::tempdir().unwrap());
    let [alone, one, two] = ["alone", "one", "two"].map(|name| runs.path().join(name));
    finish(&job(recipe(), &data, noisy(), &alone));
    std::thread::scope(|scope| {
        for run in [&one, &two] {
            scope.spawn(|| finish(&job(recipe(), &data, noisy(), run)));
        }
    });
    assert_same_run(&one, &alone);
    assert_same_run(&two, &alone);
}

#[test]
fn a_finished_run_that_is_resumed_stays_as_it_is() {
    let (data, runs) = (golden("train/data"), tempfile::tempdir().unwrap());
    let [once, twice] = ["once", "twice"].map(|name| runs.path().join(name));
    for run in [&once, &twice] {
        finish(&job(recipe(), &data, noisy(), run));
    }
    finish(&job(recipe(), &data, Start::Resume, &twice));
    assert_same_run(&twice, &once);
}

/// Without it, the tests above would say nothing about what a step draws.
#[test]
fn dropout_is_part_of_every_step() {
    let (data, runs) = (golden("train/data"), tempfile::tempdir().unwrap());
    let [with, without] = [true, false].map(|dropout| {
        let run = runs.path().join(dropout.to_string());
        let (_, steps) = finish(&job(Recipe { dropout, epochs: 1, ..recipe() }, &data, noisy(), &run));
        steps
    });
    assert!(
        with.iter().zip(&without).all(|(with, without)| with.loss != without.loss),
        "{with:?} {without:?}"
    );
}

/// Noise and tones of one length, so that no clip is padded and the company of a clip does not matter.
fn equal_clips(dir: &Path) {
    for class in 0..2u32 {
        let folder = dir.join(["hiss", "hum"][class as usize]);
        fs::create_dir_all(&folder).unwrap();
        for clip in 0..10u32 {
            let hz = f64::from(200 + 40 * clip);
            let samples = match class {
                0 => noise(4000, clip.into()),
                _ => tone(hz, 0.25, 16_000),
            };
            let clip_file = folder.join(format!("{clip}.wav"));
            let clip = Waveform::new(samples, SampleRate::HZ_16000).unwrap();
            write_wav(&clip_file, &clip, WavFormat::Pcm16).unwrap();
        }
    }
}

#[test]
fn two_passes_of_four_clips_are_one_pass_of_eight() {
    let (data, runs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    equal_clips(data.path());
    let run = |batch_size, gradient_accumulation_steps| {
        let recipe = Recipe {
            batch_size,
            gradient_accumulation_steps,
            test_size: 2.0,
            dropout: false,
            epochs: 2,
            ..recipe()
        };
        let output = runs.path().join(format!("{batch_size}"));
        let (_, steps) = finish(&job(recipe, data.path(), noisy(), &output));
        (steps, Golden::open(output.join("model/model.safetensors")))
    };
    // 18 clips are 8, 8 and 2: the last step's passes are 2 and none.
    let ((one, want), (two, got)) = (run(8, 1), run(4, 2));
    assert_eq!(one.iter().map(|step| step.clips).collect::<Vec<_>>(), [8, 8, 2, 8, 8, 2]);
    for (one, two) in one.iter().zip(&two) {
        assert_eq!((one.step, one.lr, one.clips), (two.step, two.lr, two.clips));
        let numbers = |step: &StepDone| [step.loss as f32, step.grad_norm as f32];
        assert_close("loss and norm", &numbers(two), &numbers(one), 1e-6); // Worst: 6e-8.
    }
    for key in want.keys() {
        if !key.ends_with("k_proj.bias") {
            assert_close(&key, &got.f32s(&key), &want.f32s(&key), 1e-6); // Worst: 1.2e-7.
        }
    }
}

/// A run that stopped after two steps, and its data.
fn stopped() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let [data, run] = ["data", "run"].map(|name| dir.path().join(name));
    equal_clips(&data);
    let outcome = stop_after(&job(recipe(), &data, noisy(), &run), 2);
    assert!(matches!(outcome, Ok(Outcome::Stopped { step: 2, .. })), "{outcome:?}");
    (dir, data, run)
}

#[test]
fn a_run_whose_clips_changed_is_not_resumed() {
    let (_dir, data, run) = stopped();
    fs::remove_file(data.join("hum/9.wav")).unwrap();
    let error = refusal(&job(recipe(), &data, Start::Resume, &run));
    let ErrorKind::OtherData(why) = &*error.kind else { panic!("{error:?}") };
    let before = SplitFile::read(&run).unwrap();
    assert!(why.contains("15 and 5 clips") && why.contains(&before.train[0]), "{why}");
    assert!(why.contains("14 and 5"), "{why}");
}

#[test]
fn a_folder_with_something_in_it_is_no_place_for_a_run() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
    let job = job(recipe(), &golden("train/data"), noisy(), dir.path());
    let error = refusal(&job);
    assert!(matches!(*error.kind, ErrorKind::Occupied), "{error:?}");
    assert!(error.doing.contains(&dir.path().display().to_string()), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn recipe_and_split_are_there_before_the_first_step() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let job = job(Recipe { epochs: 1, ..recipe() }, &golden("train/data"), noisy(), &run);
    let seen = Mutex::new(None);
    let watch = |event: &Event<'_>| {
        if let Event::Started(plan) = event {
            let files = (Recipe::read(&run).unwrap(), SplitFile::read(&run).unwrap());
            *seen.lock().unwrap() = Some(((*plan).clone(), files));
        }
    };
    train(&job, &watch, &AtomicBool::new(false)).unwrap();
    let (plan, (recipe, split)) = seen.into_inner().unwrap().expect("every run starts");
    assert_eq!(recipe, job.recipe);
    assert_eq!((split.train.len(), split.test.len()), (plan.train, plan.test));
    assert_eq!((plan.train, plan.test, plan.steps, plan.done), (18, 6, 5, 0));
}

#[test]
fn what_a_killed_run_left_half_written_does_not_confuse_it() {
    let (_dir, data, run) = stopped();
    let half = run.join(".unfinished-aB3xY9/new");
    fs::create_dir_all(&half).unwrap();
    fs::write(half.join("trainer_state.json"), "{\"global_step\": 3, ").unwrap();
    // A folder of another program, or of a copy that was cut off, is no checkpoint either.
    fs::create_dir(run.join("checkpoint-9")).unwrap();
    // The diary goes on after the checkpoint that the run will be resumed from.
    let diary = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    fs::write(run.join("metrics.jsonl"), format!("{diary}{{\"step\":4,\"epoch\":0.8,\"lo")).unwrap();

    let (_, steps) = finish(&job(recipe(), &data, Start::Resume, &run));
    assert_eq!(steps.iter().map(|step| step.step).collect::<Vec<_>>(), (3..=12).collect::<Vec<_>>());
    assert_eq!(metrics(&run).iter().filter(|line| line["step"] == 4).count(), 2);
}
