//! The end of a run: the best checkpoint becomes the model, with a card and a report.

use std::fs;
use std::sync::atomic::AtomicBool;

use earmark_error::Context as _;
use earmark_fs::AtomicFolder;
use earmark_pipeline::Pretrained;

use crate::artifacts::card::ModelCard;
use crate::artifacts::checkpoint;
use crate::artifacts::figure::confusion_svg;
use crate::artifacts::report::{RunReport, report_html};
use crate::artifacts::write;
use crate::error::{Doing, Error};
use crate::evaluate::metrics::EvaluationReport;
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
        let page = RunReport {
            title: recipe.name.clone(),
            recipe: recipe.rows(),
            steps: state.steps.clone(),
            epochs: state.epochs.clone(),
            train_losses: state.train_losses.clone(),
            best_step: best.step,
            evaluation: report.clone(),
        };
        let json = serde_json::to_string_pretty(&report)
            .with_context(|| Doing("cannot write the report".to_owned()))?;
        write(output, "confusion_matrix.svg", confusion_svg(&plan.labels, &report.confusion))?;
        write(output, "report.html", report_html(&page))?;
        write(output, "report.json", json)?;
        Ok(Finished { model: folder, report, best_epoch: best.step / plan.steps_per_epoch })
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
