//! Evaluations that go to the Hub with the model they are of: onto its card, and into `.eval_results/`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use earmark_hub::Repo;
use earmark_train::{CardDataset, EvaluationReport, EvaluationResult, add_results, eval_results_yaml};
use jiff::Timestamp;

use crate::args::model::fingerprint;
use crate::output::messages;
use crate::scoring::provenance::{HubDataset, Provenance};
use crate::upload::files::{CARD, MAX_CARD, UploadFiles};

/// `report.json` of an evaluation.
const REPORT: &str = "report.json";
/// What a folder of results has as well.
const PREDICTIONS: &str = "predictions.parquet";
/// Largest report that is read: the confusion matrix of a thousand classes is a few megabytes.
const MAX_REPORT: u64 = 64 << 20;

/// An evaluation that was written to a folder.
struct Evaluation {
    folder: PathBuf,
    report: EvaluationReport,
    made: Provenance,
    /// When, such as `2026-11-28`.
    date: Option<String>,
}

/// Adds the evaluations in the folders of `named`, and those whose folder is among the files already. `model` is the folder of the
/// model.
pub(crate) fn add(files: &mut UploadFiles, model: &Path, named: &[PathBuf], repo: &Repo) -> Result<()> {
    let mut evaluations = named.iter().map(|folder| Evaluation::read(folder)).collect::<Result<Vec<_>>>()?;
    let mut within = Vec::new();
    for (name, path) in &files.files {
        let folder = name.strip_suffix(REPORT).and_then(|folder| folder.strip_suffix('/'));
        let (Some(folder), Some(of)) = (folder, path.parent()) else { continue };
        if of.join(PREDICTIONS).is_file() && !named.iter().any(|other| is_same(other, of)) {
            messages::note(format_args!(
                "`{folder}` holds an evaluation: its scores go onto the card, and its files as they are, the sounds in report.html \
                 included"
            ));
            within.push(Evaluation::read(of)?);
        }
    }
    evaluations.extend(within);
    if evaluations.is_empty() {
        return Ok(());
    }
    let checksum = fingerprint(model)?;
    if let Some(other) = evaluations.iter().find(|it| it.made.model_checksum != checksum) {
        bail!(
            "the evaluation in `{}` is of another model, `{}`: evaluate `{}` itself by `earmark eval --model`",
            other.folder.display(),
            other.report.model,
            model.display()
        );
    }
    let Some(card) = files.files.iter().find(|(name, _)| name == CARD).map(|(_, path)| path.clone()) else {
        bail!(
            "`{}` has no {CARD} to add the results to: write a model card first, or take the one of the repository",
            model.display()
        );
    };
    let card = earmark_fs::read_to_string(&card, MAX_CARD)
        .with_context(|| format!("cannot read `{}`", card.display()))?;

    let (mut names, mut results) = (BTreeSet::new(), Vec::new());
    for it in &evaluations {
        let name = it.name();
        if !names.insert(name.clone()) {
            bail!(
                "two of the evaluations are of `{}`, split `{}`: name one of them",
                it.report.dataset,
                it.report.split
            );
        }
        let report = format!("evaluation/{name}.json");
        files.add(report.clone(), it.folder.join(REPORT));
        let source = format!("https://huggingface.co/{}/blob/{}/{report}", repo.id, repo.revision);
        let result = it.result(source);
        if let Some(yaml) = eval_results_yaml(&result, it.date.as_deref()) {
            files.write(&format!(".eval_results/{name}.yaml"), yaml)?;
        }
        results.push(result);
    }
    let name = repo.id.as_str().rsplit('/').next().unwrap_or_default();
    files.write(CARD, add_results(&card, name, &results)?)
}

impl Evaluation {
    /// Of the folder that `earmark eval -o` wrote.
    fn read(folder: &Path) -> Result<Evaluation> {
        let path = folder.join(REPORT);
        let doing = || format!("cannot use the evaluation in `{}`", folder.display());
        let bytes = match earmark_fs::read(&path, MAX_REPORT) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!("`{}` has no {REPORT}: name a folder that `earmark eval -o` wrote", folder.display());
            }
            bytes => bytes.with_context(doing)?,
        };
        let report: EvaluationReport = serde_json::from_slice(&bytes)
            .with_context(|| format!("`{}` is not the report of an evaluation", path.display()))?;
        let made: Provenance = serde_json::from_slice(&bytes).with_context(|| {
            format!(
                "`{}` does not say how it was made, as an earlier version wrote it: evaluate again",
                path.display()
            )
        })?;
        if report.is_multi_label() {
            bail!(
                "`{}` is of clips of any number of classes, whose scores are not published yet",
                path.display()
            );
        }
        let is_share = |share: f64| (0.0..=1.0).contains(&share);
        let [low, high] = report.accuracy_interval;
        let shares = [report.accuracy, report.macro_f1, report.weighted_f1, low, high];
        if !shares.into_iter().all(is_share) || report.n != report.confusion.total() {
            bail!("`{}` does not agree with itself: evaluate again", path.display());
        }
        let written = fs::metadata(&path).and_then(|file| file.modified()).ok();
        let date = written.and_then(|time| Timestamp::try_from(time).ok());
        let date = date.map(|time| time.strftime("%F").to_string());
        Ok(Evaluation { folder: folder.to_path_buf(), report, made, date })
    }

    /// What its files are called: `esc50-all`, `minds14-en-AU-test`.
    fn name(&self) -> String {
        let text = format!("{}-{}", self.report.dataset, self.report.split);
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let plain: String = text.chars().map(plain).collect();
        let parts: Vec<&str> = plain.split('-').filter(|part| !part.trim_matches('.').is_empty()).collect();
        let name: String = parts.join("-").chars().take(80).collect();
        if name.is_empty() { "evaluation".to_owned() } else { name }
    }

    fn result(&self, source: String) -> EvaluationResult {
        let (report, made) = (self.report.clone(), &self.made);
        let name = format!("{}, split {}", report.dataset, report.split);
        let dataset = match made.hub_dataset.clone().filter(|it| Repo::dataset(&it.id).is_ok()) {
            Some(HubDataset { id, config, split }) => CardDataset { name, id, config, split },
            None => CardDataset {
                name,
                id: "audiofolder".to_owned(),
                config: None,
                split: Some(report.split.clone()),
            },
        };
        EvaluationResult {
            dataset,
            dataset_commit: made.dataset_commit.clone(),
            report,
            source: Some(source),
        }
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use earmark_train::Tally;

    use super::*;

    #[test]
    fn files_of_an_evaluation_have_names_that_any_system_takes() {
        let name = |dataset: &str, split: &str| {
            let report =
                Tally::new(1, Default::default()).report([dataset, split, "m"], &["a".to_owned()], &[], None);
            let made = Provenance::default();
            Evaluation { folder: PathBuf::new(), report, made, date: None }.name()
        };
        assert_eq!(name("minds14:en-AU", "test"), "minds14-en-AU-test");
        assert_eq!(name("../../etc/passwd", "a/b"), "etc-passwd-a-b");
        assert_eq!(name("ü", ".."), "evaluation");
        assert!(name(&"x".repeat(500), "test").len() <= 80);
    }
}
