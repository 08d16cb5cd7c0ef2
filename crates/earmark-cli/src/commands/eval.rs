use std::collections::HashMap;
use std::io::Write as _;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use burn::tensor::Device;
use clap::Args as ClapArgs;
use earmark_data::{AudioDataset, Selection, TestSize, train_test_split};
use earmark_labels::{LabelId, LabelSet, Scores};
use earmark_pipeline::Pretrained;
use earmark_train::{
    BadClip, Cache, Clips, ErrorKind, Evaluation, EvaluationReport, OutputFolder, Preparation, Recipe,
    SplitFile, confusion_svg, evaluate,
};

use crate::args::audio::AudioArgs;
use crate::args::device::ComputeArgs;
use crate::args::hub::HubArgs;
use crate::args::run::{advise, find_run, resume_command};
use crate::args::training_data::open_data;
use crate::args::{dataset, model};
use crate::exit::Done;
use crate::interrupt;
use crate::output::predictions::{ClipPrediction, write_predictions};
use crate::output::progress::bar;
use crate::output::training::list;
use crate::output::{messages, report as tables, stdout};

const EXAMPLES: &str = "\
Examples:
  earmark eval
  earmark eval runs/sample/20261123-101500
  earmark eval --model ./model --data recordings --split all -o scores
  earmark eval --model MIT/ast-finetuned-speech-commands-v2 --dataset speech-commands:v0.02-words -o scores
  earmark eval --model sanchit-gandhi/distilhubert-finetuned-gtzan --dataset gtzan";

/// Score a model on clips it did not learn from.
///
/// Without --model it takes a run (the newest, or the folder named): the exported model is loaded afresh and scored on
/// the run's held-out clips. With --model it scores any model on a published dataset or on your own clips.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, allow_negative_numbers = true)]
pub(crate) struct Args {
    /// A run folder [default: the newest run].
    #[arg(value_name = "RUN", conflicts_with_all = ["model", "data", "dataset"])]
    run: Option<PathBuf>,

    /// The model to score: a Hub id or a folder.
    #[arg(long, value_name = "ID|DIR")]
    model: Option<String>,

    /// The clips: a folder with a sub-folder per class, with metadata.csv, or with Parquet.
    #[arg(long, value_name = "DIR", requires = "model")]
    data: Option<PathBuf>,

    /// The clips: a published dataset, see `earmark data list`. With --data the folder is a copy of it.
    #[arg(long, value_name = "NAME[:CONFIG]", requires = "model")]
    dataset: Option<String>,

    /// The column that is the class [default: the usual one].
    #[arg(long, value_name = "NAME", requires = "model", conflicts_with = "run")]
    label_column: Option<String>,

    /// Which of them: a split that the dataset has; where it has none or only one, the part that training with this --test-size
    /// and --seed holds out (test), the other part (train), or all.
    #[arg(long, value_name = "PART", default_value = "test", requires = "model", conflicts_with = "run")]
    split: String,

    /// Clips held out: a fraction, or a number of clips.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, requires = "model", conflicts_with = "run")]
    test_size: f64,

    /// Seed of the split.
    #[arg(long, value_name = "N", default_value_t = 42, requires = "model", conflicts_with = "run")]
    seed: u64,

    /// Longer clips are cut here, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, requires = "model", conflicts_with = "run")]
    max_duration: f64,

    /// Clips of one forward pass [default: 8, or the run's].
    #[arg(long, value_name = "N")]
    eval_batch_size: Option<NonZero<usize>>,

    /// Leave out clips that cannot be used, with a warning, instead of stopping.
    #[arg(long)]
    skip_bad: bool,

    #[command(flatten)]
    audio: AudioArgs,

    /// Write report.json, predictions.parquet and confusion_matrix.svg into this folder, new or empty.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,

    #[command(flatten)]
    compute: ComputeArgs,

    #[command(flatten)]
    hub: HubArgs,
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    // There is nothing to save: whoever loads a model or writes a file meanwhile is not waited for.
    let stop = interrupt::asked("stopping: nothing is scored", Some(Duration::from_millis(800)))?;
    match score(args, &stop) {
        Err(error) if is_interrupted(&error) => Ok(Done::Interrupted),
        done => done,
    }
}

fn is_interrupted(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<earmark_train::Error>();
    error.is_some_and(|error| matches!(*error.kind, ErrorKind::Interrupted))
}

/// What is scored.
struct Subject {
    learner: Pretrained,
    /// What the report calls the model.
    model: String,
    recipe: Recipe,
    dataset: AudioDataset,
    /// Which part of the dataset it is.
    part: String,
    /// Clips that are left out of it already.
    left_out: Vec<BadClip>,
    /// SHA-256 of the clips that a run held out, by their names.
    held_out: HashMap<String, String>,
}

fn score(args: &Args, stop: &AtomicBool) -> Result<Done> {
    let (device, _) = args.compute.open()?;
    // Now, so that nothing is scored in vain, and nobody else writes to it meanwhile.
    let output = args.output.as_ref().map(OutputFolder::create).transpose().map_err(advise)?;
    let cache = Cache::of_user();
    let subject = match &args.model {
        Some(model) => args.model(model, &device, cache.clone(), stop)?,
        None => args.run(&device)?,
    };
    let Subject { learner, model, recipe, dataset, part, mut left_out, held_out } = subject;
    let dataset = name_by_model(dataset, &learner)?;
    let bar = bar(dataset.clips.len() as u64, "{msg} {bar:30} {pos}/{len} clips {eta} left");
    bar.set_message("listening");
    let mut progress = |done| bar.set_position(done as u64);
    let preparation = Preparation::new(&learner, &recipe);
    let opened = Clips::open(&dataset, preparation, cache, recipe.skip_bad, &mut progress, stop);
    let (clips, bad) = opened.map_err(advise)?;
    left_out.extend(bad);
    warn_of_changes(&clips, &held_out);
    bar.set_message("evaluating");
    bar.reset();
    let mut rows: Vec<usize> = (0..clips.clips().len()).collect();
    let batch_size = args.eval_batch_size.map_or(recipe.eval_batch_size, NonZero::get).max(1);
    let evaluation = loop {
        match evaluate(&learner.network, &device, &clips, &rows, batch_size, &mut progress, stop) {
            Err(mut error) => match &mut *error.kind {
                ErrorKind::NotANumber { rows: bad, clips } if recipe.skip_bad => {
                    rows.retain(|row| !bad.contains(row));
                    left_out.append(clips);
                }
                _ => return Err(advise(error)),
            },
            Ok(evaluation) => break evaluation,
        }
    };
    bar.finish_and_clear();

    for clip in &left_out {
        messages::warning(format_args!("left out {}: {}", clip.path.display(), clip.why));
    }
    if !left_out.is_empty() {
        messages::warning(format_args!("left out {} in all, as --skip-bad asks", left_out.len()));
    }
    let report = evaluation.report(&dataset.name, &part, &model, learner.config.labels());
    warn_of_gaps(&report);
    if let Some(folder) = &output {
        write(folder.path(), &report)?;
        let names: Vec<&str> = rows.iter().map(|&row| clips.clips()[row].name.as_str()).collect();
        write_rows(folder.path(), &names, &evaluation, &learner)?;
    }
    let mut out = stdout::stdout();
    writeln!(out, "{}\n{}", tables::confusion(&report), tables::per_class(&report))?;
    writeln!(out, "{} on {} clips", tables::score(&report), report.n)?;
    Ok(if left_out.is_empty() { Done::Well } else { Done::InPart })
}

/// A clip that was replaced since the run held it out is no clip that the run held out.
fn warn_of_changes(clips: &Clips, held_out: &HashMap<String, String>) {
    let changed =
        clips.clips().iter().enumerate().filter(|(row, clip)| {
            held_out.get(&clip.name).is_some_and(|sha256| *sha256 != clips.sha256(*row))
        });
    let changed: Vec<String> = changed.map(|(_, clip)| clip.name.clone()).collect();
    if !changed.is_empty() {
        messages::warning(format_args!("other sounds than the run held out: {}", list(&changed)));
    }
}

/// Classes that the model knows and of which there is no clip.
fn warn_of_gaps(report: &EvaluationReport) {
    let absent = report.per_class.iter().filter(|class| class.support == 0);
    let absent: Vec<String> = absent.map(|class| class.label.clone()).collect();
    if !absent.is_empty() {
        messages::warning(format_args!(
            "no clip here is of {}, so the scores say nothing about {}",
            list(&absent),
            if absent.len() == 1 { "that class" } else { "those classes" }
        ));
    }
}

/// What the model made of each clip.
fn write_rows(folder: &Path, names: &[&str], evaluation: &Evaluation, learner: &Pretrained) -> Result<()> {
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

impl Args {
    /// A model, on the clips that the flags name.
    fn model(
        &self,
        model: &str,
        device: &Device,
        cache: Option<Cache>,
        stop: &AtomicBool,
    ) -> Result<Subject> {
        let (mut dataset, drawn) = self.clips()?;
        let learner = Pretrained::open(&model::folder(model, &self.hub)?, device)?;
        let mut recipe = Recipe::new("eval", model, &dataset.name);
        recipe.test_size = self.test_size;
        recipe.max_duration = self.max_duration;
        recipe.resampler = self.audio.resampler();
        recipe.downmix = self.audio.downmix();
        recipe.skip_bad = self.skip_bad;
        recipe.validate()?;
        let mut left_out = Vec::new();
        if self.skip_bad {
            // Before the split, as training does: else the held-out part would hold clips that were learned from.
            let preparation = Preparation::new(&learner, &recipe);
            let (usable, bad) = Clips::open(&dataset, preparation, cache, true, &mut |_| (), stop)?;
            dataset.clips = usable.clips().to_vec();
            left_out = bad;
        }
        if drawn {
            keep_part(&mut dataset, self)?;
        }
        let (model, part, held_out) = (model.to_owned(), self.split.clone(), HashMap::new());
        Ok(Subject { learner, model, recipe, dataset, part, left_out, held_out })
    }

    /// A run's model, on the clips that the run held out.
    fn run(&self, device: &Device) -> Result<Subject> {
        let run = find_run(self.run.as_deref())?;
        let mut recipe = Recipe::read(&run)?;
        let (resampler, downmix) = (self.audio.chosen_resampler(), self.audio.chosen_downmix());
        if resampler.is_some_and(|it| it != recipe.resampler)
            || downmix.is_some_and(|it| it != recipe.downmix)
        {
            bail!(
                "a run's clips are resampled and mixed as in its training: leave out --resampler, --downmix and --compat, or name \
                 its model by --model"
            );
        }
        recipe.skip_bad |= self.skip_bad;
        let folder = run.join("model");
        if !folder.is_dir() && OutputFolder::is_in_use(&run) {
            bail!("`{}` has no model yet: it is still being trained", run.display());
        }
        if !folder.is_dir() {
            bail!("`{}` has no model yet: finish it by `{}`", run.display(), resume_command(&run));
        }
        let learner = Pretrained::open(&folder, device)?;
        let mut dataset = open_data(&recipe, &self.hub)?;
        let split = SplitFile::read(&run)?;
        keep_named(&mut dataset, &split.test)?;
        let held_out = split.test.into_iter().zip(split.test_sha256).collect();
        let (model, part, left_out) = (folder.display().to_string(), "test".to_owned(), Vec::new());
        Ok(Subject { learner, model, recipe, dataset, part, left_out, held_out })
    }

    /// The clips that are named, and whether the part of them is still to be drawn.
    fn clips(&self) -> Result<(AudioDataset, bool)> {
        let label = self.label_column.as_deref();
        match (&self.dataset, &self.data) {
            (None, None) => bail!("name the clips to score the model on: --data DIR or --dataset NAME"),
            (None, Some(data)) => {
                let dataset = dataset::open_folder(data, label)?;
                match dataset.splits.as_slice() {
                    [] => Ok((dataset, true)),
                    [only] if **only == *"train" => Ok((dataset, true)),
                    _ => Ok((dataset::only(dataset, Some(&self.split))?, false)),
                }
            }
            (Some(name), None) if name == "sample" => Ok((dataset::open_sample()?, true)),
            (Some(name), data) => {
                let plain = Selection::new(name, None, label)?;
                let drawn = plain.config.splits.len() == 1;
                let selection = if drawn { plain } else { Selection::new(name, Some(&self.split), label)? };
                let mut dataset = match data {
                    Some(data) => dataset::open_folder(data, label)?,
                    None => dataset::open_published(&selection, &self.hub)?,
                };
                dataset.name = selection.name();
                Ok((dataset, drawn))
            }
        }
    }
}

/// Keeps the part of the dataset that the flags ask for, in the order of the split.
fn keep_part(dataset: &mut AudioDataset, args: &Args) -> Result<()> {
    let test_size = match args.test_size {
        count if count >= 1.0 => TestSize::Count(count as usize),
        share => TestSize::Fraction(share),
    };
    let split = || train_test_split(dataset.clips.len(), test_size, args.seed);
    let rows = match args.split.as_str() {
        "all" => return Ok(()),
        "test" => split()?.test,
        "train" => split()?.train,
        other => bail!("there is no part `{other}`: choose one of train, test, all"),
    };
    dataset.clips = rows.into_iter().map(|row| dataset.clips[row].clone()).collect();
    Ok(())
}

/// Keeps the clips of these names, in this order.
fn keep_named(dataset: &mut AudioDataset, names: &[String]) -> Result<()> {
    let by_name: HashMap<&str, _> = dataset.clips.iter().map(|clip| (clip.name.as_str(), clip)).collect();
    let found = names.iter().map(|name| match by_name.get(name.as_str()) {
        Some(clip) => Ok((*clip).clone()),
        None if names.iter().filter(|other| *other == name).count() > 1 => bail!(
            "several held-out clips are called `{name}`, and this run is from a version that did not tell them apart: train again"
        ),
        None => bail!("the held-out clip `{name}` is no longer in `{}`", dataset.root.display()),
    });
    dataset.clips = found.collect::<Result<_>>()?;
    Ok(())
}

/// Numbers the classes as the model does: by name, for two tools may count them in different orders.
fn name_by_model(mut dataset: AudioDataset, learner: &Pretrained) -> Result<AudioDataset> {
    let model = LabelSet::from_names(learner.config.labels().iter().cloned())?;
    for clip in &mut dataset.clips {
        let name = dataset.labels.name(clip.label).unwrap_or_default();
        let id: Option<LabelId> = model.id(name);
        clip.label = id.with_context(|| {
            format!(
                "the model does not know the class `{name}` of `{}`: it knows {}",
                clip.name,
                model.names().join(", ")
            )
        })?;
    }
    dataset.labels = model;
    Ok(dataset)
}

fn write(folder: &Path, report: &EvaluationReport) -> Result<()> {
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
