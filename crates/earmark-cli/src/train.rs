use std::fs;
use std::io::Write as _;
use std::panic;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::{ArgAction, Args as ClapArgs};
use earmark_data::{AudioDataset, Published, Selection, gtzan};
use earmark_hub::Repo;
use earmark_models::{ModelConfig, NetworkConfig};
use earmark_train::{
    Cache, CardDataset, Event, Finished, Job, Outcome, Plan, Precision, Recipe, SplitBy, Start,
    is_out_of_memory, preset,
};
use indicatif::ProgressBar;

use crate::datasets::{self, DatasetArgs, Named, data_folder};
use crate::device::DeviceArgs;
use crate::escape::escape;
use crate::hearing::HearingArgs;
use crate::model::HubArgs;
use crate::progress::{bar, style};
use crate::push::Pusher;
use crate::{Done, interrupt, output, say, table};

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
/// model/ the best of the run as `transformers` reads it. Ctrl-C saves and stops.
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

    /// The column that is the class [default: the usual one].
    #[arg(long, value_name = "NAME", help_heading = "What")]
    label_column: Option<String>,

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
    hearing: HearingArgs,

    /// The run's folder [default: runs/RECIPE/TIME].
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    output: Option<PathBuf>,

    /// Go on with a run that was stopped: the named folder, or the newest. Its recipe stays as it was.
    #[arg(long, value_name = "RUN", help_heading = "Run")]
    resume: Option<Option<PathBuf>>,

    /// Check everything, write recipe.toml and split.json, and train nothing.
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
        fn set<T: Copy>(field: &mut T, flag: Option<T>) {
            if let Some(value) = flag {
                *field = value;
            }
        }
        set(&mut recipe.test_size, self.test_size);
        set(&mut recipe.seed, self.seed);
        set(&mut recipe.epochs, self.epochs);
        set(&mut recipe.batch_size, self.batch_size);
        set(&mut recipe.eval_batch_size, self.eval_batch_size);
        set(&mut recipe.gradient_accumulation_steps, self.gradient_accumulation_steps);
        set(&mut recipe.lr, self.lr);
        set(&mut recipe.warmup_ratio, self.warmup_ratio);
        set(&mut recipe.weight_decay, self.weight_decay);
        set(&mut recipe.max_grad_norm, self.max_grad_norm);
        set(&mut recipe.max_duration, self.max_duration);
        set(&mut recipe.logging_steps, self.logging_steps);
        set(&mut recipe.keep_checkpoints, self.keep_checkpoints);
        set(&mut recipe.precision, self.precision);
        set(&mut recipe.attention_mask, self.attention_mask);
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
        Some(run) => resumed(run.as_deref(), &args.numbers, device, &args.hub)?,
        None => fresh(args, device, &device_name)?,
    };
    let Recipe { model, dataset, .. } = &job.recipe;
    say::note(format_args!("device   {device_name}"));
    say::note(format_args!("recipe   {model} on {dataset} -> {}", job.output.display()));

    quiet_when_out_of_memory();
    let screen = Screen::new();
    let pusher = target.filter(|_| !args.dry_run).map(|target| Pusher::start(target, &job.output));
    let watch = |event: &Event<'_>| {
        screen.show(event);
        if let (Event::Epoch(epoch), Some(pusher)) = (event, &pusher) {
            pusher.saved(epoch.record.step);
        }
    };
    if args.dry_run {
        let plan = earmark_train::plan(&job, &watch)?;
        screen.close();
        say::note(format_args!(
            "{} clips to train on, {} to test on, {} steps: written to {}, and nothing trained",
            plan.train,
            plan.test,
            plan.steps,
            job.output.display()
        ));
        return Ok(Done::Well);
    }
    let stop = interrupt::asked("stopping after this step; once more to stop without saving", None)?;
    let outcome = earmark_train::train(&job, &watch, &stop);
    screen.close();
    if let Some(pusher) = pusher {
        pusher.finish(matches!(outcome, Ok(Outcome::Finished(_))));
    }
    match outcome? {
        Outcome::Finished(finished) => {
            print_finished(&job, &finished)?;
            Ok(Done::Well)
        }
        Outcome::Stopped { step, steps } => {
            let stopped =
                say::Text::from(format_args!("stopped after step {step} of {steps}, saved; go on with"));
            say::note(stopped.then(format_args!("  earmark train --resume {}", job.output.display())));
            Ok(Done::Interrupted)
        }
    }
}

/// A run from its first step.
fn fresh(args: &Args, device: burn::tensor::Device, device_name: &str) -> Result<Job> {
    let named = match (args.sample, args.dataset.as_deref(), &args.data) {
        (true, ..) => Some("sample"),
        (_, Some(name), _) => Some(name),
        (_, None, None) => Some("gtzan"),
        (_, None, Some(_)) => None,
    };
    let mut recipe = match named {
        Some("sample") => earmark_train::sample(),
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
    let (dataset, card) = match (named, &args.data) {
        (None, Some(folder)) => open_folder(folder, label)?,
        (Some("sample"), _) => open_sample()?,
        (Some("gtzan"), _) | (None, None) => open_gtzan(&args.hub)?,
        (Some(name), _) => open_published(name, label, &args.hub)?,
    };
    recipe.label_column = args.label_column.clone().unwrap_or_default();
    let held_out = dataset.clips.iter().any(|clip| clip.held_out);
    let usual = if held_out { SplitBy::Published } else { SplitBy::Random };
    recipe.split_by = args.split_by.clone().unwrap_or(usual);
    recipe.dataset = dataset.name.clone();
    recipe.data =
        fs::canonicalize(&dataset.root).unwrap_or_else(|_| dataset.root.clone()).display().to_string();
    datasets::warn_skipped(&dataset);

    let (start, base_model) = match (&args.from_scratch, &args.model) {
        (Some(what), _) => (Start::Scratch(Box::new(scratch(what)?)), None),
        (None, None) if named == Some("sample") => {
            (Start::Scratch(Box::new(preset("sample").context("the preset is there")?)), None)
        }
        (None, model) => {
            let name = model.clone().unwrap_or_else(|| recipe.model.clone());
            let folder = args.hub.model(&name)?;
            recipe.model = name.clone();
            (Start::Model(folder), (!Path::new(&name).is_dir()).then_some(name))
        }
    };
    if let Some(what) = &args.from_scratch {
        recipe.model = format!("scratch:{what}");
    }
    if !matches!(named, Some("sample" | "gtzan")) {
        let model = recipe.model.rsplit(['/', ':']).find(|part| !part.is_empty()).unwrap_or("model");
        recipe.name =
            format!("{}-{}", model.trim_end_matches(".json"), dataset.name.replace([':', '/'], "-"));
    }
    let output = args.output.clone().unwrap_or_else(|| new_run(&runs_folder().join(&recipe.name)));
    Ok(Job { recipe, dataset, start, device, output, card, base_model, cache: Cache::of_user() })
}

/// A run from where it stopped.
fn resumed(
    run: Option<&Path>,
    numbers: &Numbers,
    device: burn::tensor::Device,
    hub: &HubArgs,
) -> Result<Job> {
    let output = find_run(run)?;
    let recipe = Recipe::read(&output)?;
    let mut asked = recipe.clone();
    numbers.apply(&mut asked);
    let differs = recipe.rows().into_iter().zip(asked.rows()).find(|(was, is)| was != is);
    if let Some(((key, was), (_, is))) = differs {
        bail!("`{}` began with `{key}` {was} and cannot go on with {is}: leave it out", output.display());
    }
    let dataset = open_data(&recipe, hub)?;
    let id = if recipe.dataset == "gtzan" { gtzan::REPO } else { "audiofolder" };
    let card = CardDataset { name: recipe.dataset.clone(), id: id.to_owned(), config: None, split: None };
    let from_hub = !recipe.model.starts_with("scratch:") && !Path::new(&recipe.model).is_dir();
    let base_model = from_hub.then(|| recipe.model.clone());
    Ok(Job {
        recipe,
        dataset,
        start: Start::Resume,
        device,
        output,
        card,
        base_model,
        cache: Cache::of_user(),
    })
}

/// The dataset of a run, as it was opened when the run began.
pub(crate) fn open_data(recipe: &Recipe, hub: &HubArgs) -> Result<AudioDataset> {
    let label = (!recipe.label_column.is_empty()).then_some(recipe.label_column.as_str());
    Ok(match recipe.dataset.as_str() {
        "gtzan" => gtzan::open(&recipe.data)?,
        name if is_named(name) => open_published(name, label, hub)?.0,
        _ => AudioDataset::open(&recipe.data, label)?,
    })
}

/// Whether a run's dataset is a published one, or one of the Hub's, and no folder.
fn is_named(dataset: &str) -> bool {
    let published = dataset.split_once(':').is_some_and(|(name, _)| Published::of_name(name).is_some());
    published || dataset.contains('/')
}

/// A published dataset: its first split to learn from, and the next to be judged by where there is one.
fn open_published(name: &str, label: Option<&str>, hub: &HubArgs) -> Result<(AudioDataset, CardDataset)> {
    let args = DatasetArgs { split: None, label_column: label.map(str::to_owned) };
    if let named @ Named::Hub { repo, config } = &Named::new(name, &args)? {
        let mut dataset = named.open(&args, hub)?;
        dataset.name = name.to_owned();
        let (id, config) = (repo.id.as_str().to_owned(), config.clone());
        let card = CardDataset { name: id.clone(), id, config, split: Some("train".to_owned()) };
        return Ok((dataset, card));
    }
    let train = Selection::new(name, None, label)?;
    let mut dataset = datasets::open_published(&train, hub)?;
    if let [_, validation, ..] = train.dataset.splits(&train.config) {
        let validation = Selection::new(name, Some(validation), label)?;
        let other = datasets::open_published(&validation, hub)?;
        dataset = dataset.with_held_out(&train.split, other, &validation.split);
    }
    let card = CardDataset {
        name: train.dataset.name().to_owned(),
        id: train.dataset.repo().to_owned(),
        config: Some(train.config.clone()),
        split: Some(train.split),
    };
    Ok((dataset, card))
}

fn open_folder(folder: &Path, label: Option<&str>) -> Result<(AudioDataset, CardDataset)> {
    let dataset = AudioDataset::open(folder, label)?;
    let card =
        CardDataset { name: dataset.name.clone(), id: "audiofolder".to_owned(), config: None, split: None };
    Ok((dataset, card))
}

fn open_sample() -> Result<(AudioDataset, CardDataset)> {
    let dataset = datasets::open_sample()?;
    let card =
        CardDataset { name: "earmark sample".into(), id: "audiofolder".into(), config: None, split: None };
    Ok((dataset, card))
}

fn open_gtzan(hub: &HubArgs) -> Result<(AudioDataset, CardDataset)> {
    let card = CardDataset {
        name: "GTZAN".to_owned(),
        id: gtzan::REPO.to_owned(),
        config: Some("all".to_owned()),
        split: Some("train".to_owned()),
    };
    let folder = data_folder().join("gtzan");
    if folder.is_dir() {
        return Ok((gtzan::open(&folder)?, card));
    }
    let repo = Repo::dataset(&format!("{}@{}", gtzan::REPO, gtzan::REVISION))?;
    let archive = hub.open()?.fetch(&repo, gtzan::ARCHIVE).context(
        "GTZAN is neither in the data folder nor to be had from the Hub; `earmark train --sample` needs neither",
    )?;
    let size = fs::metadata(&archive).map(|file| file.len()).unwrap_or(0);
    let bar = bar(size, "unpacking GTZAN {bar:30} {bytes}/{total_bytes} {eta} left");
    let dataset = gtzan::unpack(&archive, &folder, |bytes| bar.set_position(bytes));
    bar.finish_and_clear();
    Ok((dataset?, card))
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

/// The run that was named, or else the one that was started last, finished or not.
pub(crate) fn find_run(named: Option<&Path>) -> Result<PathBuf> {
    match named {
        Some(run) if run.join("recipe.toml").is_file() => Ok(run.to_path_buf()),
        Some(run) => bail!("`{}` is no run folder: it has no recipe.toml", run.display()),
        None => newest_run(),
    }
}

fn newest_run() -> Result<PathBuf> {
    let runs = runs_folder();
    let mut newest = None;
    for recipe in fs::read_dir(&runs).into_iter().flatten().flatten() {
        for run in fs::read_dir(recipe.path()).into_iter().flatten().flatten() {
            // A run's name is the time it began, so the largest name is the newest.
            if run.path().join("recipe.toml").is_file() {
                newest = newest.max(Some((run.file_name(), run.path())));
            }
        }
    }
    match newest {
        Some((_, path)) => Ok(path),
        None => bail!("there is no run in `{}` yet: start one by `earmark train --sample`", runs.display()),
    }
}

/// A folder named by the time, and by a number as well if another run began in the same second.
fn new_run(parent: &Path) -> PathBuf {
    let stamp = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string();
    let numbered = (2..).map(|n| parent.join(format!("{stamp}-{n}")));
    std::iter::once(parent.join(&stamp))
        .chain(numbered)
        .find(|folder| !folder.exists())
        .expect("the numbers do not end")
}

fn print_finished(job: &Job, finished: &Finished) -> Result<()> {
    let (report, best) = (&finished.report, finished.best_epoch);
    let shown = |path: &Path| escape(&path.display().to_string()).into_owned();
    let (model, html) = (shown(&finished.model), shown(&job.output.join("report.html")));
    let mut out = output::stdout();
    writeln!(out, "{}\n{}", table::confusion(report), table::per_class(report))?;
    writeln!(out, "{} on {} held-out clips, from epoch {best}\n", table::score(report), report.n)?;
    writeln!(out, "run      {}\nmodel    {model}\nreport   {html}\n", shown(&job.output))?;
    writeln!(out, "next:    earmark classify CLIP --model {model}")?;
    Ok(())
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
                    say::note(format_args!("left out {}: {}", clip.path.display(), clip.why));
                }
                say::note(format_args!("left out {} in all, as --skip-bad asks", clips.len()));
            }
            Event::NewParameters(names) if !names.is_empty() => {
                say::note(format_args!("new, drawn from the seed: {}", names.join(", ")));
            }
            Event::Started(plan) => {
                say::note(format_args!(
                    "clips    {} to train on, {} to test on, {} classes; {:.1} M parameters",
                    plan.train,
                    plan.test,
                    plan.labels.len(),
                    plan.parameters as f64 / 1e6
                ));
                if plan.done > 0 {
                    say::note(format_args!("resumed  after step {} of {}", plan.done, plan.steps));
                }
                say::note(table::epoch_header());
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
            Event::LessMemory { clips } => say::note(format_args!(
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
            Event::Epoch(epoch) => say::note(table::epoch_row(epoch, self.started.elapsed())),
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
