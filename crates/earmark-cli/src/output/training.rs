//! The progress of a training run.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use earmark_train::{Event, LabelConflict, Plan, TimeSpent};
use indicatif::ProgressBar;

use crate::output::clock::duration;
use crate::output::pace::{Pace, clips_done, epochs};
use crate::output::progress::bar;
use crate::output::{messages, report};

/// The progress of a run on the terminal.
pub(crate) struct TrainingProgress {
    bar: ProgressBar,
    started: Instant,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    plan: Option<Plan>,
    pace: Pace,
    time: TimeSpent,
}

/// All numbers are in the message, which changes at once: the bar's own would be of two phases for a moment.
const TEMPLATE: &str = "{prefix} {bar:8} {msg}";

impl TrainingProgress {
    pub(crate) fn new() -> TrainingProgress {
        let bar = bar(1, TEMPLATE).with_prefix("checking");
        TrainingProgress { bar, started: Instant::now(), seen: Mutex::default() }
    }

    /// Removes the bar, and tells by -v where the time went.
    pub(crate) fn close(&self) {
        self.bar.finish_and_clear();
        // After a panic elsewhere the state is still right.
        let time = self.seen.lock().unwrap_or_else(PoisonError::into_inner).time;
        if time != TimeSpent::default() {
            messages::detail(format_args!("time     {}", spent(&time)));
        }
    }

    fn draw(&self, done: usize, total: usize, message: String) {
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        self.bar.set_message(message);
    }

    pub(crate) fn show(&self, event: &Event<'_>) {
        let seen = &mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Checking { done, total } => self.draw(*done, *total, format!("{done}/{total} clips")),
            Event::LeftOut(clips) => {
                for clip in *clips {
                    messages::note(format_args!("left out {}: {}", clip.path.display(), clip.why));
                }
                messages::note(format_args!("left out {} in all, as --skip-bad asks", clips.len()));
            }
            Event::LabelConflicts(conflicts) => warn_of_conflicts(conflicts),
            Event::PassedOver(checkpoints) => {
                for checkpoint in *checkpoints {
                    messages::warning(format_args!("skipped a broken checkpoint: {}", checkpoint.why));
                }
            }
            Event::NewParameters(names) if !names.is_empty() => messages::note(format_args!(
                "not in the checkpoint, randomly initialised: {}",
                names.join(", ")
            )),
            Event::Started(plan) => {
                messages::note(format_args!("clips    {}", clips(plan)));
                messages::note(format_args!("network  {}", parameters(plan)));
                warn_about(plan);
                if plan.done > 0 {
                    messages::note(format_args!("resumed  after step {} of {}", plan.done, plan.steps));
                }
                messages::note(report::epoch_header(plan));
                let epoch = (plan.done / plan.steps_per_epoch + 1).min(epochs(plan));
                let done = clips_done(plan, epoch, plan.done);
                self.bar.set_prefix(format!("epoch {epoch}/{}", epochs(plan)));
                self.draw(done, plan.train, format!("{done}/{} clips", plan.train));
                seen.plan = Some((*plan).clone());
                seen.pace.begin();
            }
            Event::Step(step) => {
                let Some(plan) = &seen.plan else { return };
                seen.pace.step(step.clips);
                let epoch = step.step.div_ceil(plan.steps_per_epoch);
                let done = clips_done(plan, epoch, step.step);
                let left = seen.pace.left(plan, step.step);
                let message = training(done, plan.train, step.loss, seen.pace.clips_per_second(), left);
                self.bar.set_prefix(format!("epoch {epoch}/{}", epochs(plan)));
                self.draw(done, plan.train, message);
            }
            Event::LessMemory { clips } => messages::note(format_args!(
                "the device has no memory for the whole batch: from here on {clips} clips at a time, with their gradients \
                 added up; each step still averages over the whole batch"
            )),
            Event::Evaluating { done, total } => {
                self.draw(*done, *total, format!("evaluating {done}/{total} clips"));
            }
            Event::Epoch(epoch) => {
                seen.pace.epoch();
                seen.time += epoch.time;
                messages::note(report::epoch_row(epoch, self.started.elapsed()));
            }
            _ => {}
        }
    }
}

/// What stands beside the bar while training: with the epoch and the bar less than 80 columns.
fn training(done: usize, total: usize, loss: f64, rate: f64, left: Option<Duration>) -> String {
    let digits = usize::from(rate < 10.0);
    let left = left.map_or_else(String::new, |left| format!(" {} left", duration(left)));
    format!("{done}/{total} clips loss {loss:.3} {rate:.digits$} clips/s{left}")
}

/// `97 train, 11 validation, 12 held-out, 10 classes`
pub(crate) fn clips(plan: &Plan) -> String {
    let validation = match plan.validation {
        0 => String::new(),
        clips => format!("{clips} validation, "),
    };
    format!("{} train, {validation}{} held-out, {} classes", plan.train, plan.test, plan.labels.len())
}

/// `23.5 M parameters, 4.2 M of them frozen`
fn parameters(plan: &Plan) -> String {
    let all = short(plan.parameters as f64);
    let adapters = match plan.adapters {
        0 => String::new(),
        adapters => format!("; adapters with {}", short(adapters as f64)),
    };
    match plan.frozen {
        0 => format!("{all} parameters"),
        frozen => format!("{all} parameters, {} of them frozen{adapters}", short(frozen as f64)),
    }
}

/// A count with three digits: `81.3 k`, `23.5 M`.
fn short(count: f64) -> String {
    match count {
        ..1e3 => format!("{count}"),
        ..1e6 => format!("{:.1} k", count / 1e3),
        ..1e9 => format!("{:.1} M", count / 1e6),
        _ => format!("{:.1} G", count / 1e9),
    }
}

fn spent(time: &TimeSpent) -> String {
    let [waiting, computing, evaluating, saving] =
        [time.waiting, time.computing, time.evaluating, time.saving].map(|it| it.as_secs_f64());
    format!(
        "waiting for batches {waiting:.1} s, forward and backward {computing:.1} s, evaluating {evaluating:.1} s, \
         saving {saving:.1} s"
    )
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
            "{}; --split-by stratified holds out some of every class",
            not_held_out(&plan.untested)
        ));
    }
}

/// That the scores do not cover some classes.
pub(crate) fn not_held_out(classes: &[impl AsRef<str>]) -> String {
    let which = if classes.len() == 1 { "that class" } else { "those classes" };
    format!("no clip of {} is held out, so the scores say nothing about {which}", list(classes))
}

/// Warns of sound files that have two labels.
pub(crate) fn warn_of_conflicts(conflicts: &[LabelConflict]) {
    const SHOWN: usize = 10;
    for LabelConflict { clips: [a, b], labels: [of_a, of_b] } in conflicts.iter().take(SHOWN) {
        messages::warning(format_args!("`{a}` and `{b}` are the same file, labelled `{of_a}` and `{of_b}`"));
    }
    if conflicts.len() > SHOWN {
        let more = conflicts.len() - SHOWN;
        messages::warning(format_args!("{more} more files are in the dataset with two labels"));
    }
}

/// Some names, and how many more there are.
pub(crate) fn list(names: &[impl AsRef<str>]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{}`", name.as_ref())).collect();
    let shown = shown.join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fits_80_columns_and_has_no_needless_digits() {
        let line = |epoch: &str, message: &str| {
            TEMPLATE.replace("{prefix}", epoch).replace("{bar:8}", "━━━━━━━━").replace("{msg}", message)
        };
        let message = training(56, 108, 1.23456, 12.3456, Some(Duration::from_secs(65)));
        assert_eq!(message, "56/108 clips loss 1.235 12 clips/s 1:05 left");
        assert_eq!(training(4, 108, 0.5, 0.7654, None), "4/108 clips loss 0.500 0.8 clips/s");
        let long = training(12_345, 12_345, 12.3456, 1234.5, Some(Duration::from_secs(45_296)));
        let long = line("epoch 100/100", &long);
        assert!(long.chars().count() <= 80, "{} columns: {long}", long.chars().count());
    }

    #[test]
    fn counts_have_a_unit_that_fits() {
        let shown = [24.0, 81_300.0, 23_500_000.0, 3e9].map(short);
        assert_eq!(shown, ["24", "81.3 k", "23.5 M", "3.0 G"]);
    }
}
