//! The loop over epochs and steps.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use burn::module::{Module as _, ModuleVisitor, Param};
use burn::tensor::Tensor;
use earmark_data::Clip;
use earmark_error::{Attempt as _, Context as _};
use earmark_models::{Classifier, Part, mixed_precision, parts, supports_gradient_checkpointing};
use earmark_pipeline::Pretrained;

use crate::artifacts::checkpoint::{self, Best, Restored, State};
use crate::artifacts::metrics_log::MetricsLog;
use crate::artifacts::run_info::InfoFile;
use crate::clips::Clips;
use crate::clips::augment::{Augment, Draw, draws};
use crate::clips::batch::Batch;
use crate::clips::prepare::Preparation;
use crate::clips::targets::Targets;
use crate::error::{BadClip, Doing, Error, ErrorKind};
use crate::evaluate::blame::to_blame;
use crate::evaluate::logits::Extent;
use crate::evaluate::records::{EpochRecord, mean};
use crate::evaluate::{Evaluation, evaluate_extent};
use crate::recipe::{Check, Recipe};
use crate::run::event::{Callback, EpochDone, Event};
use crate::run::job::{Job, Plan, Start};
use crate::run::order::order_of_epoch;
use crate::run::split::{Parts, clips_per_class, draw_parts};
use crate::run::start::{begin, lora, resume, write_plan};
use crate::run::time_spent::TimeSpent;
use crate::step::loss::Loss;
use crate::step::trained::Trained;
use crate::step::trainer::Trainer;

/// A run that has been started or resumed.
pub(crate) struct Run<'a> {
    pub(crate) job: &'a Job,
    on_event: &'a Callback<'a>,
    clips: Clips,
    /// Indices into `clips`, each part in the order of the split.
    parts: Parts,
    pub(crate) plan: Plan,
    /// What changes the training clips at random.
    augment: Option<Augment>,
    /// The configuration, the preprocessor, and the weights that the run began with.
    model: Pretrained,
    pub(crate) trainer: Trainer,
    pub(crate) state: State,
    /// `None` until training begins.
    pub(crate) info: Option<InfoFile>,
    /// Clips trained on since the last epoch ended, and where the time went.
    pace: (usize, TimeSpent),
}

impl<'a> Run<'a> {
    pub(crate) fn open(job: &'a Job, on_event: &'a Callback<'a>, stop: &AtomicBool) -> Result<Self, Error> {
        let Job { recipe, dataset, device, .. } = job;
        recipe.validate()?;
        if let Some(dtype) = recipe.precision.half()
            && !device.supports_dtype(dtype)
        {
            let kind = ErrorKind::NoSuchPrecision(recipe.precision.name());
            return Err(kind).with_context(|| Doing(format!("cannot train on `{}`", recipe.device)));
        }
        if recipe.gradient_checkpointing && !supports_gradient_checkpointing(device) {
            let why = format!(
                "is true, but works on the CPU only: on `{}` take a smaller `batch_size` with more `gradient_accumulation_steps`",
                recipe.device
            );
            let kind = ErrorKind::Value { key: "gradient_checkpointing", why };
            return Err(kind).with_context(|| Doing("cannot run this recipe".to_owned()));
        }
        let labels = dataset.labels.names().to_vec();
        if let Some(first) = dataset.clips.first().map(Clip::classes)
            && dataset.clips.iter().all(|clip| clip.classes() == first)
        {
            let names: Vec<&str> = first.iter().map(|class| labels[class.index()].as_str()).collect();
            let kind = ErrorKind::OneClass(names.join(", "));
            return Err(kind).with_context(|| Doing(format!("cannot train on `{}`", dataset.root.display())));
        }
        if recipe.multi_label != dataset.is_multi_label() {
            let how =
                if recipe.multi_label { "of one class each" } else { "that may have any number of classes" };
            let why = format!("is {}, but the dataset has clips {how}", recipe.multi_label);
            let kind = ErrorKind::Value { key: "multi_label", why };
            return Err(kind).with_context(|| Doing("cannot run this recipe".to_owned()));
        }
        let (Restored { state, optimizer, model, training_weights }, resumed) = match &job.start {
            Start::Resume => (resume(job, on_event)?, true),
            start => (begin(job, start, &labels, on_event)?, false),
        };

        let found: Vec<Part> = parts(&model.network).into_iter().map(|(_, part)| part).collect();
        if let Some(why) = recipe.freeze.refusal(&found) {
            let kind = ErrorKind::Value { key: "freeze", why };
            return Err(kind).with_context(|| Doing("cannot run this recipe".to_owned()));
        }

        let augment = Augment::new(recipe, &model.preprocessor)?;
        let total = dataset.clips.len();
        let (preparation, cache) = (Preparation::new(&model, recipe), job.cache.clone());
        let mut checking = |done| on_event(&Event::Checking { done, total });
        let most_kept = recipe.most_kept();
        let clips = match recipe.check {
            Check::All => {
                let (clips, left_out) = Clips::open_keeping(
                    most_kept,
                    dataset,
                    preparation,
                    cache,
                    recipe.skip_bad,
                    &mut checking,
                    stop,
                )?;
                if !left_out.is_empty() {
                    on_event(&Event::LeftOut(&left_out));
                }
                clips
            }
            Check::Lazily => Clips::lazily(most_kept, dataset, preparation, cache),
        };
        let mut parts = draw_parts(recipe, dataset, clips.clips())
            .map_err(|error| match error.kind {
                earmark_data::ErrorKind::LoneClip { class } => {
                    ErrorKind::LoneClip(labels[class.index()].clone())
                }
                _ => error.into(),
            })
            .with_context(|| Doing(format!("cannot split the clips in `{}`", dataset.root.display())))?;
        if recipe.check == Check::Lazily {
            check_evaluated(job, &clips, &mut parts, on_event, stop)?;
        }
        let conflicts = clips.label_conflicts(&labels);
        if !conflicts.is_empty() {
            on_event(&Event::LabelConflicts(&conflicts));
        }
        write_plan(job, &clips, &parts, resumed)?;

        let lora = lora(job, &model.network, state.global_step)?;
        let steps_per_epoch = recipe.steps_per_epoch(parts.train.len());
        let [trained, tested] =
            [&parts.train, &parts.test].map(|rows| clips_per_class(clips.clips(), rows, labels.len()));
        let plan = Plan {
            train: parts.train.len(),
            validation: parts.validation.len(),
            test: parts.test.len(),
            clips_per_step: recipe.batch_size * recipe.gradient_accumulation_steps,
            steps_per_epoch,
            steps: steps_per_epoch * recipe.epochs,
            done: state.global_step,
            parameters: model.network.num_params(),
            frozen: frozen(recipe, &model.network),
            adapters: lora.num_params(),
            untrained: labels_of(&labels, |class| trained[class] == 0),
            untested: labels_of(&labels, |class| trained[class] > 0 && tested[class] == 0),
            multi_label: recipe.multi_label,
            labels,
        };
        let loss = Loss::new(recipe, &plan.labels, plan.train, &trained, &device.clone().autodiff());
        let loss = loss.with_context(|| Doing("cannot run this recipe".to_owned()))?;
        // The average is what answers; adapters and plain weights begin with what answers, or with what was behind it.
        let average = (recipe.ema > 0.0 && state.global_step > 0).then(|| model.network.clone());
        let trained = Trained { network: training_weights.unwrap_or_else(|| model.network.clone()), lora };
        let trainer = Trainer::new(recipe, plan.steps, loss, device, trained, average, optimizer);
        Ok(Run {
            job,
            on_event,
            clips,
            parts,
            plan,
            augment,
            model,
            trainer,
            state,
            info: None,
            pace: Default::default(),
        })
    }

    /// The names of the held-out clips, in the order of their evaluation.
    pub(crate) fn held_out(&self) -> Vec<&str> {
        self.parts.test.iter().map(|&row| self.clips.clips()[row].name.as_str()).collect()
    }

    /// Trains until all steps are done, or `stop` is set and the run saved; every epoch that ends is evaluated and saved.
    pub(crate) fn fit(&mut self, stop: &AtomicBool) -> Result<ControlFlow<()>, Error> {
        (self.on_event)(&Event::Started(&self.plan));
        let Job { output, command, start, .. } = self.job;
        let mut log = MetricsLog::open(output.path(), &self.state)?;
        self.info = Some(InfoFile::begin(output.path(), command, matches!(start, Start::Resume))?);
        loop {
            let step = self.state.global_step;
            let ended = step > 0 && step.is_multiple_of(self.plan.steps_per_epoch);
            if ended && !self.state.evaluated && self.end_epoch(&mut log, stop)?.is_break() {
                return self.save().map(ControlFlow::Break);
            }
            if step >= self.plan.steps || self.is_out_of_patience() {
                return Ok(ControlFlow::Continue(()));
            }
            if self.epoch(&mut log, stop)?.is_break() {
                return self.save().map(ControlFlow::Break);
            }
        }
    }

    /// Whether an epoch was just evaluated that is the last of so many in a row without a better score.
    ///
    /// `EarlyStoppingCallback` of transformers 5.23.0, with its threshold of 0.
    pub(crate) fn is_out_of_patience(&self) -> bool {
        let patience = self.job.recipe.early_stopping_patience;
        self.state.evaluated && patience > 0 && epochs_since_best(&self.state.epochs) >= patience
    }

    fn save(&mut self) -> Result<(), Error> {
        let (started, run) = (Instant::now(), self.job.output.path());
        let (current, training_weights) = (self.current(), self.trainer.training_weights());
        checkpoint::save(run, &current, training_weights.as_ref(), &self.trainer.optimizer, &self.state)?;
        self.pace.1.saving += started.elapsed();
        self.info.as_mut().map_or(Ok(()), |info| info.update(run))
    }

    /// The rest of the current epoch: all of it, unless an earlier session began it.
    fn epoch(&mut self, log: &mut MetricsLog, stop: &AtomicBool) -> Result<ControlFlow<()>, Error> {
        let Run { job: Job { recipe, device, .. }, on_event, clips, plan, trainer, state, pace, .. } = self;
        let epoch = state.global_step / plan.steps_per_epoch;
        let order = order_of_epoch(recipe, epoch, clips.clips(), &self.parts.train, |row| clips.length(row));
        let (draws, augment, train) = (draws(&order, epoch), self.augment.as_ref(), &self.parts.train);
        let step_clips = recipe.batch_size * recipe.gradient_accumulation_steps;
        let done = (state.global_step % plan.steps_per_epoch) as usize * step_clips;
        let (order, draws) = (&order[done..], &draws[done..]);

        // One thread makes the next batches while the device computes this one; at most two wait.
        thread::scope(|scope| {
            let (sender, made) = sync_channel(2);
            let clips = &*clips;
            scope.spawn(move || {
                let batch = |draws: &[Draw]| match augment {
                    Some(augment) => clips.augmented(draws, augment, train),
                    None => clips.batch(&draws.iter().map(|draw| draw.row).collect::<Vec<_>>()),
                };
                // Sending fails once the run stopped or failed; no more batches are needed then.
                let _ = draws.chunks(step_clips).try_for_each(|draws| {
                    let (draws, left_out) = usable(recipe, clips, draws);
                    let rows = draws.iter().map(|draw| draw.row).collect();
                    sender.send(Made::Step { rows, left_out })?;
                    draws
                        .chunks(recipe.batch_size)
                        .try_for_each(|draws| sender.send(Made::Batch(batch(draws))))
                });
            });
            for _ in order.chunks(step_clips) {
                let (started, most) = (Instant::now(), state.most_clips);
                let Ok(Made::Step { rows, left_out }) = made.recv() else { break };
                let mut waited = started.elapsed();
                if !left_out.is_empty() {
                    on_event(&Event::LeftOut(&left_out));
                }
                if rows.is_empty() && recipe.skip_bad {
                    // A step of no clips leaves the weights as they are, and counts, so that a resumed run comes to the same ones.
                    state.global_step += 1;
                    state.evaluated = false;
                    continue;
                }
                if rows.is_empty() {
                    let kind = ErrorKind::BadClips(left_out);
                    return Err(
                        Doing(format!("no clip of step {} can be used", state.global_step + 1)).failed(kind)
                    );
                }
                let rows = rows.as_slice();
                let micro = rows.len().div_ceil(recipe.batch_size);
                let batches = (0..micro).map_while(|_| {
                    let asked = Instant::now();
                    let batch = match made.recv() {
                        Ok(Made::Batch(batch)) => Some(batch),
                        _ => None,
                    };
                    waited += asked.elapsed();
                    batch
                });
                let done = trainer.step(state, &Targets::of(clips.clips(), rows), batches);
                let done = match done {
                    Err(error) if matches!(*error.kind, ErrorKind::Diverged { .. }) => {
                        // A failed step leaves the weights as they were.
                        let network = in_precision(trainer.evaluated(), recipe);
                        let blame = to_blame(&network, device, clips, rows)?;
                        return Err(blame.map_or(error, |kind| Doing("cannot train".to_owned()).failed(kind)));
                    }
                    done => done?,
                };
                pace.0 += rows.len();
                pace.1.waiting += waited;
                pace.1.computing += started.elapsed().saturating_sub(waited);
                if let Some(clips) = state.most_clips.filter(|_| state.most_clips != most) {
                    on_event(&Event::LessMemory { clips });
                }
                state.global_step = done.step;
                state.evaluated = false;
                log.step(state, &done, plan, recipe)?;
                on_event(&Event::Step(done));
                if stop.load(Ordering::Relaxed) {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Evaluates, remembers the best, saves; unless `stop` comes before the evaluation is done.
    fn end_epoch(&mut self, log: &mut MetricsLog, stop: &AtomicBool) -> Result<ControlFlow<()>, Error> {
        let started = Instant::now();
        let evaluation = match self.evaluate(&self.current(), self.choosing(), stop) {
            Err(error) => match *error.kind {
                ErrorKind::Interrupted => return Ok(ControlFlow::Break(())),
                ErrorKind::NoNumbers { value } => {
                    let kind = ErrorKind::Diverged { what: "output of the model", value };
                    return Err(Doing(error.doing).failed(kind));
                }
                kind => return Err(Doing(error.doing).failed(kind)),
            },
            Ok(evaluation) => evaluation,
        };
        self.pace.1.evaluating += started.elapsed();
        let (step, epoch) = (self.state.global_step, self.state.global_step / self.plan.steps_per_epoch);
        let confusion = evaluation.confusion(self.plan.labels.len());
        let (accuracy, multi_label) = (evaluation.accuracy(), evaluation.multi_label_record());
        // The loss that is trained, as in the reference.
        let (loss, batch_size) = (&self.trainer.loss, self.job.recipe.eval_batch_size);
        let eval_loss = match loss.is_plain() {
            true => evaluation.loss,
            false => loss.of_logits(&evaluation.logits, &evaluation.targets, batch_size),
        };
        let record =
            EpochRecord { step, epoch: epoch as f64, eval_loss, eval_accuracy: accuracy, multi_label };
        // Strictly better: the first of equals stays, as in the reference (`_determine_best_metric`).
        let best = self.state.best.is_none_or(|best| record.score() > best.score);
        if best {
            self.state.best = Some(Best { step, score: record.score() });
        }
        let train_loss = mean(&std::mem::take(&mut self.state.epoch_losses));
        self.state.train_losses.push(train_loss);
        self.state.epochs.push(record.clone());
        self.state.evaluated = true;
        self.save()?;
        checkpoint::prune(self.job.output.path(), self.job.recipe.keep_checkpoints, &self.state)?;
        log.epoch(&record, confusion.as_ref())?;
        let (clips, time) = std::mem::take(&mut self.pace);
        let clips_per_second = clips as f64 / time.training().as_secs_f64().max(f64::MIN_POSITIVE);
        let done = EpochDone { epoch, train_loss, clips_per_second, time, record, best };
        (self.on_event)(&Event::Epoch(done));
        Ok(ControlFlow::Continue(()))
    }

    /// The model with its current weights.
    fn current(&self) -> Pretrained {
        Pretrained { network: self.trainer.evaluated(), ..self.model.clone() }
    }

    /// The clips that choose the epoch.
    fn choosing(&self) -> &[usize] {
        if self.parts.validation.is_empty() { &self.parts.test } else { &self.parts.validation }
    }

    /// Evaluates a model on the held-out clips.
    pub(crate) fn evaluate_held_out(
        &self,
        model: &Pretrained,
        stop: &AtomicBool,
    ) -> Result<Evaluation, Error> {
        self.evaluate(model, &self.parts.test, stop)
    }

    fn evaluate(&self, model: &Pretrained, rows: &[usize], stop: &AtomicBool) -> Result<Evaluation, Error> {
        let Run { job, on_event, clips, .. } = self;
        let total = rows.len();
        let mut progress = |done| on_event(&Event::Evaluating { done, total });
        let network = in_precision(model.network.clone(), &job.recipe);
        let extent = if job.recipe.eval_windows { Extent::Windows } else { Extent::Kept };
        let batch_size = job.recipe.eval_batch_size;
        evaluate_extent(&network, &job.device, clips, (rows, extent), batch_size, &mut progress, stop)
    }
}

/// What the thread that makes batches gives.
enum Made {
    /// A step begins: its clips that can be used, and those others that nothing was known of before.
    Step { rows: Vec<usize>, left_out: Vec<BadClip> },
    /// Its next clips.
    Batch(Result<Batch, Error>),
}

/// What is drawn of a step, without the clips that cannot be used where those are skipped only now.
fn usable(recipe: &Recipe, clips: &Clips, draws: &[Draw]) -> (Vec<Draw>, Vec<BadClip>) {
    if !(recipe.check == Check::Lazily && recipe.skip_bad) {
        return (draws.to_vec(), Vec::new());
    }
    let rows: Vec<usize> = draws.iter().map(|draw| draw.row).collect();
    let (usable, left_out) = clips.usable(&rows);
    (draws.iter().filter(|draw| usable.contains(&draw.row)).copied().collect(), left_out)
}

/// Decodes the clips that are evaluated, where the others are decoded later. Those that cannot be used end the run, or are left out.
fn check_evaluated(
    job: &Job,
    clips: &Clips,
    parts: &mut Parts,
    on_event: &Callback<'_>,
    stop: &AtomicBool,
) -> Result<(), Error> {
    let rows = [parts.test.as_slice(), &parts.validation].concat();
    let total = rows.len();
    let doing = || Doing(format!("cannot use the clips in `{}`", job.dataset.root.display()));
    let mut checking = |done| on_event(&Event::Checking { done, total });
    let bad = clips.check(rows, &mut checking, stop).with_context(doing)?;
    let (bad, left_out): (Vec<usize>, Vec<BadClip>) = bad.into_iter().unzip();
    if left_out.is_empty() {
        return Ok(());
    }
    let chooses = !parts.validation.is_empty();
    parts.test.retain(|row| !bad.contains(row));
    parts.validation.retain(|row| !bad.contains(row));
    let none_left = parts.test.is_empty() || chooses && parts.validation.is_empty();
    if !job.recipe.skip_bad || none_left {
        return Err(doing().failed(ErrorKind::BadClips(left_out)));
    }
    on_event(&Event::LeftOut(&left_out));
    Ok(())
}

/// Parameters that are not trained.
fn frozen(recipe: &Recipe, network: &Classifier) -> usize {
    struct Sizes(Vec<usize>);
    impl ModuleVisitor for Sizes {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.lazy_shape().num_elements());
        }
    }
    let mut sizes = Sizes(Vec::new());
    network.visit(&mut sizes);
    let parts = parts(network).into_iter().zip(sizes.0);
    let is_frozen = |part| recipe.freeze.freezes(part) || (recipe.lora_rank > 0 && part != Part::Head);
    parts.filter(|((_, part), _)| is_frozen(*part)).map(|(_, size)| size).sum()
}

/// The network as it is trained, in half precision where the recipe says so; the reference evaluates in it, too.
fn in_precision(network: Classifier, recipe: &Recipe) -> Classifier {
    match recipe.precision.half() {
        Some(dtype) => mixed_precision(network, dtype),
        None => network,
    }
}

/// Epochs at the end of `epochs` that were not better than the best before them.
fn epochs_since_best(epochs: &[EpochRecord]) -> u64 {
    let mut best = f64::NEG_INFINITY;
    epochs.iter().fold(0, |since, epoch| match epoch.score() > best {
        true => {
            best = epoch.score();
            0
        }
        false => since + 1,
    })
}

fn labels_of(labels: &[String], keep: impl Fn(usize) -> bool) -> Vec<String> {
    labels.iter().enumerate().filter(|(class, _)| keep(*class)).map(|(_, label)| label.clone()).collect()
}
