//! `earmark eval merge`: the results of an evaluation that several jobs shared.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;
use earmark_eval::Objective;
use earmark_train::OutputFolder;

use super::calibration::thresholds::{ThresholdFit, objective};
use super::record::{About, JOURNAL, Record, SHARD};
use super::results;
use super::shard::Shard;
use super::summary::Summary;
use crate::args::training::run::advise;
use crate::exit::{Done, usage};
use crate::journal::{Lines, Settings, differences};
use crate::output::tables::predictions::ClipPrediction;

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Folders that `earmark eval --shard I/N -o OUT` wrote, one for each part, in any order.
    #[arg(value_name = "OUT", required = true)]
    parts: Vec<PathBuf>,

    /// Write report.html, report.json, predictions.parquet and confusion_matrix.svg to this folder, new or empty.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// Also fit a threshold for each label, as `earmark eval` does, and write thresholds.csv.
    #[arg(long, value_name = "f1|precision=P", value_parser = objective)]
    fit_thresholds: Option<Objective>,
}

/// A part of an evaluation.
struct Part {
    folder: PathBuf,
    journal: PathBuf,
    settings: Settings,
    about: About,
    shard: Shard,
}

pub(super) fn run(args: &Args) -> Result<Done> {
    let mut parts = args.parts.iter().map(|folder| Part::open(folder)).collect::<Result<Vec<_>>>()?;
    check(&mut parts)?;
    let about = About { shard: None, rows: (0, parts[0].about.clips), ..parts[0].about.clone() };
    let output = OutputFolder::create(&args.output).map_err(advise)?;
    let mut fit = args.fit_thresholds.map(|objective| ThresholdFit::new(objective, &about));
    let (summary, report) = results::write(output.path(), &about, |write| {
        let mut summary = Summary::new(&about);
        let mut add = |clip: ClipPrediction| {
            fit.iter_mut().for_each(|fit| fit.add(&clip));
            write(clip)
        };
        for part in &parts {
            part.add_to(&mut summary, &mut add)?;
        }
        Ok(summary)
    })?;
    let fitted = fit.map(ThresholdFit::finish).transpose()?;
    if let Some(fitted) = &fitted {
        fitted.write(output.path())?;
    }
    let done = results::print(summary, &report, Some(output.path()))?;
    if let Some(fitted) = &fitted {
        fitted.print(Some(output.path()))?;
    }
    Ok(done)
}

impl Part {
    fn open(folder: &Path) -> Result<Part> {
        let journal = folder.join(JOURNAL);
        let file = match earmark_fs::open(&journal) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
                "`{}` holds no part of an evaluation: name the folders that `earmark eval --shard I/N -o OUT` wrote",
                folder.display()
            ),
            file => file.with_context(|| format!("cannot read `{}`", journal.display()))?,
        };
        let mut lines = Lines::<Record>::of(&file, &journal);
        let no_journal = || format!("`{}` is not the journal of an evaluation", journal.display());
        let mut next =
            || lines.next().with_context(no_journal)?.map(|(_, line)| line).with_context(no_journal);
        let (Record::Settings(settings), Record::About(about)) = (next()?, next()?) else {
            bail!(no_journal())
        };
        let Some(shard) = about.shard else {
            bail!(
                "`{}` holds an evaluation that is not divided and not finished: resume it by the command that began it",
                folder.display()
            );
        };
        Ok(Part { folder: folder.to_path_buf(), settings, about: *about, shard, journal })
    }

    /// Adds its clips.
    fn add_to(
        &self,
        summary: &mut Summary,
        write: &mut dyn FnMut(ClipPrediction) -> Result<()>,
    ) -> Result<()> {
        let file = earmark_fs::open(&self.journal);
        let file = file.with_context(|| format!("cannot read `{}`", self.journal.display()))?;
        let mut lines = Lines::<Record>::of(&file, &self.journal);
        let (mut next, mut is_done) = (self.about.rows.0, false);
        while let Some((_, line)) = lines.next()? {
            match line {
                Record::Settings(_) | Record::About(_) => {}
                Record::Batch(batch) if batch.rows.0 == next && !is_done => {
                    next = batch.rows.1;
                    summary.add(batch, &mut *write)?;
                }
                Record::Batch(_) => bail!(lines.damaged()),
                Record::Sounds(sounds) => summary.add_sounds(sounds),
                Record::End => is_done = true,
            }
        }
        if !is_done || next != self.about.rows.1 {
            bail!(
                "part {} in `{}` is not finished: resume it by the command that began it",
                self.shard,
                self.folder.display()
            );
        }
        Ok(())
    }
}

/// Sorts the parts, and refuses them unless they are those of one evaluation, each once.
fn check(parts: &mut [Part]) -> Result<()> {
    let first = &parts[0];
    let shared = |settings: &Settings| -> Settings {
        settings.iter().filter(|(name, _)| name != SHARD).cloned().collect()
    };
    for part in &parts[1..] {
        let differ = differences(&shared(&first.settings), &shared(&part.settings));
        if !differ.is_empty() {
            bail!(
                "`{}` and `{}` are not parts of one evaluation: {}",
                first.folder.display(),
                part.folder.display(),
                differ.join("; ")
            );
        }
        if part.shard.count != first.shard.count || part.about.of_all_parts() != first.about.of_all_parts() {
            bail!(
                "`{}` and `{}` are not parts of one evaluation: the one is part {}, the other part {}",
                first.folder.display(),
                part.folder.display(),
                first.shard,
                part.shard
            );
        }
    }
    parts.sort_by_key(|part| part.shard.index);
    if let Some(pair) = parts.windows(2).find(|pair| pair[0].shard == pair[1].shard) {
        let [one, other] = [&pair[0], &pair[1]];
        return Err(usage(format_args!(
            "`{}` and `{}` are both part {}",
            one.folder.display(),
            other.folder.display(),
            one.shard
        )));
    }
    let count = parts[0].shard.count;
    let is_there = |index: &usize| parts.iter().any(|part| part.shard.index == *index);
    let missing: Vec<String> =
        (0..count).filter(|index| !is_there(index)).map(|it| format!("{it}/{count}")).collect();
    if !missing.is_empty() {
        return Err(usage(format_args!("these parts are missing: {}", missing.join(", "))));
    }
    Ok(())
}
