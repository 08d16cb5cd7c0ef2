//! Results as a Parquet table.

use std::io::Write;

use anyhow::Result;
use earmark_labels::Prediction;
use polars::prelude::*;

use crate::output::results::format::Style;
use crate::output::results::rows::Row;
use crate::output::tables::parquet::ROW_GROUP;

/// Results as they come, one row a label: the columns of the CSV.
pub(crate) struct ResultTable<W: Write> {
    writer: BatchedWriter<W>,
    group: RowGroup,
    style: Style,
}

/// The row group that is being filled.
#[derive(Default)]
struct RowGroup {
    path: Vec<String>,
    duration: Vec<Option<f64>>,
    start: Vec<Option<f64>>,
    end: Vec<Option<f64>>,
    rank: Vec<Option<u32>>,
    label: Vec<Option<String>>,
    score: Vec<Option<f32>>,
    error: Vec<Option<String>>,
    time: Vec<Option<String>>,
    code: Vec<Option<String>>,
}

impl RowGroup {
    fn frame(&self, style: Style) -> PolarsResult<DataFrame> {
        let mut frame = df![
            "path" => &self.path,
            "duration" => &self.duration,
            "start" => &self.start,
            "end" => &self.end,
            "rank" => &self.rank,
            "label" => &self.label,
            "score" => &self.score,
            "error" => &self.error,
        ]?;
        if style.times {
            frame.with_column(Column::new("time".into(), &self.time))?;
        }
        if style.codes {
            frame.with_column(Column::new("code".into(), &self.code))?;
        }
        Ok(frame)
    }

    fn push(&mut self, row: &Row) {
        match row {
            Row::Scored { path, duration, start, end, time, predictions } => {
                let span = (Some(*duration), *start, *end);
                if predictions.is_empty() {
                    // Nothing above the threshold; the file has its row all the same.
                    self.push_line(path, span, None, None);
                }
                for ranked in (1..).zip(predictions) {
                    self.push_line(path, span, Some(ranked), None);
                }
                self.time.resize(self.path.len(), time.clone());
            }
            Row::Failed { path, error } => {
                self.push_line(path, (None, None, None), None, Some(error.clone()));
                self.time.push(None);
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
        self.code.push(ranked.and_then(|(_, prediction)| prediction.code.clone()));
    }
}

impl<W: Write> ResultTable<W> {
    pub(crate) fn new(out: W, style: Style) -> Result<ResultTable<W>> {
        let group = RowGroup::default();
        let writer = ParquetWriter::new(out).batched(group.frame(style)?.schema())?;
        Ok(ResultTable { writer, group, style })
    }

    pub(crate) fn write(&mut self, row: &Row) -> Result<()> {
        self.group.push(row);
        if self.group.path.len() >= ROW_GROUP { self.flush() } else { Ok(()) }
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.writer.finish()?;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if !self.group.path.is_empty() {
            self.writer.write_batch(&std::mem::take(&mut self.group).frame(self.style)?)?;
        }
        Ok(())
    }
}
