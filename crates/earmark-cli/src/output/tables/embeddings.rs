//! Vectors as files: NumPy's, or a Parquet table.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use earmark_fs::AtomicFile;
use polars::prelude::df;

use crate::exit::usage;
use crate::output::tables::parquet;

/// The format of the file, which its name ends in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EmbeddingFormat {
    Npy,
    Parquet,
}

impl EmbeddingFormat {
    pub(crate) fn of_name(path: &Path) -> Result<EmbeddingFormat> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("npy") => Ok(EmbeddingFormat::Npy),
            Some("parquet") => Ok(EmbeddingFormat::Parquet),
            _ => Err(usage(format_args!(
                "unknown format of `{}`: use a name that ends in .npy or .parquet",
                path.display()
            ))),
        }
    }

    /// Writes the file, whole or not at all; `rows` in the order of `paths`.
    pub(crate) fn write(self, file: &Path, paths: &[String], rows: &[Vec<f32>]) -> Result<()> {
        let written = || -> Result<()> {
            let mut file = AtomicFile::create(file)?;
            match self {
                EmbeddingFormat::Npy => write_npy(&mut file, rows)?,
                EmbeddingFormat::Parquet => write_parquet(&mut file, paths, rows)?,
            }
            Ok(file.commit()?)
        };
        written().with_context(|| format!("cannot write `{}`", file.display()))
    }
}

/// `path`, `embedding` as a list of float32.
fn write_parquet(out: &mut AtomicFile, paths: &[String], rows: &[Vec<f32>]) -> Result<()> {
    parquet::write(out, df!["path" => paths, "embedding" => parquet::lists(rows)]?)
}

/// NumPy's format 1.0 (`numpy.lib.format`): a magic number, the header's length, the header, the numbers.
fn write_npy(out: &mut AtomicFile, rows: &[Vec<f32>]) -> Result<()> {
    let columns = rows.first().map_or(0, Vec::len);
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {columns}), }}", rows.len());
    // Its end, behind a newline, lies at a multiple of 64.
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut out = BufWriter::new(out);
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&(header.len() as u16).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    rows.iter().flatten().try_for_each(|x| out.write_all(&x.to_le_bytes()))?;
    Ok(out.flush()?)
}
