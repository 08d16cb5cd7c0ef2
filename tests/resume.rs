//! A run that stops and goes on is the run that never stopped.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use earmark_audio::{SampleRate, WavFormat, Waveform, write_wav};
use earmark_models::{NetworkConfig, SpeechConfig};
use earmark_testkit::{Golden, assert_close, noise, tone};
use earmark_train::{
    ClassWeights, ErrorKind, Event, Outcome, OutputFolder, Recipe, Sampling, ScheduleKind, SplitFile, Start,
    StepDone, plan, train,
};

use crate::{finish, golden, job, metrics, refusal, stop_after};

/// Dropout of every kind, layerdrop and SpecAugment: whatever a step draws at random.
fn noisy() -> Start {
    Start::Scratch(Box::new(NetworkConfig::Speech(SpeechConfig {
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
        let read = |run: &Path| {
            let bytes = fs::read(run.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
            if file == "report.html" { undated(&bytes) } else { bytes }
        };
        assert!(read(got) == read(want), "`{file}` of {} and {} differ", got.display(), want.display());
    }
}

/// A report without its title and its facts, such as the date and the duration, which no two runs share.
fn undated(page: &[u8]) -> Vec<u8> {
    let mut page = String::from_utf8(page.to_vec()).unwrap();
    for (from, to) in [("<title>", "</title>"), ("<h1>", "</h1>"), ("<dl>", "</dl>")] {
        let (start, end) = (page.find(from).unwrap(), page.find(to).unwrap());
        page.replace_range(start..end, "");
    }
    page.into_bytes()
}

/// Stops a run after each of `stops` steps, resumes it, and compares it with one that never stopped.
#[track_caller]
fn check(stops: &[u64]) {
    check_run(&recipe(), &noisy(), stops);
}

#[track_caller]
fn check_run(recipe: &Recipe, begin: &Start, stops: &[u64]) {
    let (data, runs) = (golden("train/data"), tempfile::tempdir().unwrap());
    let [whole, parts] = ["whole", "parts"].map(|name| runs.path().join(name));
    finish(&job(recipe.clone(), &data, begin.clone(), &whole));

    let mut start = begin.clone();
    for &steps in stops {
        let outcome = stop_after(&job(recipe.clone(), &data, start, &parts), steps);
        let stopped = matches!(outcome, Ok(Outcome::Stopped { step, .. }) if step == steps);
        assert!(stopped, "{outcome:?}");
        start = Start::Resume;
    }
    finish(&job(recipe.clone(), &data, start, &parts));
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

/// Each setting that changes what is learned, and all that can be together.
#[test]
fn a_run_with_every_setting_of_learning_goes_on_as_if_it_had_not_stopped() {
    let recipe = Recipe {
        schedule: ScheduleKind::Cosine,
        head_lr: Some(1e-2),
        layer_lr_decay: 0.7,
        freeze: "feature-encoder,layers:0".parse().unwrap(),
        label_smoothing: 0.1,
        sampling: Sampling::Balanced,
        ..recipe()
    };
    let recipe = Recipe { model: "init".into(), ..recipe };
    check_run(&recipe, &Start::Model(golden("train/init")), &[3, 7, 10]);
    let weighted = Recipe { sampling: Sampling::Random, class_weights: ClassWeights::Balanced, ..recipe };
    check_run(&weighted, &Start::Model(golden("train/init")), &[4]);
}

#[test]
fn a_run_with_augmented_clips_goes_on_as_if_it_had_not_stopped() {
    let recipe = Recipe {
        random_crop: true,
        max_duration: 0.2,
        augment_shift: 0.05,
        augment_snr: Some([5.0, 20.0]),
        mixup: 0.3,
        label_smoothing: 0.1,
        sampling: Sampling::Balanced,
        ..recipe()
    };
    check_run(&recipe, &noisy(), &[3, 7]);

    let (data, runs) = (golden("train/data"), tempfile::tempdir().unwrap());
    let losses = |recipe: Recipe, name: &str| {
        let (_, steps) = finish(&job(recipe, &data, noisy(), &runs.path().join(name)));
        steps.iter().map(|step| step.loss).collect::<Vec<_>>()
    };
    // Without it, the above would say nothing.
    let all = losses(recipe.clone(), "all");
    for (name, without) in [
        ("crop", Recipe { random_crop: false, ..recipe.clone() }),
        ("shift", Recipe { augment_shift: 0.0, ..recipe.clone() }),
        ("noise", Recipe { augment_snr: None, ..recipe.clone() }),
        ("mixup", Recipe { mixup: 0.0, ..recipe }),
    ] {
        assert_ne!(losses(without, name), all, "{name}");
    }
}

#[test]
fn gain_is_refused_where_the_extractor_undoes_it_and_noises_where_there_are_none() {
    let (data, runs) = (golden("train/data"), tempfile::tempdir().unwrap());
    let run = runs.path().join("run");
    let refused = |recipe| refusal(&job(recipe, &data, noisy(), &run)).kind.to_string();
    let why = refused(Recipe { augment_gain: 6.0, ..recipe() });
    assert!(why.contains("`augment_gain`") && why.contains("changes nothing"), "{why}");
    let noise = |folder: &str| Recipe {
        augment_snr: Some([0.0, 10.0]),
        augment_noise: folder.to_owned(),
        ..recipe()
    };
    let why = refused(noise(&runs.path().display().to_string()));
    assert!(why.contains("`augment_noise` has no sound file"), "{why}");
    let why = refused(Recipe { augment_snr: None, ..noise("anywhere") });
    assert!(why.contains("`augment_snr` says how loud"), "{why}");
}

/// Nothing is learned, so no epoch is better than the first.
#[test]
fn a_run_that_stops_early_does_so_after_a_resume_too_and_counts_from_the_best_epoch() {
    let (data, runs) = (golden("train/data"), tempfile::tempdir().unwrap());
    let [whole, parts] = ["whole", "parts"].map(|name| runs.path().join(name));
    let recipe = || Recipe { early_stopping_patience: 2, epochs: 9, lr: 0.0, ..recipe() };
    let (finished, steps) = finish(&job(recipe(), &data, noisy(), &whole));
    assert_eq!((steps.len(), finished.best_epoch, finished.epochs, finished.stopped_early), (15, 1, 3, true));
    for (start, stop) in [(noisy(), 7), (Start::Resume, 15)] {
        let outcome = stop_after(&job(recipe(), &data, start, &parts), stop);
        assert!(matches!(outcome, Ok(Outcome::Stopped { step, .. }) if step == stop), "{outcome:?}");
    }
    finish(&job(recipe(), &data, Start::Resume, &parts));
    assert_same_run(&parts, &whole);
    // Once more: the run is over, and stays so.
    let (_, more) = finish(&job(recipe(), &data, Start::Resume, &parts));
    assert!(more.is_empty());
    assert_same_run(&parts, &whole);
}

#[test]
fn a_part_that_the_model_lacks_cannot_be_frozen() {
    let (data, runs) = (golden("train/data"), tempfile::tempdir().unwrap());
    let run = runs.path().join("run");
    let refused = |freeze: &str, model: &str| {
        let recipe = Recipe { freeze: freeze.parse().unwrap(), model: model.into(), ..recipe() };
        refusal(&job(recipe, &data, Start::Model(golden("train/init")), &run)).kind.to_string()
    };
    assert_eq!(
        refused("layers:1-7", "init"),
        "`freeze` is layers:1-7, but the last of the model's 2 layers is 1"
    );
    assert!(refused("backbone", "scratch:noisy").contains("would stay random"));
}

#[test]
fn a_run_that_is_asked_to_stop_at_its_last_step_is_not_lost() {
    let (data, runs) = (golden("train/data"), tempfile::tempdir().unwrap());
    let [whole, parts] = ["whole", "parts"].map(|name| runs.path().join(name));
    finish(&job(recipe(), &data, noisy(), &whole));
    let outcome = stop_after(&job(recipe(), &data, noisy(), &parts), 15).unwrap();
    if let Outcome::Stopped { step, steps } = outcome {
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
fn a_clip_that_was_replaced_since_is_named_and_the_run_not_resumed() {
    let (_dir, data, run) = stopped();
    let other = Waveform::new(noise(4000, 99), SampleRate::HZ_16000).unwrap();
    write_wav(data.join("hum/4.wav"), &other, WavFormat::Pcm16).unwrap();
    let error = refusal(&job(recipe(), &data, Start::Resume, &run));
    let ErrorKind::OtherData(why) = &*error.kind else { panic!("{error:?}") };
    assert!(why.contains("`hum/4.wav` is another sound"), "{why}");
}

#[test]
fn a_folder_that_a_dry_run_planned_in_can_be_trained_in() {
    let (data, runs) = (golden("train/data"), tempfile::tempdir().unwrap());
    let [whole, planned] = ["whole", "planned"].map(|name| runs.path().join(name));
    finish(&job(recipe(), &data, noisy(), &whole));
    let other = Recipe { seed: 7, ..recipe() };
    plan(&job(other, &data, noisy(), &planned), &|_| (), &AtomicBool::new(false)).unwrap();
    finish(&job(recipe(), &data, noisy(), &planned));
    assert_same_run(&planned, &whole);
}

#[test]
fn a_broken_checkpoint_is_passed_over_for_the_one_before_and_the_run_is_the_same() {
    fn edit(file: &Path, edit: impl Fn(&mut Vec<u8>)) {
        let mut bytes = fs::read(file).unwrap();
        edit(&mut bytes);
        fs::write(file, bytes).unwrap();
    }
    fn flip(bytes: &mut [u8]) {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    }
    let breaks: [fn(&Path); 7] = [
        |dir| edit(&dir.join("model.safetensors"), |bytes| bytes.truncate(bytes.len() / 2)),
        |dir| edit(&dir.join("model.safetensors"), |bytes| flip(bytes)),
        |dir| edit(&dir.join("optimizer.bpk"), |bytes| flip(bytes)),
        |dir| edit(&dir.join("trainer_state.json"), Vec::clear),
        |dir| fs::remove_file(dir.join("optimizer.bpk")).unwrap(),
        |dir| fs::remove_file(dir.join("trainer_state.json")).unwrap(),
        |dir| {
            fs::remove_dir_all(dir).unwrap();
            fs::create_dir(dir).unwrap();
        },
    ];
    let (data, runs) = (golden("train/data"), tempfile::tempdir().unwrap());
    let recipe = || Recipe { keep_checkpoints: 0, ..recipe() };
    let whole = runs.path().join("whole");
    finish(&job(recipe(), &data, noisy(), &whole));
    for (number, damage) in breaks.into_iter().enumerate() {
        let run = runs.path().join(number.to_string());
        stop_after(&job(recipe(), &data, noisy(), &run), 12).unwrap();
        damage(&run.join("checkpoint-12"));
        let passed_over = Mutex::new(Vec::new());
        let watch = |event: &Event<'_>| {
            if let Event::PassedOver(checkpoints) = event {
                passed_over.lock().unwrap().extend(checkpoints.iter().map(|it| it.path.clone()));
            }
        };
        let outcome = train(&job(recipe(), &data, Start::Resume, &run), &watch, &AtomicBool::new(false));
        assert!(matches!(outcome, Ok(Outcome::Finished(_))), "{number}: {outcome:?}");
        assert_eq!(passed_over.into_inner().unwrap(), [run.join("checkpoint-12")], "{number}");
        assert_same_run(&run, &whole);
    }
}

#[test]
fn a_run_without_a_whole_checkpoint_says_what_is_wrong_with_each() {
    let (_dir, data, run) = stopped();
    fs::write(run.join("checkpoint-2/model.safetensors"), "half").unwrap();
    let error = refusal(&job(recipe(), &data, Start::Resume, &run));
    let ErrorKind::BrokenCheckpoints(broken) = &*error.kind else { panic!("{error:?}") };
    assert_eq!(broken.len(), 1);
    assert!(broken[0].why.contains("`model.safetensors` is damaged"), "{broken:?}");
}

#[test]
fn a_best_checkpoint_that_broke_is_said_and_the_newest_taken_for_it() {
    let (data, runs) = (golden("train/data"), tempfile::tempdir().unwrap());
    let run = runs.path().join("run");
    let recipe = || Recipe { keep_checkpoints: 0, lr: 0.0, ..recipe() };
    // Nothing is learned, so the first of the equals is the best.
    let (finished, _) = finish(&job(recipe(), &data, noisy(), &run));
    assert_eq!(finished.best_epoch, 1);
    fs::remove_file(run.join("checkpoint-5/model.safetensors")).unwrap();
    let (again, _) = finish(&job(recipe(), &data, Start::Resume, &run));
    assert_eq!(again.best_epoch, 3);
}

#[test]
fn a_run_that_is_stopped_while_an_epoch_is_evaluated_goes_on_as_if_it_had_not() {
    let (data, runs) = (golden("train/data"), tempfile::tempdir().unwrap());
    let [whole, parts] = ["whole", "parts"].map(|name| runs.path().join(name));
    finish(&job(recipe(), &data, noisy(), &whole));
    let mut start = noisy();
    for (evaluations, expected) in [(0, 5), (1, 10), (1, 15)] {
        let (stop, left) = (AtomicBool::new(false), Mutex::new(evaluations));
        let watch = |event: &Event<'_>| match event {
            Event::Epoch(_) => *left.lock().unwrap() -= 1,
            Event::Evaluating { .. } if *left.lock().unwrap() == 0 => stop.store(true, Ordering::Relaxed),
            _ => {}
        };
        let outcome = train(&job(recipe(), &data, start, &parts), &watch, &stop);
        let stopped = matches!(outcome, Ok(Outcome::Stopped { step, steps: 15 }) if step == expected);
        assert!(stopped, "{expected}: {outcome:?}");
        start = Start::Resume;
    }
    finish(&job(recipe(), &data, Start::Resume, &parts));
    assert_same_run(&parts, &whole);
}

#[test]
fn a_run_that_is_stopped_before_its_first_step_leaves_nothing() {
    let (data, runs) = (golden("train/data"), tempfile::tempdir().unwrap());
    let run = runs.path().join("run");
    let outcome = train(&job(recipe(), &data, noisy(), &run), &|_| (), &AtomicBool::new(true));
    assert!(matches!(outcome, Ok(Outcome::Abandoned)), "{outcome:?}");
    assert!(!run.exists());
}

#[cfg(unix)]
#[test]
fn whoever_may_read_a_new_file_may_read_the_model() {
    use std::os::unix::fs::PermissionsExt as _;
    let (data, runs) = (golden("train/data"), tempfile::tempdir().unwrap());
    let run = runs.path().join("run");
    finish(&job(Recipe { epochs: 1, ..recipe() }, &data, noisy(), &run));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (plain_file, plain_folder) = (runs.path().join("file"), runs.path().join("folder"));
    fs::write(&plain_file, "").unwrap();
    fs::create_dir(&plain_folder).unwrap();
    let mut folders = vec![run];
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), mode(&plain_folder), "{}", folder.display());
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => assert_eq!(mode(&path), mode(&plain_file), "{}", path.display()),
            }
        }
    }
}

#[test]
fn a_class_that_is_in_one_part_alone_is_known_before_the_first_step() {
    let dir = tempfile::tempdir().unwrap();
    let [data, run] = ["data", "run"].map(|name| dir.path().join(name));
    equal_clips(&data);
    fs::create_dir(data.join("buzz")).unwrap();
    fs::copy(data.join("hum/9.wav"), data.join("buzz/0.wav")).unwrap();
    // One clip of a class is in one part or in the other.
    let mut seen = [false; 2];
    for seed in 0..20 {
        let recipe = Recipe { test_size: 4.0, seed, ..recipe() };
        let plan = plan(&job(recipe, &data, noisy(), &run), &|_| (), &AtomicBool::new(false)).unwrap();
        let is_tested = plan.untrained == ["buzz"];
        assert_eq!(plan.untested.contains(&"buzz".to_owned()), !is_tested, "{plan:?}");
        seen[usize::from(is_tested)] = true;
    }
    assert_eq!(seen, [true; 2]);
}

#[test]
fn a_folder_with_something_in_it_is_no_place_for_a_run() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
    let error = OutputFolder::create_run(dir.path()).unwrap_err();
    assert!(matches!(&*error.kind, ErrorKind::Occupied(held) if *held == ["thesis.txt"]), "{error:?}");
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
    // metrics.jsonl goes on after the checkpoint that the run will be resumed from.
    let lines = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    fs::write(run.join("metrics.jsonl"), format!("{lines}{{\"step\":4,\"epoch\":0.8,\"lo")).unwrap();

    fs::write(run.join(".unfinished-7-0"), "half a file").unwrap();
    let (_, steps) = finish(&job(recipe(), &data, Start::Resume, &run));
    let names = fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name());
    let hidden: Vec<_> = names.filter(|name| name.as_encoded_bytes().starts_with(b".")).collect();
    assert!(hidden.is_empty(), "what was left half written is swept: {hidden:?}");
    assert_eq!(steps.iter().map(|step| step.step).collect::<Vec<_>>(), (3..=12).collect::<Vec<_>>());
    assert_eq!(metrics(&run).iter().filter(|line| line["step"] == 4).count(), 2);
}
