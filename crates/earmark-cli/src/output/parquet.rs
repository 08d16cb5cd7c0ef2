//! Tables as Parquet files, by polars: results, embeddings, predictions.

use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, Result};
use earmark_fs::AtomicFile;
use earmark_labels::Prediction;
use polars::prelude::*;

use crate::output::rows::Row;

/// Rows of one row group: enough to compress well, little enough to hold.
const GROUP: usize = 1 << 16;

/// Results as they come, one row a label: the columns of the CSV.
pub(crate) struct LabelTable<W: Write> {
    writer: BatchedWriter<W>,
    held: Held,
}

/// The row group that is being filled.
#[derive(Default)]
struct Held {
    path: Vec<String>,
    duration: Vec<Option<f64>>,
    start: Vec<Option<f64>>,
    end: Vec<Option<f64>>,
    rank: Vec<Option<u32>>,
    label: Vec<Option<String>>,
    score: Vec<Option<f32>>,
    error: Vec<Option<String>>,
}

impl Held {
    fn frame(&self) -> PolarsResult<DataFrame> {
        df![
            "path" => &self.path,
            "duration" => &self.duration,
            "start" => &self.start,
            "end" => &self.end,
            "rank" => &self.rank,
            "label" => &self.label,
            "score" => &self.score,
            "error" => &self.error,
        ]
    }

    fn push(&mut self, row: &Row) {
        match row {
            Row::Heard { path, duration, start, end, predictions } => {
                let span = (Some(*duration), *start, *end);
                if predictions.is_empty() {
                    // Nothing above the threshold; the file has its row all the same.
                    self.push_line(path, span, None, None);
                }
                for ranked in (1..).zip(predictions) {
                    self.push_line(path, span, Some(ranked), None);
                }
            }
            Row::Failed { path, error } => {
                self.push_line(path, (None, None, None), None, Some(error.clone()));
            }
        }
    }

    fn push_line(
        &mut self,
        path: &str,
        (duration, start, end): (Option<f64>, Option<f64>, Option<f64>),
        ranked: Option<(u32, &Prediction)>,
        error: Option<String>,
    ) {
        self.path.push(path.to_owned());
        self.duration.push(duration);
        self.start.push(start);
        self.end.push(end);
        self.rank.push(ranked.map(|(rank, _)| rank));
        self.label.push(ranked.map(|(_, prediction)| prediction.label.clone()));
        self.score.push(ranked.map(|(_, prediction)| prediction.score));
        self.error.push(error);
    }
}

impl<W: Write> LabelTable<W> {
    pub(crate) fn new(out: W) -> Result<LabelTable<W>> {
        let held = Held::default();
        let writer = ParquetWriter::new(out).batched(held.frame()?.schema())?;
        Ok(LabelTable { writer, held })
    }

    pub(crate) fn write(&mut self, row: &Row) -> Result<()> {
        self.held.push(row);
        if self.held.path.len() >= GROUP { self.flush() } else { Ok(()) }
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.writer.finish()?;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if !self.held.path.is_empty() {
            self.writer.write_batch(&std::mem::take(&mut self.held).frame()?)?;
        }
        Ok(())
    }
}

/// Writes a vector for each path: `path`, `embedding` as a list of float32.
pub(crate) fn write_embeddings(out: &mut AtomicFile, paths: &[String], rows: &[Vec<f32>]) -> Result<()> {
    write(out, df!["path" => paths, "embedding" => lists(rows)]?)
}

/// What a model said of each clip of an evaluation.
pub(crate) struct Predicted {
    /// The clip, as `split.json` names it.
    pub(crate) path: String,
    pub(crate) label: String,
    pub(crate) predicted: String,
    /// In the labels' order.
    pub(crate) scores: Vec<f32>,
}

/// Writes `path`, `label`, `predicted`, the `score` of that, and all `scores` in the labels' order.
pub(crate) fn write_predictions(file: &Path, clips: &[Predicted]) -> Result<()> {
    let text = |of: fn(&Predicted) -> &String| clips.iter().map(of).cloned().collect::<Vec<String>>();
    let best = |clip: &Predicted| clip.scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
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

/// What `earmark data` knows of a clip.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClipRow {
    pub(crate) name: String,
    pub(crate) label: String,
    /// In seconds; nothing of a clip that cannot be heard.
    pub(crate) duration: Option<f64>,
    pub(crate) rate: Option<u32>,
    pub(crate) channels: Option<u32>,
    /// Why it cannot be heard, or what is wrong with it.
    pub(crate) error: Option<String>,
}

/// The clips of a dataset as a table.
pub(crate) struct Manifest(DataFrame);

/// The clips of a class.
pub(crate) struct ClassRow {
    pub(crate) label: String,
    pub(crate) clips: usize,
    pub(crate) shortest: Option<f64>,
    pub(crate) mean: Option<f64>,
    pub(crate) longest: Option<f64>,
}

impl Manifest {
    pub(crate) fn new(rows: &[ClipRow]) -> Result<Manifest> {
        Ok(Manifest(df![
            "name" => rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
            "label" => rows.iter().map(|row| row.label.as_str()).collect::<Vec<_>>(),
            "duration" => rows.iter().map(|row| row.duration).collect::<Vec<_>>(),
            "rate" => rows.iter().map(|row| row.rate).collect::<Vec<_>>(),
            "channels" => rows.iter().map(|row| row.channels).collect::<Vec<_>>(),
            "error" => rows.iter().map(|row| row.error.as_deref()).collect::<Vec<_>>(),
        ]?))
    }

    /// Each class of `labels`, in that order; also one without clips.
    pub(crate) fn by_label(&self, labels: &[String]) -> Result<Vec<ClassRow>> {
        let column = self.0.column("label")?.str()?;
        let rows = labels.iter().map(|label| {
            let of_class = self.0.filter(&column.equal(label.as_str()))?;
            let seconds = of_class.column("duration")?.f64()?;
            Ok(ClassRow {
                label: label.clone(),
                clips: of_class.height(),
                shortest: seconds.min(),
                mean: seconds.mean(),
                longest: seconds.max(),
            })
        });
        rows.collect()
    }

    /// Writes it as Parquet.
    pub(crate) fn write(self, file: &Path) -> Result<()> {
        write_file(file, self.0)
    }
}

fn lists(rows: &[Vec<f32>]) -> Vec<Series> {
    rows.iter().map(|row| Series::new(PlSmallStr::EMPTY, row)).collect()
}

fn write_file(path: &Path, frame: DataFrame) -> Result<()> {
    let land = || -> Result<()> {
        let mut file = AtomicFile::create(path)?;
        write(&mut file, frame)?;
        Ok(file.commit()?)
    };
    land().with_context(|| format!("cannot write `{}`", path.display()))
}

fn write(out: &mut AtomicFile, mut frame: DataFrame) -> Result<()> {
    ParquetWriter::new(out).with_row_group_size(Some(GROUP)).finish(&mut frame)?;
    Ok(())
}
