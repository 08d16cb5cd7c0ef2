//! The published datasets: what they are called, where their files lie, which classes and how many clips they have.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use earmark_labels::LabelSet;

use crate::catalog::{esc50, fleurs, gtzan, minds14, speech_commands};
use crate::dataset::{About, AudioDataset, Clip};
use crate::error::{Error, ErrorKind, Task};
use crate::read::archive;
use crate::read::folder::{Found, files_below};
use crate::read::read_at::ReadAt;
use crate::read::stream::{Part, Stream};
use crate::read::table::{Labels, Shard, row_name};
use crate::write::landing;
use crate::write::landing::Unpacked;

/// A dataset that has a loader of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Published {
    /// Spoken requests to a bank, fourteen intents in fourteen languages: [`minds14`].
    Minds14,
    /// One-second words: [`speech_commands`].
    SpeechCommands,
    /// Read sentences in 102 languages: [`fleurs`].
    Fleurs,
    /// Fifty kinds of sound: [`esc50`].
    Esc50,
    /// Ten genres of music: [`gtzan`].
    Gtzan,
}

/// A configuration and a split of a published dataset, and the column that is its class: what `minds14:en-AU` and so on name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The dataset.
    pub dataset: Published,
    /// Its configuration, such as `en-AU` or `v0.02`.
    pub config: String,
    /// Its split, such as `train`.
    pub split: String,
    /// The column that is its class.
    pub label: String,
}

/// A file of a published dataset, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteFile {
    /// Where.
    pub place: Place,
    /// Its SHA-256, where it was published.
    pub sha256: Option<&'static str>,
}

/// Where a file lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// In a dataset on the Hugging Face Hub.
    Hub {
        /// `owner/name`.
        repo: String,
        /// A commit, or a branch.
        revision: String,
        /// The file.
        path: String,
    },
    /// At a web address.
    Web(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Hub { repo, path, .. } => write!(f, "{path} of {repo}"),
            Place::Web(url) => f.write_str(url),
        }
    }
}

impl RemoteFile {
    /// A file of a dataset on the Hub.
    pub fn hub(repo: &str, revision: &str, path: impl Into<String>) -> RemoteFile {
        let place = Place::Hub { repo: repo.to_owned(), revision: revision.to_owned(), path: path.into() };
        RemoteFile { place, sha256: None }
    }

    pub(crate) fn web(url: String) -> RemoteFile {
        RemoteFile { place: Place::Web(url), sha256: None }
    }
}

/// What fetching may fail with.
pub type FetchError = Box<dyn std::error::Error + Send + Sync>;

/// Gets the files of published datasets. This crate opens no sockets; its caller does, or has the files already.
pub trait Fetch: Send + Sync {
    /// Opens a file to be read in part, without fetching the rest.
    ///
    /// # Errors
    /// When it cannot be had.
    fn open(&self, file: &RemoteFile) -> Result<Arc<dyn ReadAt>, FetchError>;

    /// The whole file on this machine, fetched if need be.
    ///
    /// # Errors
    /// When it cannot be had.
    fn path(&self, file: &RemoteFile) -> Result<PathBuf, FetchError>;
}

/// Whether a row, by its fields, belongs to a part of a dataset.
pub(crate) type Likes = fn(&crate::Fields) -> bool;
/// Makes a [`Reader`] for an archive, of the text of its table if it has one.
pub(crate) type MakeReader = fn(&Selection, &Archive, Option<&str>) -> Result<Box<dyn Reader>, ErrorKind>;

/// How the files of a selection are laid out.
pub(crate) enum Layout {
    /// Parquet shards, and which of their rows count, if not all do.
    Shards { files: Vec<RemoteFile>, keep: Option<Likes> },
    /// Archives; of each, what its files mean.
    Archives(Vec<Archive>),
}

/// A tar of sounds.
pub(crate) struct Archive {
    pub(crate) file: RemoteFile,
    /// A table that says more about its files.
    pub(crate) table: Option<RemoteFile>,
    /// The folder it is unpacked to, below the dataset's.
    pub(crate) folder: String,
    /// What its files mean.
    pub(crate) reader: MakeReader,
    /// What it may hold at most: of one file, and in all.
    pub(crate) limits: (u64, u64),
}

/// Knows the files of an archive by their paths.
pub(crate) trait Reader: Send {
    /// Where a file is kept, or nothing if it is no clip of any split: junk never reaches the disk.
    fn keep(&self, path: &str) -> Option<String>;

    /// What a kept file is, or nothing if it is a clip of another split.
    fn clip(&self, path: &str) -> Result<Option<Described>, ErrorKind>;
}

/// What is known of a clip but its sound.
pub(crate) struct Described {
    pub(crate) label: usize,
    pub(crate) fields: crate::Fields,
    /// See `Clip::second`.
    pub(crate) second: bool,
}

impl Published {
    /// All of them.
    pub const ALL: [Published; 5] = [
        Published::Minds14,
        Published::SpeechCommands,
        Published::Fleurs,
        Published::Esc50,
        Published::Gtzan,
    ];

    /// What it is called here: `minds14`.
    pub fn name(self) -> &'static str {
        match self {
            Published::Minds14 => "minds14",
            Published::SpeechCommands => "speech-commands",
            Published::Fleurs => "fleurs",
            Published::Esc50 => "esc50",
            Published::Gtzan => "gtzan",
        }
    }

    /// The dataset of that name; `speech_commands` and `PolyAI/minds14` are understood as well.
    pub fn of_name(name: &str) -> Option<Published> {
        let plain = |name: &str| name.to_lowercase().replace(['-', '_'], "");
        let known = |dataset: &Published| {
            plain(dataset.name()) == plain(name) || dataset.repo().eq_ignore_ascii_case(name)
        };
        Published::ALL.into_iter().find(known)
    }

    /// What the Hub calls it.
    pub fn repo(self) -> &'static str {
        match self {
            Published::Minds14 => minds14::REPO,
            Published::SpeechCommands => "google/speech_commands",
            Published::Fleurs => fleurs::REPO,
            Published::Esc50 => esc50::REPO,
            Published::Gtzan => gtzan::REPO,
        }
    }

    /// What its makers say.
    pub fn about(self) -> About {
        match self {
            Published::Minds14 => minds14::about(),
            Published::SpeechCommands => speech_commands::about(),
            Published::Fleurs => fleurs::about(),
            Published::Esc50 => esc50::about(),
            Published::Gtzan => gtzan::about(),
        }
    }

    /// Its configurations, the usual one first.
    pub fn configs(self) -> Vec<String> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        match self {
            Published::Minds14 => minds14::configs(),
            Published::SpeechCommands => owned(speech_commands::CONFIGS),
            Published::Fleurs => fleurs::configs(),
            Published::Esc50 => owned(esc50::CONFIGS),
            Published::Gtzan => owned(gtzan::CONFIGS),
        }
    }

    /// The splits of a configuration.
    pub fn splits(self, config: &str) -> &'static [&'static str] {
        const ALL: &[&str] = &["train", "validation", "test"];
        match (self, config) {
            (Published::Minds14 | Published::Esc50, _) | (Published::Gtzan, "all") => &["train"],
            (Published::SpeechCommands | Published::Fleurs | Published::Gtzan, _) => ALL,
        }
    }

    /// The columns that can be its class, the usual one first.
    pub fn label_columns(self) -> &'static [&'static str] {
        match self {
            Published::Minds14 => &["intent_class", "lang_id"],
            Published::SpeechCommands => &["label"],
            Published::Fleurs => &["language", "lang_id", "lang_group_id", "gender"],
            Published::Esc50 => &["category"],
            Published::Gtzan => &["genre"],
        }
    }
}

impl Selection {
    /// Reads `NAME` or `NAME:CONFIG`; without a split it is the first, without a label column the usual one.
    ///
    /// # Errors
    /// [`ErrorKind::Unknown`] lists what there is.
    pub fn new(name: &str, split: Option<&str>, label: Option<&str>) -> Result<Selection, Error> {
        let failed = |kind| Task::Choose(name.to_owned()).failed(kind);
        let unknown = |what, name: &str, known: Vec<String>| {
            failed(ErrorKind::Unknown { what, name: name.to_owned(), known })
        };
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (dataset, config) = match name.split_once(':') {
            Some((dataset, config)) => (dataset, Some(config)),
            None => (name, None),
        };
        let Some(dataset) = Published::of_name(dataset) else {
            return Err(unknown("dataset", dataset, owned(&Published::ALL.map(Published::name))));
        };
        let configs = dataset.configs();
        let config = config.map_or_else(|| configs[0].clone(), str::to_owned);
        if !configs.contains(&config) {
            return Err(unknown("configuration", &config, configs));
        }
        let splits = dataset.splits(&config);
        let split = split.unwrap_or(splits[0]).to_owned();
        if !splits.contains(&split.as_str()) {
            return Err(unknown("split", &split, owned(splits)));
        }
        let columns = dataset.label_columns();
        let label = label.unwrap_or(columns[0]).to_owned();
        if !columns.contains(&label.as_str()) {
            return Err(unknown("label column", &label, owned(columns)));
        }
        Ok(Selection { dataset, config, split, label })
    }

    /// `minds14:en-AU`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.dataset.name(), self.config)
    }

    /// Its classes.
    pub fn labels(&self) -> LabelSet {
        match self.dataset {
            Published::Minds14 => minds14::labels(self),
            Published::SpeechCommands => speech_commands::labels(self),
            Published::Fleurs => fleurs::labels(self),
            Published::Esc50 => esc50::labels(self),
            Published::Gtzan => LabelSet::from_names(gtzan::GENRES).expect("the genres differ"),
        }
    }

    /// How many clips were published, where that is known.
    pub fn rows(&self) -> Option<usize> {
        match self.dataset {
            Published::Minds14 => minds14::rows(&self.config),
            Published::SpeechCommands => speech_commands::rows(&self.config, &self.split),
            Published::Fleurs => None,
            Published::Esc50 => Some(esc50::rows(&self.config)),
            Published::Gtzan => gtzan::rows(&self.config, &self.split),
        }
    }

    fn label_column(&self) -> Labels {
        let in_part = self.dataset == Published::Esc50 && self.config == "esc10";
        Labels { column: self.label.clone(), set: self.labels(), in_part }
    }

    fn layout(&self) -> Layout {
        match self.dataset {
            Published::Minds14 => minds14::layout(self),
            Published::SpeechCommands => speech_commands::layout(self),
            Published::Fleurs => fleurs::layout(self),
            Published::Esc50 => esc50::layout(&self.config),
            Published::Gtzan => gtzan::layout(),
        }
    }

    /// The files it consists of.
    pub fn files(&self) -> Vec<RemoteFile> {
        match self.layout() {
            Layout::Shards { files, .. } => files,
            Layout::Archives(archives) => archives
                .into_iter()
                .flat_map(|archive| archive.table.into_iter().chain([archive.file]))
                .collect(),
        }
    }

    /// Its clips as they come, without fetching more than is asked for.
    pub fn stream(&self, fetch: Arc<dyn Fetch>) -> Stream {
        let labels = self.label_column();
        let parts = match self.layout() {
            Layout::Shards { files, keep } => {
                files.into_iter().map(|file| Part::Shard { file, labels: labels.clone(), keep }).collect()
            }
            Layout::Archives(archives) => archives
                .into_iter()
                .map(|archive| Part::Archive { selection: self.clone(), archive })
                .collect(),
        };
        Stream::new(parts, fetch)
    }

    /// All of it, on this machine: shards stay where `fetch` keeps them, archives are unpacked below `folder`, each whole or not
    /// at all. No sound is decoded. `progress` is told which file is being unpacked, and how many bytes of it have been read.
    ///
    /// # Errors
    /// A file that cannot be had or is broken; [`ErrorKind::NotWhole`] when there are more or fewer clips than were published.
    pub fn open(
        &self,
        fetch: &dyn Fetch,
        folder: &Path,
        mut progress: impl FnMut(&RemoteFile, u64),
    ) -> Result<AudioDataset, Error> {
        let doing = |kind| Task::Choose(self.name()).failed(kind);
        let path = |file: &RemoteFile| {
            fetch
                .path(file)
                .map_err(|source| doing(ErrorKind::Fetch { file: file.place.to_string(), source }))
        };
        let labels = self.label_column();
        let (name, root, about) = (self.name(), folder.to_path_buf(), self.dataset.about());
        let mut dataset = AudioDataset::empty(name, root, labels.set.clone(), about);
        dataset.classes_from = format!("the column `{}`", self.label);
        let not_whole = |clips, wanted, file| doing(ErrorKind::NotWhole { clips, wanted, file });
        let wanted = self.rows();
        match self.layout() {
            Layout::Shards { files, keep } => {
                let mut last = PathBuf::new();
                for file in files {
                    last = path(&file)?;
                    dataset.extend_from_shard(&Arc::new(Shard::open(&last)?), &labels, keep)?;
                }
                if let Some(wanted) = wanted.filter(|&wanted| wanted != dataset.clips.len()) {
                    return Err(not_whole(dataset.clips.len(), wanted, last));
                }
            }
            Layout::Archives(archives) => {
                // Two languages may call two recordings alike.
                let many = archives.len() > 1;
                for archive in archives {
                    let table = archive.table.as_ref().map(path).transpose()?;
                    let table = table.map(|table| earmark_fs::read_to_string(table, MOST_TABLE)).transpose();
                    let table = table.map_err(|error| doing(error.into()))?;
                    let reader = (archive.reader)(self, &archive, table.as_deref()).map_err(doing)?;
                    let into = folder.join(&archive.folder);
                    // Only of a selection that is one archive is it known how many clips that has.
                    let wanted = wanted.filter(|_| !many);
                    let is_whole = |folder: &Path| -> Result<(bool, usize), ErrorKind> {
                        let clips = clips_of(folder, reader.as_ref())?;
                        Ok((wanted.is_none_or(|wanted| wanted == clips), clips))
                    };
                    let is_ours = |name: &str| reader.keep(name).is_some();
                    let state = landing::look(&into, || Ok(is_whole(&into)?.0), is_ours);
                    let state = state.map_err(|kind| Task::Open(into.clone()).failed(kind))?;
                    if state != Unpacked::Whole {
                        let from = path(&archive.file)?;
                        let task = Task::Unpack { archive: from.clone(), into: into.clone() };
                        let unpack = |folder: &Path| -> Result<(), ErrorKind> {
                            let file = archive::Watched {
                                inner: earmark_fs::open(&from)?,
                                read: 0,
                                progress: |bytes| progress(&archive.file, bytes),
                            };
                            if archive::unpack(file, folder, archive.limits, |path| reader.keep(path))? == 0 {
                                let why = "it holds none of the dataset's clips".to_owned();
                                return Err(ErrorKind::Broken(why));
                            }
                            match (is_whole(folder)?, wanted) {
                                ((false, clips), Some(wanted)) => {
                                    Err(ErrorKind::NotWhole { clips, wanted, file: from.clone() })
                                }
                                _ => Ok(()),
                            }
                        };
                        let landed = match state {
                            Unpacked::InPart => landing::replace(&into, unpack),
                            _ => landing::land(&into, unpack),
                        };
                        landed.map_err(|kind| task.failed(kind))?;
                    }
                    let prefix =
                        if many { archive.folder.split_once('/').map(|(_, rest)| rest) } else { None };
                    dataset.extend_from_folder(&into, reader.as_ref(), prefix)?;
                }
            }
        }
        Ok(dataset)
    }
}

/// The largest table of an archive that is read; the largest there is has a few megabytes.
const MOST_TABLE: u64 = 64 << 20;

/// How many clips an unpacked archive has.
fn clips_of(folder: &Path, reader: &dyn Reader) -> Result<usize, ErrorKind> {
    let mut clips = 0;
    for file in files_below(folder)?.files {
        clips += usize::from(reader.clip(&file.name)?.is_some());
    }
    Ok(clips)
}

impl AudioDataset {
    /// Adds the rows of a shard, those that `keep` likes if it is given.
    pub(crate) fn extend_from_shard(
        &mut self,
        shard: &Arc<Shard>,
        labels: &Labels,
        keep: Option<Likes>,
    ) -> Result<(), Error> {
        let failed = |kind| Task::Open(shard.name().into()).failed(kind);
        for (row, (path, mut fields)) in shard.table()?.into_iter().enumerate() {
            let label = labels.of(&mut fields, shard.classes(), row).map_err(failed)?;
            if keep.is_some_and(|likes| !likes(&fields)) {
                continue;
            }
            let name = path.unwrap_or_else(|| row_name(row));
            let unlabelled = || ErrorKind::NoField { clip: name.clone(), field: labels.column.clone() };
            let label = label.ok_or_else(unlabelled).map_err(failed)?;
            self.clips.push(Clip::of_row(name, label, fields, Arc::clone(shard), row));
        }
        Ok(())
    }

    /// Adds the files of an unpacked archive, by name.
    fn extend_from_folder(
        &mut self,
        folder: &Path,
        reader: &dyn Reader,
        prefix: Option<&str>,
    ) -> Result<(), Error> {
        let failed = |kind| Task::Open(folder.to_path_buf()).failed(kind);
        for Found { name, path } in files_below(folder).map_err(failed)?.files {
            let Some(described) = reader.clip(&name).map_err(failed)? else { continue };
            let name = prefix.map_or(name.clone(), |prefix| format!("{prefix}/{name}"));
            let mut clip = Clip::new(name, path, earmark_labels::LabelId::new(described.label))
                .with_fields(described.fields);
            clip.second = described.second;
            self.clips.push(clip);
        }
        Ok(())
    }
}
