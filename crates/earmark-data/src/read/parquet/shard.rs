//! Parquet files with a column of sounds, as the Hub's datasets have them: `audio: struct<bytes: binary, path: string>`, class
//! labels as numbers, and in the file's metadata under `huggingface` what each column means.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array, RecordBatch, StructArray};
use arrow_schema::{DataType, Schema};
use earmark_error::Context as _;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowSelection, RowSelector};
use serde_json::Value;

use super::file::{ParquetFile, limit, local};
use super::guard::guarded;
use super::value::scalar;
use crate::error::{Error, ErrorKind, Task};
use crate::example::{Example, Fields};
use crate::read::label_column::LabelColumn;
use crate::read::read_at::ReadAt;
use crate::read::row_names::row_name;

/// One Parquet file of a dataset. Opening it reads its metadata, but no audio.
#[derive(Debug, Clone)]
pub struct Shard {
    name: String,
    file: ParquetFile,
    /// The column with the sounds; none of a table that only names files.
    audio: Option<String>,
    /// Class names by column, where the file says them.
    classes: BTreeMap<String, Vec<String>>,
}

/// Two are the same when they are the same file.
impl PartialEq for Shard {
    fn eq(&self, other: &Shard) -> bool {
        self.name == other.name
    }
}

/// Rows that are decoded at once. Sounds are large: the first should not wait for seven others.
const ROWS: usize = 1;
/// Class labels that any dataset may have; a hostile file gets no more memory than that.
const MOST_CLASSES: usize = 1 << 16;
/// Text beside the sounds that is read from a file of any size, in bytes, and for each byte of the file.
const MOST_TEXT: (u64, u64) = (256 << 20, 16);
/// The largest value beside the sounds, in bytes.
const MOST_VALUE: usize = 1 << 20;
/// Bytes that a batch of rows may unpack to, beside its sounds.
const BATCH_BYTES: u64 = 256 << 20;

impl Shard {
    /// Opens a file on this machine.
    ///
    /// # Errors
    /// When it is not a Parquet file, or has no audio column.
    pub fn open(path: &Path) -> Result<Shard, Error> {
        Shard::over(local(path)?, &path.display().to_string())
    }

    /// Opens a file on this machine that may hold no sounds.
    ///
    /// # Errors
    /// When it is no Parquet file.
    pub fn table_of(path: &Path) -> Result<Shard, Error> {
        let name = path.display().to_string();
        Shard::any(local(path)?, &name).with_context(|| Task::Open(path.to_path_buf()))
    }

    /// Opens a Parquet file through `source`; `name` is its name in error messages.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn over(source: Arc<dyn ReadAt>, name: &str) -> Result<Shard, Error> {
        let shard = Shard::any(source, name).and_then(|shard| match shard.audio {
            Some(_) => Ok(shard),
            None => Err(ErrorKind::NoAudioColumn { columns: shard.file.names() }),
        });
        shard.with_context(|| Task::Open(name.into()))
    }

    fn any(source: Arc<dyn ReadAt>, name: &str) -> Result<Shard, ErrorKind> {
        let file = ParquetFile::open(source)?;
        let features = features(&file);
        let audio = audio_column(file.schema(), &features);
        file.check_limits(audio.as_deref())?;
        let mut classes = BTreeMap::new();
        for (column, feature) in &features {
            // A list of classes: of that of `datasets` 4, and of those before.
            let is_list = ["List", "LargeList", "Sequence"]
                .iter()
                .any(|kind| feature.get("_type") == Some(&(*kind).into()));
            let feature = feature.get("feature").filter(|_| is_list).unwrap_or(feature);
            if feature.get("_type").and_then(Value::as_str) == Some("ClassLabel")
                && let Some(names) = feature.get("names").and_then(Value::as_array)
                && names.len() <= MOST_CLASSES
            {
                let names = names.iter().map(crate::example::text).collect();
                classes.insert(column.clone(), names);
            }
        }
        Ok(Shard { name: name.to_owned(), file, audio, classes })
    }

    /// Rows beside their sounds that are unpacked at once: each could hold the largest value that its column has.
    fn batch_rows(&self) -> usize {
        let chunks = self.file.metadata().row_groups().iter().flat_map(|group| group.columns());
        let others = chunks.filter(|chunk| chunk.column_path().parts().first() != self.audio.as_ref());
        let largest = others.map(|chunk| chunk.uncompressed_size().max(1) as u64).max().unwrap_or(1);
        (BATCH_BYTES / largest).clamp(1, 1 << 12) as usize
    }

    /// Its name in error messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether one of its columns holds sounds.
    pub(crate) fn has_sounds(&self) -> bool {
        self.audio.is_some()
    }

    /// The number of clips.
    pub fn rows(&self) -> usize {
        self.file.rows()
    }

    /// The names of the columns other than the audio.
    pub fn columns(&self) -> Vec<&str> {
        let fields = self.file.schema().fields().iter();
        fields
            .map(|field| field.name().as_str())
            .filter(|name| Some(*name) != self.audio.as_deref())
            .collect()
    }

    /// The columns of type class label, each with the names of its classes in id order.
    pub fn classes(&self) -> &BTreeMap<String, Vec<String>> {
        &self.classes
    }

    /// The clips from row `from` on, with the bytes of their sound files, a few rows in memory at a time.
    ///
    /// # Errors
    /// When the file has no column `label_column`.
    pub fn examples(&self, label_column: Option<&LabelColumn>, from: usize) -> Result<Examples, Error> {
        let rows = guarded(|| {
            let skip = RowSelection::from(vec![
                RowSelector::skip(from.min(self.rows())),
                RowSelector::select(self.rows().saturating_sub(from)),
            ]);
            self.file.reader(ProjectionMask::all(), None, Some(skip), ROWS)
        });
        Ok(Examples {
            shard: self.clone(),
            label_column: label_column.cloned(),
            rows: rows.with_context(|| self.opening())?,
            held: Vec::new().into_iter(),
            done: from,
            failed: false,
        })
    }

    /// The rows without their sounds, of the columns that are named, some rows in memory at a time. A column that is not
    /// there is left out.
    ///
    /// # Errors
    /// When the file is broken.
    pub fn table_rows(&self, columns: &[&str]) -> Result<TableRows, Error> {
        let batches = guarded(|| {
            let mask = self.file.columns(columns.iter().copied());
            self.file.reader(mask, None, None, self.batch_rows())
        });
        let batches = batches.with_context(|| self.opening())?;
        Ok(TableRows { shard: self.clone(), batches, held: Vec::new().into_iter(), done: 0, failed: false })
    }

    /// What each row says beside its sound: the path of that, if any, and the other columns. No sound is read.
    ///
    /// # Errors
    /// When the file is broken, or says more than is read.
    pub(crate) fn table(&self) -> Result<Vec<(Option<String>, Fields)>, Error> {
        let read = || -> Result<Vec<_>, ErrorKind> {
            // The path lies beside the bytes, in the same column.
            let path = self.audio.as_ref().map(|audio| format!("{audio}.path"));
            let columns = self.columns();
            let leaves = columns.into_iter().chain(path.as_deref());
            let mask = self.file.columns(leaves);
            let most = limit(MOST_TEXT, self.file.size());
            let (mut rows, mut text) = (Vec::new(), 0u64);
            for batch in self.file.reader(mask, None, None, self.batch_rows())? {
                for (path, fields) in self.read(&batch?, rows.len())? {
                    let strings = fields.values().filter_map(Value::as_str).chain(path.as_deref());
                    text += strings.map(|text| text.len() as u64).sum::<u64>();
                    if text > most {
                        let what = format!(
                            "its first {} rows have {text} bytes besides their audio",
                            rows.len() + 1
                        );
                        return Err(ErrorKind::Limit {
                            what,
                            limit: format!("{most} bytes for a file of this size"),
                        });
                    }
                    rows.push((path, fields));
                }
            }
            Ok(rows)
        };
        guarded(read).with_context(|| self.opening())
    }

    fn opening(&self) -> Task {
        Task::Open(self.name.clone().into())
    }

    /// The sound of one row.
    ///
    /// # Errors
    /// When the file is broken, or the row has no sound.
    pub(crate) fn audio(&self, row: usize) -> Result<Vec<u8>, ErrorKind> {
        guarded(|| {
            let (mut group, mut before) = (0, 0);
            for (index, metadata) in self.file.metadata().row_groups().iter().enumerate() {
                let rows = metadata.num_rows().max(0) as usize;
                if row < before + rows {
                    group = index;
                    break;
                }
                before += rows;
            }
            let audio = self.audio.as_deref().ok_or(ErrorKind::NoSound(row))?;
            let mask = self.file.columns([format!("{audio}.bytes").as_str(), audio]);
            let one = RowSelection::from(vec![RowSelector::skip(row - before), RowSelector::select(1)]);
            let mut reader = self.file.reader(mask, Some(group), Some(one), 1)?;
            let batch = reader.next().ok_or(ErrorKind::NoRow(row))??;
            self.sounds(&batch).and_then(|sounds| sounds.bytes(0)).ok_or(ErrorKind::NoSound(row))
        })
    }

    fn sounds<'a>(&self, batch: &'a RecordBatch) -> Option<Sounds<'a>> {
        let column = batch.column_by_name(self.audio.as_deref()?)?;
        Some(match column.as_struct_opt() {
            Some(both) => Sounds::Struct(both),
            None => Sounds::Plain(column.as_ref()),
        })
    }

    /// The rows of a batch of which the first is number `first` of the file: paths of their sounds, and fields.
    fn read(&self, batch: &RecordBatch, first: usize) -> Result<Vec<(Option<String>, Fields)>, ErrorKind> {
        let sounds = self.sounds(batch);
        let schema = batch.schema();
        let row = |row: usize| {
            let mut fields = Fields::new();
            for (field, column) in schema.fields().iter().zip(batch.columns()) {
                if Some(field.name()) != self.audio.as_ref() {
                    let value = scalar(column.as_ref(), row);
                    check_value(&value, field.name(), first + row)?;
                    fields.insert(field.name().clone(), value);
                }
            }
            let path = sounds.as_ref().and_then(|sounds| sounds.path(row));
            Ok((path, fields))
        };
        (0..batch.num_rows()).map(row).collect()
    }
}

fn check_value(value: &Value, column: &str, row: usize) -> Result<(), ErrorKind> {
    match value.as_str().map_or(0, str::len) {
        bytes if bytes > MOST_VALUE => Err(ErrorKind::Limit {
            what: format!("row {row} has {bytes} bytes in `{column}`"),
            limit: format!("{MOST_VALUE} bytes"),
        }),
        _ => Ok(()),
    }
}

/// The rows of a [`Shard`] without their sounds, in order; made by [`Shard::table_rows`].
pub struct TableRows {
    shard: Shard,
    batches: ParquetRecordBatchReader,
    held: std::vec::IntoIter<(Option<String>, Fields)>,
    /// Rows in the batches so far.
    done: usize,
    failed: bool,
}

impl TableRows {
    fn fill(&mut self) -> Result<(), ErrorKind> {
        let (shard, batches, done) = (&self.shard, &mut self.batches, self.done);
        let rows = guarded(|| match batches.next().transpose()? {
            Some(batch) => shard.read(&batch, done),
            None => Ok(Vec::new()),
        })?;
        self.done += rows.len();
        self.held = rows.into_iter();
        Ok(())
    }
}

impl Iterator for TableRows {
    type Item = Result<Fields, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.held.len() == 0
            && !self.failed
            && let Err(kind) = self.fill()
        {
            self.failed = true;
            return Some(Err(kind).with_context(|| self.shard.opening()));
        }
        self.held.next().map(|(_, fields)| Ok(fields))
    }
}

impl std::fmt::Debug for TableRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableRows")
            .field("shard", &self.shard.name)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

/// The clips of a [`Shard`], in order; made by [`Shard::examples`].
pub struct Examples {
    shard: Shard,
    label_column: Option<LabelColumn>,
    rows: ParquetRecordBatchReader,
    held: std::vec::IntoIter<Example>,
    done: usize,
    failed: bool,
}

impl Examples {
    fn fill(&mut self) -> Result<(), ErrorKind> {
        let Some(batch) = guarded(|| Ok(self.rows.next().transpose()?))? else { return Ok(()) };
        let (shard, first) = (&self.shard, self.done);
        let rows = guarded(|| {
            let sounds = shard.sounds(&batch);
            let mut rows = Vec::new();
            for (at, (path, mut fields)) in shard.read(&batch, first)?.into_iter().enumerate() {
                let label = match &self.label_column {
                    Some(column) => column.read(&mut fields, &shard.classes, first + at)?,
                    None => None,
                };
                let audio =
                    sounds.as_ref().and_then(|sounds| sounds.bytes(at)).filter(|bytes| !bytes.is_empty());
                let audio = audio.ok_or(ErrorKind::NoSound(first + at))?;
                rows.push(Example { name: row_name(path, &fields, first + at), audio, label, fields });
            }
            Ok(rows)
        })?;
        self.done += rows.len();
        self.held = rows.into_iter();
        Ok(())
    }
}

impl Iterator for Examples {
    type Item = Result<Example, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.held.len() == 0
            && !self.failed
            && let Err(kind) = self.fill()
        {
            self.failed = true;
            return Some(Err(kind).with_context(|| self.shard.opening()));
        }
        self.held.next().map(Ok)
    }
}

impl std::fmt::Debug for Examples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Examples")
            .field("shard", &self.shard.name)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

/// The column of sounds, as `datasets` writes it or as plain bytes.
enum Sounds<'a> {
    Struct(&'a StructArray),
    Plain(&'a dyn Array),
}

impl Sounds<'_> {
    fn bytes(&self, row: usize) -> Option<Vec<u8>> {
        let column: &dyn Array = match self {
            Sounds::Struct(both) => both.column_by_name("bytes")?.as_ref(),
            Sounds::Plain(column) => *column,
        };
        if row >= column.len() || column.is_null(row) {
            return None;
        }
        let bytes = match column.data_type() {
            DataType::Binary => column.as_binary::<i32>().value(row),
            DataType::LargeBinary => column.as_binary::<i64>().value(row),
            DataType::BinaryView => column.as_binary_view().value(row),
            _ => return None,
        };
        Some(bytes.to_vec())
    }

    fn path(&self, row: usize) -> Option<String> {
        let Sounds::Struct(both) = self else { return None };
        match scalar(both.column_by_name("path")?.as_ref(), row) {
            Value::String(path) if !path.is_empty() => Some(path),
            _ => None,
        }
    }
}

/// `info.features` of the metadata that `datasets` writes.
fn features(file: &ParquetFile) -> serde_json::Map<String, Value> {
    let json: Option<Value> = file.note("huggingface").and_then(|text| serde_json::from_str(text).ok());
    json.and_then(|json| json.pointer("/info/features")?.as_object().cloned()).unwrap_or_default()
}

/// The column that is said to hold sounds, or else the only one that looks like it.
fn audio_column(schema: &Schema, features: &serde_json::Map<String, Value>) -> Option<String> {
    let declared = features.iter().find(|(column, feature)| {
        feature.get("_type").and_then(Value::as_str) == Some("Audio")
            && schema.field_with_name(column).is_ok()
    });
    let looks = || {
        schema.fields().iter().find(|field| match field.data_type() {
            DataType::Struct(parts) => parts.iter().any(|part| part.name() == "bytes"),
            kind => field.name() == "audio" && is_binary(kind),
        })
    };
    declared.map(|(column, _)| column.clone()).or_else(|| looks().map(|field| field.name().clone()))
}

fn is_binary(kind: &DataType) -> bool {
    matches!(kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}
