//! One training run, from the first clip to the model folder.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use burn::module::Module as _;
use burn::tensor::Device;
use earmark_data::{
    AudioDataset, Clip, Split, TestSize, fold_split, group_split, published_split, stratified_split,
    torch_randperm, train_test_split,
};
use earmark_labels::LabelId;
use earmark_models::{NetworkConfig, half_products};
use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::card::{CardDataset, ModelCard};
use crate::checkpoint::{self, Best, State};
use crate::clips::{Clips, Ear};
use crate::error::{BadClip, Error, ErrorKind, While as _};
use crate::evaluate::{Evaluation, evaluate};
use crate::figure::{confusion_png, confusion_svg};
use crate::landing::{land_file, land_folder};
use earmark_pipeline::Pretrained;

use crate::fresh::Fresh;
use crate::metrics::{ConfusionMatrix, EpochRecord, EvaluationReport, StepRecord};
use crate::optimization::Optimization;
use crate::optimizer::adamw;
use crate::recipe::{Precision, Recipe, SplitBy};
use crate::report::{RunReport, report_html};
use crate::tensorboard::EventWriter;

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
    pub output: PathBuf,
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
    /// Mean loss of its steps, as far as this session saw them.
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

/// The clips of each part, by the names they have below the data folder, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitFile {
    /// Clips to train on.
    pub train: Vec<String>,
    /// Clips to evaluate on.
    pub test: Vec<String>,
}

impl SplitFile {
    /// Reads `split.json` in a run folder.
    ///
    /// # Errors
    /// When the file is missing or broken.
    pub fn read(run: &Path) -> Result<SplitFile, Error> {
        let path = run.join("split.json");
        let doing = || format!("cannot read `{}`", path.display());
        serde_json::from_slice(&fs::read(&path).while_(doing)?).while_(doing)
    }
}

/// Runs a job to its end, or until `stop` becomes true.
///
/// The recipe and the split are in the run folder before the first step. Each epoch ends with an evaluation and a
/// checkpoint; checkpoints and the model land by a rename, so a power cut leaves the last whole ones.
///
/// # Errors
/// When the clips, the model or the recipe cannot be used, the run diverges, or a file cannot be written.
pub fn train(job: &Job, watch: &Watch<'_>, stop: &AtomicBool) -> Result<Outcome, Error> {
    let mut run = Run::open(job, watch)?;
    run.fit(stop)?;
    let (step, steps) = (run.state.global_step, run.plan.steps);
    if step < steps {
        return Ok(Outcome::Stopped { step, steps });
    }
    run.finish().map(|finished| Outcome::Finished(Box::new(finished)))
}

/// Does everything that [`train`] does before the first step: the clips and the model are read, the recipe and the
/// split are written.
///
/// # Errors
/// As [`train`].
pub fn plan(job: &Job, watch: &Watch<'_>) -> Result<Plan, Error> {
    Ok(Run::open(job, watch)?.plan)
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
    fn open(job: &'a Job, watch: &'a Watch<'a>) -> Result<Self, Error> {
        let Job { recipe, dataset, output, device, .. } = job;
        recipe.validate()?;
        if let Some(dtype) = recipe.precision.half()
            && !device.supports_dtype(dtype)
        {
            let kind = ErrorKind::NoSuchPrecision(recipe.precision.name());
            return Err(kind.while_(format!("cannot train on `{}`", recipe.device)));
        }
        let resumed = matches!(job.start, Start::Resume);
        let free = match fs::read_dir(output) {
            Ok(mut entries) => entries.next().is_none(),
            // Whatever else is there, a file or a folder that is closed to us, is not ours to replace.
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if !resumed && !free {
            return Err(ErrorKind::Occupied.while_(format!("cannot start a run in `{}`", output.display())));
        }

        let labels = dataset.labels.names().to_vec();
        let fresh = Fresh {
            labels: &labels,
            new_head: recipe.new_head,
            seed: recipe.seed,
            dropout: recipe.dropout,
            attention_mask: recipe.attention_mask,
        };
        let (mut state, mut optimizer) = (State::default(), adamw(recipe));
        let learner = match &job.start {
            Start::Model(dir) => {
                let (learner, new) = fresh.start_from(dir, device)?;
                watch(&Event::NewParameters(&new));
                learner
            }
            Start::Scratch(config) => fresh.from_scratch(NetworkConfig::clone(config), device)?,
            Start::Resume => {
                let (dir, found) = checkpoint::newest(output)?;
                state = found;
                optimizer = checkpoint::restore(optimizer, &dir)?;
                Pretrained::open(&dir, device)?
            }
        };

        let total = dataset.clips.len();
        let checking = |done| watch(&Event::Checking { done, total });
        let (ear, cache) = (Ear::new(&learner, recipe), job.cache.clone());
        let (clips, left_out) = Clips::open(dataset, ear, cache, recipe.skip_bad, &checking)?;
        if !left_out.is_empty() {
            watch(&Event::LeftOut(&left_out));
        }
        let split = draw_split(recipe, dataset, clips.clips())
            .while_(|| format!("cannot split the clips in `{}`", dataset.root.display()))?;
        write_plan(job, clips.clips(), &split, resumed)?;

        let batches = split.train.len().div_ceil(recipe.batch_size);
        let steps_per_epoch = batches.div_ceil(recipe.gradient_accumulation_steps) as u64;
        let plan = Plan {
            train: split.train.len(),
            test: split.test.len(),
            steps_per_epoch,
            steps: steps_per_epoch * recipe.epochs,
            done: state.global_step,
            parameters: learner.network.num_params(),
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

    /// Trains until all steps are done or `stop` is set; every epoch that ends is evaluated and saved.
    fn fit(&mut self, stop: &AtomicBool) -> Result<(), Error> {
        (self.watch)(&Event::Started(&self.plan));
        let mut log = Log::open(&self.job.output, &self.state)?;
        loop {
            let step = self.state.global_step;
            if step > 0 && step.is_multiple_of(self.plan.steps_per_epoch) && !self.state.evaluated {
                self.end_epoch(&mut log)?;
            }
            if step >= self.plan.steps {
                return Ok(());
            }
            // Whoever asks after the last step gets the finished run: nothing is left to save time on.
            if self.epoch(&mut log, stop)?.is_break() && self.state.global_step < self.plan.steps {
                return checkpoint::save(
                    &self.job.output,
                    &self.now(),
                    &self.optimization.optimizer,
                    &self.state,
                );
            }
        }
    }

    /// The rest of the current epoch: all of it, unless an earlier session began it.
    fn epoch(&mut self, log: &mut Log, stop: &AtomicBool) -> Result<ControlFlow<()>, Error> {
        let Run { job: Job { recipe, .. }, watch, clips, plan, optimization, state, pace, .. } = self;
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
                let done = optimization.step(state, rows.len(), batches.iter().take(micro))?;
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

    /// Evaluates, remembers the best, saves.
    fn end_epoch(&mut self, log: &mut Log) -> Result<(), Error> {
        let now = self.now();
        let evaluation = self.judge(&now)?;
        let (step, epoch) = (self.state.global_step, self.state.global_step / self.plan.steps_per_epoch);
        let confusion = evaluation.confusion(self.plan.labels.len());
        let accuracy = confusion.accuracy();
        let record =
            EpochRecord { step, epoch: epoch as f64, eval_loss: evaluation.loss, eval_accuracy: accuracy };
        // Strictly better: the first of equals stays, as in the reference.
        let best = self.state.best.is_none_or(|best| accuracy > best.accuracy);
        if best {
            self.state.best = Some(Best { step, accuracy });
        }
        let losses = std::mem::take(&mut self.state.epoch_losses);
        let train_loss = losses.iter().sum::<f64>() / losses.len().max(1) as f64;
        self.state.epochs.push(record.clone());
        self.state.evaluated = true;
        checkpoint::save(&self.job.output, &now, &self.optimization.optimizer, &self.state)?;
        checkpoint::prune(&self.job.output, self.job.recipe.keep_checkpoints, &self.state)?;
        log.epoch(&record, &confusion)?;
        let (clips, time) = std::mem::take(&mut self.pace);
        let clips_per_second = clips as f64 / time.as_secs_f64().max(f64::MIN_POSITIVE);
        (self.watch)(&Event::Epoch(EpochDone { epoch, train_loss, clips_per_second, record, best }));
        Ok(())
    }

    /// The learner with the weights of this moment.
    fn now(&self) -> Pretrained {
        Pretrained { network: self.optimization.network().valid(), ..self.learner.clone() }
    }

    fn judge(&self, learner: &Pretrained) -> Result<Evaluation, Error> {
        let Run { job, watch, clips, test, .. } = self;
        let total = test.len();
        let mut progress = |done| watch(&Event::Evaluating { done, total });
        let network = learner.network.clone();
        // As the reference: judged with the numbers it learns with.
        let network = match job.recipe.precision.half() {
            Some(dtype) => half_products(network, dtype),
            None => network,
        };
        evaluate(&network, &job.device, clips, test, job.recipe.eval_batch_size, &mut progress)
    }

    /// Restores the best checkpoint, exports it, and tells what it is worth.
    fn finish(&self) -> Result<Finished, Error> {
        let Run { job: Job { recipe, output, device, .. }, plan, state, .. } = self;
        let best = state.best.expect("every epoch is evaluated before the run is finished");
        // Opened from its files: the scores are those of what is handed out.
        let learner = Pretrained::open(&checkpoint::folder(output, best.step), device)?;
        let evaluation = self.judge(&learner)?;
        let report = evaluation.report(&recipe.dataset, "test", &recipe.model, &plan.labels);

        let model = output.join("model");
        let card = self.card(&report);
        land_folder(&model, |dir| {
            learner.save(dir)?;
            fs::write(dir.join("README.md"), card.to_markdown())
                .while_(|| "cannot write the model card".to_owned())
        })?;
        let svg = confusion_svg(&plan.labels, &report.confusion);
        land_file(&output.join("confusion_matrix.svg"), svg)?;
        let page = RunReport {
            title: recipe.name.clone(),
            recipe: recipe.rows(),
            steps: state.steps.clone(),
            epochs: state.epochs.clone(),
            best_step: best.step,
            evaluation: report.clone(),
        };
        land_file(&output.join("report.html"), report_html(&page))?;
        let json = serde_json::to_vec_pretty(&report).while_(|| "cannot write the report".to_owned())?;
        land_file(&output.join("report.json"), json)?;
        Ok(Finished { model, report, best_epoch: best.step / plan.steps_per_epoch })
    }

    fn card(&self, report: &EvaluationReport) -> ModelCard {
        let Run { job: Job { recipe, card, base_model, .. }, state, .. } = self;
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
            dataset: card.clone(),
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

/// Which of the clips that can be used are kept for evaluation.
fn draw_split(recipe: &Recipe, dataset: &AudioDataset, clips: &[Clip]) -> Result<Split, earmark_data::Error> {
    let test_size = if recipe.test_size < 1.0 {
        TestSize::Fraction(recipe.test_size)
    } else {
        TestSize::Count(recipe.test_size as usize)
    };
    // Those left out because they cannot be heard belong to no group.
    let groups = |field: &str| AudioDataset { clips: clips.to_vec(), ..dataset.clone() }.groups(field);
    match &recipe.split_by {
        SplitBy::Random => train_test_split(clips.len(), test_size, recipe.seed),
        SplitBy::Stratified => {
            let labels: Vec<LabelId> = clips.iter().map(|clip| clip.label).collect();
            stratified_split(&labels, test_size, recipe.seed)
        }
        SplitBy::Group(field) => group_split(&groups(field)?, test_size, recipe.seed),
        SplitBy::Fold(field, value) => fold_split(&groups(field)?, value),
        SplitBy::Published => {
            let kept = |held_out: bool| {
                let places = clips.iter().enumerate().filter(move |(_, clip)| clip.held_out == held_out);
                places.map(|(place, _)| place).collect::<Vec<_>>()
            };
            published_split(kept(false), kept(true))
        }
    }
}

/// `recipe.toml` and `split.json`, before the first step. A resumed run must find the clips it began with.
fn write_plan(job: &Job, clips: &[Clip], split: &Split, resumed: bool) -> Result<(), Error> {
    let names = |rows: &[usize]| rows.iter().map(|&row| clips[row].name.clone()).collect();
    let split = SplitFile { train: names(&split.train), test: names(&split.test) };
    if resumed {
        let before = SplitFile::read(&job.output)?;
        if before != split {
            let first = |names: &[String]| names.first().cloned().unwrap_or_default();
            let why = format!(
                "then {} and {} clips, the first `{}`; now {} and {}, the first `{}`",
                before.train.len(),
                before.test.len(),
                first(&before.train),
                split.train.len(),
                split.test.len(),
                first(&split.train),
            );
            return Err(ErrorKind::OtherData(why).while_(format!("cannot resume `{}`", job.output.display())));
        }
        return Ok(());
    }
    let doing = || format!("cannot write the split to `{}`", job.output.display());
    let json = serde_json::to_vec_pretty(&split).while_(doing)?;
    land_folder(&job.output, |dir| {
        fs::write(dir.join("recipe.toml"), job.recipe.to_toml()).while_(doing)?;
        fs::write(dir.join("split.json"), json).while_(doing)
    })
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
        land_file(&path, lines.into_iter().map(|(_, line)| line + "\n").collect::<String>())?;
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
            loss: losses.iter().sum::<f64>() / losses.len() as f64,
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
