//! Vectors as Parquet: `path`, `start`, `end`, `vector`.

use anyhow::Result;
use earmark_data::VectorRow;
use earmark_fs::AtomicFile;
use polars::prelude::*;

use super::source::VectorSource;
use crate::output::tables::parquet::ROW_GROUP;

/// Numbers of one row group: 16 MB.
const GROUP_NUMBERS: usize = 1 << 22;

/// A Parquet file that is written row group by row group.
pub(crate) struct ParquetVectors<'a> {
    writer: BatchedWriter<&'a mut AtomicFile>,
    group: RowGroup,
}

/// The row group that is being filled.
#[derive(Default)]
struct RowGroup {
    path: Vec<String>,
    start: Vec<Option<f64>>,
    end: Vec<Option<f64>>,
    vector: Vec<Vec<f32>>,
}

impl RowGroup {
    fn frame(&self) -> PolarsResult<DataFrame> {
        let numbers = self.vector.iter().map(Vec::len).sum();
        let rows = self.vector.len();
        let mut vectors = ListPrimitiveChunkedBuilder::<Float32Type>::new(
            "vector".into(),
            rows,
            numbers,
            DataType::Float32,
        );
        self.vector.iter().for_each(|vector| vectors.append_slice(vector));
        df!["path" => &self.path, "start" => &self.start, "end" => &self.end, "vector" => vectors.finish()]
    }
}

impl<'a> ParquetVectors<'a> {
    pub(super) fn new(file: &'a mut AtomicFile, source: &VectorSource) -> Result<ParquetVectors<'a>> {
        let group = RowGroup::default();
        let notes = vec![(VectorSource::KEY.to_owned(), serde_json::to_string(source)?)];
        let writer = ParquetWriter::new(file)
            .with_key_value_metadata(Some(KeyValueMetadata::from_static(notes)))
            .batched(group.frame()?.schema())?;
        Ok(ParquetVectors { writer, group })
    }

    pub(super) fn write(&mut self, row: VectorRow) -> Result<()> {
        let numbers = row.vector.len();
        self.group.path.push(row.path);
        self.group.start.push(row.span.map(|(start, _)| start));
        self.group.end.push(row.span.map(|(_, end)| end));
        self.group.vector.push(row.vector);
        let rows = self.group.path.len();
        if rows >= ROW_GROUP || rows * numbers >= GROUP_NUMBERS { self.flush() } else { Ok(()) }
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.writer.finish()?;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if !self.group.path.is_empty() {
            self.writer.write_batch(&std::mem::take(&mut self.group).frame()?)?;
        }
        Ok(())
    }
}
