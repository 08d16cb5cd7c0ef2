//! One training run, from the first clip to the model folder.

pub(crate) mod fresh;
pub(crate) mod interrupt;
pub(crate) mod output;
pub(crate) mod split;

use std::fs::{self, File};
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use burn::module::Module as _;
use burn::tensor::Device;
use earmark_data::{AudioDataset, Split, torch_randperm};
use earmark_fs::AtomicFolder;
use earmark_models::{Classifier, NetworkConfig, mixed_precision};
use earmark_pipeline::Pretrained;
use serde::Serialize;

use crate::artifacts::card::{CardDataset, ModelCard};
use crate::artifacts::checkpoint::{self, Best, Restored, State};
use crate::artifacts::figure::{confusion_png, confusion_svg};
use crate::artifacts::report::{RunReport, report_html};
use crate::artifacts::tensorboard::EventWriter;
use crate::clips::cache::Cache;
use crate::clips::{Clips, Ear};
use crate::error::{BadClip, BrokenCheckpoint, Error, ErrorKind, While as _};
use crate::evaluate::metrics::{ConfusionMatrix, EpochRecord, EvaluationReport, StepRecord, mean};
use crate::evaluate::{Evaluation, evaluate, to_blame};
use crate::recipe::{Precision, Recipe};
use crate::run::fresh::Fresh;
use crate::run::output::OutputFolder;
use crate::run::split::{SplitFile, check_same, clips_per_class, draw_split};
use crate::step::optimization::Optimization;
use crate::step::optimizer::adamw;

/// Everything a run needs.
#[derive(Debug)]
pub struct Job {
    /// Its choices.
    pub recipe: Recipe,
    /// Its clips.
    pub dataset: AudioDataset,
    /// What it fine-tunes.
    pub start: Start,
    /// Where features are kept for the next run; `None` makes them anew each time.
    pub cache: Option<Cache>,
    /// Where it computes; without autodiff, the run adds that itself.
    pub device: Device,
    /// Its folder.
    pub output: OutputFolder,
    /// The dataset as the model card names it.
    pub card: CardDataset,
    /// The Hub id of the model that is fine-tuned, for the card; `None` for a network from scratch.
    pub base_model: Option<String>,
}

/// Where the weights come from.
#[derive(Debug, Clone)]
pub enum Start {
    /// A checkpoint in Hugging Face layout.
    Model(PathBuf),
    /// A new network.
    Scratch(Box<NetworkConfig>),
    /// The newest checkpoint in the run's own folder.
    Resume,
}

/// What happens while a run goes on, for whoever watches.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// So many clips of all have been heard once.
    Checking {
        /// Clips heard.
        done: usize,
        /// Clips there are.
        total: usize,
    },
    /// Clips left out because the recipe says `skip_bad`.
    LeftOut(&'a [BadClip]),
    /// Newer checkpoints than the one the run goes on from, which cannot be read.
    PassedOver(&'a [BrokenCheckpoint]),
    /// Parameters that no checkpoint held, drawn from the seed.
    NewParameters(&'a [String]),
    /// The first step is next.
    Started(&'a Plan),
    /// The device had no memory for a batch: from now on at most so many clips go through it at once. Their gradients add
    /// up, so a step learns from as many as before.
    LessMemory {
        /// Clips of one forward pass.
        clips: usize,
    },
    /// An optimizer step is done.
    Step(StepDone),
    /// So many clips of the test split have been judged.
    Evaluating {
        /// Clips judged.
        done: usize,
        /// Clips there are.
        total: usize,
    },
    /// An epoch is over, evaluated and saved.
    Epoch(EpochDone),
}

/// What a run is going to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Clips to train on.
    pub train: usize,
    /// Clips to evaluate on.
    pub test: usize,
    /// Optimizer steps of an epoch.
    pub steps_per_epoch: u64,
    /// Optimizer steps in all.
    pub steps: u64,
    /// Steps that an earlier session of this run has done.
    pub done: u64,
    /// Numbers the network learns.
    pub parameters: usize,
    /// Class names in class order.
    pub labels: Vec<String>,
    /// Classes of which no clip is trained on, so that the model cannot learn them.
    pub untrained: Vec<String>,
    /// Classes that are trained on and of which no clip is evaluated on, so that nothing is measured of them.
    pub untested: Vec<String>,
}

/// One optimizer step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepDone {
    /// Steps done so far.
    pub step: u64,
    /// Its mean loss.
    pub loss: f64,
    /// The learning rate it used.
    pub lr: f64,
    /// The gradient's norm before clipping; not finite when the step was skipped.
    pub grad_norm: f64,
    /// Clips it learned from.
    pub clips: usize,
    /// Whether a gradient overflowed, so that the weights stayed as they were; under `fp16` only.
    pub skipped: bool,
}

/// One epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochDone {
    /// Counted from 1.
    pub epoch: u64,
    /// Mean loss of its steps.
    pub train_loss: f64,
    /// Clips learned from in a second of training, evaluation and saving apart, as far as this session saw them.
    pub clips_per_second: f64,
    /// Loss and accuracy on the test split.
    pub record: EpochRecord,
    /// Whether no earlier epoch was as accurate.
    pub best: bool,
}

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// All epochs are done and `model/` holds the best of them.
    Finished(Box<Finished>),
    /// It was asked to stop, and saved itself first.
    Stopped {
        /// Steps done.
        step: u64,
        /// Steps there would be.
        steps: u64,
    },
    /// It was asked to stop before anything was trained: everything is as it was before.
    Abandoned,
}

/// A finished run.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The exported model.
    pub model: PathBuf,
    /// The model's scores on the test split.
    pub report: EvaluationReport,
    /// The epoch it comes from, counted from 1.
    pub best_epoch: u64,
}

/// Runs a job to its end, or until `stop` becomes true.
///
/// The recipe and the split are in the run folder before the first step. Each epoch ends with an evaluation and a
/// checkpoint; files, checkpoints and the model are on the disk before they get their names, so a power cut leaves the last
/// whole ones.
///
/// # Errors
/// When the clips, the model or the recipe cannot be used, the run diverges, or a file cannot be written.
pub fn train(job: &Job, watch: &Watch<'_>, stop: &AtomicBool) -> Result<Outcome, Error> {
    let mut run = match Run::open(job, watch, stop) {
        Err(error) if matches!(*error.kind, ErrorKind::Interrupted) => return Ok(Outcome::Abandoned),
        opened => opened?,
    };
    let finished = match run.fit(stop)? {
        ControlFlow::Continue(()) => run.finish(stop),
        ControlFlow::Break(()) => Err(ErrorKind::Interrupted.while_("cannot go on")),
    };
    match finished {
        Ok(finished) => Ok(Outcome::Finished(Box::new(finished))),
        Err(error) if matches!(*error.kind, ErrorKind::Interrupted) => {
            Ok(Outcome::Stopped { step: run.state.global_step, steps: run.plan.steps })
        }
        Err(error) => Err(error),
    }
}

/// Does everything that [`train`] does before the first step: the clips and the model are read, the recipe and the
/// split are written.
///
/// # Errors
/// As [`train`].
pub fn plan(job: &Job, watch: &Watch<'_>, stop: &AtomicBool) -> Result<Plan, Error> {
    Ok(Run::open(job, watch, stop)?.plan)
}

/// Whoever watches a run.
pub type Watch<'a> = dyn Fn(&Event<'_>) + Sync + 'a;

struct Run<'a> {
    job: &'a Job,
    watch: &'a Watch<'a>,
    clips: Clips,
    /// Positions in `clips`, each part in the order of the split.
    train: Vec<usize>,
    test: Vec<usize>,
    plan: Plan,
    /// The configuration and the ear; its weights are those the run began with.
    learner: Pretrained,
    optimization: Optimization,
    state: State,
    /// Clips learned from since the last epoch ended, and the time it took.
    pace: (usize, Duration),
}

impl<'a> Run<'a> {
    fn open(job: &'a Job, watch: &'a Watch<'a>, stop: &AtomicBool) -> Result<Self, Error> {
        let Job { recipe, dataset, device, .. } = job;
        recipe.validate()?;
        if let Some(dtype) = recipe.precision.half()
            && !device.supports_dtype(dtype)
        {
            let kind = ErrorKind::NoSuchPrecision(recipe.precision.name());
            return Err(kind.while_(format!("cannot train on `{}`", recipe.device)));
        }
        let labels = dataset.labels.names().to_vec();
        let mut classes = dataset.clips.iter().map(|clip| clip.label.index());
        if let Some(first) = classes.next()
            && classes.all(|class| class == first)
        {
            let kind = ErrorKind::OneClass(labels[first].clone());
            return Err(kind.while_(format!("cannot train on `{}`", dataset.root.display())));
        }
        let (Restored { state, optimizer, learner }, resumed) = match &job.start {
            Start::Resume => (resume(job, watch)?, true),
            start => (begin(job, start, &labels, watch)?, false),
        };

        let total = dataset.clips.len();
        let mut checking = |done| watch(&Event::Checking { done, total });
        let (ear, cache) = (Ear::new(&learner, recipe), job.cache.clone());
        let opened = Clips::open(dataset, ear, cache, recipe.skip_bad, &mut checking, stop);
        let (clips, left_out) = opened?;
        if !left_out.is_empty() {
            watch(&Event::LeftOut(&left_out));
        }
        let split = draw_split(recipe, dataset, clips.clips())
            .while_(|| format!("cannot split the clips in `{}`", dataset.root.display()))?;
        write_plan(job, &clips, &split, resumed)?;

        let batches = split.train.len().div_ceil(recipe.batch_size);
        let steps_per_epoch = batches.div_ceil(recipe.gradient_accumulation_steps) as u64;
        let [trained, tested] =
            [&split.train, &split.test].map(|rows| clips_per_class(clips.clips(), rows, labels.len()));
        let plan = Plan {
            train: split.train.len(),
            test: split.test.len(),
            steps_per_epoch,
            steps: steps_per_epoch * recipe.epochs,
            done: state.global_step,
            parameters: learner.network.num_params(),
            untrained: labels_of(&labels, |class| trained[class] == 0),
            untested: labels_of(&labels, |class| trained[class] > 0 && tested[class] == 0),
            labels,
        };
        let optimization = Optimization::new(recipe, plan.steps, device, learner.network.clone(), optimizer);
        Ok(Run {
            job,
            watch,
            clips,
            train: split.train,
            test: split.test,
            plan,
            learner,
            optimization,
            state,
            pace: Default::default(),
        })
    }

    /// Trains until all steps are done, or `stop` is set and the run saved; every epoch that ends is evaluated and saved.
    fn fit(&mut self, stop: &AtomicBool) -> Result<ControlFlow<()>, Error> {
        (self.watch)(&Event::Started(&self.plan));
        let mut log = Log::open(self.job.output.path(), &self.state)?;
        loop {
            let step = self.state.global_step;
            let ended = step > 0 && step.is_multiple_of(self.plan.steps_per_epoch);
            if ended && !self.state.evaluated && self.end_epoch(&mut log, stop)?.is_break() {
                return self.save().map(ControlFlow::Break);
            }
            if step >= self.plan.steps {
                return Ok(ControlFlow::Continue(()));
            }
            if self.epoch(&mut log, stop)?.is_break() {
                return self.save().map(ControlFlow::Break);
            }
        }
    }

    fn save(&self) -> Result<(), Error> {
        checkpoint::save(self.job.output.path(), &self.now(), &self.optimization.optimizer, &self.state)
    }

    /// The rest of the current epoch: all of it, unless an earlier session began it.
    fn epoch(&mut self, log: &mut Log, stop: &AtomicBool) -> Result<ControlFlow<()>, Error> {
        let Run { job: Job { recipe, device, .. }, watch, clips, plan, optimization, state, pace, .. } = self;
        let epoch = state.global_step / plan.steps_per_epoch;
        let order = torch_randperm(self.train.len(), recipe.seed.wrapping_add(epoch));
        let order: Vec<usize> = order.into_iter().map(|i| self.train[i]).collect();
        let step_clips = recipe.batch_size * recipe.gradient_accumulation_steps;
        let order = &order[(state.global_step % plan.steps_per_epoch) as usize * step_clips..];

        // One thread makes the next batches while the device learns from this one; two wait at most.
        thread::scope(|scope| {
            let (sender, batches) = sync_channel(2);
            let clips = &*clips;
            scope.spawn(move || {
                let steps = order.chunks(step_clips);
                // Nobody listens any more when the run stopped or failed; then there is nothing left to make.
                let _ = steps
                    .flat_map(|step| step.chunks(recipe.batch_size))
                    .try_for_each(|rows| sender.send(clips.batch(rows)));
            });
            for rows in order.chunks(step_clips) {
                let micro = rows.len().div_ceil(recipe.batch_size);
                let (started, most) = (Instant::now(), state.most_clips);
                let done = optimization.step(state, rows.len(), batches.iter().take(micro));
                let done = match done {
                    Err(error) if matches!(*error.kind, ErrorKind::Diverged { .. }) => {
                        // Its weights are still those of before the step.
                        let network = in_precision(optimization.network().valid(), recipe);
                        let blame = to_blame(&network, device, clips, rows)?;
                        return Err(blame.map_or(error, |kind| kind.while_("cannot train")));
                    }
                    done => done?,
                };
                *pace = (pace.0 + rows.len(), pace.1 + started.elapsed());
                if let Some(clips) = state.most_clips.filter(|_| state.most_clips != most) {
                    watch(&Event::LessMemory { clips });
                }
                state.global_step = done.step;
                state.evaluated = false;
                log.step(state, &done, plan, recipe.logging_steps)?;
                watch(&Event::Step(done));
                if stop.load(Ordering::Relaxed) {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Evaluates, remembers the best, saves; unless `stop` comes before the evaluation is done.
    fn end_epoch(&mut self, log: &mut Log, stop: &AtomicBool) -> Result<ControlFlow<()>, Error> {
        let evaluation = match self.judge(&self.now(), stop) {
            Err(error) => match *error.kind {
                ErrorKind::Interrupted => return Ok(ControlFlow::Break(())),
                ErrorKind::NoNumbers { value } => {
                    let kind = ErrorKind::Diverged { what: "output of the model", value };
                    return Err(kind.while_(error.doing));
                }
                kind => return Err(kind.while_(error.doing)),
            },
            Ok(evaluation) => evaluation,
        };
        let (step, epoch) = (self.state.global_step, self.state.global_step / self.plan.steps_per_epoch);
        let confusion = evaluation.confusion(self.plan.labels.len());
        let accuracy = confusion.accuracy();
        let record =
            EpochRecord { step, epoch: epoch as f64, eval_loss: evaluation.loss, eval_accuracy: accuracy };
        // Strictly better: the first of equals stays, as in the reference (`_determine_best_metric`).
        let best = self.state.best.is_none_or(|best| accuracy > best.accuracy);
        if best {
            self.state.best = Some(Best { step, accuracy });
        }
        let train_loss = mean(&std::mem::take(&mut self.state.epoch_losses));
        self.state.train_losses.push(train_loss);
        self.state.epochs.push(record.clone());
        self.state.evaluated = true;
        self.save()?;
        checkpoint::prune(self.job.output.path(), self.job.recipe.keep_checkpoints, &self.state)?;
        log.epoch(&record, &confusion)?;
        let (clips, time) = std::mem::take(&mut self.pace);
        let clips_per_second = clips as f64 / time.as_secs_f64().max(f64::MIN_POSITIVE);
        (self.watch)(&Event::Epoch(EpochDone { epoch, train_loss, clips_per_second, record, best }));
        Ok(ControlFlow::Continue(()))
    }

    /// The learner with the weights of this moment.
    fn now(&self) -> Pretrained {
        Pretrained { network: self.optimization.network().valid(), ..self.learner.clone() }
    }

    fn judge(&self, learner: &Pretrained, stop: &AtomicBool) -> Result<Evaluation, Error> {
        let Run { job, watch, clips, test, .. } = self;
        let total = test.len();
        let mut progress = |done| watch(&Event::Evaluating { done, total });
        let network = in_precision(learner.network.clone(), &job.recipe);
        evaluate(&network, &job.device, clips, test, job.recipe.eval_batch_size, &mut progress, stop)
    }

    /// Restores the best checkpoint, exports it, and tells what it is worth.
    fn finish(&self, stop: &AtomicBool) -> Result<Finished, Error> {
        let Run { job: Job { recipe, output, device, .. }, plan, state, .. } = self;
        let output = output.path();
        let best = state.best.expect("every epoch is evaluated before the run is finished");
        // Opened from its files: the scores are those of what is handed out.
        let learner = Pretrained::open(&checkpoint::folder(output, best.step), device)?;
        let evaluation = self.judge(&learner, stop)?;
        let report = evaluation.report(&recipe.dataset, "test", &recipe.model, &plan.labels);

        let model = output.join("model");
        let card = self.card(&report);
        let doing = || format!("cannot write `{}`", model.display());
        let new = AtomicFolder::create(&model).while_(doing)?;
        learner.save(new.path())?;
        fs::write(new.path().join("README.md"), card.to_markdown()).while_(doing)?;
        new.replace().while_(doing)?;
        let page = RunReport {
            title: recipe.name.clone(),
            recipe: recipe.rows(),
            steps: state.steps.clone(),
            epochs: state.epochs.clone(),
            train_losses: state.train_losses.clone(),
            best_step: best.step,
            evaluation: report.clone(),
        };
        let json = serde_json::to_string_pretty(&report).while_(|| "cannot write the report".to_owned())?;
        write(output, "confusion_matrix.svg", confusion_svg(&plan.labels, &report.confusion))?;
        write(output, "report.html", report_html(&page))?;
        write(output, "report.json", json)?;
        Ok(Finished { model, report, best_epoch: best.step / plan.steps_per_epoch })
    }

    fn card(&self, report: &EvaluationReport) -> ModelCard {
        let Run { job: Job { recipe, card, base_model, .. }, state, .. } = self;
        let commit = |commit: &String| Some(commit).filter(|commit| !commit.is_empty()).cloned();
        let [beta_1, beta_2] = recipe.adam_betas;
        let mut rows = vec![
            ("learning_rate", recipe.lr.to_string()),
            ("train_batch_size", recipe.batch_size.to_string()),
            ("eval_batch_size", recipe.eval_batch_size.to_string()),
            ("seed", recipe.seed.to_string()),
            ("gradient_accumulation_steps", recipe.gradient_accumulation_steps.to_string()),
            (
                "optimizer",
                format!("AdamW with betas=({beta_1},{beta_2}) and epsilon={:e}", recipe.adam_epsilon),
            ),
            ("lr_scheduler_type", "linear".to_owned()),
            ("lr_scheduler_warmup_ratio", recipe.warmup_ratio.to_string()),
            ("num_epochs", recipe.epochs.to_string()),
        ];
        if recipe.precision != Precision::Fp32 {
            rows.push(("mixed_precision_training", recipe.precision.name().to_owned()));
        }
        ModelCard {
            name: recipe.name.clone(),
            repo: None,
            languages: Vec::new(),
            license: None,
            base_model: base_model.clone(),
            base_commit: commit(&recipe.model_commit),
            dataset: card.clone(),
            dataset_commit: commit(&recipe.dataset_commit),
            hyperparameters: rows.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            steps: state.steps.clone(),
            epochs: state.epochs.clone(),
            evaluation: report.clone(),
            frameworks: [("earmark", recipe.earmark.as_str()), ("burn", "0.22.1")]
                .map(|(name, version)| (name.to_owned(), version.to_owned()))
                .to_vec(),
        }
    }
}

/// The start of a new run.
fn begin(job: &Job, start: &Start, labels: &[String], watch: &Watch<'_>) -> Result<Restored, Error> {
    let Job { recipe, device, .. } = job;
    let fresh = Fresh {
        labels,
        new_head: recipe.new_head,
        seed: recipe.seed,
        dropout: recipe.dropout,
        attention_mask: recipe.attention_mask,
    };
    let learner = match start {
        Start::Model(dir) => {
            let (learner, new) = fresh.start_from(dir, device)?;
            watch(&Event::NewParameters(&new));
            learner
        }
        Start::Scratch(config) => fresh.from_scratch(NetworkConfig::clone(config), device)?,
        Start::Resume => unreachable!("a run that goes on has begun"),
    };
    Ok(Restored { state: State::default(), optimizer: adamw(recipe), learner })
}

/// Where a run that stopped goes on.
fn resume(job: &Job, watch: &Watch<'_>) -> Result<Restored, Error> {
    let (restored, broken) = checkpoint::newest(job.output.path(), &adamw(&job.recipe), &job.device)?;
    if !broken.is_empty() {
        watch(&Event::PassedOver(&broken));
    }
    Ok(restored)
}

/// As the reference: judged with the numbers it learns with.
fn in_precision(network: Classifier, recipe: &Recipe) -> Classifier {
    match recipe.precision.half() {
        Some(dtype) => mixed_precision(network, dtype),
        None => network,
    }
}

fn labels_of(labels: &[String], keep: impl Fn(usize) -> bool) -> Vec<String> {
    labels.iter().enumerate().filter(|(class, _)| keep(*class)).map(|(_, label)| label.clone()).collect()
}

/// Writes a file of the run folder, whole or not at all.
fn write(run: &Path, name: &str, text: impl AsRef<[u8]>) -> Result<(), Error> {
    let path = run.join(name);
    earmark_fs::write(&path, text).while_(|| format!("cannot write `{}`", path.display()))
}

/// `recipe.toml` and `split.json`, before the first step. A resumed run must find the clips it began with.
fn write_plan(job: &Job, clips: &Clips, split: &Split, resumed: bool) -> Result<(), Error> {
    let run = job.output.path();
    let names = |rows: &[usize]| rows.iter().map(|&row| clips.clips()[row].name.clone()).collect();
    let hashes = |rows: &[usize]| rows.iter().map(|&row| clips.sha256(row)).collect();
    let split = SplitFile {
        train: names(&split.train),
        test: names(&split.test),
        train_sha256: hashes(&split.train),
        test_sha256: hashes(&split.test),
    };
    if resumed {
        return check_same(&SplitFile::read(run)?, &split, run);
    }
    let json = serde_json::to_string_pretty(&split).while_(|| "cannot write the split".to_owned())?;
    write(run, "split.json", json)?;
    // Last: it makes the folder a run.
    let written = write(run, "recipe.toml", job.recipe.to_toml());
    if written.is_err() {
        let _ = fs::remove_file(run.join("split.json"));
    }
    written
}

/// The run's diary: `metrics.jsonl` and TensorBoard's events.
struct Log {
    metrics: File,
    events: EventWriter,
    path: PathBuf,
}

impl Log {
    /// Takes up the diary where `state` stands: lines about later steps, from a session that was cut off, go.
    fn open(run: &Path, state: &State) -> Result<Log, Error> {
        let path = run.join("metrics.jsonl");
        let doing = || format!("cannot write `{}`", path.display());
        let mut lines: Vec<(u64, String)> = Vec::new();
        for record in &state.steps {
            lines.push((record.step, serde_json::to_string(record).while_(doing)?));
        }
        for record in &state.epochs {
            lines.push((record.step, serde_json::to_string(record).while_(doing)?));
        }
        // Stable: a step's line stands before the line of the epoch it ends.
        lines.sort_by_key(|(step, _)| *step);
        write(run, "metrics.jsonl", lines.into_iter().map(|(_, line)| line + "\n").collect::<String>())?;
        let metrics = File::options().append(true).open(&path).while_(doing)?;
        let dir = run.join("tensorboard");
        let events = match state.global_step {
            0 => EventWriter::create(&dir),
            done => EventWriter::resume(&dir, done),
        };
        Ok(Log { metrics, events: events.while_(|| format!("cannot write to `{}`", dir.display()))?, path })
    }

    /// Every `every` steps a line: the mean loss since the last one.
    fn step(&mut self, state: &mut State, done: &StepDone, plan: &Plan, every: u64) -> Result<(), Error> {
        state.pending.push(done.loss);
        state.epoch_losses.push(done.loss);
        if !done.step.is_multiple_of(every) {
            return Ok(());
        }
        let losses = std::mem::take(&mut state.pending);
        let record = StepRecord {
            step: done.step,
            epoch: done.step as f64 / plan.steps_per_epoch as f64,
            loss: mean(&losses),
            lr: done.lr,
            grad_norm: done.grad_norm,
        };
        self.line(&record)?;
        self.curves(
            done.step,
            &[
                ("train/loss", record.loss),
                ("train/learning_rate", record.lr),
                ("train/grad_norm", record.grad_norm),
            ],
        )?;
        state.steps.push(record);
        Ok(())
    }

    fn epoch(&mut self, record: &EpochRecord, confusion: &ConfusionMatrix) -> Result<(), Error> {
        self.line(record)?;
        self.curves(
            record.step,
            &[("eval/loss", record.eval_loss), ("eval/accuracy", record.eval_accuracy)],
        )?;
        let (side, png) = confusion_png(confusion);
        let image =
            self.events.image_png("eval/confusion", record.step, (side, side), &png, SystemTime::now());
        image.while_(|| "cannot write TensorBoard's events".to_owned())
    }

    fn line(&mut self, record: &impl Serialize) -> Result<(), Error> {
        let doing = || format!("cannot write `{}`", self.path.display());
        let line = serde_json::to_string(record).while_(doing)? + "\n";
        self.metrics.write_all(line.as_bytes()).while_(doing)
    }

    fn curves(&mut self, step: u64, points: &[(&str, f64)]) -> Result<(), Error> {
        let now = SystemTime::now();
        let write = |(tag, value): &(&str, f64)| self.events.scalar(tag, step, *value as f32, now);
        points.iter().try_for_each(write).while_(|| "cannot write TensorBoard's events".to_owned())
    }
}
