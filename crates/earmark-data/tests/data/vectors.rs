//! Tables of vectors.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Float32Builder, ListBuilder};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use earmark_data::{ErrorKind, VectorRow, VectorTable};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::told;

fn lists(rows: &[&[f32]]) -> ArrayRef {
    let mut lists = ListBuilder::new(Float32Builder::new());
    rows.iter().for_each(|row| lists.append_value(row.iter().map(|x| Some(*x))));
    Arc::new(lists.finish())
}

fn paths(rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("{row}.wav"))))
}

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>, compression: Compression) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_compression(compression).build();
    let file = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn read(path: &Path) -> Result<Vec<VectorRow>, earmark_data::Error> {
    VectorTable::open(path)?.rows()?.collect()
}

/// Why a table cannot be read.
#[track_caller]
fn why(path: &Path, columns: Vec<(&str, ArrayRef)>) -> String {
    write(path, columns, Compression::UNCOMPRESSED);
    told(&read(path).unwrap_err())
}

#[test]
fn rows_are_read_in_order_with_lists_of_either_kind_and_with_or_without_times() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.parquet");
    let row = |number: usize, span, vector: [f32; 2]| VectorRow {
        path: format!("{number}.wav"),
        span,
        vector: vector.to_vec(),
    };
    write(
        &path,
        vec![("path", paths(2)), ("vector", lists(&[&[1.0, -2.0], &[0.0, 0.5]]))],
        Compression::SNAPPY,
    );
    assert_eq!(read(&path).unwrap(), [row(0, None, [1.0, -2.0]), row(1, None, [0.0, 0.5])]);

    let mut fixed = FixedSizeListBuilder::new(Float32Builder::new(), 2);
    for x in [1.0, -2.0, 0.0, 0.5] {
        fixed.values().append_value(x);
    }
    fixed.append(true);
    fixed.append(true);
    let times = |times: [Option<f64>; 2]| -> ArrayRef { Arc::new(Float64Array::from(times.to_vec())) };
    let columns = vec![
        ("end", times([Some(1.5), None])),
        ("vector", Arc::new(fixed.finish()) as ArrayRef),
        ("model", paths(2)),
        ("path", paths(2)),
        ("start", times([Some(1.0), None])),
    ];
    write(&path, columns, Compression::UNCOMPRESSED);
    assert_eq!(read(&path).unwrap(), [row(0, Some((1.0, 1.5)), [1.0, -2.0]), row(1, None, [0.0, 0.5])]);
}

#[test]
fn a_table_that_is_none_of_vectors_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.parquet");
    let one: &[f32] = &[1.0, 2.0];
    for (columns, reason) in [
        (
            vec![("path", paths(1)), ("embedding", lists(&[one]))],
            "no column `vector`; its columns: path, embedding",
        ),
        (vec![("vector", lists(&[one]))], "no column `path`; its columns: vector"),
        (vec![("path", paths(1)), ("vector", paths(1))], "`vector` holds Utf8, not lists of 32-bit floats"),
        (
            vec![("path", paths(2)), ("vector", lists(&[one, &[1.0]]))],
            "row 1 has 1 numbers in its `vector`, and row 0 has 2",
        ),
        (
            vec![("path", paths(2)), ("vector", lists(&[one, &[1.0, f32::NAN]]))],
            "row 1 has NaN in its `vector`",
        ),
    ] {
        let why = why(&path, columns);
        assert!(why.contains(reason), "no `{reason}` in {why}");
    }
    fs::write(&path, "PAR1 or so").unwrap();
    let error = VectorTable::open(&path).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Parquet(_)), "{error:?}");
}

/// A run of one number takes a few bytes, however long it is.
#[test]
fn a_small_file_with_a_great_many_numbers_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.parquet");
    let zeros = vec![0.0; 1 << 25];
    write(&path, vec![("path", paths(1)), ("vector", lists(&[&zeros]))], Compression::SNAPPY);
    assert!(fs::metadata(&path).unwrap().len() < 1 << 20);
    let error = read(&path).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Limit { .. }), "{error:?}");
}

/// Cut anywhere, or with a byte changed anywhere, a table is an error or other rows, and never a panic.
#[test]
fn a_damaged_table_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, damaged) = (folder.path().join("v.parquet"), folder.path().join("damaged.parquet"));
    let vectors = [&[0.25f32, 1.0][..], &[-1.0, 3.0], &[0.25, 1.0]];
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
        write(&whole, vec![("path", paths(3)), ("vector", lists(&vectors))], compression);
        let bytes = fs::read(&whole).unwrap();
        for at in 0..bytes.len() {
            fs::write(&damaged, &bytes[..at]).unwrap();
            read(&damaged).unwrap_err();
            for change in [0xff, 0x01, 0x80] {
                let mut bytes = bytes.clone();
                bytes[at] ^= change;
                fs::write(&damaged, &bytes).unwrap();
                let _ = read(&damaged);
            }
        }
    }
}
