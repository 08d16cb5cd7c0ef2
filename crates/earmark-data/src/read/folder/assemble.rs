//! What all layouts of a folder have in common when their dataset is put together.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

use earmark_labels::LabelSet;

use super::label_source::LabelSource;
use crate::dataset::{AudioDataset, Skipped};
use crate::error::ErrorKind;

/// The classes of these names, sorted.
pub(super) fn label_set<'a>(names: impl Iterator<Item = &'a str>) -> Result<LabelSet, ErrorKind> {
    let names: BTreeSet<&str> = names.collect();
    LabelSet::from_names(names).map_err(|error| ErrorKind::Broken(error.to_string()))
}

/// Puts in what is left of a dataset, and refuses one of a single class.
pub(super) fn finish(
    mut dataset: AudioDataset,
    splits: Vec<Arc<str>>,
    from: &LabelSource,
    skipped: Vec<Skipped>,
    remarks: Vec<String>,
) -> Result<AudioDataset, ErrorKind> {
    // A clip that may have any number of classes need not be of the only one.
    if let [only] = dataset.labels.names()
        && dataset.clips.iter().all(|clip| !clip.classes().is_empty())
    {
        return Err(ErrorKind::OneClass { class: only.clone() });
    }
    // A split that lost all of its clips is none.
    let left: HashSet<&str> = dataset.clips.iter().filter_map(|clip| clip.split.as_deref()).collect();
    dataset.splits = splits.into_iter().filter(|split| left.contains(&**split)).collect();
    dataset.classes_from = from.to_string();
    dataset.skipped = skipped;
    dataset.remarks = remarks;
    Ok(dataset)
}

/// What a folder is called.
pub(super) fn name_of(root: &Path) -> String {
    let real;
    let named = match root.file_name() {
        Some(_) => root,
        // `.` and `..`.
        None => {
            real = root.canonicalize().unwrap_or_default();
            &real
        }
    };
    let name = if named.is_dir() { named.file_name() } else { named.file_stem() };
    name.map_or_else(|| "folder".to_owned(), earmark_fs::text)
}
