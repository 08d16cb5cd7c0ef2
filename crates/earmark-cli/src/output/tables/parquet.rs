//! Parquet files, by polars.

use std::path::Path;

use anyhow::{Context as _, Result};
use earmark_fs::AtomicFile;
use polars::prelude::*;

/// Rows of one row group: enough to compress well, little enough to hold.
pub(crate) const ROW_GROUP: usize = 1 << 16;

/// Writes a table to a file, whole or not at all.
pub(crate) fn write_file(path: &Path, frame: DataFrame) -> Result<()> {
    let written = || -> Result<()> {
        let mut file = AtomicFile::create(path)?;
        write(&mut file, frame)?;
        Ok(file.commit()?)
    };
    written().with_context(|| format!("cannot write `{}`", earmark_fs::text(path)))
}

/// Writes a table into an open file.
pub(crate) fn write(out: &mut AtomicFile, mut frame: DataFrame) -> Result<()> {
    ParquetWriter::new(out).with_row_group_size(Some(ROW_GROUP)).finish(&mut frame)?;
    Ok(())
}
