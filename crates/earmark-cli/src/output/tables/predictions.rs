//! What an evaluation predicted, as a Parquet table.

use std::path::Path;

use anyhow::Result;
use polars::prelude::*;

use crate::output::tables::parquet::{lists, write_file};

/// What the model predicted for a clip.
pub(crate) struct ClipPrediction {
    /// The clip, as `split.json` names it.
    pub(crate) path: String,
    pub(crate) label: String,
    pub(crate) predicted: String,
    /// In the labels' order.
    pub(crate) scores: Vec<f32>,
}

/// Writes `path`, `label`, `predicted`, the `score` of that, and all `scores` in the labels' order.
pub(crate) fn write_predictions(file: &Path, clips: &[ClipPrediction]) -> Result<()> {
    let text = |of: fn(&ClipPrediction) -> &String| clips.iter().map(of).cloned().collect::<Vec<String>>();
    let best = |clip: &ClipPrediction| clip.scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let scores: Vec<Vec<f32>> = clips.iter().map(|clip| clip.scores.clone()).collect();
    let frame = df![
        "path" => text(|clip| &clip.path),
        "label" => text(|clip| &clip.label),
        "predicted" => text(|clip| &clip.predicted),
        "score" => clips.iter().map(best).collect::<Vec<f32>>(),
        "scores" => lists(&scores),
    ]?;
    write_file(file, frame)
}
