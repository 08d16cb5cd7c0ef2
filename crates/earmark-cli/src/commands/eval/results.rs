//! What an evaluation reports and writes.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use earmark_fs::AtomicFile;
use earmark_train::{EvaluationReport, confusion_svg};
use serde::Serialize;

use super::calibration::thresholds;
use super::model::Prompts;
use super::page;
use super::record::About;
use super::summary::Summary;
use crate::exit::Done;
use crate::output::escape::escape;
use crate::output::tables::predictions::{ClipPrediction, PredictionTable};
use crate::output::training::{list, not_held_out, warn_of_conflicts};
use crate::output::{messages, report as tables, stdout};
use crate::scoring::provenance::Provenance;

const REPORT: &str = "report.json";
pub(super) const PREDICTIONS: &str = "predictions.parquet";
const FIGURE: &str = "confusion_matrix.svg";
const PAGE: &str = "report.html";

/// The files of an evaluation.
pub(super) const FILES: [&str; 5] = [REPORT, PREDICTIONS, FIGURE, PAGE, thresholds::FILE];

/// How many mistakes are printed.
const MISTAKES_SHOWN: usize = 10;

/// `report.json`.
#[derive(Serialize)]
struct ReportFile<'a> {
    #[serde(flatten)]
    report: &'a EvaluationReport,
    /// What a CLAP model read for each label.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompts: &'a Option<Prompts>,
    /// How many clips could not be used.
    #[serde(skip_serializing_if = "is_zero")]
    left_out: usize,
    #[serde(flatten)]
    made: &'a Provenance,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Writes predictions, report, figure and page into `folder`; `sum_up` gives the predictions to what it is handed, one by one.
pub(super) fn write(
    folder: &Path,
    about: &About,
    sum_up: impl FnOnce(&mut dyn FnMut(ClipPrediction) -> Result<()>) -> Result<Summary>,
) -> Result<(Summary, EvaluationReport)> {
    let path = folder.join(PREDICTIONS);
    let doing = || format!("cannot write `{}`", path.display());
    let mut file = AtomicFile::create(&path).with_context(doing)?;
    let mut table = PredictionTable::new(&mut file, &about.groups, &about.labels).with_context(doing)?;
    let summary = sum_up(&mut |clip| table.write(clip).with_context(doing))?;
    table.finish().with_context(doing)?;
    file.commit().with_context(doing)?;
    messages::note(format_args!("wrote {}", path.display()));
    let report = summary.report();
    let (left_out, made) = (summary.left_out.len(), &about.made);
    let json = serde_json::to_string_pretty(&ReportFile {
        report: &report,
        prompts: &about.prompts,
        left_out,
        made,
    })?;
    let figure = confusion_svg(&report.labels, &report.confusion);
    let page = page::html(about, &summary, &report);
    for (name, text) in [(FIGURE, figure), (PAGE, page), (REPORT, json + "\n")] {
        let path = folder.join(name);
        earmark_fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        messages::note(format_args!("wrote {}", path.display()));
    }
    Ok((summary, report))
}

/// Writes `report.json` alone.
pub(super) fn write_report(
    folder: &Path,
    about: &About,
    report: &EvaluationReport,
    left_out: usize,
) -> Result<()> {
    let file = ReportFile { report, prompts: &about.prompts, left_out, made: &about.made };
    let path = folder.join(REPORT);
    earmark_fs::write(&path, serde_json::to_string_pretty(&file)? + "\n")
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    messages::note(format_args!("wrote {}", path.display()));
    Ok(())
}

/// Prints the scores, and what is to be known about them; `folder` is where all predictions are.
pub(super) fn print(mut summary: Summary, report: &EvaluationReport, folder: Option<&Path>) -> Result<Done> {
    warn_of_changes(&summary.changed);
    warn_of_conflicts(&summary.take_conflicts());
    for clip in &summary.left_out {
        messages::warning(format_args!("left out {}: {}", clip.path, clip.why));
    }
    if !summary.left_out.is_empty() {
        messages::warning(format_args!("left out {} in all, as --skip-bad asks", summary.left_out.len()));
    }
    let of_run = summary.about().of_run;
    warn_of_gaps(report, of_run);
    let mut out = stdout::stdout();
    writeln!(out, "{}\n{}", tables::confusion(report), tables::per_class(report))?;
    if let Some(parts) = &report.parts {
        writeln!(out, "{}", tables::parts(parts))?;
    }
    let which = if of_run { "held-out clips" } else { "clips" };
    writeln!(out, "{} on {} {which}", tables::score(report), report.n)?;
    writeln!(out, "{}", tables::more_scores(report))?;
    if !report.interval_reason.is_empty() {
        writeln!(out, "interval: {}; {}", report.interval_method, escape(&report.interval_reason))?;
    }
    if let Some(protocol) = &report.protocol {
        writeln!(out, "protocol {}: {}", protocol.name, protocol.description)?;
    }
    let worst = summary.mistakes.worst.iter().take(MISTAKES_SHOWN).map(|it| it.mistake.clone());
    if let Some(mistakes) = tables::mistakes(summary.mistakes.count, &worst.collect::<Vec<_>>()) {
        let all = match folder {
            Some(folder) => format!(
                "every clip is in {}; hear these in {}",
                folder.join(PREDICTIONS).display(),
                folder.join(PAGE).display()
            ),
            None => "pass -o DIR to write every clip to DIR/predictions.parquet".to_owned(),
        };
        writeln!(out, "\n{mistakes}{}", escape(&all))?;
    }
    Ok(if summary.left_out.is_empty() { Done::Well } else { Done::InPart })
}

/// Warns of clips that were replaced since the run held them out.
pub(super) fn warn_of_changes(changed: &[String]) {
    if !changed.is_empty() {
        messages::warning(format_args!(
            "these clips have changed since the run held them out: {}",
            list(changed)
        ));
    }
}

/// Warns of classes that the model knows and of which there is no clip: held out by a run, or among those that were chosen.
fn warn_of_gaps(report: &EvaluationReport, of_run: bool) {
    let absent = report.absent();
    if absent.is_empty() {
        return;
    }
    if of_run {
        let which = not_held_out(&absent);
        messages::warning(format_args!(
            "{which}; to hold out some of every class, train with --split-by stratified"
        ));
    } else {
        let which = if absent.len() == 1 { "that class" } else { "those classes" };
        messages::warning(format_args!(
            "no clip is of {}, so the scores say nothing about {which}",
            list(&absent)
        ));
    }
}
