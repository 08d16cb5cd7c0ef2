//! The progress of a training run.

use std::time::Instant;

use earmark_train::{Event, Plan};
use indicatif::ProgressBar;

use crate::output::progress::{bar, style};
use crate::output::{messages, report};

/// The progress of a run on the terminal.
pub(crate) struct TrainingProgress {
    bar: ProgressBar,
    started: Instant,
    seen: std::sync::Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    plan: Option<Plan>,
    phase: Phase,
    clips: usize,
    since: Option<Instant>,
    message: String,
}

#[derive(Default, PartialEq)]
enum Phase {
    #[default]
    Checking,
    Training,
    Evaluating,
}

const CHECKING: &str = "checking {bar:30} {pos}/{len} clips {eta} left";
const TRAINING: &str = "epoch {prefix} {bar:24} step {pos}/{len} {msg} {eta} left";
const EVALUATING: &str = "evaluating {bar:30} {pos}/{len} clips";

impl TrainingProgress {
    pub(crate) fn new() -> TrainingProgress {
        TrainingProgress { bar: bar(0, CHECKING), started: Instant::now(), seen: Default::default() }
    }

    pub(crate) fn close(&self) {
        self.bar.finish_and_clear();
    }

    fn style(&self, template: &str) {
        self.bar.set_style(style(template));
    }

    pub(crate) fn show(&self, event: &Event<'_>) {
        // After a panic elsewhere the state is still right.
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            Event::Checking { done, total } => {
                self.bar.set_length(*total as u64);
                self.bar.set_position(*done as u64);
            }
            Event::LeftOut(clips) => {
                for clip in *clips {
                    messages::note(format_args!("left out {}: {}", clip.path.display(), clip.why));
                }
                messages::note(format_args!("left out {} in all, as --skip-bad asks", clips.len()));
            }
            Event::PassedOver(checkpoints) => {
                for checkpoint in *checkpoints {
                    messages::warning(format_args!("passed over a checkpoint: {}", checkpoint.why));
                }
            }
            Event::NewParameters(names) if !names.is_empty() => {
                messages::note(format_args!("randomly initialised: {}", names.join(", ")));
            }
            Event::Started(plan) => {
                messages::note(format_args!(
                    "clips    {} to train on, {} to test on, {} classes; {:.1} M parameters",
                    plan.train,
                    plan.test,
                    plan.labels.len(),
                    plan.parameters as f64 / 1e6
                ));
                warn_about(plan);
                if plan.done > 0 {
                    messages::note(format_args!("resumed  after step {} of {}", plan.done, plan.steps));
                }
                messages::note(report::epoch_header());
                self.train_bar(plan, plan.done);
                seen.plan = Some((*plan).clone());
                seen.phase = Phase::Training;
                seen.since = Some(Instant::now());
            }
            Event::Step(step) => {
                let seen = &mut *seen;
                let Some(plan) = &seen.plan else { return };
                if seen.phase != Phase::Training {
                    self.train_bar(plan, step.step);
                    seen.phase = Phase::Training;
                }
                seen.clips += step.clips;
                let seconds = seen.since.map_or(1.0, |since| since.elapsed().as_secs_f64());
                let rate = seen.clips as f64 / seconds;
                seen.message = format!("loss {:.4} lr {:.2e} {rate:.1} clips/s", step.loss, step.lr);
                self.bar.set_message(seen.message.clone());
                self.bar.set_prefix(epoch_of(plan, step.step));
                self.bar.set_position(step.step);
            }
            Event::LessMemory { clips } => messages::note(format_args!(
                "the device has no memory for the whole batch: {clips} at a time from here on, their gradients added up; \
                 each step still learns from all of it"
            )),
            Event::Evaluating { done, total } => {
                if seen.phase != Phase::Evaluating {
                    self.style(EVALUATING);
                    self.bar.set_length(*total as u64);
                    seen.phase = Phase::Evaluating;
                }
                self.bar.set_position(*done as u64);
            }
            Event::Epoch(epoch) => messages::note(report::epoch_row(epoch, self.started.elapsed())),
            _ => {}
        }
    }

    fn train_bar(&self, plan: &Plan, done: u64) {
        self.style(TRAINING);
        self.bar.set_length(plan.steps);
        self.bar.set_position(done);
        self.bar.set_prefix(epoch_of(plan, done + 1));
        self.bar.reset_eta();
    }
}

/// `3/10`: the epoch that `step` belongs to.
fn epoch_of(plan: &Plan, step: u64) -> String {
    format!("{}/{}", step.div_ceil(plan.steps_per_epoch).max(1), plan.steps / plan.steps_per_epoch)
}

/// Warns of classes that are not trained on or not evaluated.
pub(crate) fn warn_about(plan: &Plan) {
    if !plan.untrained.is_empty() {
        messages::warning(format_args!(
            "no clip of {} is trained on, so the model cannot learn {}",
            list(&plan.untrained),
            if plan.untrained.len() == 1 { "that class" } else { "those classes" }
        ));
    }
    if !plan.untested.is_empty() {
        messages::warning(format_args!(
            "no clip of {} is held out, so the scores say nothing about {}; --split-by stratified holds out some of every class",
            list(&plan.untested),
            if plan.untested.len() == 1 { "that class" } else { "those classes" }
        ));
    }
}

/// Some names, and how many more there are.
pub(crate) fn list(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let shown = shown.join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}
