//! Runs beside runs, stopped and resumed: what `earmark train` and `earmark eval` keep, refuse and say of a run's folder.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use earmark_audio::{SampleRate, WavFormat, Waveform, write_wav};
use earmark_testkit::hub::LoopbackHub;
use earmark_testkit::{noise, tone};
use serde_json::Value;

use crate::work_dir::{Ran, WorkDir, signal, wait_until};

/// Three steps an epoch.
const SHORT: &str = "train --data data --from-scratch tiny.json --epochs 2 --batch-size 4 --test-size 0.25 --lr 1e-3 \
                     --logging-steps 2";
/// Long enough that a signal arrives before the end.
const LONG: &str = "train --data data --from-scratch tiny.json --epochs 60 --batch-size 4 --test-size 0.25 --lr 1e-3 \
                    --logging-steps 2";

/// Waits until a run has a checkpoint.
fn wait_for_checkpoint(place: &WorkDir, run: &str) {
    wait_until("a checkpoint", || {
        fs::read_dir(place.path(run)).is_ok_and(|entries| {
            entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("checkpoint-"))
        })
    });
}

/// The run that nobody disturbs: its place, where it is `whole`.
fn undisturbed() -> &'static WorkDir {
    static PLACE: OnceLock<WorkDir> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = WorkDir::with_clips();
        place.run(&format!("{LONG} --output whole")).says(0, &[]);
        place
    })
}

mod folders {
    use super::*;

    #[test]
    fn runs_that_begin_at_once_get_a_folder_each() {
        let place = WorkDir::with_clips();
        let children: Vec<_> = (0..4).map(|_| place.start(SHORT)).collect();
        for child in children {
            Ran::end_of(child).says(0, &[]);
        }
        let runs = place.list("runs/tiny-data");
        assert_eq!(runs.len(), 4, "{runs:?}");
        for run in runs {
            let files = place.list(&format!("runs/tiny-data/{run}"));
            assert!(files.contains(&"report.json".to_owned()), "{files:?}");
            assert_eq!(place.read(&format!("runs/tiny-data/{run}/metrics.jsonl")).lines().count(), 5);
        }
    }

    #[test]
    fn of_two_runs_with_one_output_one_is_refused_and_the_other_whole() {
        for existing in [false, true] {
            let place = WorkDir::with_clips();
            if existing {
                fs::create_dir(place.path("run")).unwrap();
            }
            let children: Vec<_> = (0..3).map(|_| place.start(&format!("{SHORT} --output run"))).collect();
            let said: Vec<_> = children.into_iter().map(Ran::end_of).collect();
            assert_eq!(said.iter().filter(|said| said.code == Some(0)).count(), 1);
            for said in said.iter().filter(|said| said.code != Some(0)) {
                said.says(1, &["`run`"]);
                let why = ["another process is using it", "not empty"];
                assert!(why.iter().any(|why| said.err.contains(why)), "{}", said.err);
            }
            assert_eq!(place.read("run/metrics.jsonl").lines().count(), 5);
            assert!(!place.list("run").iter().any(|name| name.starts_with('.')));
        }
    }

    #[test]
    fn a_run_that_goes_on_is_not_resumed_beside_itself_and_has_no_model_yet() {
        let place = WorkDir::with_clips();
        let mut child = place.start(&format!("{LONG} --output run"));
        wait_for_checkpoint(&place, "run");
        let resumed = place.run("train --resume run");
        let eval = place.run("eval run");
        let running = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(running, "the run was over before it was resumed");
        resumed.says(1, &["`run`", "another process is using it"]);
        eval.says(1, &["`run`", "still being trained"]);
        // Its lock died with it.
        place.run("train --resume run").says(0, &["resumed  after step"]);
    }

    #[test]
    fn an_empty_folder_will_do_and_what_is_in_another_is_named_and_stays() {
        let place = WorkDir::with_clips();
        fs::create_dir_all(place.path("mount/lost+found")).unwrap();
        place.run(&format!("{SHORT} --output mount")).says(0, &[]);
        assert!(place.list("mount").contains(&"model".to_owned()));

        fs::create_dir(place.path("full")).unwrap();
        fs::write(place.path("full/thesis.txt"), "years of work").unwrap();
        for command in [format!("{SHORT} --output full"), "eval mount -o full".to_owned()] {
            place.run(&command).says(1, &["`full`", "`thesis.txt`", "--output"]);
        }
        assert_eq!(place.list("full"), ["thesis.txt"]);

        place.run("eval mount -o scores").says(0, &[]);
        let scores = ["confusion_matrix.svg", "predictions.parquet", "report.html", "report.json"];
        assert_eq!(place.list("scores"), scores);
        place.run("eval mount -o scores").says(1, &["`scores`", "`report.json`"]);
    }

    #[test]
    fn an_evaluation_that_cannot_be_done_leaves_no_folder() {
        let place = WorkDir::with_clips();
        place.run("eval --model nowhere/here --data data -o scores").says(1, &[]);
        assert!(!place.path("scores").exists());
    }

    #[test]
    fn a_dry_run_is_no_newest_run_and_its_folder_can_be_trained_in() {
        let place = WorkDir::with_clips();
        place.run(SHORT).says(0, &[]);
        let run = place.list("runs/tiny-data").remove(0);
        std::thread::sleep(Duration::from_millis(1100)); // The next stamp is a later one.
        place.run(&format!("{SHORT} --dry-run")).says(0, &["nothing trained"]);
        assert_eq!(place.list("runs/tiny-data").len(), 2);
        // Whatever runs are called, the one that began last is the newest.
        place.run(&format!("{SHORT} --output runs/first/zebra")).says(0, &[]);
        std::thread::sleep(Duration::from_millis(20));
        place.run(&format!("{SHORT} --output runs/last/ant")).says(0, &[]);
        for newest in ["runs/last/ant", "runs/first/zebra", &format!("runs/tiny-data/{run}")] {
            for command in ["eval", "train --resume"] {
                place.run(command).says(0, &[&format!("run      {newest}, the newest")]);
            }
            fs::remove_dir_all(place.path(newest)).unwrap();
        }

        place.run(&format!("{SHORT} --output run --dry-run")).says(0, &["nothing trained"]);
        assert_eq!(place.list("run"), ["recipe.toml", "split.json"]);
        place.run("train --resume run").says(1, &["`run`", "no checkpoint"]);
        place.run(&format!("{SHORT} --output run --seed 7 --dry-run")).says(0, &[]);
        place.run(&format!("{SHORT} --output run")).says(0, &[]);
        assert!(place.read("run/recipe.toml").contains("seed = 42"));
    }
}

mod recipe {
    use super::*;

    /// What is not in it is as in the preset.
    const PART: &str = "epochs = 3\nbatch_size = 2\nlr = 0.5\nadam_betas = [0.8, 0.9]\n";

    /// The line of a setting in `recipe.toml`.
    #[track_caller]
    fn assert_line(recipe: &str, line: &str) {
        assert!(recipe.lines().any(|it| it == line), "no `{line}` in\n{recipe}");
    }

    #[test]
    fn a_flag_counts_for_more_than_a_file_and_a_file_for_more_than_the_preset() {
        let place = WorkDir::with_clips();
        fs::write(place.path("part.toml"), PART).unwrap();
        let args = "train --data data --from-scratch tiny.json --test-size 0.25 --output run --dry-run";
        place.run(&format!("{args} --recipe part.toml --batch-size 4 --set lr=0.25")).says(0, &[]);
        let recipe = place.read("run/recipe.toml");
        for line in
            ["epochs = 3", "adam_betas = [0.8, 0.9]", "batch_size = 4", "lr = 0.25", "test_size = 0.25"]
        {
            assert_line(&recipe, line);
        }
        for line in
            ["seed = 42", "weight_decay = 0.0", "split_by = \"random\"", "model = \"scratch:tiny.json\""]
        {
            assert_line(&recipe, line);
        }
    }

    #[test]
    fn the_recipe_of_a_run_begins_the_same_run_anew() {
        let place = WorkDir::with_clips();
        let args =
            "--split-by stratified --resampler torchaudio --adam-epsilon 1e-7 --seed 7 --dropout false";
        place.run(&format!("{SHORT} {args} --output first")).says(0, &[]);
        place.run("train --recipe first/recipe.toml --output again").says(0, &[]);
        for file in ["recipe.toml", "split.json", "metrics.jsonl", "report.json", "model/README.md"] {
            assert_eq!(place.read(&format!("again/{file}")), place.read(&format!("first/{file}")), "{file}");
        }
        let weights = |run: &str| fs::read(place.path(run).join("model/model.safetensors")).unwrap();
        assert!(weights("again") == weights("first"));

        // Other clips, and all else as it was.
        place.clip("other/a/0.wav", noise(3000, 1));
        place.clip("other/b/0.wav", noise(3000, 2));
        let other = "train --recipe first/recipe.toml --data other --split-by random --test-size 1 --output other-run";
        place.run(&format!("{other} --dry-run")).says(0, &["1 train, 1 held-out"]);
        let recipe = place.read("other-run/recipe.toml");
        for line in ["dataset = \"other\"", "name = \"tiny-other\"", "seed = 7", "resampler = \"torchaudio\""]
        {
            assert_line(&recipe, line);
        }
    }

    #[test]
    fn help_shows_the_values_of_the_recipe_in_force() {
        let place = WorkDir::with_clips();
        fs::write(place.path("part.toml"), PART).unwrap();
        fs::write(place.path("sample.toml"), "dataset = \"sample\"\nlr = 1e-3\n").unwrap();
        let help = |args: &str| {
            let said = place.run(&format!("train {args}"));
            said.says(0, &[]);
            said.out.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        for (args, rate, decay, duration) in [
            ("--help", "5e-5", "0", "30"),
            ("--sample --help", "2e-3", "0.01", "3"),
            ("--help --dataset sample", "2e-3", "0.01", "3"),
            ("--sample -h", "2e-3", "0.01", "3"),
            ("--recipe part.toml --help", "0.5", "0", "30"),
            ("--recipe=part.toml --sample --help", "0.5", "0.01", "3"),
            ("--recipe sample.toml --help", "1e-3", "0.01", "3"),
        ] {
            let help = help(args);
            for (text, value) in [
                ("Peak learning rate", rate),
                ("are exempt from", decay),
                ("clips to this many seconds", duration),
            ] {
                let shown = format!("{text} [default: {value}]");
                assert!(help.contains(&shown), "train {args}: no `{shown}` in {help}");
            }
        }
        assert!(help("--recipe part.toml --help").contains("[default: 0.8,0.9]"));
        place.run("train --recipe nowhere.toml --help").says(2, &["`nowhere.toml`"]);
    }

    #[test]
    fn an_unknown_key_and_a_bad_value_are_named_with_what_may_stand_there() {
        let place = WorkDir::with_clips();
        let args = "train --data data --from-scratch tiny.json";
        for (line, words) in [
            ("epoch = 3", ["`part.toml`", "`epoch`", "did you mean `epochs`"]),
            ("epochs = 0", ["`part.toml`", "`epochs` is 0", "a whole number from 1 to"]),
            ("precision = \"fp64\"", ["`part.toml`", "`precision` is fp64", "fp32, bf16, fp16"]),
            ("epochs 3", ["`part.toml`", "not a valid recipe", ""]),
        ] {
            fs::write(place.path("part.toml"), line).unwrap();
            place.run(&format!("{args} --recipe part.toml")).says(1, &words);
        }
        for (set, words) in [
            ("epoch=3", ["`epoch`", "did you mean `epochs`"]),
            ("epochs=0", ["`epochs` is 0", "a whole number from 1 to"]),
            ("adam_betas=0.9", ["`adam_betas` is 0.9", "two numbers"]),
            ("dropout=off", ["`dropout` is off", "true or false"]),
            ("device=cpu", ["`device` cannot be set", "--set"]),
            ("epochs", ["KEY=VALUE", "--set"]),
            ("lr=1 --lr 2", ["`lr` is set twice", "--set lr"]),
            ("lr=1 --set lr=2", ["`lr` is set twice", "--set lr"]),
            ("resampler=hq --compat transformers", ["`resampler` is set twice", "--set resampler"]),
        ] {
            place.run(&format!("{args} --set {set}")).says(2, &words);
        }
        assert!(!place.path("runs").exists());
    }
}

#[test]
fn what_is_drawn_for_a_clip_does_not_depend_on_the_number_of_threads() {
    let place = WorkDir::with_clips();
    let more = "--random-crop --max-duration 0.15 --augment-shift 0.05 --augment-snr 0,20 --augment-noise data/rain --mixup 0.3";
    for threads in [1, 2, 4] {
        place.run(&format!("{SHORT} {more} --threads {threads} --output {threads}")).says(0, &[]);
    }
    let weights = |run: &str| fs::read(place.path(run).join("model/model.safetensors")).unwrap();
    for other in ["2", "4"] {
        assert_eq!(place.read(&format!("{other}/metrics.jsonl")), place.read("1/metrics.jsonl"), "{other}");
        assert!(weights(other) == weights("1"), "{other}");
    }
    let card = place.read("1/model/README.md");
    for row in ["- augment_snr: 0 to 20 dB, recordings of noise", "- mixup_alpha: 0.3"] {
        assert!(card.contains(row), "{card}");
    }
}

mod resume {
    use super::*;

    #[test]
    fn a_flag_that_would_be_ignored_is_refused_by_its_name_and_one_that_says_the_same_is_not() {
        let place = WorkDir::with_clips();
        place.run(&format!("{SHORT} --output run --split-by stratified")).says(0, &[]);
        place.clip("other/a/0.wav", noise(3000, 1));
        place.clip("other/b/0.wav", noise(3000, 2));
        let before = place.read("run/recipe.toml");
        for (flags, flag, key) in [
            ("--data other", "--data", "data"),
            ("--dataset minds14:en-AU", "--dataset", "published"),
            ("--sample", "--sample", "published"),
            ("--model a/b", "--model", "model"),
            ("--from-scratch sample", "--from-scratch", "model"),
            ("--label-column genre", "--label-column", "label_column"),
            ("--split-by random", "--split-by", "split_by"),
            ("--split train", "--split", "split"),
            ("--new-head", "--new-head", "new_head"),
            ("--skip-bad", "--skip-bad", "skip_bad"),
            ("--resampler torchaudio", "--resampler", "resampler"),
            ("--downmix left", "--downmix", "downmix"),
            ("--compat transformers", "--downmix", "downmix"),
            ("--epochs 3", "--epochs", "epochs"),
            ("--seed 1", "--seed", "seed"),
            ("--test-size 0.5", "--test-size", "test_size"),
            ("--batch-size 2", "--batch-size", "batch_size"),
            ("--eval-batch-size 2", "--eval-batch-size", "eval_batch_size"),
            (
                "--gradient-accumulation-steps 2",
                "--gradient-accumulation-steps",
                "gradient_accumulation_steps",
            ),
            ("--lr 1", "--lr", "lr"),
            ("--warmup-ratio 0.5", "--warmup-ratio", "warmup_ratio"),
            ("--weight-decay 1", "--weight-decay", "weight_decay"),
            ("--max-grad-norm 2", "--max-grad-norm", "max_grad_norm"),
            ("--max-duration 1", "--max-duration", "max_duration"),
            ("--logging-steps 1", "--logging-steps", "logging_steps"),
            ("--keep-checkpoints 1", "--keep-checkpoints", "keep_checkpoints"),
            ("--precision bf16", "--precision", "precision"),
            ("--attention-mask false", "--attention-mask", "attention_mask"),
            ("--dropout-off", "--dropout-off", "dropout"),
            ("--dropout false", "--dropout", "dropout"),
            ("--adam-betas 0.8,0.9", "--adam-betas", "adam_betas"),
            ("--adam-epsilon 1e-6", "--adam-epsilon", "adam_epsilon"),
            ("--val-from-train 0.2", "--val-from-train", "val_from_train"),
            ("--split-seed 3", "--split-seed", "split_seed"),
            ("--freeze backbone --freeze layers:0", "--freeze", "freeze"),
            ("--head-lr 1", "--head-lr", "head_lr"),
            ("--layer-lr-decay 0.9", "--layer-lr-decay", "layer_lr_decay"),
            ("--schedule cosine", "--schedule", "schedule"),
            ("--label-smoothing 0.1", "--label-smoothing", "label_smoothing"),
            ("--focal-gamma 2", "--focal-gamma", "focal_gamma"),
            ("--class-weights balanced", "--class-weights", "class_weights"),
            ("--sampling balanced", "--sampling", "sampling"),
            ("--early-stopping-patience 1", "--early-stopping-patience", "early_stopping_patience"),
            ("--random-crop", "--random-crop", "random_crop"),
            ("--augment-shift 0.1", "--augment-shift", "augment_shift"),
            ("--augment-gain 6", "--augment-gain", "augment_gain"),
            ("--augment-snr 5,20", "--augment-snr", "augment_snr"),
            ("--augment-noise noises", "--augment-noise", "augment_noise"),
            ("--mixup 0.2", "--mixup", "mixup"),
            ("--set lr=1", "--set lr", "lr"),
        ] {
            let said = place.run(&format!("train --resume run {flags}"));
            said.says(2, &["`run`", &format!("`{key}` is "), &format!("leave out {flag}")]);
        }
        let said = place.run("train --resume run --seed 1 --data other --set lr=1 --epochs 2");
        said.says(2, &["`data` is", "`lr` is 0.001, not 1", "`seed` is 42, not 1"]);
        said.says(2, &["leave out --data, --set lr, --seed, or start a new run"]);
        assert!(!said.err.contains("epochs"), "{}", said.err);
        for flags in ["--output elsewhere", "--dry-run", "--recipe run/recipe.toml"] {
            place.run(&format!("train --resume run {flags}")).says(2, &["--resume"]);
        }
        let same = "--data ./data --from-scratch tiny.json --epochs 2 --split-by stratified --resampler hq";
        place.run(&format!("train --resume run {same}")).says(0, &["resumed  after step 6"]);
        assert_eq!(place.read("run/recipe.toml"), before);
    }

    #[cfg(unix)]
    #[test]
    fn sigterm_saves_and_the_resumed_run_is_the_undisturbed_one_to_its_card() {
        let place = WorkDir::with_clips();
        let child = place.start(&format!("{LONG} --output whole"));
        wait_until("a file of the run", || {
            fs::read_to_string(place.path("whole/metrics.jsonl")).is_ok_and(|x| x.len() > 500)
        });
        signal(&child, "TERM");
        let said = Ran::end_of(child);
        said.says(143, &["stopped after step", "earmark train --resume whole"]);
        assert!(!place.path("whole/model").exists(), "the run was over before it was stopped");
        place.run("train --resume whole").says(0, &["resumed  after step"]);
        let whole = undisturbed();
        let files = ["metrics.jsonl", "split.json", "report.json", "model/README.md", "model/config.json"];
        for file in files.map(|file| format!("whole/{file}")) {
            assert_eq!(place.read(&file), whole.read(&file), "{file}");
        }
        let weights = |place: &WorkDir| fs::read(place.path("whole/model/model.safetensors")).unwrap();
        assert!(weights(&place) == weights(whole));
    }

    /// What a machine may do to a run: three `kill -9`, one SIGTERM, and a newest checkpoint that is cut in half.
    #[cfg(unix)]
    #[test]
    fn a_run_that_is_killed_at_random_and_torn_is_the_undisturbed_one_to_its_card() {
        let place = WorkDir::with_clips();
        let lines =
            || fs::read_to_string(place.path("whole/metrics.jsonl")).map_or(0, |it| it.lines().count());
        let mut command = format!("{LONG} --output whole");
        for name in ["KILL", "KILL", "TERM", "KILL"] {
            let random = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_micros();
            let (until, pause) = (lines() + 8 + random as usize % 10, u64::from(random % 40));
            let child = place.start(&command);
            wait_until("lines of the log", || lines() >= until);
            std::thread::sleep(Duration::from_millis(pause));
            signal(&child, name);
            let said = Ran::end_of(child);
            assert_eq!(said.code, (name == "TERM").then_some(143), "{}", said.err);
            assert!(!place.path("whole/model").exists(), "the run was over before it was killed");
            println!("{name} at line {} after {pause} ms", lines());
            command = "train --resume whole".to_owned();
        }
        let names = place.list("whole").into_iter();
        let steps = names.filter_map(|name| name.strip_prefix("checkpoint-")?.parse::<u64>().ok());
        let newest = format!("checkpoint-{}", steps.max().unwrap());
        let weights = place.path(format!("whole/{newest}/model.safetensors"));
        let weights = fs::File::options().write(true).open(weights).unwrap();
        weights.set_len(weights.metadata().unwrap().len() / 2).unwrap();
        place.run(&command).says(0, &["skipped a broken checkpoint", &newest, "resumed  after step"]);
        let whole = undisturbed();
        for file in [
            "metrics.jsonl",
            "split.json",
            "report.json",
            "model/README.md",
            "model/config.json",
            "model/model.safetensors",
        ] {
            let read = |place: &WorkDir| fs::read(place.path(format!("whole/{file}"))).unwrap();
            assert!(read(&place) == read(whole), "{file}");
        }
        // Each lies in a folder of its own, with its data.
        let recipe = |place: &WorkDir| {
            let text = place.read("whole/recipe.toml");
            text.lines().filter(|line| !line.starts_with("data = ")).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(recipe(&place), recipe(whole));
    }

    #[cfg(unix)]
    #[test]
    fn the_command_that_is_printed_at_ctrl_c_resumes_the_run_as_typed() {
        let place = WorkDir::with_clips();
        let mut command = place.command(LONG);
        command.args(["--output", "my runs/it's one"]);
        command.env("EARMARK_COMMAND", env!("CARGO_BIN_EXE_earmark"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for_checkpoint(&place, "my runs/it's one");
        signal(&child, "INT");
        let said = Ran::end_of(child);
        let resume = said.says(130, &[]).err.lines().find(|line| line.contains(" train --resume ")).unwrap();
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(resume);
        Ran::of(&mut place.prepare(shell)).says(0, &["resumed  after step"]);
    }

    #[test]
    fn a_broken_checkpoint_is_passed_over_and_said() {
        let place = WorkDir::with_clips();
        let mut child = place.start(&format!("{LONG} --keep-checkpoints 0 --output whole"));
        wait_until("a file of the run", || place.path("whole/checkpoint-9/trainer_state.json").exists());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!place.path("whole/model").exists(), "the run was over before it was killed");
        let steps = place
            .list("whole")
            .into_iter()
            .filter_map(|name| name.strip_prefix("checkpoint-").map(|step| step.parse::<u64>().unwrap()));
        let newest = format!("checkpoint-{}", steps.max().unwrap());
        let weights = place.path(format!("whole/{newest}/model.safetensors"));
        let mut bytes = fs::read(&weights).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(weights, bytes).unwrap();
        let said = place.run("train --resume whole");
        said.says(0, &["skipped a broken checkpoint", &newest, "`model.safetensors` is damaged"]);
        assert_eq!(place.read("whole/metrics.jsonl"), undisturbed().read("whole/metrics.jsonl"));
    }

    #[test]
    fn without_a_name_the_newest_run_that_was_interrupted_is_resumed() {
        let place = WorkDir::with_clips();
        let mut child = place.start(&format!("{LONG} --output runs/interrupted"));
        wait_for_checkpoint(&place, "runs/interrupted");
        child.kill().unwrap();
        child.wait().unwrap();
        place.run(&format!("{SHORT} --output runs/finished")).well();
        place.run("train --resume").says(0, &["run      runs/interrupted, the newest that was interrupted"]);
        place.run("train --resume").says(0, &["run      runs/finished, the newest\n"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_run_whose_disk_is_full_keeps_its_checkpoints_and_says_how_to_go_on() {
        let place = WorkDir::with_clips();
        let mut child = place.start(&format!("{LONG} --output whole"));
        wait_for_checkpoint(&place, "whole");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!place.path("whole/model").exists(), "the run was over before it was killed");
        // No file may grow beyond some kilobytes.
        let mut shell = Command::new("sh");
        let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" train --resume whole";
        shell.args(["-c", script, env!("CARGO_BIN_EXE_earmark")]);
        let said = Ran::of(&mut place.prepare(shell));
        said.says(1, &["cannot write", "saved up to the newest checkpoint", "earmark train --resume whole"]);
        assert!(!place.list("whole").iter().any(|name| name.starts_with('.')), "{:?}", place.list("whole"));
        place.run("train --resume whole").says(0, &["resumed  after step"]);
        assert_eq!(place.read("whole/metrics.jsonl"), undisturbed().read("whole/metrics.jsonl"));
    }

    #[test]
    fn a_clip_that_was_replaced_is_named() {
        let place = WorkDir::with_clips();
        let mut child = place.start(&format!("{LONG} --output run"));
        wait_for_checkpoint(&place, "run");
        child.kill().unwrap();
        child.wait().unwrap();
        place.clip("data/rain/2.wav", noise(3000, 99));
        place.run("train --resume run").says(1, &["`rain/2.wav` is another sound", "start a new run"]);
    }

    #[cfg(unix)]
    #[test]
    fn an_interruption_while_clips_are_decoded_ends_it_at_once_and_leaves_no_run() {
        let place = WorkDir::with_clips();
        // Ten minutes each, at a rate that has to be changed: seconds of work on any machine.
        for clip in 0..6u32 {
            let samples = tone(440.0 + f64::from(clip), 600.0, 44_100);
            let clip_file = place.path(format!("long/{}/{clip}.wav", ["a", "b"][clip as usize % 2]));
            fs::create_dir_all(clip_file.parent().unwrap()).unwrap();
            let clip = Waveform::new(samples, SampleRate::new(44_100).unwrap()).unwrap();
            write_wav(clip_file, &clip, WavFormat::Pcm16).unwrap();
        }
        let args = "train --data long --from-scratch tiny.json --max-duration 600 --threads 1 --output run";
        let child = place.start(args);
        wait_until("a file of the run", || place.path("run").exists());
        std::thread::sleep(Duration::from_millis(300));
        let asked = Instant::now();
        signal(&child, "INT");
        let said = Ran::end_of(child);
        let took = asked.elapsed();
        said.says(130, &["nothing was trained"]);
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert!(!place.path("run").exists());
    }
}

mod series {
    use super::*;

    fn folds(place: &WorkDir) {
        let clips = ["bell", "rain", "siren"]
            .map(|class| (0..4).map(|i| format!("{class}/{i}.wav,{}\n", i % 3 + 8)).collect::<String>());
        place.write("folds.csv", format!("file_name,fold\n{}", clips.concat()));
    }

    #[test]
    fn runs_with_several_seeds_share_a_split_and_are_not_trained_twice() {
        let place = WorkDir::with_clips();
        let command = format!("{SHORT} --seeds 2 --output two");
        let first = place.run(&command);
        first.says(0, &["run      1 of 2: seed-42", "run      2 of 2: seed-43"]);
        let read =
            |file: &str| ["two/seed-42", "two/seed-43"].map(|run| place.read(&format!("{run}/{file}")));
        let [split, other] = read("split.json");
        assert_eq!(split, other);
        let [metrics, other] = read("metrics.jsonl");
        assert_ne!(metrics, other);

        let series = place.json("two/series.json");
        let accuracy = |run: usize| series["runs"][run]["accuracy"].as_f64().unwrap();
        assert_eq!((&series["by"], &series["runs"][1]["seed"]), (&"seed".into(), &"43".into()));
        assert_eq!(series["accuracy"]["mean"], (accuracy(0) + accuracy(1)) / 2.0);
        assert!(series["accuracy"]["interval"].is_array() && series.get("all_clips").is_none());
        assert!(first.out.contains("accuracy of 2 runs: mean"), "{}", first.out);

        let again = place.run(&command);
        again.says(0, &["finished before"]);
        assert_eq!(again.out, first.out);
        place
            .run(&format!("{SHORT} --seeds 2 --max-grad-norm 2 --output two"))
            .says(2, &["`two/seed-42`", "another `max_grad_norm`", "--output"]);
    }

    #[test]
    fn cross_validation_holds_out_every_clip_once_and_another_fold_chooses_the_epoch() {
        let place = WorkDir::with_clips();
        folds(&place);
        let command = format!("{SHORT} --fields folds.csv --cv fold --val-from-train fold --output folds");
        let said = place.run(&command);
        said.says(0, &["run      3 of 3: 3-10", "validation, "]);
        let mut held_out = Vec::new();
        for (run, fold, next) in [("1-8", 8, 9), ("2-9", 9, 10), ("3-10", 10, 8)] {
            let split = place.json(&format!("folds/{run}/split.json"));
            let of = |part: &str| -> Vec<String> {
                let names = split[part].as_array().unwrap().iter();
                names.map(|name| name.as_str().unwrap().to_owned()).collect()
            };
            let fold_of =
                |name: &String| name[name.len() - 5..name.len() - 4].parse::<u32>().unwrap() % 3 + 8;
            assert!(of("test").iter().all(|name| fold_of(name) == fold), "{split}");
            assert!(of("validation").iter().all(|name| fold_of(name) == next), "{split}");
            assert!(of("train").iter().all(|name| ![fold, next].contains(&fold_of(name))), "{split}");
            held_out.extend(of("test"));
        }
        held_out.sort();
        held_out.dedup();
        assert_eq!(held_out.len(), 12);
        let series = place.json("folds/series.json");
        assert_eq!((&series["all_clips"]["n"], &series["runs"][2]["fold"]), (&12.into(), &"10".into()));
        assert!(said.out.contains("accuracy over all 12 clips, each held out once"), "{}", said.out);
        let card = place.read("folds/1-8/model/README.md");
        assert!(card.contains("those of 3 clips of the training part, which chose the epoch"), "{card}");

        place.run(&format!("{SHORT} --cv fold --output more")).says(1, &["`fold`"]);
        let both = format!("{SHORT} --fields folds.csv --cv fold --split-by random --output more");
        place.run(&both).says(2, &["leave out --split-by"]);
        let share = format!("{SHORT} --fields folds.csv --cv fold --val-from-train 0.2 --output more");
        place.run(&share).says(1, &["`val_from_train` is a share", "take fold"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_series_that_was_ended_goes_on_with_the_run_that_it_was_in() {
        let place = WorkDir::with_clips();
        let command = format!("{LONG} --seeds 2 --output two");
        let child = place.start(&command);
        wait_for_checkpoint(&place, "two/seed-42");
        signal(&child, "TERM");
        Ran::end_of(child).says(143, &["stopped after step", "the same command and", "--output two"]);
        assert!(!place.path("two/seed-42/model").exists(), "the run was over before it was stopped");
        place.run(&command).says(0, &["run      1 of 2", "resumed  after step", "run      2 of 2"]);
        assert!(place.path("two/seed-43/model").exists());
    }
}

mod clips {
    use super::*;

    /// One sample that no float can square, in a clip that is read without complaint.
    fn with_a_spike() -> WorkDir {
        let place = WorkDir::with_clips();
        let mut samples = tone(400.0, 0.25, 16_000);
        samples[1600] = 1e30;
        place.clip_at("data/siren/spike.wav", 16_000, samples, WavFormat::Float32);
        place
    }

    #[test]
    fn a_clip_that_would_become_nan_is_named_before_the_first_step() {
        let place = with_a_spike();
        let said = place.run(&format!("{SHORT} --output run"));
        said.says(1, &["siren/spike.wav", "1e30", "0.100 s", "--skip-bad"]);
        assert!(!said.err.contains("diverged"), "{}", said.err);
        assert!(!place.path("run").exists());
        let said = place.run(&format!("{SHORT} --output run --skip-bad"));
        said.says(0, &["siren/spike.wav", "left out 1 in all"]);
        let eval = "eval --model run/model --data data --split all";
        place.run(eval).says(1, &["siren/spike.wav", "1e30", "--skip-bad"]);
        let said = place.run(&format!("{eval} --skip-bad"));
        said.says(3, &["siren/spike.wav", "left out 1 in all"]);
        assert!(said.out.contains("on 12 clips"), "{}", said.out);
    }

    #[test]
    fn a_model_of_nan_is_to_blame_itself() {
        let place = WorkDir::with_clips();
        place.run(&format!("{SHORT} --output run")).says(0, &[]);
        let weights = place.path("run/model/model.safetensors");
        let mut bytes = fs::read(&weights).unwrap();
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let about: Value = serde_json::from_slice(&bytes[8..header]).unwrap();
        let at = header + about["classifier.bias"]["data_offsets"][0].as_u64().unwrap() as usize;
        bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        fs::write(weights, bytes).unwrap();
        let said = place.run("eval --model run/model --data data --split all");
        said.says(1, &["NaN"]);
        assert!(!said.err.contains("diverged") && !said.err.contains(".wav"), "{}", said.err);
    }

    #[test]
    fn a_table_with_one_class_is_refused_as_a_folder_with_one_is() {
        let place = WorkDir::with_clips();
        let rows: String = (0..4).map(|clip| format!("bell/{clip}.wav,bell\n")).collect();
        fs::write(place.path("data/metadata.csv"), format!("file_name,label\n{rows}")).unwrap();
        for name in ["rain", "siren"] {
            fs::remove_dir_all(place.path(format!("data/{name}"))).unwrap();
        }
        place.run(SHORT).says(1, &["`bell`", "at least two"]);
    }

    #[test]
    fn a_class_that_is_in_one_part_alone_is_said() {
        let place = WorkDir::with_clips();
        place.clip("data/whale/0.wav", tone(80.0, 0.3, 16_000));
        let seen: Vec<String> = (0..12)
            .map(|seed| {
                let run = format!("run-{seed}");
                let said = place.run(&format!("{SHORT} --seed {seed} --dry-run --output {run}"));
                let test = place.json(&format!("{run}/split.json"))["test"].to_string();
                let what = if test.contains("whale") { "is trained on" } else { "is held out" };
                said.says(0, &["no clip of", "`whale`", what]);
                what.to_owned()
            })
            .collect();
        assert!(seen.iter().any(|what| what == "is trained on"), "{seen:?}");
        assert!(seen.iter().any(|what| what == "is held out"), "{seen:?}");
    }
}

mod reports {
    use super::*;

    #[test]
    fn the_train_loss_of_an_epoch_is_one_number_on_screen_in_the_report_and_on_the_card() {
        let place = WorkDir::with_clips();
        let said = place.run(&format!("{} --output run", SHORT.replace("--epochs 2", "--epochs 3")));
        let said = said.says(0, &[]);
        let (page, card) = (place.read("run/report.html"), place.read("run/model/README.md"));
        let mut epochs = said.err.lines().skip_while(|line| !line.starts_with("epoch  train loss")).skip(1);
        for epoch in 1..=3u64 {
            let line: Vec<&str> = epochs.next().unwrap().split_whitespace().collect();
            assert_eq!(line[0], epoch.to_string());
            let row =
                format!("<td>{epoch}.00</td><td>{}</td><td>{}</td><td>{}</td>", 3 * epoch, line[1], line[2]);
            assert!(page.contains(&row), "{row}\n{page}");
            let row = format!("| {:<10} | {epoch}.0   | {:<4} |", line[1], 3 * epoch);
            assert!(card.contains(&row), "{row}\n{card}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_printed_to_do_next_works_as_typed() {
        let place = WorkDir::with_clips();
        let mut command = place.command(SHORT);
        command.args(["--output", "my runs/it's one"]);
        command.env("EARMARK_COMMAND", env!("CARGO_BIN_EXE_earmark"));
        let said = Ran::of(&mut command);
        let next = said.says(0, &[]).out.lines().find_map(|line| line.strip_prefix("next:")).unwrap();
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(next);
        let said = Ran::of(&mut place.prepare(shell));
        assert!(said.says(0, &[]).out.contains("bell"), "{next}\n{}", said.out);
    }

    #[cfg(unix)]
    #[test]
    fn a_training_goes_on_without_its_screen() {
        let (place, whole) = (WorkDir::with_clips(), undisturbed());
        let args = LONG.replace("--epochs 60", "--epochs 6");
        place.run(&format!("{args} --output seen")).says(0, &[]);
        let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (reader, closed) = std::io::pipe().unwrap();
        drop(reader);
        let mut gone = place.command(&format!("{args} --output gone"));
        gone.stdout(closed.try_clone().unwrap()).stderr(closed);
        assert_eq!(gone.status().unwrap().code(), Some(0));
        let mut filled = place.command(&format!("{args} --output filled"));
        filled.stdout(Stdio::null()).stderr(full());
        assert_eq!(filled.status().unwrap().code(), Some(0));
        // What was to be printed could not be: that is a failure, and costs nothing of the run.
        let mut lost = place.command(&format!("{args} --output lost"));
        lost.stdout(full()).stderr(full());
        assert_eq!(lost.status().unwrap().code(), Some(1));
        for run in ["gone", "filled", "lost"] {
            for file in ["metrics.jsonl", "report.json", "model/README.md", "model/config.json"] {
                let [got, want] = [run, "seen"].map(|run| place.read(&format!("{run}/{file}")));
                assert_eq!(got, want, "{run}/{file}");
            }
        }
        assert!(whole.path("whole/report.html").exists());
    }

    #[test]
    fn a_new_head_classifies_whatever_the_old_one_did() {
        let place = WorkDir::with_clips();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/speech/group");
        fs::create_dir(place.path("old")).unwrap();
        for file in ["preprocessor_config.json", "model.safetensors"] {
            fs::copy(golden.join(file), place.path("old").join(file)).unwrap();
        }
        let mut config: Value =
            serde_json::from_slice(&fs::read(golden.join("config.json")).unwrap()).unwrap();
        for kind in ["regression", "multi_label_classification"] {
            config["problem_type"] = kind.into();
            fs::write(place.path("old/config.json"), config.to_string()).unwrap();
            let args = format!("train --data data --model old --new-head --epochs 1 --output {kind}");
            place.run(&args).says(0, &[]);
            let exported = place.json(&format!("{kind}/model/config.json"));
            let kind_of = exported.get("problem_type").and_then(Value::as_str);
            assert!(kind_of.is_none_or(|kind| kind == "single_label_classification"), "{exported}");
            let said = place.run(&format!("classify data/rain/0.wav --model {kind}/model --format jsonl"));
            let row: Value = serde_json::from_str(said.says(0, &[]).out.trim()).unwrap();
            let scores =
                row["predictions"].as_array().unwrap().iter().map(|it| it["score"].as_f64().unwrap());
            assert!((scores.sum::<f64>() - 1.0).abs() < 1e-5, "{row}");
        }
    }

    #[test]
    fn commits_of_model_and_dataset_are_in_the_recipe_and_on_the_card_also_after_a_resume() {
        let (place, hub) = (WorkDir::with_clips(), LoopbackHub::start());
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/speech/group");
        let read = |file: &str| fs::read(golden.join(file)).unwrap();
        let [config, preprocessor, weights] =
            ["config.json", "preprocessor_config.json", "model.safetensors"].map(read);
        let files: [(&str, &[u8]); 3] = [
            ("config.json", &config),
            ("preprocessor_config.json", &preprocessor),
            ("model.safetensors", &weights),
        ];
        let model = hub.add("models/me/base", "main", &files);
        place.run("data export data --format parquet -o exported").says(0, &[]);
        let clips = fs::read(place.path("exported/data/train-00000-of-00001.parquet")).unwrap();
        let data = hub.add("datasets/me/clips", "main", &[("data/train-00000-of-00001.parquet", &clips)]);
        let online = |args: &str| {
            let mut command = place.command(args);
            command.env_remove("HF_HUB_OFFLINE").env("HF_ENDPOINT", hub.url());
            Ran::of(&mut command)
        };
        let args =
            "train --dataset me/clips --model me/base --new-head --epochs 1 --test-size 0.25 --output run";
        online(args).says(0, &[]);
        let recipe = place.read("run/recipe.toml");
        assert!(recipe.contains(&format!("model_commit = \"{model}\"")), "{recipe}");
        assert!(recipe.contains(&format!("dataset_commit = \"{data}\"")), "{recipe}");
        let card = place.read("run/model/README.md");
        assert!(card.contains(&format!("at commit {model}")), "{card}");
        assert!(
            card.contains(&format!("revision: {data}")) || card.contains(&format!("revision: \"{data}\""))
        );

        // The branch moves; the run stays with what it began with.
        hub.add("datasets/me/clips", "main", &[("data/train-00000-of-00001.parquet", b"something else")]);
        fs::remove_dir_all(place.path("run/model")).unwrap();
        online("train --resume run").says(0, &["resumed"]);
        assert_eq!(place.read("run/model/README.md"), card);
        online("eval run").says(0, &[]);
        assert_eq!(place.list("run").iter().filter(|name| name.starts_with("checkpoint-")).count(), 1);
    }
}
