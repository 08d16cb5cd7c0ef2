//! The end of a run: the best checkpoint becomes the model, with a card and a report.

use std::fs;
use std::sync::atomic::AtomicBool;

use earmark_error::Context as _;
use earmark_fs::AtomicFolder;
use earmark_labels::Scores;
use earmark_pipeline::Pretrained;

use crate::artifacts::adapter;
use crate::artifacts::card::ModelCard;
use crate::artifacts::checkpoint;
use crate::artifacts::figures::confusion::confusion_svg;
use crate::artifacts::report::{RunReport, report_html};
use crate::artifacts::run_info::date;
use crate::artifacts::{BURN_VERSION, write};
use crate::error::{Doing, Error};
use crate::evaluate::report::EvaluationReport;
use crate::recipe::{ClassWeights, Freeze, Precision, Recipe, Sampling, ScheduleKind};
use crate::run::job::{Finished, Job};
use crate::run::training::Run;

impl Run<'_> {
    /// Evaluates the best checkpoint and writes it to `model/`, with its card and the report.
    pub(crate) fn finish(&self, stop: &AtomicBool) -> Result<Finished, Error> {
        let Run { job: Job { recipe, output, device, base_model, .. }, plan, state, .. } = self;
        let output = output.path();
        let best = state.best.expect("every epoch is evaluated before the run is finished");
        // Opened from its files: the scores are those of what is handed out.
        let model = Pretrained::open(&checkpoint::folder(output, best.step), device)?;
        let evaluation = self.evaluate_held_out(&model, stop)?;
        let report = evaluation.report(&recipe.dataset, "test", &recipe.model, &plan.labels);

        let folder = output.join("model");
        let card = self.card(&report);
        let doing = || Doing(format!("cannot write `{}`", folder.display()));
        let new = AtomicFolder::create(&folder).with_context(doing)?;
        model.save(new.path())?;
        fs::write(new.path().join("README.md"), card.to_markdown()).with_context(doing)?;
        new.replace().with_context(doing)?;
        if recipe.lora_rank > 0 {
            let trained = (&model.network, self.trainer.lora());
            let written = adapter::write(output, best.step, recipe, base_model.as_deref(), trained)?;
            if written.is_none() {
                tracing::warn!(
                    "PEFT cannot hold what was trained of this model: there is no adapter/, but model/ has all of it"
                );
            }
        }
        let equally_accurate = state.epochs.iter().filter(|epoch| epoch.score() == best.score).count();
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
        if !report.is_multi_label() {
            write(output, "confusion_matrix.svg", confusion_svg(&plan.labels, &report.confusion))?;
        }
        write(output, "report.html", report_html(&page))?;
        write(output, "report.json", json)?;
        let best_epoch = best.step / plan.steps_per_epoch;
        let epochs = state.epochs.len() as u64;
        let stopped_early = epochs < recipe.epochs;
        Ok(Finished { model: folder, report, best_epoch, equally_accurate, epochs, stopped_early })
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
        let validation = match plan.validation {
            0 => String::new(),
            clips => format!("{clips} validation, "),
        };
        facts.extend([
            ("Device", recipe.device.clone()),
            ("Model", recipe.model.clone()),
            ("Dataset", recipe.dataset.clone()),
            ("Clips", format!("{train} train, {validation}{test} held-out, {classes} classes")),
            ("earmark", recipe.earmark.clone()),
        ]);
        facts.retain(|(_, value)| !value.is_empty());
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// What the card says of its table of epochs.
    fn notes(&self) -> Vec<String> {
        let (recipe, plan) = (&self.job.recipe, &self.plan);
        let mut notes = Vec::new();
        if let Some(objective) = objective(recipe) {
            let note = "The losses in this table are with";
            notes.push(format!("{note} {objective}; the eval loss above is the cross-entropy alone."));
        }
        if plan.validation > 0 {
            let clips = plan.validation;
            notes.push(format!(
                "Eval loss and accuracy in this table are those of {clips} clips of the training part, which chose the epoch; the \
                 held-out clips were evaluated once, at the end."
            ));
        }
        notes
    }

    fn card(&self, report: &EvaluationReport) -> ModelCard {
        let Run { job: Job { recipe, card, base_model, .. }, state, .. } = self;
        let commit = |commit: &String| Some(commit).filter(|commit| !commit.is_empty()).cloned();
        ModelCard {
            name: recipe.name.clone(),
            repo: None,
            languages: Vec::new(),
            license: None,
            base_model: base_model.clone(),
            base_commit: commit(&recipe.model_commit),
            dataset: card.clone(),
            dataset_commit: commit(&recipe.dataset_commit),
            hyperparameters: hyperparameters(recipe),
            notes: self.notes(),
            train_losses: state.train_losses.clone(),
            epochs: state.epochs.clone(),
            evaluation: report.clone(),
            frameworks: [("earmark", recipe.earmark.as_str()), ("burn", BURN_VERSION)]
                .map(|(name, version)| (name.to_owned(), version.to_owned()))
                .to_vec(),
        }
    }
}

/// What the card lists of a recipe: the rows of the reference's cards, then what differs from its defaults.
fn hyperparameters(recipe: &Recipe) -> Vec<(String, String)> {
    let [beta_1, beta_2] = recipe.adam_betas;
    let mut rows = vec![
        ("learning_rate", recipe.lr.to_string()),
        ("train_batch_size", recipe.batch_size.to_string()),
        ("eval_batch_size", recipe.eval_batch_size.to_string()),
        ("seed", recipe.seed.to_string()),
        ("gradient_accumulation_steps", recipe.gradient_accumulation_steps.to_string()),
        ("optimizer", format!("AdamW with betas=({beta_1},{beta_2}) and epsilon={:e}", recipe.adam_epsilon)),
        ("lr_scheduler_type", recipe.schedule.name().to_owned()),
    ];
    if recipe.schedule != ScheduleKind::Constant {
        rows.push(("lr_scheduler_warmup_ratio", recipe.warmup_ratio.to_string()));
    }
    rows.push(("num_epochs", recipe.epochs.to_string()));
    if recipe.precision != Precision::Fp32 {
        rows.push(("mixed_precision_training", recipe.precision.name().to_owned()));
    }
    if recipe.label_smoothing > 0.0 {
        rows.push(("label_smoothing_factor", recipe.label_smoothing.to_string()));
    }
    if recipe.sampling == Sampling::GroupByLength {
        rows.push(("train_sampling_strategy", recipe.sampling.to_string()));
    }
    // What `TrainingArguments` has no names for.
    if recipe.focal_gamma > 0.0 {
        rows.push(("focal_gamma", recipe.focal_gamma.to_string()));
    }
    if recipe.class_weights != ClassWeights::None {
        rows.push(("class_weights", recipe.class_weights.to_string()));
    }
    if recipe.multi_label {
        rows.push(("problem_type", "multi_label_classification".to_owned()));
    }
    if recipe.sampling == Sampling::Balanced {
        rows.push(("sampling", recipe.sampling.to_string()));
    }
    if recipe.eval_windows {
        rows.push(("eval_windows", format!("of {} s, their logits averaged", recipe.max_duration)));
    }
    if recipe.random_crop {
        rows.push(("random_crop", "true".to_owned()));
    }
    if recipe.augment_shift > 0.0 {
        rows.push(("augment_shift", format!("{} s", recipe.augment_shift)));
    }
    if recipe.augment_gain > 0.0 {
        rows.push(("augment_gain", format!("{} dB", recipe.augment_gain)));
    }
    if let Some([least, most]) = recipe.augment_snr {
        let noise = if recipe.augment_noise.is_empty() { "white noise" } else { "recordings of noise" };
        rows.push(("augment_snr", format!("{least} to {most} dB, {noise}")));
    }
    if recipe.mixup > 0.0 {
        rows.push(("mixup_alpha", recipe.mixup.to_string()));
    }
    if let Some(seed) = recipe.split_seed {
        rows.push(("split_seed", seed.to_string()));
    }
    if let Some(lr) = recipe.head_lr {
        rows.push(("head_learning_rate", lr.to_string()));
    }
    if recipe.layer_lr_decay != 1.0 {
        rows.push(("layer_lr_decay", recipe.layer_lr_decay.to_string()));
    }
    if recipe.lora_rank > 0 {
        rows.push(("lora_r", recipe.lora_rank.to_string()));
        rows.push(("lora_alpha", recipe.lora_alpha.unwrap_or(recipe.lora_rank as f64).to_string()));
        if !recipe.lora_targets.is_empty() {
            rows.push(("lora_target_modules", recipe.lora_targets.clone()));
        }
    }
    if recipe.ema > 0.0 {
        rows.push(("ema_decay", recipe.ema.to_string()));
    }
    let shares = [("mask_time_prob", recipe.mask_time_prob), ("mask_feature_prob", recipe.mask_feature_prob)];
    rows.extend(shares.into_iter().filter_map(|(key, share)| Some((key, share?.to_string()))));
    let lengths =
        [("mask_time_length", recipe.mask_time_length), ("mask_feature_length", recipe.mask_feature_length)];
    rows.extend(lengths.into_iter().filter_map(|(key, length)| Some((key, length?.to_string()))));
    if recipe.freeze != Freeze::default() {
        rows.push(("frozen", recipe.freeze.to_string()));
    }
    if recipe.early_stopping_patience > 0 {
        rows.push(("early_stopping_patience", recipe.early_stopping_patience.to_string()));
    }
    rows.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// What the loss of a recipe is beside the plain cross-entropy.
fn objective(recipe: &Recipe) -> Option<String> {
    let mut parts = Vec::new();
    if recipe.label_smoothing > 0.0 {
        parts.push(format!("label smoothing {}", recipe.label_smoothing));
    }
    if recipe.focal_gamma > 0.0 {
        parts.push(format!("the focal factor of power {}", recipe.focal_gamma));
    }
    if recipe.class_weights != ClassWeights::None {
        parts.push(match &recipe.class_weights {
            ClassWeights::Named(_) => format!("the class weights {}", recipe.class_weights),
            named => format!("{named} class weights"),
        });
    }
    (!parts.is_empty()).then(|| parts.join(" and "))
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
