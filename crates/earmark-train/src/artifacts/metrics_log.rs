use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use earmark_error::Context as _;
use earmark_eval::ConfusionMatrix;
use serde::Serialize;

use crate::artifacts::checkpoint::State;
use crate::artifacts::figures::confusion::confusion_png;
use crate::artifacts::tensorboard::EventWriter;
use crate::artifacts::write;
use crate::error::{Doing, Error};
use crate::evaluate::records::{EpochRecord, MultiLabelRecord, StepRecord, mean};
use crate::recipe::Recipe;
use crate::run::event::StepDone;
use crate::run::job::Plan;

/// The log of a run: `metrics.jsonl` and TensorBoard's events.
pub(crate) struct MetricsLog {
    metrics: File,
    events: EventWriter,
    path: PathBuf,
}

impl MetricsLog {
    /// Opens the log at the step of `state`: lines about later steps, from a process that was killed, are removed.
    pub(crate) fn open(run: &Path, state: &State) -> Result<MetricsLog, Error> {
        let path = run.join("metrics.jsonl");
        let doing = || Doing(format!("cannot write `{}`", path.display()));
        let mut lines: Vec<(u64, String)> = Vec::new();
        for record in &state.steps {
            lines.push((record.step, serde_json::to_string(record).with_context(doing)?));
        }
        for record in &state.epochs {
            lines.push((record.step, serde_json::to_string(record).with_context(doing)?));
        }
        // Stable: a step's line stands before the line of the epoch it ends.
        lines.sort_by_key(|(step, _)| *step);
        write(run, "metrics.jsonl", lines.into_iter().map(|(_, line)| line + "\n").collect::<String>())?;
        let metrics = File::options().append(true).open(&path).with_context(doing)?;
        let dir = run.join("tensorboard");
        let events = match state.global_step {
            0 => EventWriter::create(&dir),
            done => EventWriter::resume(&dir, done),
        };
        Ok(MetricsLog {
            metrics,
            events: events.with_context(|| Doing(format!("cannot write to `{}`", dir.display())))?,
            path,
        })
    }

    /// Logs a step; every `logging_steps` of the recipe that is a line with the mean loss since the last one.
    pub(crate) fn step(
        &mut self,
        state: &mut State,
        done: &StepDone,
        plan: &Plan,
        recipe: &Recipe,
    ) -> Result<(), Error> {
        state.pending.push(done.loss);
        state.epoch_losses.push(done.loss);
        if !done.step.is_multiple_of(recipe.logging_steps) {
            return Ok(());
        }
        let losses = std::mem::take(&mut state.pending);
        let record = StepRecord {
            step: done.step,
            epoch: epochs(done.step, plan, recipe),
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

    /// Logs the end of an epoch; `confusion` where each clip has one class.
    pub(crate) fn epoch(
        &mut self,
        record: &EpochRecord,
        confusion: Option<&ConfusionMatrix>,
    ) -> Result<(), Error> {
        self.line(record)?;
        self.curves(
            record.step,
            &[("eval/loss", record.eval_loss), ("eval/accuracy", record.eval_accuracy)],
        )?;
        if let Some(MultiLabelRecord { map, macro_f1, micro_f1 }) = record.multi_label {
            let points = [("eval/map", map), ("eval/macro_f1", macro_f1), ("eval/micro_f1", micro_f1)];
            self.curves(record.step, &points)?;
        }
        let Some(confusion) = confusion else { return Ok(()) };
        let (side, png) = confusion_png(confusion);
        let image =
            self.events.image_png("eval/confusion", record.step, (side, side), &png, SystemTime::now());
        image.with_context(|| Doing("cannot write TensorBoard's events".to_owned()))
    }

    fn line(&mut self, record: &impl Serialize) -> Result<(), Error> {
        let doing = || Doing(format!("cannot write `{}`", self.path.display()));
        let line = serde_json::to_string(record).with_context(doing)? + "\n";
        self.metrics.write_all(line.as_bytes()).with_context(doing)
    }

    fn curves(&mut self, step: u64, points: &[(&str, f64)]) -> Result<(), Error> {
        let now = SystemTime::now();
        let write = |(tag, value): &(&str, f64)| self.events.scalar(tag, step, *value as f32, now);
        points
            .iter()
            .try_for_each(write)
            .with_context(|| Doing("cannot write TensorBoard's events".to_owned()))
    }
}

/// Epochs done after a step, by the batches as the reference counts: the last step of an epoch may have fewer.
fn epochs(step: u64, plan: &Plan, recipe: &Recipe) -> f64 {
    let (epoch, in_epoch) = ((step - 1) / plan.steps_per_epoch, (step - 1) % plan.steps_per_epoch + 1);
    let all = plan.train.div_ceil(recipe.batch_size) as u64;
    let batches = (in_epoch * recipe.gradient_accumulation_steps as u64).min(all);
    epoch as f64 + batches as f64 / all as f64
}
