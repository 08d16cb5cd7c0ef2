//! `earmark calibrate`: scores that mean what they say.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result, bail};
use earmark_eval::{Calibration, FittedOn, Method, Quality};
use earmark_labels::Scores;
use earmark_train::Cache;

use super::args::Args;
use super::fit::Half;
use super::halves::{Group, halves};
use crate::args::model::folder_of_model;
use crate::commands::eval::progress::{PATIENCE, Position};
use crate::commands::eval::record::{Answer, Batch, LeftOut};
use crate::commands::eval::score::{self, Options, score_clips};
use crate::commands::eval::subject::Subject;
use crate::exit::{Done, usage};
use crate::interrupt;
use crate::output::count::count;
use crate::output::shell::{argument, command};
use crate::output::training::list;
use crate::output::{columns, messages, stdout};

pub(crate) fn run(args: &Args) -> Result<Done> {
    let position = Arc::new(Position::new("nothing was written"));
    let last = Arc::clone(&position);
    let notice = "stopping (Ctrl-C again quits at once)";
    let stop = interrupt::asked_then(notice, PATIENCE, move || last.interrupted())?;
    match calibrate(args, &position, &stop) {
        Err(error) if score::is_interrupted(&error) => {
            position.interrupted();
            Ok(Done::Interrupted)
        }
        done => done,
    }
}

fn calibrate(args: &Args, position: &Position, stop: &AtomicBool) -> Result<Done> {
    // Now, so that nothing is scored in vain.
    let file = args.output.as_deref().map(|folder| place(folder, args.force)).transpose()?;
    let evaluation = args.evaluation();
    let (device, device_name) = args.compute.open()?;
    let cache = Cache::of_user();
    let subject = Subject::of_model(&evaluation, &args.model, &device, cache.clone(), stop)?;
    let scores = kind(&subject)?;
    let batch_size = args.eval_batch_size.get();
    let about = score::about(&evaluation, &subject, batch_size, &device_name)?;
    let cluster = about.cluster.as_ref();
    let column = cluster.and_then(|(name, _)| about.groups.iter().position(|column| column == name));
    let mut clips = Clips { left_out: about.left_out.clone(), ..Clips::default() };
    let mut keep = |batch| {
        clips.add(batch, column);
        Ok(())
    };
    let options = Options { device, cache, batch_size };
    score_clips(&subject, &about, 0, options, &mut keep, position, stop)?;

    let (fit, measure) = halves(&clips.groups, args.seed)?;
    let half = |rows: &[usize]| Half::new(&clips.logits, &clips.truth, rows, about.labels.len(), scores);
    let (fit, measure) = (half(&fit)?, half(&measure)?);
    let method = fit.fit()?;
    let calibration = Calibration {
        before: measure.quality(None)?,
        after: measure.quality(Some(&method))?,
        method,
        labels: about.labels.clone(),
        fitted_on: FittedOn {
            model: about.made.model_commit.as_ref().map_or_else(
                || about.model.clone(),
                |commit| format!("{}@{commit}", about.model.split('@').next().unwrap_or_default()),
            ),
            dataset: about.dataset.clone(),
            split: about.split.clone(),
            clips: fit.clips() as u64,
        },
    };
    for clip in &clips.left_out {
        messages::warning(format_args!("left out {}: {}", clip.path, clip.why));
    }
    print(&calibration, about.cluster.as_ref().map(|(_, kind)| kind.as_str()))?;
    match file {
        Some(file) => keep_in(&file, &calibration, args, &subject.folder)?,
        None => messages::note(
            "nothing was written: pass -o DIR, such as the model's own folder, to keep it for `earmark classify --calibrated`",
        ),
    }
    Ok(if clips.left_out.is_empty() { Done::Well } else { Done::InPart })
}

/// Where a calibration goes: into a folder, and for that of a run beside its model.
fn place(folder: &Path, force: bool) -> Result<PathBuf> {
    if folder.is_file() {
        return Err(usage(format_args!("`{}` is a file: name a folder by --output", folder.display())));
    }
    let file = folder_of_model(folder).join(Calibration::FILE);
    match file.symlink_metadata() {
        Ok(_) if !force => bail!(
            "`{}` is there already: pass --force to replace it, or name another folder by --output",
            file.display()
        ),
        _ => Ok(file),
    }
}

/// What the model's logits become.
fn kind(subject: &Subject) -> Result<Scores> {
    let model = &subject.name;
    match subject.model.scores {
        _ if subject.model.prompts.is_some() => bail!(
            "`{model}` is a CLAP model, whose labels are those that it is asked for: only a model with labels of its own can be calibrated"
        ),
        Scores::None => bail!("`{model}` is a regression model: its outputs are no scores of labels"),
        scores => Ok(scores),
    }
}

/// What was scored.
#[derive(Default)]
struct Clips {
    logits: Vec<Vec<f32>>,
    /// The class of each clip, and what it belongs together with.
    truth: Vec<usize>,
    groups: Vec<Group>,
    left_out: Vec<LeftOut>,
}

impl Clips {
    /// `column` is that of the groups that belong together.
    fn add(&mut self, batch: Batch, column: Option<usize>) {
        self.left_out.extend(batch.left_out);
        for Answer { label, sha256, logits, groups, .. } in batch.clips {
            let named = column.and_then(|column| groups.into_iter().nth(column).flatten());
            self.groups.push(named.map_or(Group::Sound(sha256), Group::Named));
            self.truth.push(label);
            self.logits.push(logits.0);
        }
    }
}

/// Prints what the calibration is and is worth.
fn print(calibration: &Calibration, kind: Option<&str>) -> Result<()> {
    let Calibration { method, labels, fitted_on, before, after } = calibration;
    let row = |name: &str, quality: &Quality| {
        [name.to_owned(), format!("{:.4}", quality.log_loss), format!("{:.4}", quality.ece)]
    };
    let table = columns::numeric(["", "log loss", "ECE"], [row("before", before), row("after", after)]);
    let what = match method {
        Method::Temperature { temperature } => format!("temperature {temperature:.4}"),
        Method::Platt { classes } => format!(
            "slope and intercept of {} of {}",
            classes.iter().flatten().count(),
            count(labels.len(), "label")
        ),
    };
    let together = match kind {
        Some(kind) => format!("no {kind} is in both"),
        None => "no sound is in both".to_owned(),
    };
    writeln!(
        stdout::stdout(),
        "{table}\n\n{what}, fitted on {} and measured on {} others ({together})",
        count(fitted_on.clips as usize, "clip"),
        before.clips
    )
    .context("cannot print the calibration")?;
    if let Method::Platt { classes } = method {
        let labels = labels.iter().zip(classes);
        let unfitted: Vec<&String> =
            labels.filter(|(_, fit)| fit.is_none()).map(|(label, _)| label).collect();
        if !unfitted.is_empty() {
            messages::warning(format_args!(
                "none of the clips that were fitted on is of {}, or all are: the scores of {} stay what they are",
                list(&unfitted),
                if unfitted.len() == 1 { "that label" } else { "those labels" }
            ));
        }
    }
    if after.log_loss > before.log_loss {
        messages::warning(
            "on the clips that were held out from the fit, the log loss is higher with the calibration than without: fit it on more clips",
        );
    }
    Ok(())
}

/// Writes the calibration, and tells how it is used.
fn keep_in(file: &Path, calibration: &Calibration, args: &Args, model: &Path) -> Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    calibration.write(file)?;
    let is_beside = matches!((folder.canonicalize(), model.canonicalize()), (Ok(a), Ok(b)) if a == b);
    let chosen = if is_beside { String::new() } else { format!("={}", argument(folder)) };
    let (earmark, model) = (command(), argument(Path::new(&args.model)));
    messages::note(format_args!("wrote {}", file.display()));
    messages::note(format_args!(
        "to classify with it: `{earmark} classify clip.wav --model {model} --calibrated{chosen}`"
    ));
    Ok(())
}
