//! A folder on this machine, whatever its layout: read as `datasets` 5.2.0 reads it (`audiofolder`, `parquet`).

mod assemble;
mod class_folders;
mod contents;
mod file_splits;
mod label_source;
mod metadata;
pub(crate) mod metadata_file;
pub(crate) mod shards;
mod splits;

use std::path::Path;

use self::contents::Contents;
use crate::dataset::{AudioDataset, SkipReason};
use crate::error::ErrorKind;
use crate::read::label_column::Labelling;
use crate::read::parquet::shard::Shard;

/// Opens a folder, or a single Parquet file. `label` names the column that is the class.
pub(crate) fn open(
    path: &Path,
    label: Option<&str>,
    labelling: Labelling,
) -> Result<AudioDataset, ErrorKind> {
    let column = (label, labelling);
    if path.extension().is_some_and(|ending| ending == "parquet") && !path.is_dir() {
        let shard = Shard::open(path).map_err(|error| error.kind)?;
        let name = path.file_name().map(earmark_fs::text).unwrap_or_default();
        return shards::open(path, vec![(name, shard)], None, column, Vec::new());
    }
    let mut contents = Contents::list(path)?;
    let mut tables = Vec::new();
    for table in std::mem::take(&mut contents.tables) {
        match metadata_file::read(&table)? {
            Some(read) => tables.push((table.name, read)),
            None => contents.parquet.push(table),
        }
    }
    let mut shards = Vec::new();
    for found in std::mem::take(&mut contents.parquet) {
        let shard = Shard::table_of(&found.path).map_err(|error| error.kind)?;
        match shard.has_sounds() {
            true => shards.push((found.name, shard)),
            false => contents.skip(&found.path, SkipReason::NoClips),
        }
    }
    let dataset = match (tables.is_empty(), shards.first(), contents.sounds.first()) {
        (false, None, _) => metadata::open(path, &tables, &contents.sounds, column, contents.skipped),
        (_, Some((shard, _)), sound) if sound.is_some() || !tables.is_empty() => Err(ErrorKind::TwoLayouts {
            file: sound.map_or_else(|| tables[0].0.clone(), |sound| sound.name.clone()),
            shard: shard.clone(),
        }),
        (_, Some(_), _) => {
            shards.sort_by(|(a, _), (b, _)| a.cmp(b));
            let names: Vec<&str> = shards.iter().map(|(name, _)| name.as_str()).collect();
            let splits = splits::find(&names)?;
            shards::open(path, shards, splits, column, contents.skipped)
        }
        (true, None, Some(_)) if labelling == Labelling::MultiLabel => Err(ErrorKind::NoLabelLists),
        (true, None, Some(_)) => class_folders::open(path, &contents.sounds, label, contents.skipped),
        (true, None, None) => Err(ErrorKind::NoSounds),
    };
    dataset.map(|mut dataset| {
        dataset.skipped.sort_by(|a, b| (&a.reason, &a.location).cmp(&(&b.reason, &b.location)));
        dataset
    })
}

/// Opens a folder whose sub-folders are the classes.
pub(crate) fn open_class_folders(root: &Path) -> Result<AudioDataset, ErrorKind> {
    let contents = Contents::list(root)?;
    match contents.sounds.is_empty() {
        true => Err(ErrorKind::NoSounds),
        false => class_folders::open(root, &contents.sounds, None, contents.skipped),
    }
}
