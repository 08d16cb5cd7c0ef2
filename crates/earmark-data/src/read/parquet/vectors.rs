//! Tables of vectors: a row for each sound, or for each window of one.

use std::path::Path;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Float32Type;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use earmark_error::Context as _;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use super::file::{ParquetFile, limit, local};
use super::guard::guarded;
use super::value::scalar;
use crate::error::{Error, ErrorKind, Task};

/// Numbers of a row group that are read from a file of any size, and for each of their bytes.
const MOST_NUMBERS: (u64, u64) = (1 << 24, 16);
/// Numbers that are in memory at once, where rows are equally long.
const BATCH: u64 = 1 << 20;

/// A Parquet table of vectors. Opening it reads its index and no vector.
///
/// Its columns are `path`, text; `start` and `end`, seconds from the beginning of the recording, null for a whole file; and
/// `vector`, a list of 32-bit floats, the same number in each row. Other columns are ignored, and a table without `start` and
/// `end` is one of whole files.
#[derive(Debug)]
pub struct VectorTable {
    name: String,
    file: ParquetFile,
}

/// A row of a [`VectorTable`].
#[derive(Debug, Clone, PartialEq)]
pub struct VectorRow {
    /// The sound.
    pub path: String,
    /// Where the window of it begins and ends, in seconds; `None` for all of it.
    pub span: Option<(f64, f64)>,
    /// Finite numbers.
    pub vector: Vec<f32>,
}

impl VectorTable {
    /// Opens a file.
    ///
    /// # Errors
    /// When it is no Parquet file, or has no column `path` or no column `vector` of lists of 32-bit floats.
    pub fn open(path: &Path) -> Result<VectorTable, Error> {
        let name = path.display().to_string();
        let source = local(path)?;
        let opened = || -> Result<VectorTable, ErrorKind> {
            let file = ParquetFile::open(source)?;
            file.check_limits(None)?;
            let table = VectorTable { name: name.clone(), file };
            table.check_columns()?;
            Ok(table)
        };
        opened().with_context(|| Task::Vectors(path.to_path_buf()))
    }

    fn check_columns(&self) -> Result<(), ErrorKind> {
        for column in ["path", "vector"] {
            if self.file.schema().field_with_name(column).is_err() {
                return Err(ErrorKind::NoColumn { column: column.to_owned(), columns: self.file.names() });
            }
        }
        let found = self.file.schema().field_with_name("vector")?.data_type();
        let element = match found {
            DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => {
                Some(element.data_type())
            }
            _ => None,
        };
        if element != Some(&DataType::Float32) {
            let why = format!("the column `vector` holds {found}, not lists of 32-bit floats");
            return Err(ErrorKind::Broken(why));
        }
        for chunk in self.file.metadata().row_groups().iter().flat_map(|group| group.columns()) {
            let [numbers, packed] = [chunk.num_values(), chunk.compressed_size()].map(|it| it.max(0) as u64);
            let most = limit(MOST_NUMBERS, packed.min(self.file.size()));
            if numbers > most {
                return Err(ErrorKind::Limit {
                    what: format!("a column of it claims {numbers} values in {packed} bytes"),
                    limit: format!("{most} values"),
                });
            }
        }
        Ok(())
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.file.rows()
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the file's metadata holds under a key.
    pub fn note(&self, key: &str) -> Option<&str> {
        self.file.note(key)
    }

    /// All rows in order, a few megabytes of them in memory at a time.
    ///
    /// # Errors
    /// When the file is broken.
    pub fn rows(&self) -> Result<VectorRows, Error> {
        let groups = self.file.metadata().row_groups().iter();
        let a_row = groups.map(|group| {
            let most = group.columns().iter().map(|chunk| chunk.num_values().max(0) as u64).max();
            most.unwrap_or(0) / group.num_rows().max(1) as u64
        });
        let rows = (BATCH / a_row.max().unwrap_or(0).max(1)).clamp(1, 1 << 12) as usize;
        let mask = self.file.columns(["path", "start", "end", "vector"]);
        let task = Task::Vectors(self.name.clone().into());
        let reader = guarded(|| self.file.reader(mask, None, None, rows)).with_context(|| task.clone())?;
        Ok(VectorRows { task, reader, held: Vec::new().into_iter(), done: 0, width: None, failed: false })
    }
}

/// The rows of a [`VectorTable`]; made by [`VectorTable::rows`].
pub struct VectorRows {
    task: Task,
    reader: ParquetRecordBatchReader,
    held: std::vec::IntoIter<VectorRow>,
    done: usize,
    /// Numbers of the first vector.
    width: Option<usize>,
    failed: bool,
}

impl VectorRows {
    fn fill(&mut self) -> Result<(), ErrorKind> {
        let (first, width) = (self.done, &mut self.width);
        let reader = &mut self.reader;
        let rows = guarded(|| {
            let Some(batch) = reader.next().transpose()? else { return Ok(Vec::new()) };
            (0..batch.num_rows()).map(|row| read_row(&batch, row, first + row, width)).collect()
        })?;
        self.done += rows.len();
        self.held = rows.into_iter();
        Ok(())
    }
}

/// Row `row` of a batch, which is number `number` of the file.
fn read_row(
    batch: &RecordBatch,
    row: usize,
    number: usize,
    width: &mut Option<usize>,
) -> Result<VectorRow, ErrorKind> {
    let broken = |why: String| ErrorKind::Broken(format!("row {number} {why}"));
    let cell = |name: &str| batch.column_by_name(name).map(|column| scalar(column.as_ref(), row));
    let path = cell("path").and_then(|path| path.as_str().map(str::to_owned));
    let path = path.ok_or_else(|| broken("has no `path`".to_owned()))?;
    let seconds = |name| cell(name).and_then(|time| time.as_f64());
    let span = seconds("start").zip(seconds("end"));
    let vector = batch.column_by_name("vector").and_then(|column| floats(column.as_ref(), row));
    let vector = vector.ok_or_else(|| broken("has no `vector`".to_owned()))?;
    if let Some(bad) = vector.iter().find(|number| !number.is_finite()) {
        return Err(broken(format!("has {bad} in its `vector`")));
    }
    let width = *width.get_or_insert(vector.len());
    if vector.len() != width {
        return Err(broken(format!("has {} numbers in its `vector`, and row 0 has {width}", vector.len())));
    }
    Ok(VectorRow { path, span, vector })
}

/// `None` where there is no list, or a part of it is null.
fn floats(column: &dyn Array, row: usize) -> Option<Vec<f32>> {
    if column.is_null(row) {
        return None;
    }
    let list = match column.data_type() {
        DataType::List(_) => column.as_list::<i32>().value(row),
        DataType::LargeList(_) => column.as_list::<i64>().value(row),
        DataType::FixedSizeList(..) => column.as_fixed_size_list().value(row),
        _ => return None,
    };
    let numbers = list.as_primitive_opt::<Float32Type>()?;
    (numbers.null_count() == 0).then(|| numbers.values().to_vec())
}

impl Iterator for VectorRows {
    type Item = Result<VectorRow, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.held.len() == 0
            && !self.failed
            && let Err(kind) = self.fill()
        {
            self.failed = true;
            return Some(Err(kind).with_context(|| self.task.clone()));
        }
        self.held.next().map(Ok)
    }
}

impl std::fmt::Debug for VectorRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VectorRows")
            .field("task", &self.task)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}
