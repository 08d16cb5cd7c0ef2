//! Datasets on this machine, by their path.

use std::path::{Path, PathBuf};

use earmark_error::Context as _;

use crate::catalog::CATALOG;
use crate::catalog::spec::{Checkout, Spec};
use crate::dataset::AudioDataset;
use crate::error::{Error, ErrorKind, Task};
use crate::read::folder;
use crate::read::label_column::Labelling;
use crate::read::parquet::shard::Shard;

impl AudioDataset {
    /// Opens a folder, whatever its layout:
    ///
    /// - `metadata.csv`, `.jsonl` or `.parquet` with a column `file_name`, as in the Hub's `audiofolder`, in the folder or in
    ///   folders below it; clips are in the order of the rows;
    /// - Parquet files with an audio column, as `datasets` writes them, in the folder or below it;
    /// - a clone of the original ESC-50 repository;
    /// - otherwise class folders: a folder of sound files for each class.
    ///
    /// `path` may also be a single Parquet file. Splits are found as `datasets` finds them: shards `data/NAME-00000-of-00001…`, or
    /// folders or files whose names contain a word such as `train`, `validation`, `dev`, `test`.
    ///
    /// `label` is the column with the class; `folder1`, `folder2` … are the folders of a clip, the outermost first. Without it
    /// the class is in the column `label`, `class`, `category` or the like, else in the only column that looks like classes, else
    /// it is the folder.
    ///
    /// # Errors
    /// When there are no clips; [`ErrorKind::NoLabelColumn`] when the class column is ambiguous; when a table has an unknown class
    /// or a missing file.
    pub fn open(path: impl AsRef<Path>, label: Option<&str>) -> Result<AudioDataset, Error> {
        AudioDataset::open_as(path, label, Labelling::SingleLabel)
    }

    /// Opens a folder as [`open`](Self::open) does, whose clips have one class, or any number of them: then their column has lists,
    /// or names joined by `|`, and only columns called `label`, `class`, `category` or the like are taken without being named.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`ErrorKind::NoLabelLists`] when only the folders say the classes of clips that may have several.
    pub fn open_as(
        path: impl AsRef<Path>,
        label: Option<&str>,
        labelling: Labelling,
    ) -> Result<AudioDataset, Error> {
        let path = path.as_ref();
        let checkouts = CATALOG.iter().filter_map(|spec| Some((spec, spec.checkout?)));
        let opened = match checkouts.into_iter().find(|(_, checkout)| (checkout.is_at)(path)) {
            Some((spec, checkout)) if labelling == Labelling::SingleLabel => {
                open_checkout(spec, checkout, path, label)
            }
            _ => folder::open(path, label, labelling),
        };
        opened.with_context(|| Task::Open(path.to_path_buf()))
    }

    /// Lists a folder whose sub-folders are the classes: `DIR/<label>/<clip>.wav` (or flac, ogg, mp3 and so on).
    ///
    /// Class ids are the folder names in byte order, clips in byte order of their paths, as Python's `datasets` has them.
    /// Splits and nested folders are those of [`open`](Self::open). Hidden files, among them the `._*` companions of macOS
    /// archives, and folders that begin with `__` are ignored.
    ///
    /// # Errors
    /// When the folder is missing or unreadable, or has fewer than two class folders.
    pub fn open_folder(root: impl AsRef<Path>) -> Result<AudioDataset, Error> {
        let root = root.as_ref();
        folder::open_class_folders(root).with_context(|| Task::Open(root.to_path_buf()))
    }

    /// Opens Parquet files with an audio column as one dataset without splits.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_parquet(
        root: impl AsRef<Path>,
        files: &[PathBuf],
        label: Option<&str>,
    ) -> Result<AudioDataset, Error> {
        AudioDataset::open_parquet_as(root, files, label, Labelling::SingleLabel)
    }

    /// Opens Parquet files as [`open_parquet`](Self::open_parquet) does, whose clips have as many classes as
    /// [`open_as`](Self::open_as) says.
    ///
    /// # Errors
    /// As [`open_as`](Self::open_as).
    pub fn open_parquet_as(
        root: impl AsRef<Path>,
        files: &[PathBuf],
        label: Option<&str>,
        labelling: Labelling,
    ) -> Result<AudioDataset, Error> {
        let root = root.as_ref();
        // Not their whole paths: those of the Hub's cache differ from machine to machine.
        let shards = files.iter().enumerate().map(|(at, path)| {
            let file = path.file_name().map(earmark_fs::text).unwrap_or_default();
            let alone = files.iter().filter(|other| other.file_name() == path.file_name()).count() == 1;
            let name = if alone { file } else { format!("{at}/{file}") };
            Ok((name, Shard::open(path)?))
        });
        let shards = shards.collect::<Result<Vec<_>, Error>>()?;
        let opened = folder::shards::open(root, shards, None, (label, labelling), Vec::new());
        opened.with_context(|| Task::Open(root.to_path_buf()))
    }
}

fn open_checkout(
    spec: &Spec,
    checkout: Checkout,
    path: &Path,
    label: Option<&str>,
) -> Result<AudioDataset, ErrorKind> {
    let columns = spec.configs[0].label_columns.iter().map(|column| column.name);
    match label {
        Some(label) if !columns.clone().any(|column| column == label) => Err(ErrorKind::NoColumn {
            column: label.to_owned(),
            columns: columns.map(str::to_owned).collect(),
        }),
        _ => (checkout.open)(path),
    }
}
