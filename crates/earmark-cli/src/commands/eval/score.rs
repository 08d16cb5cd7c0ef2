//! Scores a model on clips, batch by batch.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Result, bail};
use burn::tensor::Device;
use earmark_data::{AudioDataset, Clip};
use earmark_eval::Objective;
use earmark_train::{
    BadClip, Cache, ErrorKind, EvaluationReport, OutputFolder, ScoredBatch, ScoredClip, Scoring,
    ScoringOptions,
};

use super::args::ScoreArgs;
use super::calibration::thresholds::ThresholdFit;
use super::multi_label;
use super::page::commits::provenance;
use super::page::sounds::sounds_of;
use super::progress::Position;
use super::record::{About, Answer, Batch, LeftOut, Logits, hex};
use super::results;
use super::saved::{self, Saved};
use super::subject::Subject;
use super::summary::Summary;
use crate::args::training::run::advise;
use crate::exit::{Done, usage};
use crate::output::count::count;
use crate::output::messages;
use crate::output::progress::bar;

/// Whether a command was interrupted.
pub(super) fn is_interrupted(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<earmark_train::Error>();
    error.is_some_and(|error| matches!(*error.kind, ErrorKind::Interrupted))
}

/// Scores what the flags name; a part of an evaluation has no report.
pub(super) fn score(
    args: &ScoreArgs,
    position: &Position,
    stop: &AtomicBool,
) -> Result<(Done, Option<EvaluationReport>)> {
    if let (Some(protocol), None) = (&args.protocol, &args.model) {
        return Err(usage(format_args!(
            "a run is scored on the clips that it held out: to score another model on `{protocol}`, pass --model"
        )));
    }
    let started = Instant::now();
    let (device, device_name) = args.compute.open()?;
    // Now, so that nothing is scored in vain, and nobody else writes to it meanwhile.
    let output = args.output.as_deref().map(saved::open_folder).transpose()?;
    let cache = Cache::of_user();
    let subject = match &args.model {
        Some(model) => Subject::of_model(args, model, &device, cache.clone(), stop)?,
        None => Subject::of_run(args, &device, cache.clone(), stop)?,
    };
    if subject.recipe.multi_label {
        multi_label::check(args)?;
    }
    let batch_size = args.eval_batch_size.map_or(subject.recipe.eval_batch_size, NonZero::get).max(1);
    // Cards of one kind compute alike, and four parts may run on four of them.
    let kind = device_name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(':');
    let about = about(args, &subject, batch_size, kind)?;
    if subject.recipe.multi_label {
        let slow = device == Device::flex();
        let (preparation, skip_bad) = (subject.model.preparation(&subject.recipe), subject.recipe.skip_bad);
        let options = ScoringOptions { preparation, cache, batch_size, skip_bad, slow };
        return multi_label::score(&subject, &about, options, output.as_ref().map(OutputFolder::path), stop);
    }
    let fit = args.fit_thresholds.map(|objective| ThresholdFit::new(objective, &about));
    let mut kept = Kept::Here(Box::new(Summary::new(&about)), fit);
    if let Some(folder) = output {
        let settings = saved::settings(&subject, &about, batch_size)?;
        kept = Kept::InFolder(Box::new(Saved::open(folder, about.clone(), &settings)?));
        position.is_saved();
    }
    let opened = started.elapsed();
    let options = Options { device, cache, batch_size };
    let from = match &kept {
        Kept::InFolder(saved) => saved.next_row,
        Kept::Here(..) => about.rows.0,
    };
    let mut keep = |batch| kept.add(batch);
    if let Err(error) = score_clips(&subject, &about, from, options, &mut keep, position, stop) {
        if let Kept::InFolder(saved) = kept {
            saved.give_up()?;
        }
        return Err(error);
    }
    let [opening, scoring] = [opened, started.elapsed() - opened].map(|it| it.as_secs_f64());
    messages::detail(format_args!(
        "time     opening model and dataset {opening:.1} s, preparing clips and forward passes {scoring:.1} s"
    ));
    finish(kept, &subject, args.fit_thresholds)
}

pub(super) fn about(args: &ScoreArgs, subject: &Subject, batch_size: usize, device: &str) -> Result<About> {
    let clips = subject.dataset.clips.len();
    let rows = args.shard.map_or(0..clips, |shard| shard.rows(clips, batch_size));
    Ok(About {
        dataset: subject.dataset.name.clone(),
        split: subject.part.clone(),
        model: subject.name.clone(),
        of_run: subject.of_run,
        labels: subject.model.labels.clone(),
        scores: subject.model.scores.to_string(),
        prompts: subject.model.prompts.clone(),
        groups: group_columns(&subject.dataset),
        cluster: subject.dataset.cluster_field().map(|field| (field.name, field.kind.to_string())),
        protocol: subject.protocol.clone(),
        parts: subject.parts.clone(),
        clips,
        shard: args.shard,
        rows: (rows.start, rows.end),
        left_out: subject.left_out.iter().map(left_out).collect(),
        made: provenance(args, subject, device)?,
    })
}

fn left_out(clip: &BadClip) -> LeftOut {
    LeftOut { path: earmark_fs::text(&clip.path), why: clip.why.clone() }
}

/// Where answers go.
enum Kept {
    /// Into a journal, of which the results are made in the end.
    InFolder(Box<Saved>),
    /// Straight into the results, and into thresholds.
    Here(Box<Summary>, Option<ThresholdFit>),
}

impl Kept {
    fn add(&mut self, batch: Batch) -> Result<()> {
        match self {
            Kept::InFolder(saved) => saved.add(batch),
            Kept::Here(summary, fit) => summary.add(batch, |clip| {
                fit.iter_mut().for_each(|fit| fit.add(&clip));
                Ok(())
            }),
        }
    }
}

pub(super) struct Options {
    pub(super) device: Device,
    pub(super) cache: Option<Cache>,
    pub(super) batch_size: usize,
}

/// Scores the clips from the row `from` on, and gives the answers to `keep`.
pub(super) fn score_clips(
    subject: &Subject,
    about: &About,
    from: usize,
    options: Options,
    keep: &mut dyn FnMut(Batch) -> Result<()>,
    position: &Position,
    stop: &AtomicBool,
) -> Result<()> {
    let (first, end) = about.rows;
    if from > first {
        messages::note(format_args!("resumed after {} of {} clips", from - first, end - first));
    }
    position.begin(from - first, end - first);
    let bar = bar((end - first) as u64, "scoring {bar:30} {pos}/{len} clips, {eta} left");
    bar.set_position((from - first) as u64);
    bar.reset_eta();
    let options = ScoringOptions {
        preparation: subject.model.preparation(&subject.recipe),
        cache: options.cache,
        batch_size: options.batch_size,
        skip_bad: subject.recipe.skip_bad,
        slow: options.device == Device::flex(),
    };
    let mut scoring = Scoring::new(&subject.dataset, from..end, Arc::clone(&subject.model.forward), options);
    let mut each = || -> Result<()> {
        while let Some(batch) = scoring.next(stop).map_err(advise)? {
            if let (Some(clip), Some(shard)) = (batch.left_out.first(), about.shard) {
                // The clips behind it would move up into other batches than those of the whole.
                bail!(
                    "`{}` cannot be left out of part {shard}: {}; remove it from the dataset, or leave out --shard",
                    clip.path.display(),
                    clip.why
                );
            }
            let done = batch.rows.end - first;
            keep(record(batch, subject, &about.groups))?;
            position.set(done);
            bar.set_position(done as u64);
        }
        Ok(())
    };
    let scored = each();
    bar.finish_and_clear();
    scored
}

fn record(batch: ScoredBatch, subject: &Subject, columns: &[String]) -> Batch {
    let answer = |scored: ScoredClip| {
        let clip = &subject.dataset.clips[scored.row];
        let held_out = subject.held_out.get(&clip.name);
        Answer {
            path: clip.name.clone(),
            label: clip.label.index(),
            changed: held_out.is_some_and(|held_out| *held_out != hex::text(&scored.sha256)),
            sha256: scored.sha256,
            logits: Logits(scored.logits),
            groups: groups_of(clip, columns),
            part: subject.part_of.get(&clip.name).copied().unwrap_or(0),
        }
    };
    Batch {
        rows: (batch.rows.start, batch.rows.end),
        left_out: batch.left_out.iter().map(left_out).collect(),
        clips: batch.clips.into_iter().map(answer).collect(),
    }
}

/// Writes and prints the results, or reports that a part is done.
fn finish(
    kept: Kept,
    subject: &Subject,
    objective: Option<Objective>,
) -> Result<(Done, Option<EvaluationReport>)> {
    let mut saved = match kept {
        Kept::Here(summary, fit) => {
            let report = summary.report();
            let done = results::print(*summary, &report, None)?;
            if let Some(fit) = fit {
                fit.finish()?.print(None)?;
            }
            return Ok((done, Some(report)));
        }
        Kept::InFolder(saved) => saved,
    };
    saved.end(|wrong| sounds_of(wrong, subject))?;
    let about = saved.about().clone();
    if let Some(shard) = about.shard {
        let (clips, folder) = (about.rows.1 - about.rows.0, saved.path().display());
        if !about.left_out.is_empty() {
            messages::warning(format_args!(
                "left out {} of all parts together, as --skip-bad asks; `earmark eval merge` names them",
                count(about.left_out.len(), "clip")
            ));
        }
        messages::note(format_args!(
            "part {shard} is done: {clips} of {} clips, in {folder}; combine all parts with `earmark eval merge`",
            about.clips
        ));
        return Ok((Done::Well, None));
    }
    let folder = saved.path().to_path_buf();
    let mut fit = objective.map(|objective| ThresholdFit::new(objective, &about));
    let (summary, report) = results::write(&folder, &about, |write| {
        saved.sum_up(|clip| {
            fit.iter_mut().for_each(|fit| fit.add(&clip));
            write(clip)
        })
    })?;
    let fitted = fit.map(ThresholdFit::finish).transpose()?;
    if let Some(fitted) = &fitted {
        fitted.write(&folder)?;
    }
    saved.remove_journal()?;
    let done = results::print(summary, &report, Some(&folder))?;
    if let Some(fitted) = &fitted {
        fitted.print(Some(&folder))?;
    }
    Ok((done, Some(report)))
}

/// The columns that tell which clips of a dataset belong together: artist, speaker, recording, fold.
fn group_columns(dataset: &AudioDataset) -> Vec<String> {
    dataset.group_fields().into_iter().map(|field| field.name).collect()
}

/// The group of a clip in each of those columns.
fn groups_of(clip: &Clip, columns: &[String]) -> Vec<Option<String>> {
    columns.iter().map(|column| clip.group(column)).collect()
}
