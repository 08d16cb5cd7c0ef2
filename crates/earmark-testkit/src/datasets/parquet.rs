//! Shards as `datasets` writes them.

use std::collections::HashMap;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::file::properties::WriterProperties;
use ::parquet::schema::types::ColumnPath;
use arrow_array::builder::{BinaryBuilder, BooleanBuilder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, Fields, Schema};
use serde_json::{Map, Value, json};

/// A row of a shard.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The path of its sound; empty where the shard has none.
    pub path: String,
    /// The bytes of its sound file.
    pub audio: Vec<u8>,
    /// Its other columns; those of the first row say which there are and what they hold.
    pub fields: Map<String, Value>,
}

/// A shard with the column `audio` of bytes and path. `classes` names the columns of numbers that are class labels.
pub fn parquet(rows: &[Row], classes: &[(&str, &[&str])]) -> Vec<u8> {
    let (mut bytes, mut paths) = (BinaryBuilder::new(), StringBuilder::new());
    for row in rows {
        bytes.append_value(&row.audio);
        paths.append_option((!row.path.is_empty()).then_some(&row.path));
    }
    let parts = Fields::from(vec![
        Field::new("bytes", DataType::Binary, true),
        Field::new("path", DataType::Utf8, true),
    ]);
    let audio =
        StructArray::new(parts.clone(), vec![Arc::new(bytes.finish()), Arc::new(paths.finish())], None);
    let mut fields = vec![Field::new("audio", DataType::Struct(parts), true)];
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(audio)];
    for (name, kind) in &rows[0].fields {
        let array = column(kind, rows.iter().map(|row| &row.fields[name]));
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let mut features = Map::from_iter([("audio".to_owned(), json!({"_type": "Audio"}))]);
    for (name, names) in classes {
        features.insert((*name).to_owned(), json!({"names": names, "_type": "ClassLabel"}));
    }
    let info = json!({"info": {"features": features}}).to_string();
    let metadata = HashMap::from([("huggingface".to_owned(), info)]);
    let schema = Arc::new(Schema::new(fields).with_metadata(metadata));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).unwrap();
    let mut file = Vec::new();
    let sounds = ColumnPath::new(vec!["audio".into(), "bytes".into()]);
    // As `datasets` writes sounds: a reader of one row reads a hundred at most.
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(100))
        .set_column_dictionary_enabled(sounds, false)
        .build();
    let mut writer = ArrowWriter::try_new(&mut file, schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file
}

fn column<'a>(kind: &Value, values: impl Iterator<Item = &'a Value>) -> ArrayRef {
    match kind {
        Value::Bool(_) => {
            let mut column = BooleanBuilder::new();
            values.for_each(|value| column.append_option(value.as_bool()));
            Arc::new(column.finish())
        }
        Value::Number(_) => {
            let mut column = Int64Builder::new();
            values.for_each(|value| column.append_option(value.as_i64()));
            Arc::new(column.finish())
        }
        _ => {
            let mut column = StringBuilder::new();
            values.for_each(|value| column.append_option(value.as_str()));
            Arc::new(column.finish())
        }
    }
}
