//! Vectors as Parquet: `path`, `start`, `end` or `text`, and a column of lists for each layer.

use anyhow::Result;
use earmark_fs::AtomicFile;
use polars::prelude::*;

use super::row::{Columns, Row, RowOf};
use super::source::VectorSource;
use crate::output::tables::parquet::ROW_GROUP;

/// Numbers of one row group: 16 MB.
const GROUP_NUMBERS: usize = 1 << 22;

/// A Parquet file that is written row group by row group.
pub(crate) struct ParquetVectors<'a> {
    writer: BatchedWriter<&'a mut AtomicFile>,
    columns: Columns,
    group: RowGroup,
}

/// The row group that is being filled.
struct RowGroup {
    name: Vec<String>,
    start: Vec<Option<f64>>,
    end: Vec<Option<f64>>,
    /// Of each column the numbers of all rows.
    vectors: Vec<Vec<f32>>,
    width: usize,
}

impl RowGroup {
    fn new(columns: &Columns) -> RowGroup {
        let vectors = vec![Vec::new(); columns.vectors.len()];
        RowGroup { name: Vec::new(), start: Vec::new(), end: Vec::new(), vectors, width: 0 }
    }

    fn numbers(&self) -> usize {
        self.vectors.iter().map(Vec::len).sum()
    }

    fn frame(&self, columns: &Columns) -> PolarsResult<DataFrame> {
        let mut frame = match columns.of {
            RowOf::Sound => df!["path" => &self.name, "start" => &self.start, "end" => &self.end]?,
            RowOf::Text => df!["text" => &self.name]?,
        };
        for (name, numbers) in columns.vectors.iter().zip(&self.vectors) {
            let mut vectors = ListPrimitiveChunkedBuilder::<Float32Type>::new(
                name.as_str().into(),
                self.name.len(),
                numbers.len(),
                DataType::Float32,
            );
            numbers.chunks(self.width.max(1)).for_each(|vector| vectors.append_slice(vector));
            frame.with_column(vectors.finish().into_series().into_column())?;
        }
        Ok(frame)
    }
}

impl<'a> ParquetVectors<'a> {
    pub(super) fn new(
        file: &'a mut AtomicFile,
        columns: &Columns,
        source: &VectorSource,
    ) -> Result<ParquetVectors<'a>> {
        let group = RowGroup::new(columns);
        let notes = vec![(VectorSource::KEY.to_owned(), serde_json::to_string(source)?)];
        let writer = ParquetWriter::new(file)
            .with_key_value_metadata(Some(KeyValueMetadata::from_static(notes)))
            .batched(group.frame(columns)?.schema())?;
        Ok(ParquetVectors { writer, columns: columns.clone(), group })
    }

    pub(super) fn write(&mut self, row: &Row<'_>) -> Result<()> {
        self.group.name.push(row.name.to_owned());
        self.group.start.push(row.span.map(|(start, _)| start));
        self.group.end.push(row.span.map(|(_, end)| end));
        for (vector, numbers) in row.vectors.iter().zip(&mut self.group.vectors) {
            numbers.extend_from_slice(vector);
            self.group.width = vector.len();
        }
        let is_full = self.group.name.len() >= ROW_GROUP || self.group.numbers() >= GROUP_NUMBERS;
        if is_full { self.flush() } else { Ok(()) }
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.writer.finish()?;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if !self.group.name.is_empty() {
            let full = std::mem::replace(&mut self.group, RowGroup::new(&self.columns));
            self.writer.write_batch(&full.frame(&self.columns)?)?;
        }
        Ok(())
    }
}
