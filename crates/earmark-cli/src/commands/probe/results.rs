//! What a probe reports and writes.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use earmark_data::{AudioDataset, Clip};
use earmark_fs::AtomicFile;
use earmark_labels::Scores;
use earmark_train::{ClipScores, ClusterField, EvaluationReport, Tally, confusion_svg};
use serde::Serialize;

use super::predict::Fit;
use super::vectors::Embedded;
use crate::hex;
use crate::output::columns;
use crate::output::tables::predictions::{ClipPrediction, PredictionTable};
use crate::output::{messages, report as tables, stdout};
use crate::scoring::provenance::Provenance;

pub(super) const REPORT: &str = "report.json";
pub(super) const PREDICTIONS: &str = "predictions.parquet";
pub(super) const FIGURE: &str = "confusion_matrix.svg";

/// `report.json`.
#[derive(Serialize)]
struct ReportFile<'a> {
    #[serde(flatten)]
    report: &'a EvaluationReport,
    probe: &'a About,
    /// How many clips could not be used.
    #[serde(skip_serializing_if = "is_zero")]
    left_out: usize,
    /// The scores of each draw of clips to learn from.
    #[serde(skip_serializing_if = "are_none")]
    repeats: &'a [Repeat],
    #[serde(flatten)]
    made: &'a Provenance,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn are_none(repeats: &&[Repeat]) -> bool {
    repeats.is_empty()
}

/// How the probe was made.
#[derive(Serialize)]
pub(super) struct About {
    pub(super) layer: String,
    /// Nothing of CLAP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pool: Option<String>,
    /// Clips of each class that it learned from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) per_class: Option<usize>,
    /// The probe of each part, and of each draw.
    pub(super) fits: Vec<Fit>,
    /// The model that was written; nothing where transformers has no class for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<Written>,
}

/// The model that was written.
#[derive(Serialize)]
pub(super) struct Written {
    /// The folder in the output.
    pub(super) path: &'static str,
    /// Clips that it was fitted on.
    pub(super) n: usize,
    pub(super) c: f64,
}

/// The scores of a draw of clips to learn from.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Repeat {
    seed: u64,
    n: u64,
    accuracy: f64,
    macro_f1: f64,
    /// The accuracy of each fold.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parts: BTreeMap<String, f64>,
}

/// What is scored.
pub(super) struct Scored<'a> {
    pub(super) dataset: &'a AudioDataset,
    /// The clips that can be used, with their embeddings.
    pub(super) clips: &'a [Clip],
    pub(super) embedded: &'a [Embedded],
    pub(super) model: &'a str,
    /// The folds; none where there is a single part.
    pub(super) parts: Vec<String>,
    /// What the report calls the clips.
    pub(super) split: &'static str,
}

impl Scored<'_> {
    /// The report of all fits, and that of each draw where there are several; writes the predictions.
    pub(super) fn report(&self, fits: &[Fit], output: &Path) -> Result<(EvaluationReport, Vec<Repeat>)> {
        let labels = self.dataset.labels.names();
        let seeds: Vec<u64> = {
            let mut seeds: Vec<u64> = fits.iter().filter_map(|fit| fit.seed).collect();
            seeds.dedup();
            seeds
        };
        let path = output.join(PREDICTIONS);
        let doing = || format!("cannot write `{}`", path.display());
        let mut file = AtomicFile::create(&path).with_context(doing)?;
        let fields: Vec<String> = self.dataset.group_fields().into_iter().map(|field| field.name).collect();
        let mut groups = fields.clone();
        groups.extend((!self.parts.is_empty()).then(|| "part".to_owned()));
        groups.extend((seeds.len() > 1).then(|| "seed".to_owned()));
        let mut table = PredictionTable::new(&mut file, &groups, labels).with_context(doing)?;

        let cluster = self.cluster(seeds.len() > 1);
        let empty = || Tally::new(labels.len(), Scores::Softmax);
        let (mut all, mut of_seed) = (empty(), BTreeMap::<u64, Tally>::new());
        for fit in fits {
            let part = self.parts.iter().position(|part| *part == fit.part).unwrap_or(0);
            for (row, logits) in &fit.logits {
                let clip = &self.clips[*row];
                let scores = Scores::Softmax.apply(logits);
                let group = self.dataset.cluster_field().and_then(|field| clip.group(&field.name));
                // A clip that several draws predict is one clip.
                let together =
                    if seeds.len() > 1 { Some(group.unwrap_or_else(|| clip.name.clone())) } else { group };
                let actual = clip.label.index();
                let cluster = together.as_deref();
                let scored = ClipScores { actual, logits, scores: &scores, part, cluster };
                let predicted = all.add(&scored);
                if let Some(seed) = fit.seed {
                    of_seed.entry(seed).or_insert_with(empty).add(&scored);
                }
                let mut columns: Vec<Option<String>> = fields.iter().map(|field| clip.group(field)).collect();
                columns.extend((!self.parts.is_empty()).then(|| Some(fit.part.clone())));
                columns.extend((seeds.len() > 1).then(|| fit.seed.map(|seed| seed.to_string())));
                let prediction = ClipPrediction {
                    path: clip.name.clone(),
                    label: labels[actual].clone(),
                    predicted: labels[predicted].clone(),
                    scores,
                    groups: columns,
                    sha256: hex::text(&self.embedded[*row].sha256),
                };
                table.write(prediction).with_context(doing)?;
            }
        }
        table.finish().with_context(doing)?;
        file.commit().with_context(doing)?;
        messages::note(format_args!("wrote {}", path.display()));

        let of = |tally: &Tally, cluster| {
            tally.report([&self.dataset.name, self.split, self.model], labels, &self.parts, cluster)
        };
        let report = of(&all, cluster.as_ref());
        let repeats = of_seed.iter().filter(|_| seeds.len() > 1).map(|(&seed, tally)| {
            let report = of(tally, None);
            let parts = report.parts.into_iter().flat_map(|parts| parts.parts);
            Repeat {
                seed,
                n: report.n,
                accuracy: report.accuracy,
                macro_f1: report.macro_f1,
                parts: parts.map(|part| (part.name, part.accuracy)).collect(),
            }
        });
        Ok((report, repeats.collect()))
    }

    /// What is resampled for intervals.
    fn cluster(&self, is_repeated: bool) -> Option<ClusterField> {
        match self.dataset.cluster_field() {
            Some(field) => Some(ClusterField { name: field.name, kind: field.kind.to_string() }),
            None if is_repeated => Some(ClusterField { name: "path".to_owned(), kind: "clip".to_owned() }),
            None => None,
        }
    }
}

/// Writes the report and its figure.
pub(super) fn write(
    output: &Path,
    report: &EvaluationReport,
    probe: &About,
    repeats: &[Repeat],
    (made, left_out): (&Provenance, usize),
) -> Result<()> {
    let json = serde_json::to_string_pretty(&ReportFile { report, probe, left_out, repeats, made })?;
    let figure = confusion_svg(&report.labels, &report.confusion);
    for (name, text) in [(FIGURE, figure), (REPORT, json + "\n")] {
        let path = output.join(name);
        earmark_fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        messages::note(format_args!("wrote {}", path.display()));
    }
    Ok(())
}

/// Prints the scores.
pub(super) fn print(report: &EvaluationReport, probe: &About, repeats: &[Repeat]) -> Result<()> {
    let mut out = stdout::stdout();
    writeln!(out, "{}\n{}", tables::confusion(report), tables::per_class(report))?;
    if let Some(parts) = &report.parts {
        writeln!(out, "{}", tables::parts(parts))?;
    }
    if !repeats.is_empty() {
        let row =
            |it: &Repeat| [it.seed.to_string(), format!("{:.4}", it.accuracy), format!("{:.4}", it.macro_f1)];
        let table = columns::numeric(["seed", "accuracy", "macro F1"], repeats.iter().map(row));
        let accuracies: Vec<f64> = repeats.iter().map(|it| it.accuracy).collect();
        let (mean, spread) = mean_and_spread(&accuracies);
        writeln!(
            out,
            "{table}\nmean of {} draws {mean:.4}, standard deviation {spread:.4}\n",
            repeats.len()
        )?;
    }
    let which = if repeats.is_empty() {
        "clips".to_owned()
    } else {
        format!("predictions of {} draws", repeats.len())
    };
    writeln!(out, "{} on {} {which}", tables::score(report), report.n)?;
    writeln!(out, "{}", tables::more_scores(report))?;
    let mut strengths: Vec<f64> = probe.fits.iter().map(|fit| fit.c).collect();
    strengths.sort_by(f64::total_cmp);
    strengths.dedup();
    let strengths: Vec<String> = strengths.iter().map(f64::to_string).collect();
    writeln!(out, "C {}", strengths.join(", "))?;
    Ok(())
}

/// The standard deviation with `n - 1` below the line.
fn mean_and_spread(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, if values.len() < 2 { 0.0 } else { (squares / (count - 1.0)).sqrt() })
}
