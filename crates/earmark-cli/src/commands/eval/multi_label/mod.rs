//! The scores of a model on clips that may have any number of classes.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use earmark_labels::Scores;
use earmark_train::{BadClip, Evaluation, EvaluationReport, Scoring, ScoringOptions, Targets};

use super::args::ScoreArgs;
use super::record::{About, hex};
use super::results;
use super::subject::Subject;
use crate::args::training::run::advise;
use crate::exit::{Done, usage};
use crate::output::progress::bar;
use crate::output::{messages, report as tables, stdout};

/// How many mistakes are printed.
const MISTAKES_SHOWN: usize = 10;

/// Refuses what is for clips of one class each.
pub(super) fn check(args: &ScoreArgs) -> Result<()> {
    let refused = [("--shard", args.shard.is_some()), ("--fit-thresholds", args.fit_thresholds.is_some())];
    match refused.into_iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => Err(usage(format_args!("{flag} is for clips of one class each: leave it out"))),
        None => Ok(()),
    }
}

/// Scores the clips, prints the metrics, and writes `report.json` where there is a folder.
pub(super) fn score(
    subject: &Subject,
    about: &About,
    options: ScoringOptions,
    folder: Option<&Path>,
    stop: &AtomicBool,
) -> Result<(Done, Option<EvaluationReport>)> {
    let clips = &subject.dataset.clips;
    let bar = bar(clips.len() as u64, "scoring {bar:30} {pos}/{len} clips, {eta} left");
    let forward = Arc::clone(&subject.model.forward);
    let mut scoring = Scoring::new(&subject.dataset, 0..clips.len(), forward, options);
    let (mut rows, mut logits, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    let mut left_out = Vec::new();
    let scored = loop {
        match scoring.next(stop) {
            Ok(Some(batch)) => {
                bar.set_position(batch.rows.end as u64);
                left_out.extend(batch.left_out);
                for clip in batch.clips {
                    let held_out = subject.held_out.get(&clips[clip.row].name);
                    if held_out.is_some_and(|held_out| *held_out != hex::text(&clip.sha256)) {
                        changed.push(clips[clip.row].name.clone());
                    }
                    rows.push(clip.row);
                    logits.push(clip.logits);
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    bar.finish_and_clear();
    scored.map_err(advise)?;
    results::warn_of_changes(&changed);
    let left_out: Vec<&BadClip> = subject.left_out.iter().chain(&left_out).collect();
    for clip in &left_out {
        messages::warning(format_args!("left out {}: {}", clip.path.display(), clip.why));
    }
    let classes = |row: &usize| clips[*row].classes().iter().map(|class| class.index()).collect();
    let evaluation = Evaluation::new(logits, Targets::Classes(rows.iter().map(classes).collect()));
    let report = evaluation.report(&about.dataset, &about.split, &about.model, &about.labels);
    let names: Vec<&str> = rows.iter().map(|&row| clips[row].name.as_str()).collect();
    let mistakes = evaluation.mistakes(&names, &about.labels, Scores::Sigmoid);
    let mut out = stdout::stdout();
    let which = if about.of_run { "held-out clips" } else { "clips" };
    writeln!(out, "{}\n{} on {} {which}", tables::per_class(&report), tables::score(&report), report.n)?;
    if let Some(text) = tables::mistakes(mistakes.len(), &mistakes[..mistakes.len().min(MISTAKES_SHOWN)]) {
        writeln!(out, "\n{text}")?;
    }
    if let Some(folder) = folder {
        results::write_report(folder, about, &report, left_out.len())?;
    }
    Ok((if left_out.is_empty() { Done::Well } else { Done::InPart }, Some(report)))
}
