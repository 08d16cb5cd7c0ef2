//! What an evaluation reports and writes.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use earmark_labels::Scores;
use earmark_pipeline::Pretrained;
use earmark_train::{Clips, Evaluation, EvaluationReport, confusion_svg};

use crate::output::messages;
use crate::output::tables::predictions::{ClipPrediction, write_predictions};
use crate::output::training::{list, not_held_out};

/// Warns of clips that were replaced since the run held them out.
pub(super) fn warn_of_changes(clips: &Clips, held_out: &HashMap<String, String>) {
    let changed =
        clips.clips().iter().enumerate().filter(|(row, clip)| {
            held_out.get(&clip.name).is_some_and(|sha256| *sha256 != clips.sha256(*row))
        });
    let changed: Vec<String> = changed.map(|(_, clip)| clip.name.clone()).collect();
    if !changed.is_empty() {
        messages::warning(format_args!(
            "these clips have changed since the run held them out: {}",
            list(&changed)
        ));
    }
}

/// Warns of classes that the model knows and of which there is no clip: held out by a run, or among those that were chosen.
pub(super) fn warn_of_gaps(report: &EvaluationReport, of_run: bool) {
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

/// Writes what the model predicted for each clip.
pub(super) fn write_clips(
    folder: &Path,
    names: &[&str],
    evaluation: &Evaluation,
    learner: &Pretrained,
) -> Result<()> {
    let scores = Scores::for_problem_type(learner.config.problem_type());
    let labels = learner.config.labels();
    let answers = evaluation.labels.iter().zip(evaluation.predicted()).zip(&evaluation.logits);
    let predicted: Vec<ClipPrediction> = names
        .iter()
        .zip(answers)
        .map(|(&name, ((&label, predicted), logits))| ClipPrediction {
            path: name.to_owned(),
            label: labels[label].clone(),
            predicted: labels[predicted].clone(),
            scores: scores.apply(logits),
        })
        .collect();
    let file = folder.join("predictions.parquet");
    write_predictions(&file, &predicted)?;
    messages::note(format_args!("wrote {}", file.display()));
    Ok(())
}

pub(super) fn write_report(folder: &Path, report: &EvaluationReport) -> Result<()> {
    let figure = confusion_svg(&report.labels, &report.confusion);
    for (name, text) in
        [("report.json", serde_json::to_string_pretty(report)? + "\n"), ("confusion_matrix.svg", figure)]
    {
        let path = folder.join(name);
        earmark_fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        messages::note(format_args!("wrote {}", path.display()));
    }
    Ok(())
}
