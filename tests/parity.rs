//! The run against the Hugging Face Trainer's, step by step: same data, same first weights, no dropout.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use earmark_data::{AudioDataset, torch_randperm};
use earmark_labels::LabelId;
use earmark_pipeline::Pretrained;
use earmark_testkit::{Golden, assert_close, note_difference, reference};
use earmark_train::{
    ClassWeights, Clips, Frozen, Job, MultiLabelRecord, Precision, Preparation, Recipe, Setting, SplitFile,
    Start, StepDone, evaluate,
};
use serde::Deserialize;

use crate::{device, finish, golden, job, metrics};

/// `losses.json`, ours and the larger ones of the reference material, which name some things differently.
#[derive(Deserialize)]
struct Reference {
    #[serde(alias = "args")]
    settings: Settings,
    labels: Vec<String>,
    files: Vec<String>,
    /// The classes of each file, where it may have any number of them.
    label_lists: Option<Vec<Vec<usize>>>,
    train_rows: Vec<usize>,
    test_rows: Vec<usize>,
    steps: Vec<Step>,
    #[serde(alias = "log_history")]
    logs: Vec<Line>,
    evals: Vec<Eval>,
    #[serde(default)]
    best_step: u64,
    #[serde(default)]
    best_model_checkpoint: String,
}

/// Those that not every run has are in the words of a recipe.
#[derive(Deserialize)]
struct Settings {
    seed: u64,
    test_size: f64,
    /// The larger runs cut here without saying so.
    #[serde(default = "max_duration")]
    max_duration: f64,
    epochs: u64,
    #[serde(alias = "bs")]
    batch_size: usize,
    lr: f64,
    #[serde(alias = "warmup")]
    warmup_ratio: f64,
    #[serde(default = "logging_steps")]
    logging_steps: u64,
    #[serde(flatten)]
    others: BTreeMap<String, serde_json::Value>,
}

fn max_duration() -> f64 {
    1.2
}

fn logging_steps() -> u64 {
    5
}

#[derive(Deserialize)]
struct Step {
    loss: f64,
    #[serde(alias = "lr_before_step")]
    lr: f64,
    #[serde(alias = "grad_norm_preclip")]
    grad_norm: f64,
    rows: Vec<usize>,
}

/// What the Trainer logged; the larger files hold its evaluations in the same list.
#[derive(Deserialize)]
struct Line {
    step: u64,
    epoch: f64,
    loss: Option<f64>,
    learning_rate: Option<f64>,
    grad_norm: Option<f64>,
}

#[derive(Deserialize)]
struct Eval {
    logits: Vec<Vec<f32>>,
    #[serde(default)]
    eval_loss: f64,
    #[serde(default)]
    eval_accuracy: f64,
    /// Metrics of clips that may have any number of classes.
    #[serde(flatten)]
    multi_label: Option<MultiLabelRecord>,
}

impl Reference {
    fn read(file: &Path) -> Reference {
        let text = fs::read(file).expect("the reference has its numbers");
        let mut reference: Reference = serde_json::from_slice(&text).expect("they are JSON");
        if let Some((_, step)) = reference.best_model_checkpoint.rsplit_once('-') {
            reference.best_step = step.parse().expect("a checkpoint's name ends with its step");
        }
        reference.logs.retain(|line| line.loss.is_some());
        reference
    }

    fn recipe(&self) -> Recipe {
        let &Settings {
            seed,
            test_size,
            max_duration,
            epochs,
            batch_size,
            lr,
            warmup_ratio,
            logging_steps,
            ref others,
        } = &self.settings;
        let mut recipe = Recipe {
            seed,
            test_size,
            max_duration,
            epochs,
            batch_size,
            eval_batch_size: batch_size,
            lr,
            warmup_ratio,
            logging_steps,
            dropout: false,
            keep_checkpoints: 0,
            ..Recipe::new("parity", "init", "golden")
        };
        for (key, value) in others {
            // The larger runs name what is the same in all of ours.
            if let Ok(setting) = Setting::find(key) {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                setting.set(&mut recipe, &value).expect("the reference's settings are ours");
            }
        }
        recipe
    }

    /// The clips, with as many classes as they have.
    fn dataset(&self, data: &Path) -> AudioDataset {
        let mut dataset = AudioDataset::open_folder(data).expect("the data is there");
        assert_eq!(dataset.labels.names(), self.labels);
        for (file, classes) in self.files.iter().zip(self.label_lists.iter().flatten()) {
            let clip = dataset.clips.iter_mut().find(|clip| clip.name == *file).expect("it has all files");
            *clip = clip.clone().with_labels(classes.iter().map(|&class| LabelId::new(class)).collect());
        }
        dataset
    }

    fn clips_per_step(&self) -> usize {
        let recipe = self.recipe();
        recipe.batch_size * recipe.gradient_accumulation_steps
    }

    fn names(&self, rows: &[usize]) -> Vec<String> {
        rows.iter().map(|&row| self.files[row].clone()).collect()
    }
}

/// A finished run beside the reference it repeats.
struct Pair {
    want: Reference,
    steps: Vec<StepDone>,
    data: PathBuf,
    run: tempfile::TempDir,
}

impl Pair {
    fn run(dir: &Path) -> Pair {
        Pair::run_in(Precision::Fp32, dir)
    }

    fn run_in(precision: Precision, dir: &Path) -> Pair {
        Pair::run_as(Reference::read(&dir.join("losses.json")), precision, dir)
    }

    fn run_as(want: Reference, precision: Precision, dir: &Path) -> Pair {
        let run = tempfile::tempdir().expect("a folder for the run");
        let data = dir.join("data");
        let recipe = Recipe { precision, ..want.recipe() };
        let job = job(recipe, &data, Start::Model(dir.join("init")), run.path());
        let (_, steps) = finish(&Job { dataset: want.dataset(&data), ..job });
        Pair { want, steps, data, run }
    }

    fn checkpoint(&self, step: u64) -> PathBuf {
        self.run.path().join(format!("checkpoint-{step}"))
    }

    /// Every number of every step, in relative terms.
    fn steps_agree_within(&self, tolerance: f64) {
        assert_eq!(self.steps.len(), self.want.steps.len());
        for (got, want) in self.steps.iter().zip(&self.want.steps) {
            close("loss", got.step, got.loss, want.loss, tolerance);
            close("lr", got.step, got.lr, want.lr, tolerance);
            close("grad_norm", got.step, got.grad_norm, want.grad_norm, tolerance);
        }
    }

    /// The lines of `metrics.jsonl`, whose losses are means since the last line.
    fn logs_agree_within(&self, tolerance: f64) {
        let lines = metrics(self.run.path());
        let logged: Vec<_> = lines.iter().filter(|line| line.get("loss").is_some()).collect();
        assert_eq!(logged.len(), self.want.logs.len());
        for (got, want) in logged.into_iter().zip(&self.want.logs) {
            assert_eq!(got["step"], want.step);
            let number = |key| got[key].as_f64().expect("every line has these numbers");
            close("epoch", want.step, number("epoch"), want.epoch, 1e-12);
            close("loss", want.step, number("loss"), want.loss.unwrap(), tolerance);
            close("lr", want.step, number("lr"), want.learning_rate.unwrap(), tolerance);
            close("grad_norm", want.step, number("grad_norm"), want.grad_norm.unwrap(), tolerance);
        }
    }

    /// The split, and the order of each epoch.
    fn clips_come_in_the_same_order(&self) {
        let (want, settings) = (&self.want, &self.want.settings);
        let split = SplitFile::read(self.run.path()).expect("a run writes its split");
        assert_eq!(split.train, want.names(&want.train_rows));
        assert_eq!(split.test, want.names(&want.test_rows));

        let per_epoch = want.train_rows.len().div_ceil(want.clips_per_step());
        for (epoch, steps) in want.steps.chunks(per_epoch).enumerate() {
            let order = torch_randperm(want.train_rows.len(), settings.seed + epoch as u64);
            let rows: Vec<_> = order.into_iter().map(|i| want.train_rows[i]).collect();
            let wanted: Vec<_> = steps.iter().flat_map(|step| step.rows.clone()).collect();
            assert_eq!(rows, wanted, "epoch {epoch}");
        }
        let clips: Vec<_> = self.steps.iter().map(|step| step.clips).collect();
        assert_eq!(clips, want.steps.iter().map(|step| step.rows.len()).collect::<Vec<_>>());
    }

    /// Every epoch's checkpoint, opened from its files, has the reference's metrics of that epoch, and those of metrics.jsonl.
    fn evaluations_agree_within(&self, tolerance: f32) {
        let dataset = self.want.dataset(&self.data);
        let per_epoch = self.want.train_rows.len().div_ceil(self.want.clips_per_step()) as u64;
        let lines = metrics(self.run.path());
        let evaluations: Vec<_> = lines.iter().filter(|line| line.get("eval_loss").is_some()).collect();
        for epoch in 1..=evaluations.len() as u64 {
            let device = device();
            let model = Pretrained::open(&self.checkpoint(epoch * per_epoch), &device).expect("it is whole");
            let recipe = self.want.recipe();
            let preparation = Preparation::new(&model, &recipe);
            let go_on = AtomicBool::new(false);
            let (clips, _) = Clips::open(&dataset, preparation, None, false, &mut |_| {}, &go_on)
                .expect("every clip is sound");
            let rows = &self.want.test_rows;
            let size = recipe.eval_batch_size;
            let got = evaluate(&model.network, &device, &clips, rows, size, &mut |_| {}, &go_on);
            let got = got.expect("a whole model answers");
            let want = &self.want.evals[epoch as usize - 1].logits;
            let what = format!("logits after epoch {epoch}");
            assert_close(&what, &got.logits.concat(), &want.concat(), tolerance);
            assert_eq!(got.predicted(), want.iter().map(|row| argmax(row)).collect::<Vec<_>>(), "{what}");
            let line = evaluations[epoch as usize - 1];
            let recipe = self.want.recipe();
            let is_plain = recipe.label_smoothing == 0.0 && recipe.focal_gamma == 0.0;
            if is_plain && recipe.class_weights == ClassWeights::None {
                assert_eq!(line["eval_loss"], got.loss, "epoch {epoch}");
            }
            assert_eq!(line["eval_accuracy"], got.accuracy());
        }
    }

    /// The metrics of each epoch, as the Trainer logs them.
    fn metrics_agree_within(&self, tolerance: f64) {
        let lines = metrics(self.run.path());
        let evaluations: Vec<_> = lines.iter().filter(|line| line.get("eval_loss").is_some()).collect();
        assert_eq!(evaluations.len(), self.want.evals.len());
        for (got, want) in evaluations.into_iter().zip(&self.want.evals) {
            let step = got["step"].as_u64().expect("every line has its step");
            let number = |key| got[key].as_f64().expect("every line has these numbers");
            close("eval_loss", step, number("eval_loss"), want.eval_loss, tolerance);
            close("eval_accuracy", step, number("eval_accuracy"), want.eval_accuracy, 1e-12);
            if let Some(MultiLabelRecord { map, macro_f1, micro_f1 }) = want.multi_label {
                let wanted = [("eval_map", map), ("eval_macro_f1", macro_f1), ("eval_micro_f1", micro_f1)];
                wanted.into_iter().for_each(|(key, want)| close(key, step, number(key), want, 1e-12));
            }
        }
    }

    /// What is frozen is, bit for bit, what the run began with, and all else is not.
    fn only_what_is_not_frozen_moved(&self, init: &Path) {
        let last = self.want.steps.len() as u64;
        let (got, init) = (self.checkpoint(last).join("model.safetensors"), init.join("model.safetensors"));
        let (got, init) = (Golden::open(got), Golden::open(init));
        let recipe = self.want.recipe();
        let is_head = |key: &str| key.starts_with("projector.") || key.starts_with("classifier.");
        let is_adapted =
            |key: &str| ["q_proj.weight", "v_proj.weight"].iter().any(|name| key.ends_with(name));
        let is_frozen = |key: &str| {
            if recipe.lora_rank > 0 {
                return !is_head(key) && !is_adapted(key);
            }
            recipe.freeze.parts().iter().any(|frozen| match frozen {
                Frozen::FeatureEncoder => key.starts_with("hubert.feature_extractor."),
                Frozen::Backbone => key.starts_with("hubert."),
                Frozen::Layers(first, last) => {
                    (*first..=*last).any(|layer| key.starts_with(&format!("hubert.encoder.layers.{layer}.")))
                }
            })
        };
        for key in init.keys() {
            assert_eq!(got.f32s(&key) == init.f32s(&key), is_frozen(&key), "{key}");
        }
    }

    /// The weights that learn are full floats whatever the products are: `f32s` panics on any other type.
    fn weights_are_f32(&self) {
        let last = Golden::open(self.checkpoint(self.want.steps.len() as u64).join("model.safetensors"));
        last.keys().iter().for_each(|key| drop(last.f32s(key)));
    }

    /// `model/` is, byte for byte, the checkpoint that the reference calls best.
    fn the_model_is_the_best_checkpoint(&self) {
        let best = self.checkpoint(self.want.best_step);
        for file in ["model.safetensors", "config.json", "preprocessor_config.json"] {
            let read = |dir: &Path| fs::read(dir.join(file)).expect("both have it");
            assert!(read(&self.run.path().join("model")) == read(&best), "{file} is another");
        }
    }
}

fn argmax(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

#[track_caller]
fn close(what: &str, step: u64, got: f64, want: f64, tolerance: f64) {
    // The first learning rate is 0.
    let difference = if got == want { 0.0 } else { (got - want).abs() / want.abs() };
    note_difference(what, difference);
    assert!(
        difference <= tolerance,
        "{what} of step {step} is {got}, expected {want}: off by {difference:e}"
    );
}

#[test]
fn every_step_of_the_golden_run_is_the_trainers() {
    let pair = Pair::run(&golden("train"));
    pair.clips_come_in_the_same_order();
    // Worst on the CPU, kernels and plain: loss 2.4e-6, gradient norm 2.8e-6, learning rate 0, logits 2.4e-6.
    pair.steps_agree_within(3e-5);
    pair.logs_agree_within(3e-5);
    pair.evaluations_agree_within(3e-5);
    pair.the_model_is_the_best_checkpoint();

    let got = Golden::open(pair.checkpoint(pair.want.steps.len() as u64).join("model.safetensors"));
    let want = Golden::open(golden("train/last.safetensors"));
    assert_eq!(got.keys(), want.keys());
    for key in want.keys() {
        // Their gradient is rounding noise, which Adam scales up (tests/golden/README.md).
        if !key.ends_with("k_proj.bias") {
            // Worst on the CPU, kernels and plain: 2.4e-7.
            assert_close(&key, &got.f32s(&key), &want.f32s(&key), 4e-6);
        }
    }
}

/// The reference in f32 beside ours with its products in bfloat16: what a person may expect of `--precision bf16`.
#[test]
fn bfloat16_learns_what_full_precision_learns() {
    let pair = Pair::run_in(Precision::Bf16, &golden("train"));
    // Worst on the CPU, kernels and plain: loss 3.0e-3, gradient norm 2.3e-2.
    for (got, want) in pair.steps.iter().zip(&pair.want.steps) {
        close("loss", got.step, got.loss, want.loss, 1e-2);
        close("grad_norm", got.step, got.grad_norm, want.grad_norm, 6e-2);
        close("lr", got.step, got.lr, want.lr, 3e-5);
    }
    let off = |(got, want): (&StepDone, &Step)| (got.loss / want.loss - 1.0).abs();
    let worst = pair.steps.iter().zip(&pair.want.steps).map(off).fold(0.0, f64::max);
    assert!(worst > 1e-5, "it computed in f32: {worst:e}");
    pair.weights_are_f32();
}

/// 16-bit floats overflow at a loss scale of 65 536, as they do under `torch.amp.GradScaler`: such a step moves neither the
/// weights nor the learning rate, and the next one is scaled by half.
#[test]
fn sixteen_bit_floats_skip_the_steps_that_overflow_and_learn_from_the_others() {
    let pair = Pair::run_in(Precision::Fp16, &golden("train"));
    let mut skipped = 0;
    for (i, got) in pair.steps.iter().enumerate() {
        if skipped == 0 {
            // The first step's loss is 3e-6 off.
            close("loss", got.step, got.loss, pair.want.steps[i].loss, 1e-3);
        }
        close("lr", got.step, got.lr, pair.want.steps[i - skipped].lr, 3e-5);
        assert_eq!(got.skipped, !got.grad_norm.is_finite(), "step {}", got.step);
        skipped += usize::from(got.skipped);
    }
    // Each halves the scale, and not far below lies the scale that fits.
    assert!((1..=4).contains(&skipped), "{skipped} steps were skipped");
    let (first, last) = (&pair.steps[0], pair.steps.last().expect("it took steps"));
    assert!(last.loss < 0.8 * first.loss, "{} became {}", first.loss, last.loss);
    pair.weights_are_f32();
}

/// `tests/golden/train_settings`: the golden run once more with each setting that changes what is learned.
#[test]
fn every_step_with_each_setting_is_the_trainers() {
    let init = golden("train/init");
    let mut runs: Vec<_> = fs::read_dir(golden("train_settings"))
        .expect("the goldens are committed")
        .map(|entry| entry.expect("a golden can be read").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .collect();
    runs.sort();
    assert_eq!(runs.len(), 21);
    for run in runs {
        println!("{}", run.display());
        // Worst on the CPU: 4.6e-6.
        let pair = Pair::run_as(Reference::read(&run), Precision::Fp32, &golden("train"));
        pair.clips_come_in_the_same_order();
        pair.steps_agree_within(3e-5);
        pair.logs_agree_within(3e-5);
        pair.evaluations_agree_within(3e-5);
        pair.metrics_agree_within(3e-5);
        pair.only_what_is_not_frozen_moved(&init);
        pair.the_model_is_the_best_checkpoint();
    }
}

#[test]
fn every_step_of_the_larger_runs_is_the_trainers() {
    for run in ["train/fast", "train/layer"] {
        if let Some(dir) = reference("every_step_of_the_larger_runs_is_the_trainers", run) {
            let pair = Pair::run(&dir);
            pair.clips_come_in_the_same_order();
            // Worst on the CPU over 60 steps, kernels and plain: loss 1.4e-5, gradient norm 4.7e-5,
            // learning rate 0, logits 9.2e-5.
            pair.steps_agree_within(3e-4);
            pair.logs_agree_within(3e-4);
            pair.evaluations_agree_within(3e-4);
            pair.the_model_is_the_best_checkpoint();
        }
    }
}
