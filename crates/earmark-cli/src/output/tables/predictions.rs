//! What an evaluation predicted, as a Parquet table.

use anyhow::Result;
use earmark_fs::AtomicFile;
use polars::prelude::*;

use crate::output::tables::parquet::ROW_GROUP;

/// Numbers of one row group: 16 MB.
const GROUP_NUMBERS: usize = 1 << 22;

/// The columns of every table, in order; those of the groups are before the last.
pub(crate) const COLUMNS: [&str; 6] = ["path", "label", "predicted", "score", "scores", "sha256"];

/// What the model predicted for a clip.
pub(crate) struct ClipPrediction {
    /// The clip, as `split.json` names it.
    pub(crate) path: String,
    pub(crate) label: String,
    pub(crate) predicted: String,
    /// In the labels' order.
    pub(crate) scores: Vec<f32>,
    /// The group that it belongs to, for each column of groups.
    pub(crate) groups: Vec<Option<String>>,
    /// SHA-256 of its sound file, in hexadecimal digits.
    pub(crate) sha256: String,
}

/// A table of predictions that is written row group by row group: `path`, `label`, `predicted`, the `score` of that, all
/// `scores` in the labels' order, a column for each kind of groups, and `sha256`.
pub(crate) struct PredictionTable<'a> {
    writer: BatchedWriter<&'a mut AtomicFile>,
    columns: Vec<String>,
    rows: Vec<ClipPrediction>,
}

impl<'a> PredictionTable<'a> {
    /// With these columns of groups. The names of the classes, to which `scores` belong, are noted in the file under `labels`.
    pub(crate) fn new(
        file: &'a mut AtomicFile,
        columns: &[String],
        labels: &[String],
    ) -> Result<PredictionTable<'a>> {
        let notes = vec![("labels".to_owned(), serde_json::to_string(labels)?)];
        let schema = frame(&[], columns)?;
        let writer = ParquetWriter::new(file)
            .with_key_value_metadata(Some(KeyValueMetadata::from_static(notes)))
            .batched(schema.schema())?;
        Ok(PredictionTable { writer, columns: columns.to_vec(), rows: Vec::new() })
    }

    pub(crate) fn write(&mut self, row: ClipPrediction) -> Result<()> {
        let numbers = row.scores.len();
        self.rows.push(row);
        let rows = self.rows.len();
        if rows >= ROW_GROUP || rows * numbers >= GROUP_NUMBERS { self.flush() } else { Ok(()) }
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.writer.finish()?;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if !self.rows.is_empty() {
            self.writer.write_batch(&frame(&std::mem::take(&mut self.rows), &self.columns)?)?;
        }
        Ok(())
    }
}

fn frame(rows: &[ClipPrediction], columns: &[String]) -> PolarsResult<DataFrame> {
    let text =
        |of: fn(&ClipPrediction) -> &String| rows.iter().map(|row| of(row).as_str()).collect::<Vec<_>>();
    let best = |row: &ClipPrediction| row.scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let numbers = rows.iter().map(|row| row.scores.len()).sum();
    let mut scores = ListPrimitiveChunkedBuilder::<Float32Type>::new(
        "scores".into(),
        rows.len(),
        numbers,
        DataType::Float32,
    );
    rows.iter().for_each(|row| scores.append_slice(&row.scores));
    let mut frame = df![
        "path" => text(|row| &row.path),
        "label" => text(|row| &row.label),
        "predicted" => text(|row| &row.predicted),
        "score" => rows.iter().map(best).collect::<Vec<f32>>(),
        "scores" => scores.finish(),
    ]?;
    for (at, name) in columns.iter().enumerate() {
        let groups: Vec<Option<&str>> = rows.iter().map(|row| row.groups[at].as_deref()).collect();
        // A dataset may call a column as we call ours.
        let name = if COLUMNS.contains(&name.as_str()) { format!("group_{name}") } else { name.clone() };
        frame.with_column(Column::new(name.into(), groups))?;
    }
    frame.with_column(Column::new("sha256".into(), text(|row| &row.sha256)))?;
    Ok(frame)
}
