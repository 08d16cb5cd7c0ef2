use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::panic;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::{ArgAction, Args as ClapArgs};
use earmark_data::{AudioDataset, Clip, Location, Selection, Spec, gtzan};
use earmark_hub::Repo;
use earmark_models::{ModelConfig, NetworkConfig};
use earmark_train::{
    Cache, CardDataset, ErrorKind, Event, Finished, Job, Outcome, OutputFolder, Plan, Precision, Recipe,
    SplitBy, SplitFile, Start, is_out_of_memory, preset,
};
use indicatif::ProgressBar;

use crate::args::audio::AudioArgs;
use crate::args::dataset::{self, DatasetArgs, Named, data_folder};
use crate::args::device::DeviceArgs;
use crate::args::hub::HubArgs;
use crate::args::model;
use crate::exit::Done;
use crate::interrupt;
use crate::output::escape::escape;
use crate::output::progress::{bar, style};
use crate::output::{messages, report, shell, stdout};
use crate::upload::background::Pusher;

const EXAMPLES: &str = "\
Examples:
  earmark train --sample                                 ten synthesised genres, no download
  earmark train --data recordings --epochs 20
  earmark train --data recordings --from-scratch sample
  earmark train --dataset minds14:en-AU --model facebook/wav2vec2-xls-r-300m
  earmark train --dataset esc50 --split-by fold:fold=1 --model MIT/ast-finetuned-audioset-10-10-0.4593 --new-head
  earmark train --resume                                 go on with the newest run";

/// Fine-tune a model to name your sounds.
///
/// With no arguments it repeats the Hugging Face audio course: DistilHuBERT on GTZAN, ten epochs. Other data is any
/// folder with a sub-folder per class, or a published dataset.
///
/// The run folder holds recipe.toml, split.json, metrics.jsonl, TensorBoard's events, checkpoints, report.html, and in
/// model/ the best of the run as `transformers` reads it: the weights after the most accurate epoch, the earliest of equals.
/// Ctrl-C saves and stops.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, allow_negative_numbers = true)]
pub(crate) struct Args {
    /// What to fine-tune: a Hub id, with @REVISION if need be, or a folder in Hugging Face layout.
    #[arg(long, value_name = "ID|DIR", help_heading = "What")]
    model: Option<String>,

    /// Train a new network instead: sample, distilhubert, hubert-base, or a config.json.
    #[arg(long, value_name = "PRESET|FILE", conflicts_with = "model", help_heading = "What")]
    from_scratch: Option<String>,

    /// A folder with a sub-folder of recordings per class, with metadata.csv or metadata.jsonl, or with Parquet.
    #[arg(long, value_name = "DIR", conflicts_with = "dataset", help_heading = "What")]
    data: Option<PathBuf>,

    /// A dataset by name: sample, or one of those that `earmark data list` names, such as minds14:en-AU.
    #[arg(long, value_name = "NAME[:CONFIG]", help_heading = "What")]
    dataset: Option<String>,

    /// The column that is the class, or folder1, folder2 … for the folders from outside [default: the usual one].
    #[arg(long, value_name = "NAME", help_heading = "What")]
    label_column: Option<String>,

    /// Learn from this split alone, or from `all` of a folder's as one [default: train, with validation or else test kept for
    /// evaluation].
    #[arg(long, value_name = "NAME", help_heading = "What")]
    split: Option<String>,

    /// Which clips are kept for evaluation: random, stratified (every class in proportion), published (as the dataset's makers
    /// do), group:FIELD (no speaker or artist on both sides), fold:FIELD=VALUE [default: published where there is such a part,
    /// else random].
    #[arg(long, value_name = "HOW", help_heading = "What")]
    split_by: Option<SplitBy>,

    /// The built-in sample with a small new network: needs no download and takes minutes.
    #[arg(long, conflicts_with_all = ["data", "dataset"], help_heading = "What")]
    sample: bool,

    /// Draw a new classification head even if the model has one.
    #[arg(long, help_heading = "What")]
    new_head: bool,

    /// Leave out clips that cannot be used, with a warning, instead of stopping.
    #[arg(long, help_heading = "What")]
    skip_bad: bool,

    #[command(flatten)]
    numbers: Numbers,

    #[command(flatten)]
    hearing: AudioArgs,

    /// The run's folder, new or empty [default: runs/RECIPE/TIME].
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    output: Option<PathBuf>,

    /// Go on with a run that was stopped: the named folder, or the newest. Its recipe stays as it was.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["output", "dry_run"], help_heading = "Run")]
    resume: Option<Option<PathBuf>>,

    /// Check everything, write recipe.toml and split.json, and train nothing. The same --output can be trained afterwards.
    #[arg(long, help_heading = "Run")]
    dry_run: bool,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    hub: HubArgs,

    /// Push to this repository at every save, and the model with its card at the end; without an owner, to yours.
    #[arg(long, value_name = "OWNER/NAME", help_heading = "Hub")]
    push_to_hub: Option<String>,

    /// Make that repository private, if it has to be made.
    #[arg(long, requires = "push_to_hub", help_heading = "Hub")]
    hub_private: bool,
}

/// The recipe's numbers; a flag that is not given keeps the recipe's own.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Recipe")]
struct Numbers {
    /// Clips kept for evaluation: a fraction, or a number of clips [default: 0.1].
    #[arg(long, value_name = "SHARE")]
    test_size: Option<f64>,
    /// Seeds split, order, new weights and dropout [default: 42].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Passes over the training clips [default: 10].
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Clips of one forward pass [default: 8].
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// The same while evaluating [default: 8].
    #[arg(long, value_name = "N")]
    eval_batch_size: Option<usize>,
    /// Forward passes of one optimizer step [default: 1].
    #[arg(long, value_name = "N")]
    gradient_accumulation_steps: Option<usize>,
    /// Peak learning rate [default: 5e-5].
    #[arg(long, value_name = "RATE")]
    lr: Option<f64>,
    /// Share of the steps over which the learning rate climbs [default: 0.1].
    #[arg(long, value_name = "SHARE")]
    warmup_ratio: Option<f64>,
    /// AdamW's weight decay [default: 0].
    #[arg(long, value_name = "RATE")]
    weight_decay: Option<f64>,
    /// The gradient's norm is cut to this; 0 never cuts [default: 1.0].
    #[arg(long, value_name = "NORM")]
    max_grad_norm: Option<f64>,
    /// Longer clips are cut here, in seconds [default: 30].
    #[arg(long, value_name = "SECONDS")]
    max_duration: Option<f64>,
    /// Steps per line of metrics.jsonl [default: 5].
    #[arg(long, value_name = "N")]
    logging_steps: Option<u64>,
    /// Checkpoints to keep, the best among them; 0 keeps all [default: 2].
    #[arg(long, value_name = "N")]
    keep_checkpoints: Option<usize>,
    /// Number type of the products: fp32, bf16 or fp16, the latter two with weights and norms in fp32 and made for GPUs; a CPU
    /// is slower with them [default: fp32].
    #[arg(long, value_name = "TYPE")]
    precision: Option<Precision>,
    /// Tell the model which samples are padding [default: true].
    #[arg(long, value_name = "BOOL", action = ArgAction::Set)]
    attention_mask: Option<bool>,
    /// Switch off dropout, layerdrop and SpecAugment.
    #[arg(long)]
    dropout_off: bool,
}

impl Numbers {
    fn apply(&self, recipe: &mut Recipe) {
        set(&mut recipe.test_size, &self.test_size);
        set(&mut recipe.seed, &self.seed);
        set(&mut recipe.epochs, &self.epochs);
        set(&mut recipe.batch_size, &self.batch_size);
        set(&mut recipe.eval_batch_size, &self.eval_batch_size);
        set(&mut recipe.gradient_accumulation_steps, &self.gradient_accumulation_steps);
        set(&mut recipe.lr, &self.lr);
        set(&mut recipe.warmup_ratio, &self.warmup_ratio);
        set(&mut recipe.weight_decay, &self.weight_decay);
        set(&mut recipe.max_grad_norm, &self.max_grad_norm);
        set(&mut recipe.max_duration, &self.max_duration);
        set(&mut recipe.logging_steps, &self.logging_steps);
        set(&mut recipe.keep_checkpoints, &self.keep_checkpoints);
        set(&mut recipe.precision, &self.precision);
        set(&mut recipe.attention_mask, &self.attention_mask);
        if self.dropout_off {
            recipe.dropout = false;
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    // First of all: hours of training should not end at a token that may not write.
    let check = |repo: &String| Pusher::check(&args.hub, repo, args.hub_private);
    let target = args.push_to_hub.as_ref().map(check).transpose()?;
    let (device, device_name) = args.device.choose()?;
    let job = match &args.resume {
        Some(run) => resumed(run.as_deref(), args, device)?,
        None => fresh(args, device, &device_name)?,
    };
    let run = job.output.path();
    let stop = interrupt::asked("stopping; once more to stop without saving", None)?;
    let Recipe { model, dataset, .. } = &job.recipe;
    messages::note(format_args!("device   {device_name}"));
    messages::note(format_args!("recipe   {model} on {dataset} -> {}", run.display()));

    quiet_when_out_of_memory();
    let screen = Screen::new();
    let pusher = target.filter(|_| !args.dry_run).map(|target| Pusher::start(target, run));
    let watch = |event: &Event<'_>| {
        screen.show(event);
        if let (Event::Epoch(epoch), Some(pusher)) = (event, &pusher) {
            pusher.saved(epoch.record.step);
        }
    };
    if args.dry_run {
        let plan = earmark_train::plan(&job, &watch, &stop);
        screen.close();
        let plan = match plan {
            Err(error) if matches!(*error.kind, ErrorKind::Interrupted) => return Ok(Done::Interrupted),
            plan => plan.map_err(advise)?,
        };
        warn_about(&plan);
        messages::note(format_args!(
            "{} clips to train on, {} to test on, {} steps: written to {}, and nothing trained",
            plan.train,
            plan.test,
            plan.steps,
            run.display()
        ));
        return Ok(Done::Well);
    }
    let outcome = earmark_train::train(&job, &watch, &stop);
    screen.close();
    if let Some(pusher) = pusher {
        pusher.finish(matches!(outcome, Ok(Outcome::Finished(_))));
    }
    let can_go_on = outcome.as_ref().err().is_some_and(|error| {
        use ErrorKind::{Io, Model, Optimizer, OutOfMemory, Pipeline};
        matches!(*error.kind, Io(_) | Model(_) | Optimizer(_) | OutOfMemory | Pipeline(_))
    });
    if can_go_on && job.output.holds_checkpoint() {
        let saved =
            messages::Text::from("saved up to the newest checkpoint; once the cause is gone, go on with");
        messages::note(saved.then(format_args!("  {}", resume_command(run))));
    }
    match outcome.map_err(advise)? {
        Outcome::Finished(finished) => {
            print_finished(&job, &finished)?;
            Ok(Done::Well)
        }
        Outcome::Stopped { step, steps } => {
            let stopped =
                messages::Text::from(format_args!("stopped after step {step} of {steps}, saved; go on with"));
            messages::note(stopped.then(format_args!("  {}", resume_command(run))));
            Ok(Done::Interrupted)
        }
        Outcome::Abandoned => {
            match job.start {
                Start::Resume => {
                    let stopped = messages::Text::from("stopped before the next step; go on with");
                    messages::note(stopped.then(format_args!("  {}", resume_command(run))));
                }
                _ => messages::note("stopped before the first step: nothing was trained"),
            }
            Ok(Done::Interrupted)
        }
    }
}

/// `earmark train --resume RUN`.
pub(crate) fn resume_command(run: &Path) -> String {
    format!("{} train --resume {}", shell::command(), shell::argument(run))
}

/// An error with what to do about it, where a flag of this command is what helps.
pub(crate) fn advise(error: earmark_train::Error) -> anyhow::Error {
    let advice = match &*error.kind {
        ErrorKind::BadClips(_) => "repair or remove them, or pass --skip-bad to leave them out",
        ErrorKind::NotANumber { .. } => "remove them, or repair them",
        ErrorKind::Occupied(held) if held.iter().any(|name| name == "recipe.toml") => {
            "choose another --output, or go on with the run in it by `earmark train --resume`"
        }
        ErrorKind::Occupied(_) => "choose another --output",
        ErrorKind::OtherLabels { .. } | ErrorKind::OtherHead { .. } => {
            "pass --new-head to replace the model's head"
        }
        ErrorKind::Diverged { .. } => "lower --lr, or raise --warmup-ratio",
        ErrorKind::OutOfMemory => "shorten the clips by --max-duration, or take --device cpu",
        ErrorKind::NoSuchPrecision(_) => "take --precision fp32",
        _ => return error.into(),
    };
    let earmark_train::Error { doing, kind, .. } = error;
    anyhow::anyhow!("{}; {advice}", earmark_error::chain(&*kind)).context(doing)
}

/// Where the clips of a run come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source<'a> {
    Sample,
    Gtzan,
    /// A published dataset, or one of the Hub's, by its name.
    Published(&'a str),
    Folder(&'a Path),
}

impl<'a> Source<'a> {
    /// What the flags say.
    fn of_args(args: &'a Args) -> Source<'a> {
        match (args.sample, args.dataset.as_deref(), &args.data) {
            (true, ..) | (_, Some("sample"), _) => Source::Sample,
            (_, Some("gtzan"), _) | (_, None, None) => Source::Gtzan,
            (_, Some(name), _) => Source::Published(name),
            (_, None, Some(folder)) => Source::Folder(folder),
        }
    }

    /// What a recipe says. One of an earlier version leaves it to be guessed.
    fn of_recipe(recipe: &'a Recipe) -> Source<'a> {
        let name = recipe.published.as_deref();
        match name.unwrap_or(&recipe.dataset) {
            "sample" if name.is_some() => Source::Sample,
            "gtzan" => Source::Gtzan,
            published if name.map_or_else(|| is_named(published), |name| !name.is_empty()) => {
                Source::Published(published)
            }
            _ => Source::Folder(Path::new(&recipe.data)),
        }
    }

    /// What the recipe calls it; empty for a folder.
    fn name(self) -> &'a str {
        match self {
            Source::Sample => "sample",
            Source::Gtzan => "gtzan",
            Source::Published(name) => name,
            Source::Folder(_) => "",
        }
    }

    /// How the model card names it; `part` is the split that was asked for, if one was.
    fn card(self, dataset: &AudioDataset, part: &str) -> Result<CardDataset> {
        let part = Some(part).filter(|part| !part.is_empty());
        let card = |name: &str, id: &str, config: Option<&str>, split: Option<&str>| CardDataset {
            name: name.to_owned(),
            id: id.to_owned(),
            config: config.map(str::to_owned),
            split: split.map(str::to_owned),
        };
        Ok(match self {
            Source::Sample => card("earmark sample", "audiofolder", None, None),
            Source::Gtzan => card("GTZAN", gtzan::REPO, Some("all"), Some("train")),
            Source::Published(name) => match Named::new(name, &DatasetArgs::default())? {
                Named::Hub { repo, config } => {
                    let id = repo.id.as_str();
                    card(id, id, config.as_deref(), part.or(Some("train")))
                }
                _ => {
                    let train = Selection::new(name, part, None)?;
                    let Selection { dataset, config, split, .. } = train;
                    card(dataset.id, dataset.repo, Some(config.name), Some(split.name))
                }
            },
            Source::Folder(_) => card(&dataset.name, "audiofolder", None, None),
        })
    }
}

/// A run from its first step.
fn fresh(args: &Args, device: burn::tensor::Device, device_name: &str) -> Result<Job> {
    if let Some(output) = &args.output {
        // Before anything is downloaded. Nothing stays of it until the run begins.
        OutputFolder::create_run(output).map_err(advise)?;
    }
    let source = Source::of_args(args);
    let mut recipe = match source {
        Source::Sample => earmark_train::sample(),
        _ => earmark_train::gtzan(),
    };
    args.numbers.apply(&mut recipe);
    recipe.new_head = args.new_head;
    recipe.skip_bad = args.skip_bad;
    recipe.resampler = args.hearing.resampler();
    recipe.downmix = args.hearing.downmix();
    recipe.device = device_name.to_owned();
    // What a flag got wrong is said before anything is downloaded.
    recipe.validate()?;

    let label = args.label_column.as_deref();
    let split = args.split.as_deref();
    let dataset = match source {
        Source::Sample => dataset::open_sample()?,
        Source::Gtzan => open_gtzan(&args.hub)?,
        Source::Published(name) => open_published(name, label, split, &args.hub)?,
        Source::Folder(folder) => dataset::open_folder(folder, label)?,
    };
    let card = source.card(&dataset, args.split.as_deref().unwrap_or_default())?;
    let (dataset, unused) = to_train(source, dataset, split)?;
    for (split, clips) in unused {
        messages::note(format_args!("not used: the split `{split}`, {clips} clips"));
    }
    recipe.split = args.split.clone().unwrap_or_default();
    recipe.label_column = args.label_column.clone().unwrap_or_default();
    let held_out = dataset.clips.iter().any(|clip| clip.held_out);
    let usual = if held_out { SplitBy::Published } else { SplitBy::Random };
    recipe.split_by = args.split_by.clone().unwrap_or(usual);
    recipe.dataset = dataset.name.clone();
    recipe.published = Some(source.name().to_owned());
    recipe.dataset_commit = commit_of_dataset(source, &dataset).unwrap_or_default();
    recipe.data = real(&dataset.root);

    let start = match (&args.from_scratch, &args.model) {
        (Some(what), _) => {
            recipe.model = format!("scratch:{what}");
            Start::Scratch(Box::new(scratch(what)?))
        }
        (None, None) if source == Source::Sample => {
            Start::Scratch(Box::new(preset("sample").context("the preset is there")?))
        }
        (None, model) => {
            if let Some(model) = model {
                recipe.model.clone_from(model);
            }
            let folder = model::folder(&recipe.model, &args.hub)?;
            if !Path::new(&recipe.model).is_dir() {
                recipe.model_commit = commit_in(&folder).unwrap_or_default();
            }
            Start::Model(folder)
        }
    };
    if !matches!(source, Source::Sample | Source::Gtzan) {
        let model = recipe.model.rsplit(['/', ':']).find(|part| !part.is_empty()).unwrap_or("model");
        recipe.name =
            format!("{}-{}", model.trim_end_matches(".json"), dataset.name.replace([':', '/'], "-"));
    }
    let output = match &args.output {
        Some(output) => OutputFolder::create_run(output),
        None => {
            let now = jiff::Zoned::now().strftime(STAMP).to_string();
            OutputFolder::create_numbered(&runs_folder().join(&recipe.name), &now)
        }
    };
    let (output, base_model) = (output.map_err(advise)?, base_model(&recipe));
    Ok(Job { recipe, dataset, start, device, output, card, base_model, cache: Cache::of_user() })
}

/// A run from where it stopped.
fn resumed(run: Option<&Path>, args: &Args, device: burn::tensor::Device) -> Result<Job> {
    let run = find_run(run)?;
    let output = OutputFolder::open_run(&run).map_err(advise)?;
    let recipe = Recipe::read(&run)?;
    refuse_other(args, &recipe, &run)?;
    let dataset = open_data(&recipe, &args.hub)?;
    let card = Source::of_recipe(&recipe).card(&dataset, &recipe.split)?;
    let base_model = base_model(&recipe);
    let (start, cache) = (Start::Resume, Cache::of_user());
    Ok(Job { recipe, dataset, start, device, output, card, base_model, cache })
}

/// The Hub id of the model that a run began with, for the card.
fn base_model(recipe: &Recipe) -> Option<String> {
    let model = &recipe.model;
    // A recipe of an earlier version knows no commits.
    let is_old = recipe.published.is_none() && !model.starts_with("scratch:") && !Path::new(model).is_dir();
    let id = model.split('@').next().unwrap_or(model);
    (is_old || !recipe.model_commit.is_empty()).then(|| id.to_owned())
}

/// Refuses flags beside --resume that ask for something else than what the run began with: its recipe stays as it was.
fn refuse_other(args: &Args, recipe: &Recipe, run: &Path) -> Result<()> {
    let mut asked = recipe.clone();
    args.numbers.apply(&mut asked);
    let named = match &args.model {
        Some(model) => Some(("--model", model.clone())),
        None => args.from_scratch.as_ref().map(|what| ("--from-scratch", format!("scratch:{what}"))),
    };
    if let Some((_, model)) = &named {
        asked.model.clone_from(model);
    }
    let source = match (args.sample, &args.dataset, &args.data) {
        (true, ..) => Some("--sample"),
        (_, Some(_), _) => Some("--dataset"),
        (_, _, Some(_)) => Some("--data"),
        _ => None,
    };
    if source.is_some() {
        let name = Source::of_args(args).name().to_owned();
        match (&mut asked.published, name.is_empty()) {
            (Some(published), _) => *published = name,
            (None, false) => asked.dataset = name,
            (None, true) => {}
        }
    }
    if let Some(folder) = &args.data {
        asked.data = real(folder);
    }
    set(&mut asked.label_column, &args.label_column);
    set(&mut asked.split, &args.split);
    set(&mut asked.split_by, &args.split_by);
    set(&mut asked.resampler, &args.hearing.chosen_resampler());
    set(&mut asked.downmix, &args.hearing.chosen_downmix());
    asked.new_head |= args.new_head;
    asked.skip_bad |= args.skip_bad;

    let was: BTreeMap<String, String> = recipe.rows().into_iter().collect();
    let Some((key, is)) = asked.rows().into_iter().find(|(key, is)| was.get(key) != Some(is)) else {
        return Ok(());
    };
    let flag = match key.as_str() {
        "dropout" => "--dropout-off".to_owned(),
        "model" => named.map_or("--model", |(flag, _)| flag).to_owned(),
        "published" | "data" | "dataset" => source.unwrap_or("--data").to_owned(),
        key => format!("--{}", key.replace('_', "-")),
    };
    let was = match was.get(&key) {
        Some(was) if !was.is_empty() => format!("`{key}` {was}"),
        _ => format!("no `{key}`"),
    };
    bail!("`{}` began with {was} and cannot go on with {is}: leave out {flag}", run.display());
}

/// Replaces a choice of a recipe where a flag was given.
fn set<T: Clone>(field: &mut T, flag: &Option<T>) {
    if let Some(value) = flag {
        field.clone_from(value);
    }
}

/// A folder by a name that holds wherever the person is.
fn real(folder: &Path) -> String {
    fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf()).display().to_string()
}

/// The commit that a file or folder in the Hub's cache belongs to.
fn commit_in(path: &Path) -> Option<String> {
    let mut parts = path.iter().map(|part| part.to_string_lossy());
    parts.find(|part| part == "snapshots")?;
    let is_commit = |text: &str| text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    parts.next().filter(|commit| is_commit(commit)).map(|commit| commit.into_owned())
}

/// The commit of the Hub that the clips are of.
fn commit_of_dataset(source: Source<'_>, dataset: &AudioDataset) -> Option<String> {
    let Source::Published(name) = source else { return None };
    match Selection::new(name, None, None) {
        // Published datasets are pinned.
        Ok(selection) => match selection.files().first().map(|file| file.location.clone())? {
            Location::Hub { revision, .. } => Some(revision),
            Location::Web(_) => None,
        },
        Err(_) => commit_in(&dataset.clips.first()?.path),
    }
}

/// The dataset of a run, as it was opened when the run began.
pub(crate) fn open_data(recipe: &Recipe, hub: &HubArgs) -> Result<AudioDataset> {
    let label = (!recipe.label_column.is_empty()).then_some(recipe.label_column.as_str());
    let split = (!recipe.split.is_empty()).then_some(recipe.split.as_str());
    let source = Source::of_recipe(recipe);
    let dataset = match source {
        Source::Gtzan => gtzan::open(&recipe.data)?,
        Source::Published(name) => {
            open_published(&at_commit(name, &recipe.dataset_commit), label, split, hub)?
        }
        Source::Sample | Source::Folder(_) => dataset::open_folder(Path::new(&recipe.data), label)?,
    };
    let (mut dataset, _) = to_train(source, dataset, split)?;
    dataset.name.clone_from(&recipe.dataset);
    Ok(dataset)
}

/// The splits to learn from and to be judged by; of a published dataset they were chosen as it was opened.
fn to_train(
    source: Source<'_>,
    dataset: AudioDataset,
    split: Option<&str>,
) -> Result<(AudioDataset, Vec<(String, usize)>)> {
    match source {
        Source::Published(_) => Ok((dataset, Vec::new())),
        _ => dataset::to_train(dataset, split),
    }
}

/// A dataset's name with the commit that it was at; a published one is pinned anyway.
fn at_commit(name: &str, commit: &str) -> String {
    let (id, config) = name.split_once(':').map_or((name, None), |(id, config)| (id, Some(config)));
    if commit.is_empty() || Spec::find(id).is_some() {
        return name.to_owned();
    }
    let id = id.split('@').next().unwrap_or(id);
    config.map_or_else(|| format!("{id}@{commit}"), |config| format!("{id}@{commit}:{config}"))
}

/// Whether a run's dataset is a published one, or one of the Hub's, and no folder.
fn is_named(dataset: &str) -> bool {
    let published = dataset.split_once(':').is_some_and(|(name, _)| Spec::find(name).is_some());
    published || dataset.contains('/')
}

/// A published dataset: its first split to learn from, and the next to be judged by where there is one; or the split that is named.
fn open_published(
    name: &str,
    label: Option<&str>,
    split: Option<&str>,
    hub: &HubArgs,
) -> Result<AudioDataset> {
    let args = DatasetArgs { split: split.map(str::to_owned), label_column: label.map(str::to_owned) };
    if let named @ Named::Hub { .. } = &Named::new(name, &args)? {
        let mut dataset = named.open(&args, hub)?;
        name.clone_into(&mut dataset.name);
        return Ok(dataset);
    }
    let train = Selection::new(name, split, label)?;
    let mut dataset = dataset::open_published(&train, hub)?;
    if let ([_, validation, ..], None) = (train.config.splits, split) {
        let validation = Selection { split: validation, ..train };
        let other = dataset::open_published(&validation, hub)?;
        dataset = dataset.with_held_out(train.split.name, other, validation.split.name);
    }
    Ok(dataset)
}

fn open_gtzan(hub: &HubArgs) -> Result<AudioDataset> {
    let folder = data_folder().join("gtzan");
    if !gtzan::needs_unpacking(&folder)? {
        return Ok(gtzan::open(&folder)?);
    }
    let repo = Repo::dataset(&format!("{}@{}", gtzan::REPO, gtzan::REVISION))?;
    let archive = hub.open()?.fetch(&repo, gtzan::ARCHIVE).context(
        "GTZAN is neither in the data folder nor to be had from the Hub; `earmark train --sample` needs neither",
    )?;
    let size = fs::metadata(&archive).map(|file| file.len()).unwrap_or(0);
    let bar = bar(size, "unpacking GTZAN {bar:30} {bytes}/{total_bytes} {eta} left");
    let dataset = gtzan::unpack(&archive, &folder, |bytes| bar.set_position(bytes));
    bar.finish_and_clear();
    Ok(dataset?)
}

/// A preset by name, or the network a `config.json` describes.
fn scratch(what: &str) -> Result<NetworkConfig> {
    if let Some(config) = preset(what) {
        return Ok(config);
    }
    if !Path::new(what).is_file() {
        let known: Vec<_> =
            earmark_train::PRESETS.iter().map(|(name, what)| format!("{name} ({what})")).collect();
        bail!("there is no network `{what}`: name a config.json, or one of {}", known.join(", "));
    }
    let text = fs::read(what).with_context(|| format!("cannot read `{what}`"))?;
    let config = ModelConfig::from_json(&text).with_context(|| format!("cannot use `{what}`"))?;
    Ok(config.network().clone())
}

/// Where runs are kept: `EARMARK_RUNS`, or `runs` here.
fn runs_folder() -> PathBuf {
    std::env::var_os("EARMARK_RUNS").map_or_else(|| PathBuf::from("runs"), PathBuf::from)
}

/// The run that was named, or else the newest, finished or not.
pub(crate) fn find_run(named: Option<&Path>) -> Result<PathBuf> {
    match named {
        Some(run) if run.join("recipe.toml").is_file() => Ok(run.to_path_buf()),
        Some(run) => bail!("`{}` is no run folder: it has no recipe.toml", run.display()),
        None => newest_run(),
    }
}

/// How the time a run began becomes its folder's name.
const STAMP: &str = "%Y%m%d-%H%M%S";

/// The run that began last, of those that did: a dry run leaves no diary.
fn newest_run() -> Result<PathBuf> {
    let runs = runs_folder();
    let mut newest = None;
    for recipe in fs::read_dir(&runs).into_iter().flatten().flatten() {
        for run in fs::read_dir(recipe.path()).into_iter().flatten().flatten() {
            let path = run.path();
            if path.join("recipe.toml").is_file() && path.join("metrics.jsonl").is_file() {
                newest = newest.max(Some((age(&run.file_name().to_string_lossy()), path)));
            }
        }
    }
    match newest {
        Some((_, path)) => Ok(path),
        None => bail!(
            "there is no run in `{}` yet: start one by `{} train --sample`",
            runs.display(),
            shell::command()
        ),
    }
}

/// What orders runs by the time they began: the time, and the number of those of one second.
fn age(name: &str) -> (String, u64) {
    let mut parts = name.splitn(3, '-');
    let time = [parts.next().unwrap_or_default(), parts.next().unwrap_or_default()].join("-");
    (time, parts.next().and_then(|number| number.parse().ok()).unwrap_or(1))
}

fn print_finished(job: &Job, finished: &Finished) -> Result<()> {
    let (report, best) = (&finished.report, finished.best_epoch);
    let shown = |path: &Path| escape(&path.display().to_string()).into_owned();
    let (run, model) = (job.output.path(), &finished.model);
    let mut out = stdout::stdout();
    writeln!(out, "{}\n{}", report::confusion(report), report::per_class(report))?;
    writeln!(out, "{} on {} held-out clips, from epoch {best}\n", report::score(report), report.n)?;
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

/// What a run's scores will not show.
fn warn_about(plan: &Plan) {
    if !plan.untrained.is_empty() {
        messages::warning(format_args!(
            "no clip of {} is trained on, so the model cannot learn {}",
            list(&plan.untrained),
            if plan.untrained.len() == 1 { "that class" } else { "those classes" }
        ));
    }
    if !plan.untested.is_empty() {
        messages::warning(format_args!(
            "no clip of {} is held out, so the scores say nothing about {}; --split-by stratified holds out some of every class",
            list(&plan.untested),
            if plan.untested.len() == 1 { "that class" } else { "those classes" }
        ));
    }
}

/// Some names, and how many more there are.
pub(crate) fn list(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let shown = shown.join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}

/// A full device is no bug: the run goes on with smaller batches and says so, or ends with an error.
fn quiet_when_out_of_memory() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !is_out_of_memory(panic.payload()) {
            usual(panic);
        }
    }));
}

/// What the person sees while it runs.
struct Screen {
    bar: ProgressBar,
    started: Instant,
    seen: std::sync::Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    plan: Option<Plan>,
    phase: Phase,
    clips: usize,
    since: Option<Instant>,
    message: String,
}

#[derive(Default, PartialEq)]
enum Phase {
    #[default]
    Checking,
    Training,
    Evaluating,
}

const CHECKING: &str = "listening {bar:30} {pos}/{len} clips {eta} left";
const TRAINING: &str = "epoch {prefix} {bar:24} step {pos}/{len} {msg} {eta} left";
const EVALUATING: &str = "evaluating {bar:30} {pos}/{len} clips";

impl Screen {
    fn new() -> Screen {
        Screen { bar: bar(0, CHECKING), started: Instant::now(), seen: Default::default() }
    }

    fn close(&self) {
        self.bar.finish_and_clear();
    }

    fn style(&self, template: &str) {
        self.bar.set_style(style(template));
    }

    fn show(&self, event: &Event<'_>) {
        // A panic elsewhere does not make the screen wrong.
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            Event::Checking { done, total } => {
                self.bar.set_length(*total as u64);
                self.bar.set_position(*done as u64);
            }
            Event::LeftOut(clips) => {
                for clip in *clips {
                    messages::note(format_args!("left out {}: {}", clip.path.display(), clip.why));
                }
                messages::note(format_args!("left out {} in all, as --skip-bad asks", clips.len()));
            }
            Event::PassedOver(checkpoints) => {
                for checkpoint in *checkpoints {
                    messages::warning(format_args!("passed over a checkpoint: {}", checkpoint.why));
                }
            }
            Event::NewParameters(names) if !names.is_empty() => {
                messages::note(format_args!("new, drawn from the seed: {}", names.join(", ")));
            }
            Event::Started(plan) => {
                messages::note(format_args!(
                    "clips    {} to train on, {} to test on, {} classes; {:.1} M parameters",
                    plan.train,
                    plan.test,
                    plan.labels.len(),
                    plan.parameters as f64 / 1e6
                ));
                warn_about(plan);
                if plan.done > 0 {
                    messages::note(format_args!("resumed  after step {} of {}", plan.done, plan.steps));
                }
                messages::note(report::epoch_header());
                self.train_bar(plan, plan.done);
                seen.plan = Some((*plan).clone());
                seen.phase = Phase::Training;
                seen.since = Some(Instant::now());
            }
            Event::Step(step) => {
                let seen = &mut *seen;
                let Some(plan) = &seen.plan else { return };
                if seen.phase != Phase::Training {
                    self.train_bar(plan, step.step);
                    seen.phase = Phase::Training;
                }
                seen.clips += step.clips;
                let seconds = seen.since.map_or(1.0, |since| since.elapsed().as_secs_f64());
                let rate = seen.clips as f64 / seconds;
                seen.message = format!("loss {:.4} lr {:.2e} {rate:.1} clips/s", step.loss, step.lr);
                self.bar.set_message(seen.message.clone());
                self.bar.set_prefix(epoch_of(plan, step.step));
                self.bar.set_position(step.step);
            }
            Event::LessMemory { clips } => messages::note(format_args!(
                "the device has no memory for the whole batch: {clips} at a time from here on, their gradients added up; \
                 each step still learns from all of it"
            )),
            Event::Evaluating { done, total } => {
                if seen.phase != Phase::Evaluating {
                    self.style(EVALUATING);
                    self.bar.set_length(*total as u64);
                    seen.phase = Phase::Evaluating;
                }
                self.bar.set_position(*done as u64);
            }
            Event::Epoch(epoch) => messages::note(report::epoch_row(epoch, self.started.elapsed())),
            _ => {}
        }
    }

    fn train_bar(&self, plan: &Plan, done: u64) {
        self.style(TRAINING);
        self.bar.set_length(plan.steps);
        self.bar.set_position(done);
        self.bar.set_prefix(epoch_of(plan, done + 1));
        self.bar.reset_eta();
    }
}

/// `3/10`: the epoch that `step` belongs to.
fn epoch_of(plan: &Plan, step: u64) -> String {
    format!("{}/{}", step.div_ceil(plan.steps_per_epoch).max(1), plan.steps / plan.steps_per_epoch)
}
