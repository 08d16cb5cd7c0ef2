//! Where the clips of a run come from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use earmark_data::{AudioDataset, Labelling, Location, Selection, Spec, gtzan};
use earmark_hub::Repo;
use earmark_train::{CardDataset, Recipe};

use crate::args::dataset::{DatasetArgs, Named};
use crate::args::hub::HubArgs;
use crate::datasets::fetch::data_folder;
use crate::datasets::open;
use crate::output::progress::bar;

/// Where the clips of a run come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Sample,
    Gtzan,
    /// A published dataset, or one of the Hub's, by its name.
    Published(String),
    Folder(PathBuf),
}

impl Source {
    /// Of a dataset's name.
    pub(crate) fn named(name: &str) -> Source {
        match name {
            "sample" => Source::Sample,
            "gtzan" => Source::Gtzan,
            name => Source::Published(name.to_owned()),
        }
    }

    /// Of a recipe. A run of an earlier version does not say `published`, nor need a recipe that was written by hand.
    pub(crate) fn of_recipe(recipe: &Recipe) -> Source {
        let folder = || Source::Folder(PathBuf::from(&recipe.data));
        match &recipe.published {
            Some(name) if name.is_empty() => folder(),
            Some(name) => Source::named(name),
            None if recipe.dataset == "gtzan" || recipe.data.is_empty() || is_named(&recipe.dataset) => {
                Source::named(&recipe.dataset)
            }
            None => folder(),
        }
    }

    /// What the recipe calls it; empty for a folder.
    pub(crate) fn name(&self) -> &str {
        match self {
            Source::Sample => "sample",
            Source::Gtzan => "gtzan",
            Source::Published(name) => name,
            Source::Folder(_) => "",
        }
    }

    /// How the model card names it; `part` is the split that was asked for, if one was.
    pub(crate) fn card(&self, dataset: &AudioDataset, part: &str) -> Result<CardDataset> {
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

/// The absolute path of a folder.
pub(crate) fn real(folder: &Path) -> String {
    fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf()).display().to_string()
}

/// The commit that a file or folder in the Hub's cache belongs to.
pub(crate) fn commit_in(path: &Path) -> Option<String> {
    let mut parts = path.iter().map(|part| part.to_string_lossy());
    parts.find(|part| part == "snapshots")?;
    let is_commit = |text: &str| text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    parts.next().filter(|commit| is_commit(commit)).map(|commit| commit.into_owned())
}

/// The commit of the Hub that the clips are of.
pub(crate) fn commit_of_dataset(source: &Source, dataset: &AudioDataset) -> Option<String> {
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
    let labelling = labelling_of(recipe);
    let dataset = match &source {
        Source::Gtzan => gtzan::open(&recipe.data)?,
        Source::Published(name) => {
            open_published(&at_commit(name, &recipe.dataset_commit), label, split, labelling, hub)?
        }
        Source::Sample | Source::Folder(_) => {
            open::open_folder_as(Path::new(&recipe.data), label, labelling)?
        }
    };
    let (mut dataset, _) = to_train(&source, dataset, split)?;
    open::add_fields(&mut dataset, fields_of(recipe))?;
    dataset.name.clone_from(&recipe.dataset);
    Ok(dataset)
}

/// How many classes the clips of a run have.
pub(crate) fn labelling_of(recipe: &Recipe) -> Labelling {
    if recipe.multi_label { Labelling::MultiLabel } else { Labelling::SingleLabel }
}

/// The table of further fields of the clips.
pub(crate) fn fields_of(recipe: &Recipe) -> Option<&Path> {
    Some(Path::new(&recipe.fields)).filter(|_| !recipe.fields.is_empty())
}

/// The splits for training and evaluation; of a published dataset they were chosen as it was opened.
pub(crate) fn to_train(
    source: &Source,
    dataset: AudioDataset,
    split: Option<&str>,
) -> Result<(AudioDataset, Vec<(String, usize)>)> {
    match source {
        Source::Published(_) => Ok((dataset, Vec::new())),
        _ => open::to_train(dataset, split),
    }
}

/// A dataset's name with a commit; published ones are pinned anyway.
pub(crate) fn at_commit(name: &str, commit: &str) -> String {
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

/// A published dataset: its first split for training, and the next for evaluation where there is one; or the split that is named.
pub(crate) fn open_published(
    name: &str,
    label: Option<&str>,
    split: Option<&str>,
    labelling: Labelling,
    hub: &HubArgs,
) -> Result<AudioDataset> {
    let args = DatasetArgs { split: split.map(str::to_owned), label_column: label.map(str::to_owned) };
    let named = Named::new(name, &args)?;
    if matches!(named, Named::Hub { .. }) || labelling == Labelling::MultiLabel {
        let mut dataset = named.open_as(&args, hub, labelling)?;
        name.clone_into(&mut dataset.name);
        return Ok(dataset);
    }
    let train = Selection::new(name, split, label)?;
    let mut dataset = open::open_published(&train, hub)?;
    if let ([_, validation, ..], None) = (train.config.splits, split) {
        let validation = Selection { split: validation, ..train };
        let other = open::open_published(&validation, hub)?;
        dataset = dataset.with_held_out(train.split.name, other, validation.split.name);
    }
    Ok(dataset)
}

pub(crate) fn open_gtzan(hub: &HubArgs) -> Result<AudioDataset> {
    let folder = data_folder().join("gtzan");
    if !gtzan::needs_unpacking(&folder)? {
        return Ok(gtzan::open(&folder)?);
    }
    let repo = Repo::dataset(&format!("{}@{}", gtzan::REPO, gtzan::REVISION))?;
    let archive = hub.open()?.fetch(&repo, gtzan::ARCHIVE).context(
        "GTZAN is not in the data folder and could not be downloaded: try `earmark train --sample` (no download) or --data DIR",
    )?;
    let size = fs::metadata(&archive).map(|file| file.len()).unwrap_or(0);
    let bar = bar(size, "unpacking GTZAN {bar:30} {bytes}/{total_bytes} {eta} left");
    let dataset = gtzan::unpack(&archive, &folder, |bytes| bar.set_position(bytes));
    bar.finish_and_clear();
    Ok(dataset?)
}
