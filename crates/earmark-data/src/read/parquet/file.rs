//! A Parquet file, opened with limits on what it may unpack to.

use std::path::Path;
use std::sync::Arc;

use arrow_schema::Schema;
use earmark_error::Context as _;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, RowSelection,
};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::file::metadata::ParquetMetaData;

use super::checked_pages::CheckedGroups;
use super::guard::guarded;
use crate::error::{Error, ErrorKind, Task};
use crate::read::read_at::{Chunks, LocalFile, ReadAt};

/// Values beside sounds that are read from a file of any size, and for each of its bytes: real ones have a sound or a vector a
/// row.
const MOST_VALUES: (u64, u64) = (1 << 20, 2);
/// What a column of a row group may unpack to, in the same way: of sounds, and of other things.
const MOST_SOUNDS: (u64, u64) = (1 << 30, 64);
const MOST_COLUMN: (u64, u64) = (64 << 20, 64);

/// A limit for something that `bytes` are unpacked to.
pub(super) fn limit((any, each): (u64, u64), bytes: u64) -> u64 {
    any.saturating_add(bytes.saturating_mul(each))
}

/// A file on this machine.
pub(super) fn local(path: &Path) -> Result<Arc<dyn ReadAt>, Error> {
    let file = earmark_fs::open(path).and_then(LocalFile::new);
    Ok(Arc::new(file.with_context(|| Task::Open(path.to_path_buf()))?))
}

/// A Parquet file of which the index was read.
#[derive(Debug, Clone)]
pub(super) struct ParquetFile {
    chunks: Chunks,
    index: ArrowReaderMetadata,
}

impl ParquetFile {
    /// Reads the index. [`check_limits`](Self::check_limits) comes before anything else is read.
    pub(super) fn open(source: Arc<dyn ReadAt>) -> Result<ParquetFile, ErrorKind> {
        let chunks = Chunks::new(source);
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(false);
        let index = guarded(|| Ok(ArrowReaderMetadata::load(&chunks, options)?))?;
        Ok(ParquetFile { chunks, index })
    }

    pub(super) fn metadata(&self) -> &ParquetMetaData {
        self.index.metadata()
    }

    pub(super) fn schema(&self) -> &Schema {
        self.index.schema()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// What the file's metadata holds under a key.
    pub(super) fn note(&self, key: &str) -> Option<&str> {
        let in_file = self.metadata().file_metadata().key_value_metadata().into_iter().flatten();
        let in_file = in_file.filter(|pair| pair.key == key).find_map(|pair| pair.value.as_deref());
        in_file.or_else(|| self.schema().metadata().get(key).map(String::as_str))
    }

    pub(super) fn rows(&self) -> usize {
        self.metadata().file_metadata().num_rows().max(0) as usize
    }

    /// Bytes of the file.
    pub(super) fn size(&self) -> u64 {
        self.chunks.size()
    }

    /// These columns, or parts of columns such as `audio.path`.
    pub(super) fn columns<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> ProjectionMask {
        ProjectionMask::columns(self.metadata().file_metadata().schema_descr(), names)
    }

    /// What the file says of itself has to be within reason before anything of it is unpacked; `audio` is the column of sounds.
    pub(super) fn check_limits(&self, audio: Option<&str>) -> Result<(), ErrorKind> {
        let size = self.size();
        let (rows, columns) = (self.rows() as u64, self.schema().fields().len() as u64);
        let (values, most) = (rows.saturating_mul(columns), limit(MOST_VALUES, size));
        if values > most {
            return Err(ErrorKind::Limit {
                what: format!("it claims {rows} rows of {columns} columns in a file of {size} bytes"),
                limit: format!("{most} values for a file of this size"),
            });
        }
        for chunk in self.metadata().row_groups().iter().flat_map(|group| group.columns()) {
            let column = chunk.column_path().parts().first().cloned().unwrap_or_default();
            let [packed, unpacked] =
                [chunk.compressed_size(), chunk.uncompressed_size()].map(|bytes| bytes.max(0) as u64);
            let sounds = Some(column.as_str()) == audio;
            let most = limit(if sounds { MOST_SOUNDS } else { MOST_COLUMN }, packed.min(size));
            if unpacked > most {
                return Err(ErrorKind::Limit {
                    what: format!("its column `{column}` unpacks from {packed} to {unpacked} bytes"),
                    limit: format!("{most} bytes"),
                });
            }
        }
        Ok(())
    }

    /// Reads columns of a row group, or of all of them, `rows` at a time.
    pub(super) fn reader(
        &self,
        mask: ProjectionMask,
        group: Option<usize>,
        selection: Option<RowSelection>,
        rows: usize,
    ) -> Result<ParquetRecordBatchReader, ErrorKind> {
        let metadata = self.index.metadata();
        let fields = self.schema().fields();
        let levels =
            parquet_to_arrow_field_levels(metadata.file_metadata().schema_descr(), mask, Some(fields))?;
        let groups = CheckedGroups {
            chunks: Arc::new(self.chunks.clone()),
            metadata: Arc::clone(metadata),
            groups: group.map_or_else(|| (0..metadata.num_row_groups()).collect(), |group| vec![group]),
        };
        Ok(ParquetRecordBatchReader::try_new_with_row_groups(&levels, &groups, rows, selection)?)
    }
}
