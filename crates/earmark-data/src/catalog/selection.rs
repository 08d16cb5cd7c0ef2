//! A published dataset by its name: chosen, streamed, or opened on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use earmark_error::Context as _;
use earmark_labels::LabelId;

use crate::catalog::CATALOG;
use crate::catalog::spec::{Selection, Spec};
use crate::clip::Clip;
use crate::dataset::AudioDataset;
use crate::error::{Error, ErrorKind, Task};
use crate::read::archive;
use crate::read::clip_names;
use crate::read::files::{FoundFile, files_below};
use crate::read::label_column::LabelColumn;
use crate::read::layout::{Archive, ArchiveIndex, Layout, RowFilter};
use crate::read::parquet::shard::Shard;
use crate::read::remote::{Fetch, RemoteFile};
use crate::read::row_names::row_name;
use crate::read::stream::{Part, Stream};
use crate::read::unpack::Unpacked;

impl Spec {
    /// The dataset of that name. Its name on the Hub and other spellings work as well: `PolyAI/minds14`, `speech_commands`.
    pub fn find(name: &str) -> Option<&'static Spec> {
        let plain = |name: &str| name.to_lowercase().replace(['-', '_'], "");
        let is_it = |spec: &&&Spec| plain(spec.id) == plain(name) || spec.repo.eq_ignore_ascii_case(name);
        CATALOG.iter().find(is_it).copied()
    }
}

/// The entry of that name, or the first if none is named.
fn choose<T>(
    what: &'static str,
    name: Option<&str>,
    entries: &'static [T],
    name_of: fn(&T) -> &'static str,
) -> Result<&'static T, ErrorKind> {
    let Some(name) = name else { return Ok(&entries[0]) };
    entries.iter().find(|entry| name_of(entry) == name).ok_or_else(|| ErrorKind::Unknown {
        what,
        name: name.to_owned(),
        known: entries.iter().map(|entry| name_of(entry).to_owned()).collect(),
    })
}

impl Selection {
    /// Selects `NAME` or `NAME:CONFIG`; by default with its first split and its first label column.
    ///
    /// # Errors
    /// [`ErrorKind::Unknown`] with the names that exist.
    pub fn new(name: &str, split: Option<&str>, label_column: Option<&str>) -> Result<Selection, Error> {
        let (dataset, config) = match name.split_once(':') {
            Some((dataset, config)) => (dataset, Some(config)),
            None => (name, None),
        };
        let selected = || {
            let dataset = Spec::find(dataset).ok_or_else(|| ErrorKind::Unknown {
                what: "dataset",
                name: dataset.to_owned(),
                known: CATALOG.iter().map(|spec| spec.id.to_owned()).collect(),
            })?;
            let config = choose("configuration", config, dataset.configs, |config| config.name)?;
            let split = choose("split", split, config.splits, |split| split.name)?;
            let label_column =
                choose("label column", label_column, config.label_columns, |column| column.name)?;
            Ok::<_, ErrorKind>(Selection { dataset, config, split, label_column })
        };
        selected().with_context(|| Task::Choose(name.to_owned()))
    }

    fn layout(&self) -> Layout {
        (self.dataset.layout)(self)
    }

    fn label_column(&self, keep: Option<RowFilter>) -> LabelColumn {
        let (name, labels) = (self.label_column.name.to_owned(), self.labels());
        LabelColumn { name, labels, partial: keep.is_some() }
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

    /// Streams the clips; only what is read is downloaded.
    pub fn stream(&self, fetch: Arc<dyn Fetch>) -> Stream {
        let parts = match self.layout() {
            Layout::Shards { files, keep } => {
                let label_column = self.label_column(keep);
                let part = |file| Part::Shard { file, label_column: label_column.clone(), keep };
                files.into_iter().map(part).collect()
            }
            Layout::Archives(archives) => archives.into_iter().map(Part::Archive).collect(),
        };
        Stream::new(parts, fetch)
    }

    /// Downloads all of it and lists its clips; none is decoded. Shards stay where `fetch` puts them, archives are unpacked below
    /// `folder`, each completely or not at all. `progress` is called with the file that is being unpacked and the bytes of it
    /// that have been read.
    ///
    /// # Errors
    /// When a file cannot be downloaded or is damaged; [`ErrorKind::NotWhole`] when the number of clips is not the published one.
    pub fn open(
        &self,
        fetch: &dyn Fetch,
        folder: &Path,
        mut progress: impl FnMut(&RemoteFile, u64),
    ) -> Result<AudioDataset, Error> {
        let mut dataset =
            AudioDataset::empty(self.name(), folder.to_path_buf(), self.labels(), self.dataset.info());
        dataset.classes_from = format!("the column `{}`", self.label_column.name);
        match self.layout() {
            Layout::Shards { files, keep } => self.add_shards(&mut dataset, &files, keep, fetch)?,
            Layout::Archives(archives) => {
                // Two languages may call two recordings alike.
                let is_one_of_many = archives.len() > 1;
                for archive in archives {
                    let into = folder.join(&archive.folder);
                    let prefix = archive.folder.split_once('/').map(|(_, rest)| rest.to_owned());
                    let prefix = prefix.filter(|_| is_one_of_many);
                    // The number published is that of all archives together.
                    let wanted = self.split.clips.filter(|_| !is_one_of_many);
                    let index = self.unpack(archive, &into, wanted, fetch, &mut progress)?;
                    add_files(&mut dataset, &into, index.as_ref(), prefix.as_deref())
                        .context(Task::Open(into))?;
                }
            }
        }
        Ok(dataset)
    }

    fn fetched(&self, fetch: &dyn Fetch, file: &RemoteFile) -> Result<PathBuf, Error> {
        let path = fetch.path(file);
        path.map_err(|source| ErrorKind::Fetch { file: file.location.to_string(), source })
            .with_context(|| Task::Choose(self.name()))
    }

    fn add_shards(
        &self,
        dataset: &mut AudioDataset,
        files: &[RemoteFile],
        keep: Option<RowFilter>,
        fetch: &dyn Fetch,
    ) -> Result<(), Error> {
        let label_column = self.label_column(keep);
        let mut last = PathBuf::new();
        // By place in the dataset: the shard, and the row in it.
        let mut places = Vec::new();
        for (at, file) in files.iter().enumerate() {
            last = self.fetched(fetch, file)?;
            let rows = add_rows(dataset, &Arc::new(Shard::open(&last)?), &label_column, keep)?;
            places.extend(rows.into_iter().map(|row| (at, row)));
        }
        clip_names::tell_apart(&mut dataset.clips, |place, clip| {
            let (at, row) = places[place];
            format!("{}#{row}/{}", files[at].location.path(), clip.name)
        });
        let clips = dataset.clips.len();
        match self.split.clips {
            Some(wanted) if wanted != clips => {
                Err(ErrorKind::NotWhole { clips, wanted, file: last }).context(Task::Choose(self.name()))
            }
            _ => Ok(()),
        }
    }

    /// Unpacks an archive unless that is done, and gives its index.
    fn unpack(
        &self,
        archive: Archive,
        into: &Path,
        wanted: Option<usize>,
        fetch: &dyn Fetch,
        progress: &mut dyn FnMut(&RemoteFile, u64),
    ) -> Result<Box<dyn ArchiveIndex>, Error> {
        let choosing = || Task::Choose(self.name());
        let table = archive.table.as_ref().map(|table| self.fetched(fetch, table)).transpose()?;
        let table = table.map(|table| earmark_fs::read_to_string(table, LARGEST_TABLE)).transpose();
        let table = table.with_context(choosing)?;
        let index = (archive.index)(table.as_deref()).with_context(choosing)?;
        let is_whole = |folder: &Path| -> Result<(bool, usize), ErrorKind> {
            let clips = count_clips(folder, index.as_ref())?;
            Ok((wanted.is_none_or(|wanted| wanted == clips), clips))
        };
        let is_ours = |name: &str| index.unpacked_path(name).is_some();
        let state = Unpacked::look(into, || Ok(is_whole(into)?.0), is_ours)
            .with_context(|| Task::Open(into.to_path_buf()))?;
        if state == Unpacked::Whole {
            return Ok(index);
        }
        let from = self.fetched(fetch, &archive.file)?;
        let unpack = |folder: &Path| -> Result<(), ErrorKind> {
            let progress = |bytes| progress(&archive.file, bytes);
            let file = archive::Progress { inner: earmark_fs::open(&from)?, read: 0, report: progress };
            if archive::unpack(file, folder, archive.limits, |path| index.unpacked_path(path))? == 0 {
                return Err(ErrorKind::Broken("it contains none of the dataset's clips".to_owned()));
            }
            match (is_whole(folder)?, wanted) {
                ((false, clips), Some(wanted)) => {
                    Err(ErrorKind::NotWhole { clips, wanted, file: from.clone() })
                }
                _ => Ok(()),
            }
        };
        let unpacked = state.complete(into, unpack);
        unpacked.with_context(|| Task::Unpack { archive: from.clone(), into: into.to_path_buf() })?;
        Ok(index)
    }
}

/// The largest table of an archive that is read; the largest there is has a few megabytes.
const LARGEST_TABLE: u64 = 64 << 20;

/// How many clips an unpacked archive has.
fn count_clips(folder: &Path, index: &dyn ArchiveIndex) -> Result<usize, ErrorKind> {
    let mut clips = 0;
    for file in files_below(folder)?.files {
        clips += usize::from(index.clip(&file.name)?.is_some());
    }
    Ok(clips)
}

/// Adds the rows of a shard that belong to the configuration, and says which they are.
fn add_rows(
    dataset: &mut AudioDataset,
    shard: &Arc<Shard>,
    label_column: &LabelColumn,
    keep: Option<RowFilter>,
) -> Result<Vec<usize>, Error> {
    let opening = || Task::Open(shard.name().into());
    let mut rows = Vec::new();
    for (row, (path, mut fields)) in shard.table()?.into_iter().enumerate() {
        let label = label_column.read(&mut fields, shard.classes(), row).with_context(opening)?;
        if keep.is_some_and(|keep| !keep(&fields)) {
            continue;
        }
        let name = row_name(path, &fields, row);
        let unlabelled = || ErrorKind::NoField {
            clip: name.clone(),
            field: label_column.name.clone(),
            fields: fields.keys().cloned().collect(),
        };
        let label = label.ok_or_else(unlabelled).with_context(opening)?;
        dataset.clips.push(Clip::of_row(name, label, fields, Arc::clone(shard), row));
        rows.push(row);
    }
    Ok(rows)
}

/// Adds the files of an unpacked archive, by name.
fn add_files(
    dataset: &mut AudioDataset,
    folder: &Path,
    index: &dyn ArchiveIndex,
    prefix: Option<&str>,
) -> Result<(), ErrorKind> {
    for FoundFile { name, path } in files_below(folder)?.files {
        let Some(info) = index.clip(&name)? else { continue };
        let name = prefix.map_or(name.clone(), |prefix| format!("{prefix}/{name}"));
        let mut clip = Clip::new(name, path, LabelId::new(info.label)).with_fields(info.fields);
        clip.one_second = info.one_second;
        dataset.clips.push(clip);
    }
    Ok(())
}
