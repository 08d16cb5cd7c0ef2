//! `earmark clip`: the sounds of a table of results as files.

pub(crate) mod args; // What is asked for,
mod report; // and what is said of it.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use anyhow::{Result, bail};
use rayon::prelude::*;

use crate::clips::choose::{Choice, choose, without_overlaps};
use crate::clips::cut::{Cutter, Outcome};
use crate::clips::folder::{ClipFolder, ManifestRow};
use crate::clips::plan::{Plan, PlannedClip};
use crate::clips::sounds::Sounds;
use crate::commands::clip::report::{LeftOut, report_failures, summary};
use crate::exit::{Done, usage};
use crate::interrupt;
use crate::output::clock::clock;
use crate::output::count::count;
use crate::output::escape::escape;
use crate::output::results::read;
use crate::output::{messages, progress, stdout};

pub(crate) use args::Args;

pub(crate) fn run(args: &Args) -> Result<Done> {
    let wanted = args.wanted()?;
    let mut sounds = Sounds::default();
    for table in args.tables()? {
        read::read(&table, &mut |found| sounds.add(found, &wanted))?;
    }
    for label in wanted.only.union(&wanted.except).filter(|label| !sounds.seen.contains(*label)) {
        messages::warning(format_args!("no sound in the results is labelled `{label}`"));
    }
    let found = std::mem::take(&mut sounds.sounds);
    let all = found.len();
    let apart = without_overlaps(found);
    let (overlapping, candidates) = (all - apart.len(), apart.len());
    let choice = args.choice();
    let chosen = choose(apart, choice).map_err(|odd| {
        let (path, at) = (&sounds.recordings[odd.recording].path, clock(odd.start));
        usage(format_args!(
            "--bins needs scores between 0 and 1, and the sound at {at} of `{path}` has {}",
            odd.score.map_or_else(|| "none".to_owned(), |score| score.to_string())
        ))
    })?;
    let left_out = LeftOut {
        below: sounds.below,
        unwanted: sounds.unwanted,
        overlapping,
        more: candidates - chosen.len(),
        flag: if matches!(choice, Choice::Top(_)) { "--top-n" } else { "--per-bin" },
        threshold: wanted.threshold,
    };
    if chosen.is_empty() {
        messages::note(format_args!("no clips to cut{}", left_out.text(": ")));
        return Ok(Done::Well);
    }
    let plan = Plan::new(&sounds, chosen, args.shape(), |path| args.locate(path));
    if args.dry_run {
        let mut out = stdout::stdout();
        for clip in &plan.clips {
            writeln!(out, "{}", escape(&earmark_fs::text(args.output.join(&clip.file))))?;
        }
        let seconds = plan.clips.iter().map(|clip| clip.end - clip.start).sum();
        let summary = summary(&plan, plan.clips.iter(), seconds);
        messages::note(format_args!("would write {summary}{}", left_out.text("; left out: ")));
        return Ok(Done::Well);
    }
    write(args, &plan, &left_out)
}

/// Cuts the clips of a plan.
fn write(args: &Args, plan: &Plan, left_out: &LeftOut) -> Result<Done> {
    refuse_to_replace_recordings(&args.output, plan)?;
    if let [first, rest @ ..] = plan.recordings.as_slice()
        && !first.file.exists()
        && rest.iter().all(|recording| !recording.file.exists())
    {
        bail!(
            "none of the recordings is there, such as `{}`: pass --audio DIR, the folder that their paths begin in",
            earmark_fs::text(&first.file)
        );
    }
    let folder = ClipFolder::open(&args.output, plan, args.force)?;
    let stop = interrupt::asked(
        "stopping: the clips so far are kept, and the same command writes the others (Ctrl-C again quits at once)",
        None,
    )?;
    let bar = progress::bar(plan.clips.len() as u64, "{bar:30} {pos}/{len} clips {eta} left");
    let cutter = Cutter {
        folder: folder.path(),
        is_resumed: folder.is_resumed,
        format: args.shape().format,
        stop: &stop,
        bar: &bar,
    };
    let recordings: Vec<Vec<Outcome>> = plan
        .recordings
        .par_iter()
        .map(|recording| {
            let clips: Vec<&PlannedClip> = recording.clips.iter().map(|&clip| &plan.clips[clip]).collect();
            let outcomes = cutter.cut(&recording.file, &recording.path, &clips)?;
            report_failures(&recording.path, &outcomes);
            Ok(outcomes)
        })
        .collect::<Result<_>>()?;
    bar.finish_and_clear();
    let mut ends: Vec<Outcome> = vec![None; plan.clips.len()];
    for (recording, outcomes) in plan.recordings.iter().zip(recordings) {
        recording.clips.iter().zip(outcomes).for_each(|(&clip, outcome)| ends[clip] = outcome);
    }
    if stop.load(Ordering::Relaxed) && ends.iter().any(Option::is_none) {
        return Ok(Done::Interrupted);
    }
    let mut rows = Vec::new();
    let mut written = Vec::new();
    for (clip, outcome) in plan.clips.iter().zip(ends) {
        if let Some(Ok(end)) = outcome {
            let path = &plan.recordings[clip.recording].path;
            let PlannedClip { file, start, label, score, .. } = clip;
            rows.push(ManifestRow { file, path, start: *start, end, label, score: *score });
            written.push(clip);
        }
    }
    let failed = plan.clips.len() - rows.len();
    let seconds = rows.iter().map(|row| row.end - row.start).sum();
    folder.finish(&rows)?;
    let summary = summary(plan, written.into_iter(), seconds);
    let output = args.output.display();
    let retry = match failed {
        0 => String::new(),
        _ => format!("; {} failed, which the same command tries again", count(failed, "clip")),
    };
    messages::note(format_args!("wrote {output}: {summary}{retry}{}", left_out.text("; left out: ")));
    Ok(if failed == 0 { Done::Well } else { Done::InPart })
}

/// Refuses to write a clip over a recording that it is cut from, with --force too.
fn refuse_to_replace_recordings(output: &Path, plan: &Plan) -> Result<()> {
    let files = plan.recordings.iter().filter_map(|recording| recording.file.canonicalize().ok());
    let files: HashSet<PathBuf> = files.collect();
    let clips = plan.clips.iter().filter_map(|clip| output.join(&clip.file).canonicalize().ok());
    match clips.into_iter().find(|clip| files.contains(clip)) {
        Some(clip) => {
            Err(usage(format_args!("`{}` is one of the recordings: choose another --output", clip.display())))
        }
        None => Ok(()),
    }
}
