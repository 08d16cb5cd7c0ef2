//! What `data stats` counts, as it is written to JSON.

use std::collections::BTreeMap;

use earmark_data::{AudioDataset, Duplicates};
use serde::Serialize;

use crate::output::tables::manifest::{ClassRow, ClipRow};

/// A dataset, counted.
#[derive(Debug, Serialize)]
pub(super) struct Counts {
    pub(super) clips: usize,
    pub(super) hours: f64,
    /// Clips by sampling rate and by number of channels.
    pub(super) rates: BTreeMap<u32, usize>,
    pub(super) channels: BTreeMap<u32, usize>,
    pub(super) classes: Vec<ClassRow>,
    /// Clips that remain if of each group of equal clips one is kept; those that do not decode are not counted.
    pub(super) unique_clips: usize,
    pub(super) duplicates: Vec<Group>,
}

/// Clips whose decoded samples are the same.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    pub(super) samples_sha256: String,
    pub(super) labels_differ: bool,
    pub(super) across_splits: bool,
    pub(super) clips: Vec<Copy>,
}

/// One of them.
#[derive(Debug, Serialize)]
pub(super) struct Copy {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) split: Option<String>,
}

impl Counts {
    /// `rows` are the clips of the dataset, in order.
    pub(super) fn new(dataset: &AudioDataset, rows: &[ClipRow], classes: Vec<ClassRow>) -> Counts {
        let hashes: Vec<_> = rows.iter().map(|row| row.hash).collect();
        let duplicates = dataset.duplicates(&hashes);
        let copies: usize = duplicates.iter().map(|group| group.clips.len() - 1).sum();
        let counted = |of: fn(&ClipRow) -> Option<u32>| {
            let mut counts = BTreeMap::new();
            rows.iter().filter_map(of).for_each(|value| *counts.entry(value).or_default() += 1);
            counts
        };
        let group = |group: Duplicates| Group {
            samples_sha256: group.hash.to_string(),
            labels_differ: group.labels_differ,
            across_splits: group.across_splits,
            clips: group.clips.iter().map(|&place| copy(dataset, rows, place)).collect(),
        };
        Counts {
            clips: rows.len(),
            hours: rows.iter().filter_map(|row| row.duration).sum::<f64>() / 3600.0,
            rates: counted(|row| row.rate),
            channels: counted(|row| row.channels),
            classes,
            unique_clips: hashes.iter().flatten().count() - copies,
            duplicates: duplicates.into_iter().map(group).collect(),
        }
    }
}

fn copy(dataset: &AudioDataset, rows: &[ClipRow], place: usize) -> Copy {
    let split = dataset.clips[place].split.as_deref().map(str::to_owned);
    Copy { name: rows[place].name.clone(), label: rows[place].label.clone(), split }
}
