//! Vectors as files: a Parquet table, NumPy's archive of arrays, or its one array with a list of the rows beside it. They are
//! written as they come, so a table of any size takes little memory.

mod row;
mod npy;
mod npz;
mod parquet;
mod source;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use earmark_fs::AtomicFile;

use self::npy::NpyWriter;
use self::npz::NpzWriter;
use self::parquet::ParquetVectors;
pub(crate) use self::row::{Columns, Row, RowOf};
pub(crate) use self::source::VectorSource;
use crate::exit::usage;

/// The format of the file, which its name ends in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EmbeddingFormat {
    Npy,
    Npz,
    Parquet,
}

impl EmbeddingFormat {
    pub(crate) fn of_name(path: &Path) -> Result<EmbeddingFormat> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some(ending) if ending.eq_ignore_ascii_case("npy") => Ok(EmbeddingFormat::Npy),
            Some(ending) if ending.eq_ignore_ascii_case("npz") => Ok(EmbeddingFormat::Npz),
            Some(ending) if ending.eq_ignore_ascii_case("parquet") => Ok(EmbeddingFormat::Parquet),
            _ => Err(usage(format_args!(
                "unknown format of `{}`: use a name that ends in .parquet, .npz or .npy",
                earmark_fs::text(path)
            ))),
        }
    }

    /// The file beside NumPy's array that lists its rows: `vectors.rows.csv` beside `vectors.npy`.
    pub(crate) fn row_list(self, path: &Path) -> Option<PathBuf> {
        (self == EmbeddingFormat::Npy).then(|| path.with_extension("rows.csv"))
    }
}

/// The files of a table that is being written. They appear under their names when it is whole.
pub(crate) struct EmbeddingFiles {
    format: EmbeddingFormat,
    path: PathBuf,
    table: AtomicFile,
    rows: Option<AtomicFile>,
}

impl EmbeddingFiles {
    pub(crate) fn create(format: EmbeddingFormat, path: &Path) -> Result<EmbeddingFiles> {
        let create = |path: &Path| AtomicFile::create(path).with_context(|| cannot_write(path));
        // What a job that was killed left behind.
        earmark_fs::sweep(earmark_fs::parent(path)).with_context(|| cannot_write(path))?;
        let rows = format.row_list(path).map(|rows| create(&rows)).transpose()?;
        Ok(EmbeddingFiles { format, path: path.to_owned(), table: create(path)?, rows })
    }

    /// A writer of rows; `source` is kept in the metadata of Parquet.
    pub(crate) fn writer(&mut self, columns: &Columns, source: &VectorSource) -> Result<EmbeddingWriter<'_>> {
        let EmbeddingFiles { path, table, rows, format } = self;
        let folder = earmark_fs::parent(path);
        let rows = match (rows, format) {
            (Some(rows), _) => Rows::Npy(Box::new(NpyWriter::new(table, rows, columns)?)),
            (None, EmbeddingFormat::Npz) => {
                let writer = NpzWriter::new(table, columns, folder);
                Rows::Npz(Box::new(writer.with_context(|| cannot_write(path))?))
            }
            (None, _) => Rows::Parquet(Box::new(ParquetVectors::new(table, columns, source)?)),
        };
        Ok(EmbeddingWriter { path, rows })
    }

    /// Gives the files their names, the list of rows first: whoever finds the array finds it.
    pub(crate) fn commit(self) -> Result<()> {
        let commit = |path: &Path, file: AtomicFile| file.commit().with_context(|| cannot_write(path));
        if let Some((path, rows)) = self.format.row_list(&self.path).zip(self.rows) {
            commit(&path, rows)?;
        }
        commit(&self.path, self.table)
    }
}

/// Writes rows as they come.
pub(crate) struct EmbeddingWriter<'a> {
    path: &'a Path,
    rows: Rows<'a>,
}

enum Rows<'a> {
    Npy(Box<NpyWriter<'a>>),
    Npz(Box<NpzWriter<'a>>),
    Parquet(Box<ParquetVectors<'a>>),
}

impl EmbeddingWriter<'_> {
    pub(crate) fn write(&mut self, row: &Row<'_>) -> Result<()> {
        let written = match &mut self.rows {
            Rows::Npy(npy) => npy.write(row),
            Rows::Npz(npz) => npz.write(row),
            Rows::Parquet(table) => table.write(row),
        };
        written.with_context(|| cannot_write(self.path))
    }

    pub(crate) fn finish(self) -> Result<()> {
        let written = match self.rows {
            Rows::Npy(npy) => npy.finish(),
            Rows::Npz(npz) => npz.finish(),
            Rows::Parquet(table) => table.finish(),
        };
        written.with_context(|| cannot_write(self.path))
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write `{}`", earmark_fs::text(path))
}
