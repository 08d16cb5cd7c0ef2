//! The groups that clips belong to.

use earmark_data::{AudioDataset, Clip};

/// The columns that tell which clips of a dataset belong together: artist, speaker, recording, fold.
pub(super) fn columns(dataset: &AudioDataset) -> Vec<String> {
    dataset.group_fields().into_iter().map(|field| field.name).collect()
}

/// The group of a clip in each of those columns.
pub(super) fn of_clip(clip: &Clip, columns: &[String]) -> Vec<Option<String>> {
    columns.iter().map(|column| clip.group(column)).collect()
}
