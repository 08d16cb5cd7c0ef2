//! The end of a run: the best checkpoint becomes the model, with a card and a report.

use std::fs;
use std::sync::atomic::AtomicBool;

use earmark_error::Context as _;
use earmark_fs::AtomicFolder;
use earmark_labels::Scores;
use earmark_pipeline::Pretrained;

use crate::artifacts::card::ModelCard;
use crate::artifacts::checkpoint;
use crate::artifacts::figures::confusion::confusion_svg;
use crate::artifacts::report::{RunReport, report_html};
use crate::artifacts::run_info::date;
use crate::artifacts::{BURN_VERSION, write};
use crate::error::{Doing, Error};
use crate::evaluate::report::EvaluationReport;
use crate::recipe::Precision;
use crate::run::job::{Finished, Job};
use crate::run::training::Run;

impl Run<'_> {
    /// Evaluates the best checkpoint and writes it to `model/`, with its card and the report.
    pub(crate) fn finish(&self, stop: &AtomicBool) -> Result<Finished, Error> {
        let Run { job: Job { recipe, output, device, .. }, plan, state, .. } = self;
        let output = output.path();
        let best = state.best.expect("every epoch is evaluated before the run is finished");
        // Opened from its files: the scores are those of what is handed out.
        let model = Pretrained::open(&checkpoint::folder(output, best.step), device)?;
        let evaluation = self.evaluate(&model, stop)?;
        let report = evaluation.report(&recipe.dataset, "test", &recipe.model, &plan.labels);

        let folder = output.join("model");
        let card = self.card(&report);
        let doing = || Doing(format!("cannot write `{}`", folder.display()));
        let new = AtomicFolder::create(&folder).with_context(doing)?;
        model.save(new.path())?;
        fs::write(new.path().join("README.md"), card.to_markdown()).with_context(doing)?;
        new.replace().with_context(doing)?;
        let equally_accurate =
            state.epochs.iter().filter(|epoch| epoch.eval_accuracy == best.accuracy).count();
        let page = RunReport {
            title: self.title(),
            facts: self.facts(),
            recipe: recipe.rows(),
            steps: state.steps.clone(),
            epochs: state.epochs.clone(),
            train_losses: state.train_losses.clone(),
            best_step: best.step,
            mistakes: evaluation.mistakes(&self.held_out(), &plan.labels, Scores::Softmax),
            evaluation: report.clone(),
        };
        let json = serde_json::to_string_pretty(&report)
            .with_context(|| Doing("cannot write the report".to_owned()))?;
        write(output, "confusion_matrix.svg", confusion_svg(&plan.labels, &report.confusion))?;
        write(output, "report.html", report_html(&page))?;
        write(output, "report.json", json)?;
        let best_epoch = best.step / plan.steps_per_epoch;
        Ok(Finished { model: folder, report, best_epoch, equally_accurate })
    }

    /// The run's name and its folder's, by which two runs of one recipe differ.
    fn title(&self) -> String {
        let Job { recipe, output, .. } = self.job;
        match output.path().file_name() {
            Some(folder) => format!("{}, run {}", recipe.name, earmark_fs::text(folder)),
            None => recipe.name.clone(),
        }
    }

    /// What tells this run from another: when, by which command, of what, where, for how long.
    fn facts(&self) -> Vec<(String, String)> {
        let Run { job: Job { recipe, .. }, plan, info, .. } = self;
        let mut facts = Vec::new();
        if let Some(info) = info.as_ref().map(|file| &file.info) {
            if let Some(first) = info.sessions.first() {
                facts.push(("Trained", date(first.began)));
            }
            facts.push(("Duration", duration(info.seconds())));
            facts.push(("Command", info.command.clone()));
            let mut machines: Vec<&str> = info.sessions.iter().map(|it| it.machine.as_str()).collect();
            machines.dedup();
            facts.push(("Machine", machines.join("; ")));
        }
        let (train, test, classes) = (plan.train, plan.test, plan.labels.len());
        facts.extend([
            ("Device", recipe.device.clone()),
            ("Model", recipe.model.clone()),
            ("Dataset", recipe.dataset.clone()),
            ("Clips", format!("{train} train, {test} held-out, {classes} classes")),
            ("earmark", recipe.earmark.clone()),
        ]);
        facts.retain(|(_, value)| !value.is_empty());
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
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
            train_losses: state.train_losses.clone(),
            epochs: state.epochs.clone(),
            evaluation: report.clone(),
            frameworks: [("earmark", recipe.earmark.as_str()), ("burn", BURN_VERSION)]
                .map(|(name, version)| (name.to_owned(), version.to_owned()))
                .to_vec(),
        }
    }
}

/// `2 h 05 min`, `3 min 07 s`, `4.2 s`
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_have_two_units() {
        let cases = [(4.21, "4.2 s"), (187.4, "3 min 07 s"), (3599.7, "1 h 00 min"), (7500.0, "2 h 05 min")];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
    }
}
