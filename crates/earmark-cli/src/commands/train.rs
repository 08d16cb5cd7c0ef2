use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::panic;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use burn::tensor::Device;
use clap::Args as ClapArgs;
use clap::builder::TypedValueParser;
use earmark_data::Clip;
use earmark_models::{ModelConfig, NetworkConfig};
use earmark_train::{
    Cache, ErrorKind, Event, Finished, Job, Outcome, OutputFolder, Recipe, SplitBy, SplitFile, Start,
    is_out_of_memory, preset,
};

use crate::args::audio::AudioArgs;
use crate::args::dataset::dataset_name;
use crate::args::device::DeviceArgs;
use crate::args::hub::HubArgs;
use crate::args::model;
use crate::args::parse::Suggested;
use crate::args::training::recipe::{self, RecipeArgs};
use crate::args::training::run::{STAMP, advise, find_resumable, resume_command, runs_folder};
use crate::args::training::training_data::{
    Source, at_commit, commit_in, commit_of_dataset, fields_of, open_data, open_gtzan, open_published, real,
    to_train,
};
use crate::datasets::open::{add_fields, open_folder, open_sample};
use crate::exit::{Done, usage};
use crate::interrupt;
use crate::output::escape::escape;
use crate::output::training::{TrainingProgress, clips, warn_about};
use crate::output::{messages, report, shell, stdout};
use crate::upload::background::Pusher;

const EXAMPLES: &str = "\
Examples:
  # ten synthetic genres: no download
  earmark train --sample
  earmark train --data recordings --epochs 20
  earmark train --data recordings --split-by stratified --output runs/first
  earmark train --data recordings --from-scratch sample
  earmark train --dataset minds14:en-AU --model facebook/wav2vec2-xls-r-300m
  earmark train --dataset esc50 --split-by fold:fold=1 --new-head \\
    --model MIT/ast-finetuned-audioset-10-10-0.4593
  earmark train --recipe runs/esc50/1/recipe.toml --lr 1e-4 \\
    --set adam_betas=0.9,0.98
  # continue the newest run
  earmark train --resume";

/// Fine-tune a model on your own recordings.
///
/// Without arguments it repeats the Hugging Face audio course: DistilHuBERT on GTZAN, 10 epochs. --data trains on a folder
/// of your own, --dataset on a published dataset.
///
/// The run folder holds recipe.toml, split.json, run.json, metrics.jsonl, tensorboard/, checkpoints, report.html and model/: the
/// weights of the epoch with the best accuracy on the held-out clips (the earliest if tied), in the layout that
/// transformers loads. Ctrl-C saves the state and stops; --resume continues.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, allow_negative_numbers = true)]
pub(crate) struct Args {
    /// Model to fine-tune: a Hub id (owner/name, or owner/name@REVISION), a folder in Hugging Face layout, or a run's folder
    /// [default: ntu-spml/distilhubert].
    #[arg(long, value_name = "ID|DIR", help_heading = "Model and data")]
    model: Option<String>,

    /// Train a randomly initialised network instead: sample, distilhubert, hubert-base, or a config.json.
    #[arg(long, value_name = "PRESET|FILE", value_parser = network(), hide_possible_values = true, conflicts_with = "model", help_heading = "Model and data")]
    from_scratch: Option<String>,

    /// Folder of clips: a sub-folder per class, or with metadata.csv, metadata.jsonl or Parquet files.
    #[arg(long, value_name = "DIR", conflicts_with = "dataset", help_heading = "Model and data")]
    data: Option<PathBuf>,

    /// Dataset by name: sample, a published one such as minds14:en-AU (see `earmark data list`), or OWNER/NAME of Parquet files on
    /// the Hub [default: gtzan].
    #[arg(long, value_name = "NAME[:CONFIG]", value_parser = dataset_name(), hide_possible_values = true, help_heading = "Model and data")]
    dataset: Option<String>,

    /// Train a small new network on the built-in synthetic sample: no download, a few minutes on a CPU.
    #[arg(long, conflicts_with_all = ["data", "dataset"], help_heading = "Model and data")]
    sample: bool,

    #[command(flatten)]
    recipe: RecipeArgs,

    #[command(flatten)]
    audio: AudioArgs,

    /// Run folder, new or empty [default: runs/NAME/TIME].
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    output: Option<PathBuf>,

    /// Continue a stopped run: this run folder, or else the newest. Its recipe cannot be changed.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["output", "dry_run", "recipe"], help_heading = "Run")]
    resume: Option<Option<PathBuf>>,

    /// Check model, clips and settings and write recipe.toml and split.json, but train nothing. The same --output can be trained
    /// afterwards.
    #[arg(long, help_heading = "Run")]
    dry_run: bool,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    hub: HubArgs,

    /// Push every checkpoint to this Hub repository, and at the end the model with its card. Without OWNER/, your own.
    #[arg(long, value_name = "OWNER/NAME", help_heading = "Hub")]
    push_to_hub: Option<String>,

    /// Create that repository as private, if it does not exist.
    #[arg(long, requires = "push_to_hub", help_heading = "Hub")]
    hub_private: bool,
}

/// Any text; shells complete the presets.
fn network() -> impl TypedValueParser<Value = String> {
    Suggested::new(|text| Ok(text.to_owned()), earmark_train::PRESETS.iter().map(|(name, _)| *name))
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    // First of all: hours of training should not end at a token that may not write.
    let check = |repo: &String| Pusher::check(&args.hub, repo, args.hub_private);
    let target = args.push_to_hub.as_ref().map(check).transpose()?;
    let (device, device_name) = args.device.choose()?;
    let job = match &args.resume {
        Some(run) => resume(run.as_deref(), args, device)?,
        None => start(args, device, &device_name)?,
    };
    let run = job.output.path();
    let stop = interrupt::asked("stopping after this step (Ctrl-C again stops without saving)", None)?;
    let Recipe { model, dataset, .. } = &job.recipe;
    messages::note(format_args!("device   {device_name}"));
    messages::note(format_args!("recipe   {model} on {dataset}"));
    messages::note(format_args!("output   {}", run.display()));

    quiet_when_out_of_memory();
    let progress = TrainingProgress::new();
    let pusher = target.filter(|_| !args.dry_run).map(|target| Pusher::start(target, run));
    let on_event = |event: &Event<'_>| {
        progress.show(event);
        if let (Event::Epoch(epoch), Some(pusher)) = (event, &pusher) {
            pusher.saved(epoch.record.step);
        }
    };
    if args.dry_run {
        let plan = earmark_train::plan(&job, &on_event, &stop);
        progress.close();
        let plan = match plan {
            Err(error) if matches!(*error.kind, ErrorKind::Interrupted) => return Ok(Done::Interrupted),
            plan => plan.map_err(advise)?,
        };
        warn_about(&plan);
        messages::note(format_args!("clips    {}", clips(&plan)));
        messages::note(format_args!(
            "dry run  {} steps; wrote recipe.toml and split.json; nothing trained",
            plan.steps
        ));
        return Ok(Done::Well);
    }
    let outcome = earmark_train::train(&job, &on_event, &stop);
    progress.close();
    if let Some(pusher) = pusher {
        pusher.finish(matches!(outcome, Ok(Outcome::Finished(_))));
    }
    let can_go_on = outcome.as_ref().err().is_some_and(|error| {
        use ErrorKind::{Io, Model, Optimizer, OutOfMemory, Pipeline};
        matches!(*error.kind, Io(_) | Model(_) | Optimizer(_) | OutOfMemory | Pipeline(_))
    });
    if can_go_on && job.output.holds_checkpoint() {
        let saved =
            messages::Text::from("saved up to the newest checkpoint; fix the problem, then continue with");
        messages::note(saved.then(format_args!("  {}", resume_command(run))));
    }
    match outcome.map_err(advise)? {
        Outcome::Finished(finished) => {
            print_finished(&job, &finished)?;
            Ok(Done::Well)
        }
        Outcome::Stopped { step, steps } => {
            let stopped = messages::Text::from(format_args!(
                "stopped after step {step} of {steps} and saved; continue with"
            ));
            messages::note(stopped.then(format_args!("  {}", resume_command(run))));
            Ok(Done::Interrupted)
        }
        Outcome::Abandoned => {
            match job.start {
                Start::Resume => {
                    let stopped = messages::Text::from("stopped before the next step; continue with");
                    messages::note(stopped.then(format_args!("  {}", resume_command(run))));
                }
                _ => messages::note("stopped before the first step: nothing was trained"),
            }
            Ok(Done::Interrupted)
        }
    }
}

impl Args {
    /// The recipe's arguments, with those that other commands have, too, and those about the model.
    fn recipe(&self) -> Result<RecipeArgs> {
        let mut recipe = self.recipe.clone();
        if let Some(model) = &self.model {
            recipe.choose("model", model, "--model");
        }
        if let Some(network) = &self.from_scratch {
            recipe.choose("model", &format!("scratch:{network}"), "--from-scratch");
        }
        if let Some(resampler) = self.audio.chosen_resampler() {
            recipe.choose("resampler", resampler.name(), "--resampler");
        }
        if let Some(downmix) = self.audio.chosen_downmix() {
            recipe.choose("downmix", downmix.name(), "--downmix");
        }
        recipe.check_once().map_err(usage)?;
        Ok(recipe)
    }

    /// Where the clips come from, and the argument that says so.
    fn source(&self) -> Option<(Source, &'static str)> {
        match (self.sample, &self.dataset, &self.data) {
            (true, ..) => Some((Source::Sample, "--sample")),
            (_, Some(name), _) => Some((Source::named(name), "--dataset")),
            (_, None, Some(folder)) => Some((Source::Folder(folder.clone()), "--data")),
            (_, None, None) => None,
        }
    }
}

/// A new run.
fn start(args: &Args, device: Device, device_name: &str) -> Result<Job> {
    if let Some(output) = &args.output {
        // Before anything is downloaded. Nothing stays of it until the run begins.
        OutputFolder::create_run(output).map_err(advise)?;
    }
    let (chosen, source) = (args.recipe()?, args.source());
    let is_sample = source.as_ref().map(|(source, _)| *source == Source::Sample);
    let (mut recipe, keys) = recipe::begin(is_sample, chosen.file.as_deref())?;
    chosen.apply(&mut recipe);
    recipe.device = device_name.to_owned();

    // The commits of a recipe are those of its own dataset and model.
    let (source, dataset_commit) = match source {
        Some((source, _)) => (source, String::new()),
        None => (Source::of_recipe(&recipe), std::mem::take(&mut recipe.dataset_commit)),
    };
    let model_commit = std::mem::take(&mut recipe.model_commit);
    let model_commit = if chosen.find("model").is_some() { String::new() } else { model_commit };

    let part = |part: &String| Some(part.clone()).filter(|part| !part.is_empty());
    let (label, split) = (part(&recipe.label_column), part(&recipe.split));
    let (label, split) = (label.as_deref(), split.as_deref());
    let dataset = match &source {
        Source::Sample => open_sample()?,
        Source::Gtzan => open_gtzan(&args.hub)?,
        Source::Published(name) => {
            open_published(&at_commit(name, &dataset_commit), label, split, &args.hub)?
        }
        Source::Folder(folder) => open_folder(folder, label)?,
    };
    let card = source.card(&dataset, &recipe.split)?;
    let (mut dataset, unused) = to_train(&source, dataset, split)?;
    if fields_of(&recipe).is_some() {
        // The run may be resumed from another folder.
        recipe.fields = real(Path::new(&recipe.fields));
        add_fields(&mut dataset, fields_of(&recipe))?;
    }
    for (split, clips) in unused {
        messages::note(format_args!("not used: the split `{split}`, {clips} clips"));
    }
    if chosen.find("split_by").is_none() && !keys.contains(&"split_by") {
        let held_out = dataset.clips.iter().any(|clip| clip.held_out);
        recipe.split_by = if held_out { SplitBy::Published } else { SplitBy::Random };
    }
    recipe.dataset = dataset.name.clone();
    recipe.published = Some(source.name().to_owned());
    recipe.dataset_commit = commit_of_dataset(&source, &dataset).unwrap_or_default();
    recipe.data = real(&dataset.root);

    let start = match recipe.model.strip_prefix("scratch:") {
        Some(network) => Start::Scratch(Box::new(scratch(network)?)),
        None => {
            let is_folder = Path::new(&recipe.model).is_dir();
            let pinned = format!("{}@{model_commit}", hub_id(&recipe.model));
            let named = if is_folder || model_commit.is_empty() { &recipe.model } else { &pinned };
            let folder = model::folder(named, &args.hub)?;
            if !is_folder {
                recipe.model_commit = commit_in(&folder).unwrap_or_default();
            }
            Start::Model(folder)
        }
    };
    if !matches!(source, Source::Sample | Source::Gtzan) {
        recipe.name = run_name(&recipe.model, &dataset.name);
    }
    let output = match &args.output {
        Some(output) => OutputFolder::create_run(output),
        None => {
            let now = jiff::Zoned::now().strftime(STAMP).to_string();
            OutputFolder::create_numbered(&runs_folder().join(&recipe.name), &now)
        }
    };
    let (output, base_model) = (output.map_err(advise)?, base_model(&recipe));
    let (command, cache) = (shell::this_command(), Cache::of_user());
    Ok(Job { recipe, dataset, start, device, output, command, card, base_model, cache })
}

/// A run that goes on from its newest checkpoint.
fn resume(run: Option<&Path>, args: &Args, device: Device) -> Result<Job> {
    let run = find_resumable(run)?;
    let recipe = Recipe::read(&run)?;
    refuse_changes(args, &recipe, &run)?;
    let output = OutputFolder::open_run(&run).map_err(advise)?;
    let dataset = open_data(&recipe, &args.hub)?;
    let card = Source::of_recipe(&recipe).card(&dataset, &recipe.split)?;
    let base_model = base_model(&recipe);
    let (start, cache, command) = (Start::Resume, Cache::of_user(), shell::this_command());
    Ok(Job { recipe, dataset, start, device, output, command, card, base_model, cache })
}

/// The Hub id of the model that a run began with, for the card.
fn base_model(recipe: &Recipe) -> Option<String> {
    let model = &recipe.model;
    // A recipe of an earlier version knows no commits.
    let is_old = recipe.published.is_none() && !model.starts_with("scratch:") && !Path::new(model).is_dir();
    (is_old || !recipe.model_commit.is_empty()).then(|| hub_id(model).to_owned())
}

/// What the folder of the runs of a model on a dataset is called. A model may be an id, a path of any system, or `scratch:` with a
/// configuration: only its last part is a name everywhere.
fn run_name(model: &str, dataset: &str) -> String {
    let model = model.rsplit(['/', '\\', ':']).find(|part| !part.is_empty()).unwrap_or("model");
    format!("{}-{}", model.trim_end_matches(".json"), dataset.replace([':', '/', '\\'], "-"))
}

/// The id of a model on the Hub, without its revision.
fn hub_id(model: &str) -> &str {
    model.split('@').next().unwrap_or(model)
}

/// Refuses arguments beside --resume that differ from the run's recipe, which stays as it was.
fn refuse_changes(args: &Args, recipe: &Recipe, run: &Path) -> Result<()> {
    let (chosen, source) = (args.recipe()?, args.source());
    let mut changed = recipe.clone();
    chosen.apply(&mut changed);
    if let Some((source, _)) = &source {
        let name = source.name().to_owned();
        match (&mut changed.published, name.is_empty()) {
            (Some(published), _) => *published = name,
            (None, false) => changed.dataset = name,
            (None, true) => {}
        }
    }
    if let Some(folder) = &args.data {
        changed.data = real(folder);
    }

    let was: BTreeMap<String, String> = recipe.rows().into_iter().collect();
    let (mut changes, mut arguments) = (Vec::new(), Vec::new());
    for (key, is) in changed.rows().into_iter().filter(|(key, is)| was.get(key) != Some(is)) {
        let argument = match (chosen.find(&key), &source) {
            (Some(chosen), _) => chosen.argument.as_str(),
            (None, Some((_, argument))) => *argument,
            (None, None) => "--data",
        };
        let was = was.get(&key).filter(|was| !was.is_empty()).map_or("not set", |was| was.as_str());
        let is = if is.is_empty() { "not set" } else { &is };
        changes.push(format!("`{key}` is {was}, not {is}"));
        if !arguments.contains(&argument) {
            arguments.push(argument);
        }
    }
    if changes.is_empty() {
        return Ok(());
    }
    let (run, changes, arguments) = (run.display(), changes.join(", "), arguments.join(", "));
    Err(usage(format_args!(
        "a resumed run keeps its recipe, and in that of `{run}` {changes}: leave out {arguments}, or start a new run"
    )))
}

/// A preset by name, or the network a `config.json` describes.
fn scratch(what: &str) -> Result<NetworkConfig> {
    if let Some(config) = preset(what) {
        return Ok(config);
    }
    if !Path::new(what).is_file() {
        let known: Vec<_> =
            earmark_train::PRESETS.iter().map(|(name, what)| format!("{name} ({what})")).collect();
        bail!("no network `{what}`: pass a config.json, or one of {}", known.join(", "));
    }
    let text = fs::read(what).with_context(|| format!("cannot read `{what}`"))?;
    let config = ModelConfig::from_json(&text).with_context(|| format!("cannot use `{what}`"))?;
    Ok(config.network().clone())
}

fn print_finished(job: &Job, finished: &Finished) -> Result<()> {
    let report = &finished.report;
    let shown = |path: &Path| escape(&path.display().to_string()).into_owned();
    let (run, model) = (job.output.path(), &finished.model);
    let ties = match finished.equally_accurate {
        0 | 1 => String::new(),
        equal => format!(", the earliest of {equal} with this accuracy"),
    };
    let mut out = stdout::stdout();
    writeln!(out, "{}\n{}", report::confusion(report), report::per_class(report))?;
    writeln!(out, "{} on {} held-out clips\n", report::score(report), report.n)?;
    writeln!(out, "best     epoch {}{ties}", finished.best_epoch)?;
    writeln!(out, "run      {}\nmodel    {}", shown(run), shown(model))?;
    writeln!(out, "report   {}\n", shown(&run.join("report.html")))?;
    writeln!(out, "next:    {}", escape(&next_command(job, model)))?;
    Ok(())
}

/// What works as it stands: to classify a held-out clip, or where no clip is a file of its own, to score the run again.
fn next_command(job: &Job, model: &Path) -> String {
    let held_out = SplitFile::read(job.output.path()).map(|split| split.test).unwrap_or_default();
    let is_held_out =
        |clip: &&Clip| held_out.contains(&clip.name) && earmark_audio::has_audio_extension(&clip.path);
    let command = shell::command();
    match job.dataset.clips.iter().find(is_held_out) {
        Some(clip) => {
            let [clip, model] = [&clip.path, model].map(shell::argument);
            format!("{command} classify {clip} --model {model}")
        }
        None => format!("{command} eval {}", shell::argument(job.output.path())),
    }
}

/// A full device is no bug, so its panic is not printed: the run goes on with smaller batches and says so, or ends with an error.
fn quiet_when_out_of_memory() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !is_out_of_memory(panic.payload()) {
            usual(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_called_by_the_last_part_of_its_models_name_on_every_system() {
        let names = [
            ("ntu-spml/distilhubert", "distilhubert-dogs"),
            ("runs/a/model/", "model-dogs"),
            ("C:\\models\\x", "x-dogs"),
            ("\\\\server\\models\\x\\", "x-dogs"),
            ("C:x", "x-dogs"),
            ("scratch:tiny.json", "tiny-dogs"),
        ];
        for (model, name) in names {
            assert_eq!(run_name(model, "dogs"), name, "{model}");
        }
        assert_eq!(run_name("a/b", "minds14:en-AU"), "b-minds14-en-AU");
    }
}
