//! Sounds whose classes are the folders that they lie in.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::assemble::{finish, label_set, name_of};
use super::file_splits::{FileSplits, folders_of, is_by_chance};
use super::label_source::{self, ClipFolders, LabelSource};
use super::splits::{self, Splits};
use crate::clip::Clip;
use crate::dataset::{AudioDataset, DatasetInfo, SkipReason, Skipped};
use crate::error::ErrorKind;
use crate::read::files::FoundFile;

/// Sounds by the folders they lie in.
pub(super) fn open(
    root: &Path,
    sounds: &[FoundFile],
    label: Option<&str>,
    mut skipped: Vec<Skipped>,
) -> Result<AudioDataset, ErrorKind> {
    let names: Vec<&str> = sounds.iter().map(|sound| sound.name.as_str()).collect();
    let mut remarks = Vec::new();
    let found = splits::find(&names)?
        .filter(|splits| splits.by_folder || !is_by_chance(splits, &names, &mut remarks));
    let found = match found {
        Some(splits) if splits.by_folder => classes_not_splits(splits, &names, &mut remarks)?,
        found => found,
    };
    let file_splits = FileSplits::new(found)?;
    // Each with its split and its folders.
    type Listed<'a> = (&'a FoundFile, Option<Arc<str>>, Vec<&'a str>);
    let mut clips: Vec<Listed<'_>> = Vec::new();
    for (at, sound) in sounds.iter().enumerate() {
        match file_splits.split(at) {
            Ok(split) => clips.push((sound, split, folders_of(&sound.name, file_splits.by_folder))),
            Err(()) => skipped.push(Skipped::new(&sound.path, SkipReason::NoSplit)),
        }
    }
    let is_loose = |clip: &Listed<'_>| clip.2.is_empty();
    if !clips.iter().all(is_loose) {
        skipped.extend(
            clips
                .iter()
                .filter(|clip| is_loose(clip))
                .map(|clip| Skipped::new(&clip.0.path, SkipReason::NoClassFolder)),
        );
        clips.retain(|clip| !is_loose(clip));
    }
    clips.sort_by_key(|clip| file_splits.rank(&clip.1));
    let folders = ClipFolders { of: clips.iter().map(|clip| clip.2.clone()).collect() };
    let (depth, others) = label_source::of_folders(&folders, label)?;
    if !others.is_empty() {
        let taken = LabelSource::Folder(depth);
        remarks.push(format!(
            "{taken} are used as the classes, as `datasets` does; there is also {}",
            others.join(", ")
        ));
    }
    let labels = label_set(clips.iter().map(|clip| clip.2[depth]))?;
    let mut dataset = AudioDataset::empty(name_of(root), root.to_path_buf(), labels, DatasetInfo::default());
    for (sound, split, folders) in clips {
        let label =
            dataset.labels.id(folders[depth]).expect("it is one of the names that the labels are made of");
        dataset.clips.push(Clip::new(sound.name.clone(), &sound.path, label).in_split(split));
    }
    finish(dataset, file_splits.names, &LabelSource::Folder(depth), skipped, remarks)
}

/// A folder that is called like a split and holds its clips itself, as the folders beside it, is a class.
fn classes_not_splits(
    splits: Splits,
    names: &[&str],
    remarks: &mut Vec<String>,
) -> Result<Option<Splits>, ErrorKind> {
    let inside = || names.iter().zip(&splits.of).filter(|(_, split)| split.is_some()).map(|(name, _)| *name);
    if inside().any(|name| !folders_of(name, true).is_empty()) {
        return Ok(Some(splits));
    }
    if splits.names.len() == 1 && splits.outside() > 0 {
        let folder = inside().next().and_then(|name| Some(name.rsplit_once('/')?.0)).unwrap_or_default();
        remarks.push(format!(
            "the folder `{folder}` is used as a class like the others, not as the split `{}`",
            splits.names[0]
        ));
        return Ok(None);
    }
    let folders: BTreeSet<&str> = inside().filter_map(|name| Some(name.rsplit_once('/')?.0)).collect();
    Err(ErrorKind::SplitsWithoutClasses { folders: folders.into_iter().map(str::to_owned).collect() })
}
