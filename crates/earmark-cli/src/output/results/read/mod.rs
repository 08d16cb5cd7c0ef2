//! Tables of results, read back: the sounds that a job found, or that a person marked in Raven.

pub(crate) mod found; // What a row is,
pub(crate) mod columns; // and which columns hold it;
mod delimited; // then the formats.
mod jsonl;
mod parquet;

use std::path::Path;

use anyhow::Result;

use crate::exit::usage;
use crate::output::results::read::found::Found;

/// Endings of tables that can be read.
pub(crate) const ENDINGS: &[&str] = &["csv", "tsv", "txt", "parquet", "jsonl", "ndjson"];

/// Reads a table and gives each row with a label to `visit`, in order; rows without one (failures, windows below the
/// threshold) are passed over.
///
/// # Errors
/// Names the file, and the line (of Parquet the row, from 1) that is damaged.
pub(crate) fn read(file: &Path, visit: &mut dyn FnMut(Found<'_>)) -> Result<()> {
    let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    match ending.as_str() {
        "csv" | "tsv" | "txt" => delimited::read(file, visit),
        "parquet" => parquet::read(file, visit),
        "jsonl" | "ndjson" => jsonl::read(file, visit),
        _ => Err(usage(format_args!(
            "`{}` is not a table of results: expected the name of a .csv, .parquet, .jsonl, or of a Raven table (.txt, .tsv)",
            file.display()
        ))),
    }
}
