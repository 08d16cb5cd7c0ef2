//! What the name of a dataset stands for: a published one, a folder, a file; and how its files get here.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use earmark_data::sample::{self, SampleOptions};
use earmark_data::{
    AudioDataset, ErrorKind, Example, Fetch, FetchError, LocalFile, Location, ReadAt, RemoteFile, Selection,
    Skipped, Spec, Stream,
};
use earmark_hub::{Hub, HubFile, Repo, WebFile};
use earmark_labels::LabelSet;

use crate::args::hub::HubArgs;
use crate::output::escape::escape;
use crate::output::{messages, progress};

/// Which clips of a dataset, and which of its columns is the class.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DatasetArgs {
    /// Which split, or `all` of a folder's [default: all of a folder, the first of a published dataset, train of one on the Hub].
    #[arg(long, value_name = "NAME")]
    pub(crate) split: Option<String>,

    /// The column that is the class, or folder1, folder2 … for the folders from outside [default: the usual one].
    #[arg(long, value_name = "NAME")]
    pub(crate) label_column: Option<String>,
}

/// A dataset by its name, and which of its clips.
#[derive(Debug, Clone, Args)]
pub(crate) struct NamedArgs {
    /// The dataset.
    #[arg(value_name = "DATASET")]
    pub(crate) dataset: String,

    #[command(flatten)]
    pub(crate) which: DatasetArgs,

    #[command(flatten)]
    pub(crate) hub: HubArgs,
}

impl NamedArgs {
    pub(crate) fn named(&self) -> Result<Named> {
        Named::new(&self.dataset, &self.which)
    }

    /// All of it, on this machine.
    pub(crate) fn open(&self) -> Result<AudioDataset> {
        self.named()?.open(&self.which, &self.hub)
    }
}

/// A dataset that was named, not yet opened.
pub(crate) enum Named {
    Published(Selection),
    /// The built-in sample.
    Sample,
    /// A folder or a Parquet file.
    Local(PathBuf),
    /// Parquet on the Hub, by `owner/name`.
    Hub {
        repo: Repo,
        config: Option<String>,
    },
}

impl Named {
    /// A folder or file that is there, or else a published dataset, or the built-in sample.
    pub(crate) fn new(name: &str, args: &DatasetArgs) -> Result<Named> {
        let path = Path::new(name);
        if name == "sample" && !path.exists() {
            return Ok(Named::Sample);
        }
        if path.exists() {
            return Ok(Named::Local(path.to_path_buf()));
        }
        let (dataset, config) = match name.split_once(':') {
            Some((dataset, config)) => (dataset, Some(config.to_owned())),
            None => (name, None),
        };
        if Spec::find(dataset).is_none() && dataset.contains('/') {
            let repo =
                Repo::dataset(dataset).with_context(|| format!("there is no folder or file `{name}`"))?;
            return Ok(Named::Hub { repo, config });
        }
        Ok(Named::Published(Selection::new(name, args.split.as_deref(), args.label_column.as_deref())?))
    }

    /// All of it, on this machine.
    pub(crate) fn open(&self, args: &DatasetArgs, hub: &HubArgs) -> Result<AudioDataset> {
        match self {
            Named::Sample => only(open_sample()?, args.split.as_deref()),
            Named::Local(path) => {
                only(open_folder(path, args.label_column.as_deref())?, args.split.as_deref())
            }
            Named::Published(selection) => open_published(selection, hub),
            Named::Hub { repo, config } => {
                let fetch = FromHub::new(hub)?;
                let files = shards(&fetch.0, repo, config.as_deref(), args.split.as_deref())?;
                let paths = files.iter().map(|file| fetch.path(file)).collect::<Result<Vec<_>, _>>();
                let paths = paths.map_err(anyhow::Error::from_boxed)?;
                let root = Path::new(repo.id.as_str()).file_name().unwrap_or_default();
                let dataset =
                    AudioDataset::open_parquet(root, &paths, args.label_column.as_deref()).map_err(advise)?;
                say_left_out(&dataset);
                Ok(dataset)
            }
        }
    }

    /// Its clips as they come, and its classes.
    pub(crate) fn stream(&self, args: &DatasetArgs, hub: &HubArgs) -> Result<(LabelSet, Clips)> {
        Ok(match self {
            Named::Sample | Named::Local(_) => {
                let dataset = self.open(args, hub)?;
                (dataset.labels.clone(), Clips::of(dataset))
            }
            Named::Published(selection) => {
                let fetch = Arc::new(FromHub::new(hub)?);
                (selection.labels(), Clips::Stream(Box::new(selection.stream(fetch))))
            }
            Named::Hub { repo, config } => {
                let fetch = FromHub::new(hub)?;
                let files = shards(&fetch.0, repo, config.as_deref(), args.split.as_deref())?;
                let (labels, stream) =
                    Stream::of_shards(files, args.label_column.as_deref(), Arc::new(fetch))
                        .map_err(advise)?;
                (labels, Clips::Stream(Box::new(stream)))
            }
        })
    }
}

/// The built-in sample, made in the data folder unless it is there.
pub(crate) fn open_sample() -> Result<AudioDataset> {
    let folder = data_folder().join("sample");
    if !folder.exists() {
        messages::note(format_args!("making the built-in sample, 53 MB, in {}", folder.display()));
    }
    Ok(sample::write(folder, &SampleOptions::default())?)
}

/// A folder or a Parquet file; what is left out of it is said.
pub(crate) fn open_folder(path: &Path, label: Option<&str>) -> Result<AudioDataset> {
    let dataset = AudioDataset::open(path, label).map_err(advise)?;
    say_left_out(&dataset);
    Ok(dataset)
}

/// One split of a dataset, or all of it.
pub(crate) fn only(mut dataset: AudioDataset, split: Option<&str>) -> Result<AudioDataset> {
    match split {
        None => Ok(dataset),
        Some("all") => {
            dataset.splits.clear();
            dataset.clips.iter_mut().for_each(|clip| clip.split = None);
            Ok(dataset)
        }
        Some(split) => Ok(dataset.split(split)?),
    }
}

/// What a training makes of a dataset's splits, unless one is named: it learns from `train`, and `validation` or else `test` is
/// kept for evaluation. The splits that it does not use, with their clips, come along.
pub(crate) fn to_train(
    dataset: AudioDataset,
    split: Option<&str>,
) -> Result<(AudioDataset, Vec<(String, usize)>)> {
    if let ([only], None) = (dataset.splits.as_slice(), split)
        && **only != *"train"
    {
        messages::warning(format_args!(
            "the only split there is is `{only}`: it is learned from, but for what is kept for evaluation"
        ));
    }
    if split.is_some() || dataset.splits.len() < 2 {
        return Ok((only(dataset, split)?, Vec::new()));
    }
    let is_there = |name: &&str| dataset.splits.iter().any(|split| **split == **name);
    if !is_there(&"train") {
        let splits: Vec<&str> = dataset.splits.iter().map(|split| &**split).collect();
        let root = dataset.root.display();
        anyhow::bail!(
            "`{root}` has the splits {}, and no `train`: choose one by --split, or --split all",
            splits.join(", ")
        );
    }
    let kept = ["validation", "test"].into_iter().find(is_there);
    let is_used = |split: &str| split == "train" || Some(split) == kept;
    let counts = dataset.clips_per_split().into_iter().filter(|(split, _)| !is_used(split));
    let unused: Vec<(String, usize)> = counts.map(|(split, clips)| (split.to_owned(), clips)).collect();
    let mut dataset = dataset;
    dataset.clips.retain(|clip| clip.split.as_deref().is_none_or(is_used));
    dataset
        .clips
        .iter_mut()
        .for_each(|clip| clip.held_out = clip.split.as_deref().is_some_and(|split| Some(split) == kept));
    Ok((dataset, unused))
}

/// Adds what can be done about it to an error of a dataset.
fn advise(error: earmark_data::Error) -> anyhow::Error {
    let asks = matches!(error.kind, ErrorKind::NoLabelColumn { .. });
    let error = anyhow::Error::new(error);
    if asks { error.context("name the column that is the class by --label-column NAME") } else { error }
}

/// The Parquet files of a Hub dataset that belong to a configuration and a split, as the Hub's converter and `datasets` name
/// them: `CONFIG/SPLIT/0000.parquet`, `CONFIG/SPLIT-00000-of-00002.parquet`, `data/SPLIT-….parquet`.
fn shards(hub: &Hub, repo: &Repo, config: Option<&str>, split: Option<&str>) -> Result<Vec<RemoteFile>> {
    const CONVERTED: &str = "refs/convert/parquet";
    let id = repo.id.as_str();
    let parquet = |repo: &Repo| -> Result<Vec<String>> {
        Ok(hub
            .list(repo)?
            .into_iter()
            .map(|file| file.path)
            .filter(|path| path.ends_with(".parquet"))
            .collect())
    };
    let mut revision = repo.revision.as_str().to_owned();
    let mut paths = parquet(repo)?;
    if paths.is_empty() {
        revision = CONVERTED.to_owned();
        paths = parquet(&Repo::dataset(&format!("{id}@{CONVERTED}"))?)
            .with_context(|| format!("`{id}` has no Parquet files, and the Hub made none of it"))?;
    }
    let split = split.unwrap_or("train");
    let of_split = |path: &String| {
        let file = path.rsplit('/').next().unwrap_or_default();
        let named = file.strip_prefix(split).is_some_and(|rest| rest.starts_with(['-', '.']));
        named || path.split('/').rev().skip(1).any(|folder| folder == split)
    };
    let of_config =
        |path: &String| config.is_none_or(|config| path.split('/').any(|folder| folder == config));
    let found: Vec<&String> = paths.iter().filter(|path| of_split(path) && of_config(path)).collect();
    let folders: BTreeSet<&str> = found.iter().filter_map(|path| Some(path.split_once('/')?.0)).collect();
    if found.is_empty() || folders.len() > 1 {
        let some: Vec<&str> = paths.iter().take(8).map(String::as_str).collect();
        let which = config.map_or_else(String::new, |config| format!(" of `{config}`"));
        let what = if found.is_empty() { "no Parquet files" } else { "more than one configuration" };
        anyhow::bail!(
            "`{id}` has {what} for the split `{split}`{which}: name another by --split NAME or `{id}:CONFIG`; it has {}",
            some.join(", ")
        );
    }
    Ok(found.into_iter().map(|path| RemoteFile::hub(id, &revision, path)).collect())
}

/// All of a published dataset, on this machine; a bar for each archive that is unpacked.
pub(crate) fn open_published(selection: &Selection, hub: &HubArgs) -> Result<AudioDataset> {
    let fetch = FromHub::new(hub)?;
    let template = "unpacking {prefix} {bar:30} {bytes}/{total_bytes} {eta} left";
    let mut bar: Option<(RemoteFile, indicatif::ProgressBar)> = None;
    let dataset = selection.open(&fetch, &data_folder(), |file, bytes| {
        if bar.as_ref().is_none_or(|(shown, _)| shown != file) {
            let size =
                fetch.path(file).ok().and_then(|path| path.metadata().ok()).map_or(0, |file| file.len());
            bar = Some((
                file.clone(),
                progress::bar(size, template).with_prefix(escape(&file.location.to_string()).into_owned()),
            ));
        }
        if let Some((_, bar)) = &bar {
            bar.set_position(bytes);
        }
    });
    if let Some((_, bar)) = bar {
        bar.finish_and_clear();
    }
    Ok(dataset?)
}

/// Clips in order, wherever they come from.
pub(crate) enum Clips {
    Local(Box<dyn Iterator<Item = Result<Example, earmark_data::Error>>>),
    Stream(Box<Stream>),
}

impl Clips {
    /// Those of a dataset that is here.
    pub(crate) fn of(dataset: AudioDataset) -> Clips {
        Clips::Local(Box::new(dataset.clips.into_iter().map(|clip| {
            Ok(Example {
                audio: clip.bytes()?,
                name: clip.name,
                label: Some(clip.label),
                fields: clip.fields,
            })
        })))
    }
}

impl Iterator for Clips {
    type Item = Result<Example, earmark_data::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Clips::Local(clips) => clips.next(),
            Clips::Stream(stream) => stream.next(),
        }
    }
}

/// Where datasets are kept: `EARMARK_DATA`, or `data` here.
pub(crate) fn data_folder() -> PathBuf {
    std::env::var_os("EARMARK_DATA").map_or_else(|| PathBuf::from("data"), PathBuf::from)
}

/// Files from the Hub and its cache, or from the web and the data folder.
struct FromHub(Hub);

impl FromHub {
    fn new(hub: &HubArgs) -> Result<FromHub> {
        Ok(FromHub(hub.open().context("cannot reach published datasets")?))
    }
}

impl Fetch for FromHub {
    fn open(&self, file: &RemoteFile) -> Result<Arc<dyn ReadAt>, FetchError> {
        Ok(match &file.location {
            Location::Hub { repo, revision, path } => {
                let repo = Repo::dataset(&format!("{repo}@{revision}"))?;
                Arc::new(OnHub(self.0.open_file(&repo, path)?))
            }
            Location::Web(url) => match downloaded(url) {
                Some(file) => Arc::new(LocalFile::new(File::open(file)?)?),
                None => Arc::new(OnWeb(self.0.open_url_file(url)?)),
            },
        })
    }

    fn path(&self, file: &RemoteFile) -> Result<PathBuf, FetchError> {
        match &file.location {
            Location::Hub { repo, revision, path } => {
                Ok(self.0.fetch(&Repo::dataset(&format!("{repo}@{revision}"))?, path)?)
            }
            Location::Web(url) => {
                if let Some(there) = downloaded(url) {
                    return Ok(there);
                }
                let target = download(url);
                self.0.fetch_url(url, file.sha256, &target)?;
                Ok(target)
            }
        }
    }
}

/// Where a file from the web is kept.
fn download(url: &str) -> PathBuf {
    let name = url.rsplit('/').find(|part| !part.is_empty()).unwrap_or("file");
    data_folder().join("downloads").join(name)
}

fn downloaded(url: &str) -> Option<PathBuf> {
    Some(download(url)).filter(|file| file.is_file())
}

#[derive(Debug)]
struct OnHub(HubFile);

impl ReadAt for OnHub {
    fn size(&self) -> u64 {
        self.0.len()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_at(offset, buffer).map_err(io::Error::other)
    }

    fn is_remote(&self) -> bool {
        self.0.cached().is_none()
    }
}

#[derive(Debug)]
struct OnWeb(WebFile);

impl ReadAt for OnWeb {
    fn size(&self) -> u64 {
        self.0.len()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_at(offset, buffer).map_err(io::Error::other)
    }
}

/// Says what was left out of a dataset and why, and what could have been meant otherwise.
pub(crate) fn say_left_out(dataset: &AudioDataset) {
    for remark in &dataset.remarks {
        messages::warning(remark.as_str());
    }
    for skipped in dataset.skipped.chunk_by(|a, b| a.reason == b.reason) {
        let (count, Skipped { location, reason }) = (skipped.len(), &skipped[0]);
        match count {
            1 => messages::warning(format_args!("`{location}` is left out: {reason}")),
            _ => messages::warning(format_args!("{count} are left out, such as `{location}`: {reason}")),
        }
    }
}
