//! Parquet files with a column of sounds, as one dataset.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use earmark_labels::{LabelId, LabelSet};

use super::assemble::{finish, label_set, name_of};
use super::file_splits::FileSplits;
use super::label_source::{self, ClipFolders, LabelSource};
use super::splits::Splits;
use crate::clip::Clip;
use crate::dataset::{AudioDataset, DatasetInfo, SkipReason, Skipped};
use crate::error::ErrorKind;
use crate::example::Fields;
use crate::read::clip_names;
use crate::read::label_column::{LabelColumn, Labelling, classes_of};
use crate::read::parquet::shard::Shard;
use crate::read::row_names::row_name;

/// All rows of some shards.
pub(crate) fn open(
    root: &Path,
    shards: Vec<(String, Shard)>,
    splits: Option<Splits>,
    (label, labelling): (Option<&str>, Labelling),
    mut skipped: Vec<Skipped>,
) -> Result<AudioDataset, ErrorKind> {
    let file_splits = FileSplits::new(splits)?;
    let mut kept = Vec::new();
    for (at, (name, shard)) in shards.into_iter().enumerate() {
        match file_splits.split(at) {
            Ok(split) => kept.push((name, Arc::new(shard), split)),
            Err(()) => {
                skipped.push(Skipped { location: shard.name().to_owned(), reason: SkipReason::NoSplit });
            }
        }
    }
    kept.sort_by_key(|(.., split)| file_splits.rank(split));
    let mut rows = Vec::new();
    for (at, (_, shard, _)) in kept.iter().enumerate() {
        let table = shard.table().map_err(|error| error.kind)?;
        rows.extend(table.into_iter().enumerate().map(|(row, (path, fields))| (at, row, path, fields)));
    }
    if rows.is_empty() {
        return Err(ErrorKind::Broken("it has no rows".to_owned()));
    }
    let fields: Vec<&Fields> = rows.iter().map(|(.., fields)| fields).collect();
    let shards = kept.iter().map(|(_, shard, _)| &**shard);
    let label_column = label_column_among(shards, &fields, (label, labelling))?;
    let mut dataset = AudioDataset::empty(
        name_of(root),
        root.to_path_buf(),
        label_column.labels.clone(),
        DatasetInfo::default(),
    );
    // By place in the dataset: the shard, and the row in it.
    let mut places = Vec::new();
    let all = rows.len();
    for (at, row, path, mut fields) in rows {
        let (_, shard, split) = &kept[at];
        match label_column.read_as(labelling, &mut fields, shard.classes(), row)? {
            Some(labels) => {
                let name = row_name(path, &fields, row);
                let first = labels.first().copied().unwrap_or(LabelId::new(0));
                let clip = Clip::of_row(name, first, fields, Arc::clone(shard), row);
                let clip = if labelling == Labelling::MultiLabel { clip.with_labels(labels) } else { clip };
                dataset.clips.push(clip.in_split(split.clone()));
                places.push((at, row));
            }
            None => skipped
                .push(Skipped { location: format!("{}#{row}", shard.name()), reason: SkipReason::NoLabel }),
        }
    }
    if dataset.clips.is_empty() {
        return Err(ErrorKind::NoLabels { column: label_column.name, rows: all });
    }
    clip_names::tell_apart(&mut dataset.clips, |clip_row, clip| {
        let (shard, row) = places[clip_row];
        format!("{}#{row}/{}", kept[shard].0, clip.name)
    });
    finish(dataset, file_splits.names, &LabelSource::Column(label_column.name), skipped, Vec::new())
}

/// Whether a shard itself says all classes of the column that is the class.
pub(crate) fn declares_classes(shard: &Shard, label: Option<&str>) -> Result<bool, ErrorKind> {
    let columns: Vec<String> = shard.columns().into_iter().map(str::to_owned).collect();
    let decided = label_source::decided(label, &columns, shard.classes())?;
    Ok(decided.is_some_and(|column| shard.classes().contains_key(&column)))
}

/// The classes that the first of some shards names, or else the sorted values of the column in all of them.
pub(crate) fn label_column_of(shards: &[Shard], label: Option<&str>) -> Result<LabelColumn, ErrorKind> {
    let mut tables = Vec::new();
    let Some(first) = shards.first() else { return Err(ErrorKind::Broken("there are no shards".to_owned())) };
    if !declares_classes(first, label)? {
        for shard in shards {
            tables.extend(shard.table().map_err(|error| error.kind)?);
        }
    }
    let fields: Vec<&Fields> = tables.iter().map(|(_, fields)| fields).collect();
    label_column_among(shards.iter(), &fields, (label, Labelling::SingleLabel))
}

fn label_column_among<'a>(
    mut shards: impl Iterator<Item = &'a Shard>,
    rows: &[&Fields],
    (label, labelling): (Option<&str>, Labelling),
) -> Result<LabelColumn, ErrorKind> {
    let Some(first) = shards.next() else { return Err(ErrorKind::Broken("there are no shards".to_owned())) };
    let columns: Vec<String> = first.columns().into_iter().map(str::to_owned).collect();
    let nowhere = ClipFolders { of: vec![Vec::new(); rows.len()] };
    let column = match label_source::choose((label, labelling), &columns, first.classes(), rows, &nowhere)? {
        LabelSource::Column(column) => column,
        LabelSource::Folder(_) => return Err(ErrorKind::NoClasses),
    };
    let labels = match first.classes().get(&column) {
        Some(names) => LabelSet::from_names(names.iter().cloned())
            .map_err(|error| ErrorKind::Broken(error.to_string()))?,
        None => {
            let of = |row: &&Fields| classes_of(labelling, row, &column, None).ok()?;
            let values: BTreeSet<String> = rows.iter().filter_map(of).flatten().collect();
            if values.is_empty() {
                return Err(ErrorKind::NoLabels { column, rows: rows.len() });
            }
            label_set(values.iter().map(String::as_str))?
        }
    };
    Ok(LabelColumn { name: column, labels, partial: false })
}
