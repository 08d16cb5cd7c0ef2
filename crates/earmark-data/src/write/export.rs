//! Datasets written out, so that Python's `datasets` loads them: as class folders, or as Parquet.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, Fields as Columns, Schema};
use earmark_error::Context as _;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use serde_json::{Value, json};

use crate::clip::Clip;
use crate::dataset::AudioDataset;
use crate::error::{Error, ErrorKind, Task};
use crate::example::text;
use crate::write::folder;

/// Rows of one row group, as `datasets` writes sounds: a reader that wants one of them reads little.
const GROUP: usize = 100;
/// Sounds of one shard at most.
const SHARD_BYTES: u64 = 500 << 20;

impl AudioDataset {
    /// Writes the sound files as they are into `DIR/<class>/`, those of a dataset with splits into `DIR/<split>/<class>/`, which is
    /// then there whole or not at all. What else is known of a clip has no place there: [`write_parquet`](Self::write_parquet)
    /// keeps it. `progress` is called with the number of clips written.
    ///
    /// # Errors
    /// When `into` is there and holds something, a class cannot be a folder's name, or a clip cannot be read.
    pub fn write_folders(
        &self,
        into: impl AsRef<Path>,
        mut progress: impl FnMut(usize),
    ) -> Result<(), Error> {
        let into = into.as_ref();
        self.write(into, |folder| {
            for label in self.labels.names() {
                if label.is_empty() || label.starts_with('.') || label.contains(['/', '\\', ':']) {
                    return Err(ErrorKind::Broken(format!(
                        "the class `{label}` is not a valid folder name; write Parquet instead"
                    )));
                }
                if self.splits.is_empty() {
                    fs::create_dir(folder.join(label))?;
                }
            }
            for (done, clip) in self.clips.iter().enumerate() {
                let label = self.labels.name(clip.label).unwrap_or_default();
                let split = clip.split.as_deref().unwrap_or_default();
                // Two clips may end in one name, as `yes/0_nohash_0.wav` and `no/0_nohash_0.wav` do.
                let flat = flat(without(without(&clip.name, split), label));
                let of_class = folder.join(split).join(label);
                fs::create_dir_all(&of_class)?;
                let target = of_class.join(flat);
                if target.exists() {
                    return Err(ErrorKind::Repeated { entry: clip.name.clone() });
                }
                fs::write(target, clip.bytes().map_err(|error| error.kind)?)?;
                progress(done + 1);
            }
            Ok(())
        })
    }

    /// Writes `DIR/data/<split>-00000-of-0000N.parquet` with the columns `audio`, the clips' fields, and `label` as a class label;
    /// `load_dataset(DIR)` opens it. A clip that is in none of the dataset's own splits is written to `split`. The folder is there
    /// whole or not at all. `progress` is called with the number of clips written.
    ///
    /// # Errors
    /// When `into` is there and holds something, or a clip cannot be read.
    pub fn write_parquet(
        &self,
        into: impl AsRef<Path>,
        split: &str,
        mut progress: impl FnMut(usize),
    ) -> Result<(), Error> {
        let into = into.as_ref();
        self.write(into, |folder| {
            let data = folder.join("data");
            fs::create_dir(&data)?;
            let columns = self.columns();
            let mut by_split: Vec<(&str, Vec<&Clip>)> =
                self.splits.iter().map(|split| (&**split, Vec::new())).collect();
            for clip in &self.clips {
                let name = clip.split.as_deref().unwrap_or(split);
                match by_split.iter_mut().find(|(split, _)| *split == name) {
                    Some((_, clips)) => clips.push(clip),
                    None => by_split.push((name, vec![clip])),
                }
            }
            let mut done = 0;
            for (split, clips) in &by_split {
                let (mut shards, mut rest) = (Vec::new(), clips.as_slice());
                while !rest.is_empty() {
                    let path = data.join(format!("part-{}", shards.len()));
                    let written =
                        self.write_shard(&path, &columns, rest, &mut |clips| progress(done + clips))?;
                    done += written;
                    rest = &rest[written..];
                    shards.push(path);
                }
                // Only now it is known how many there are.
                for (number, path) in shards.iter().enumerate() {
                    let name = format!("{split}-{number:05}-of-{:05}.parquet", shards.len());
                    fs::rename(path, data.join(name))?;
                }
            }
            Ok(())
        })
    }

    fn write(&self, into: &Path, fill: impl FnOnce(&Path) -> Result<(), ErrorKind>) -> Result<(), Error> {
        let written = match folder::is_vacant(into) {
            true => folder::create(into, fill),
            false => Err(ErrorKind::Occupied),
        };
        written.with_context(|| Task::Export(into.to_path_buf()))
    }

    /// The fields that clips have, and what they hold. A field that is called as one of the two columns makes room for it.
    fn columns(&self) -> BTreeMap<String, DataType> {
        let mut columns = BTreeMap::new();
        for (name, value) in self.clips.iter().flat_map(|clip| &clip.fields) {
            if name == "audio" || name == "label" {
                continue;
            }
            let kind = match value {
                Value::Null => continue,
                Value::Bool(_) => DataType::Boolean,
                Value::Number(number) if number.is_i64() => DataType::Int64,
                Value::Number(_) => DataType::Float64,
                _ => DataType::Utf8,
            };
            let seen = columns.entry(name.clone()).or_insert_with(|| kind.clone());
            if *seen != kind {
                *seen = match (&*seen, &kind) {
                    (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => {
                        DataType::Float64
                    }
                    _ => DataType::Utf8,
                };
            }
        }
        columns
    }

    /// One file with the first of these clips; how many fitted.
    fn write_shard(
        &self,
        path: &Path,
        columns: &BTreeMap<String, DataType>,
        clips: &[&Clip],
        progress: &mut dyn FnMut(usize),
    ) -> Result<usize, ErrorKind> {
        let schema = Arc::new(self.schema(columns));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            // Sounds hardly shrink, and never repeat.
            .set_column_compression(
                ColumnPath::new(vec!["audio".into(), "bytes".into()]),
                Compression::UNCOMPRESSED,
            )
            .set_column_dictionary_enabled(ColumnPath::new(vec!["audio".into(), "bytes".into()]), false)
            .set_max_row_group_row_count(Some(GROUP))
            .build();
        let mut writer = ArrowWriter::try_new(File::create(path)?, Arc::clone(&schema), Some(properties))?;
        let (mut end, mut bytes) = (0, 0);
        while end < clips.len() && bytes < SHARD_BYTES {
            let rows = &clips[end..clips.len().min(end + 16)];
            let batch = self.batch(&schema, columns, rows, &mut bytes)?;
            writer.write(&batch)?;
            end += rows.len();
            progress(end);
        }
        writer.close()?;
        Ok(end)
    }

    fn schema(&self, columns: &BTreeMap<String, DataType>) -> Schema {
        let audio = Columns::from(vec![
            Field::new("bytes", DataType::Binary, true),
            Field::new("path", DataType::Utf8, true),
        ]);
        let mut fields = vec![Field::new("audio", DataType::Struct(audio), true)];
        let mut features = serde_json::Map::new();
        features.insert("audio".into(), json!({"_type": "Audio"}));
        for (name, kind) in columns {
            fields.push(Field::new(name, kind.clone(), true));
            let dtype = match kind {
                DataType::Boolean => "bool",
                DataType::Int64 => "int64",
                DataType::Float64 => "float64",
                _ => "string",
            };
            features.insert(name.clone(), json!({"dtype": dtype, "_type": "Value"}));
        }
        fields.push(Field::new("label", DataType::Int64, true));
        features.insert("label".into(), json!({"names": self.labels.names(), "_type": "ClassLabel"}));
        let info = json!({"info": {"features": features}}).to_string();
        Schema::new(fields).with_metadata(HashMap::from([("huggingface".to_owned(), info)]))
    }

    fn batch(
        &self,
        schema: &Arc<Schema>,
        columns: &BTreeMap<String, DataType>,
        rows: &[&Clip],
        total: &mut u64,
    ) -> Result<RecordBatch, ErrorKind> {
        let (mut bytes, mut paths, mut labels) =
            (BinaryBuilder::new(), StringBuilder::new(), Int64Builder::new());
        for clip in rows {
            let sound = clip.bytes().map_err(|error| error.kind)?;
            *total += sound.len() as u64;
            bytes.append_value(sound);
            paths.append_value(&clip.name);
            labels.append_value(clip.label.index() as i64);
        }
        let DataType::Struct(parts) = schema.field(0).data_type() else {
            return Err(ErrorKind::Broken("the first column is no struct".to_owned()));
        };
        let audio = StructArray::try_new(
            parts.clone(),
            vec![Arc::new(bytes.finish()), Arc::new(paths.finish())],
            None,
        )?;
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(audio)];
        for (name, kind) in columns {
            let values = rows.iter().map(|clip| clip.fields.get(name).unwrap_or(&Value::Null));
            arrays.push(column(kind, values));
        }
        arrays.push(Arc::new(labels.finish()));
        Ok(RecordBatch::try_new(Arc::clone(schema), arrays)?)
    }
}

fn column<'a>(kind: &DataType, values: impl Iterator<Item = &'a Value>) -> ArrayRef {
    match kind {
        DataType::Boolean => {
            let mut column = BooleanBuilder::new();
            values.for_each(|value| column.append_option(value.as_bool()));
            Arc::new(column.finish())
        }
        DataType::Int64 => {
            let mut column = Int64Builder::new();
            values.for_each(|value| column.append_option(value.as_i64()));
            Arc::new(column.finish())
        }
        DataType::Float64 => {
            let mut column = Float64Builder::new();
            values.for_each(|value| column.append_option(value.as_f64()));
            Arc::new(column.finish())
        }
        _ => {
            let mut column = StringBuilder::new();
            values.for_each(|value| column.append_option((!value.is_null()).then(|| text(value))));
            Arc::new(column.finish())
        }
    }
}

/// A name below `folder`, if it lies there.
fn without<'a>(name: &'a str, folder: &str) -> &'a str {
    name.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name)
}

/// A clip's name as that of a file in its class's folder.
fn flat(name: &str) -> String {
    let name: String = name.chars().map(|c| if matches!(c, '/' | '\\' | ':') { '_' } else { c }).collect();
    let name = name.trim_start_matches('.');
    // `a.wav#7`, one of several rows with one file.
    if let Some((file, row)) = name.rsplit_once('#')
        && let Some((stem, ending)) = file.rsplit_once('.')
        && earmark_audio::has_audio_extension(Path::new(file))
    {
        return format!("{stem}#{row}.{ending}");
    }
    if earmark_audio::has_audio_extension(Path::new(name)) { name.to_owned() } else { format!("{name}.wav") }
}
