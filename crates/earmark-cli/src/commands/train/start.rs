//! From the arguments to a run that can begin or go on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use burn::tensor::Device;
use earmark_data::{AudioDataset, Labelling};
use earmark_models::{ModelConfig, NetworkConfig};
use earmark_train::{Cache, CardDataset, Job, OutputFolder, Recipe, ScheduleKind, SplitBy, Start, preset};

use crate::args::model;
use crate::args::training::recipe::{self, RecipeArgs};
use crate::args::training::run::{STAMP, advise, find_resumable, runs_folder};
use crate::args::training::training_data::{
    Source, at_commit, commit_in, commit_of_dataset, fields_of, labelling_of, open_data, open_gtzan,
    open_published, real, to_train,
};
use crate::commands::train::arguments::Args;
use crate::datasets::open::{add_fields, open_folder_as, open_sample};
use crate::exit::usage;
use crate::output::{messages, shell};

/// A run that can begin, but for its folder.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) recipe: Recipe,
    pub(crate) dataset: AudioDataset,
    start: Start,
    device: Device,
    card: CardDataset,
}

impl Prepared {
    /// The same with another recipe.
    pub(crate) fn with(&self, recipe: Recipe) -> Prepared {
        Prepared { recipe, ..self.clone() }
    }

    pub(crate) fn job(self, output: OutputFolder) -> Job {
        let Prepared { recipe, dataset, start, device, card } = self;
        let (command, cache, base_model) = (shell::this_command(), Cache::of_user(), base_model(&recipe));
        Job { recipe, dataset, start, device, output, command, card, base_model, cache }
    }

    /// The same in a folder where it has begun.
    pub(crate) fn resumed(self, output: OutputFolder) -> Job {
        Prepared { start: Start::Resume, ..self }.job(output)
    }
}

/// A new run.
pub(crate) fn start(args: &Args, device: Device, device_name: &str) -> Result<Job> {
    if let Some(output) = &args.output {
        // Before anything is downloaded. Nothing stays of it until the run begins.
        OutputFolder::create_run(output).map_err(advise)?;
    }
    let prepared = prepare(args, device, device_name)?;
    let output = match &args.output {
        Some(output) => OutputFolder::create_run(output),
        None => OutputFolder::create_numbered(&runs_folder().join(&prepared.recipe.name), &stamp()),
    };
    Ok(prepared.job(output.map_err(advise)?))
}

/// The name of a run's folder that begins now.
pub(crate) fn stamp() -> String {
    jiff::Zoned::now().strftime(STAMP).to_string()
}

/// What the arguments say, resolved; models and datasets are there then.
pub(crate) fn prepare(args: &Args, device: Device, device_name: &str) -> Result<Prepared> {
    let (chosen, source) = (args.recipe()?, args.source());
    let is_sample = source.as_ref().map(|(source, _)| *source == Source::Sample);
    let (mut recipe, keys) = recipe::begin(is_sample, chosen.file.as_deref())?;
    chosen.apply(&mut recipe);
    refuse_idle(&chosen, &recipe)?;
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
    let open = |labelling| match &source {
        Source::Sample | Source::Gtzan if labelling == Labelling::MultiLabel => {
            Err(usage("each clip of this dataset has one class: leave out --multi-label"))
        }
        Source::Sample => open_sample(),
        Source::Gtzan => open_gtzan(&args.hub),
        Source::Published(name) => {
            open_published(&at_commit(name, &dataset_commit), label, split, labelling, &args.hub)
        }
        Source::Folder(folder) => open_folder_as(folder, label, labelling),
    };
    let dataset = match open(labelling_of(&recipe)) {
        Err(error) => {
            let column = column_of_lists(&error).ok_or(error)?;
            messages::note(format_args!(
                "the column `{column}` has lists: a clip may have any number of classes"
            ));
            recipe.multi_label = true;
            open(Labelling::MultiLabel)?
        }
        Ok(dataset) => dataset,
    };
    let card = source.card(&dataset, &recipe.split)?;
    let (mut dataset, unused) = to_train(&source, dataset, split)?;
    if fields_of(&recipe).is_some() {
        // The run may be resumed from another folder.
        recipe.fields = real(Path::new(&recipe.fields));
        add_fields(&mut dataset, fields_of(&recipe))?;
    }
    if !recipe.augment_noise.is_empty() {
        // As for the table of fields.
        recipe.augment_noise = real(Path::new(&recipe.augment_noise));
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
    Ok(Prepared { recipe, dataset, start, device, card })
}

/// The column, if a dataset was refused as one of several classes a clip.
fn column_of_lists(error: &anyhow::Error) -> Option<String> {
    match &error.downcast_ref::<earmark_data::Error>()?.kind {
        earmark_data::ErrorKind::ManyLabels { column } => Some(column.clone()),
        _ => None,
    }
}

/// Refuses an argument that another one makes useless.
fn refuse_idle(chosen: &RecipeArgs, recipe: &Recipe) -> Result<()> {
    match chosen.find("warmup_ratio") {
        Some(warmup) if recipe.schedule == ScheduleKind::Constant => Err(usage(format_args!(
            "the schedule constant does not warm up: leave out {}, or choose constant_with_warmup",
            warmup.argument
        ))),
        _ => Ok(()),
    }
}

/// A run that goes on from its newest checkpoint.
pub(crate) fn resume(run: Option<&Path>, args: &Args, device: Device) -> Result<Job> {
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
