//! What clips are called.

use std::collections::BTreeMap;

use crate::clip::Clip;
use crate::example::Fields;

/// Columns of tables that say the name of a sound's file.
const COLUMNS: [&str; 5] = ["filename", "file_name", "slice_file_name", "file", "path"];

/// What a row of a shard is called: by the path beside its sound, else by the column that names its file, else by its number.
pub(crate) fn of_row(path: Option<String>, fields: &Fields, row: usize) -> String {
    let is_name = |name: &&str| !name.is_empty();
    let column = || COLUMNS.iter().find_map(|column| fields.get(*column)?.as_str().filter(is_name));
    path.or_else(|| column().map(str::to_owned)).unwrap_or_else(|| format!("row-{row:06}"))
}

/// Gives clips of one name names of their own, which `rename` makes of their places in the dataset.
pub(crate) fn tell_apart(clips: &mut [Clip], rename: impl Fn(usize, &Clip) -> String) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for clip in clips.iter() {
        *counts.entry(&clip.name).or_default() += 1;
    }
    if counts.values().all(|count| *count == 1) {
        return;
    }
    // A name that has a `#` could be one that is made here.
    let renamed: Vec<Option<String>> = clips
        .iter()
        .enumerate()
        .map(|(row, clip)| {
            (counts[clip.name.as_str()] > 1 || clip.name.contains('#')).then(|| rename(row, clip))
        })
        .collect();
    for (clip, renamed) in clips.iter_mut().zip(renamed) {
        if let Some(name) = renamed {
            clip.name = name;
        }
    }
}
