//! NumPy's `.npz`: a zip archive of arrays, each row of which belongs to the same row of the others.
//!
//! The numbers of a column lie in a temporary file until the last row is there, as an array follows the other in the archive.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write};
use std::path::Path;

use anyhow::Result;
use earmark_fs::AtomicFile;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::npy::header;
use super::row::{Columns, Row, RowOf};

/// Arrays of so many bytes and more need the larger fields of a zip archive.
const LARGE: u64 = 1 << 31;

/// The arrays `path`, `start` and `end`, or `text`, and one for each column of vectors.
pub(crate) struct NpzWriter<'a> {
    archive: ZipWriter<&'a mut AtomicFile>,
    columns: Columns,
    /// A name for so many rows, one after the other.
    names: Vec<(String, usize)>,
    spans: Vec<(f64, f64)>,
    numbers: Vec<BufWriter<File>>,
    width: usize,
}

impl<'a> NpzWriter<'a> {
    /// Temporary files lie in `folder` and have no names.
    pub(super) fn new(file: &'a mut AtomicFile, columns: &Columns, folder: &Path) -> Result<NpzWriter<'a>> {
        let temporary = |_: &String| Ok(BufWriter::new(tempfile::tempfile_in(folder)?));
        Ok(NpzWriter {
            archive: ZipWriter::new(file),
            columns: columns.clone(),
            names: Vec::new(),
            spans: Vec::new(),
            numbers: columns.vectors.iter().map(temporary).collect::<io::Result<_>>()?,
            width: 0,
        })
    }

    pub(super) fn write(&mut self, row: &Row<'_>) -> Result<()> {
        match self.names.last_mut().filter(|(name, _)| name == row.name) {
            Some((_, rows)) => *rows += 1,
            None => self.names.push((row.name.to_owned(), 1)),
        }
        self.spans.push(row.span.unwrap_or((f64::NAN, f64::NAN)));
        for (vector, numbers) in row.vectors.iter().zip(&mut self.numbers) {
            vector.iter().try_for_each(|x| numbers.write_all(&x.to_le_bytes()))?;
            self.width = vector.len();
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<()> {
        let rows = self.spans.len();
        self.names()?;
        if self.columns.of == RowOf::Sound {
            for (name, time) in [("start", 0), ("end", 1)] {
                begin(&mut self.archive, name, 8 * rows as u64)?;
                self.archive.write_all(&header("<f8", &[rows]))?;
                let times = self.spans.iter().map(|span| [span.0, span.1][time]);
                let bytes: Vec<u8> = times.flat_map(f64::to_le_bytes).collect();
                self.archive.write_all(&bytes)?;
            }
        }
        for (name, numbers) in self.columns.vectors.iter().zip(self.numbers) {
            let mut numbers = numbers.into_inner().map_err(io::IntoInnerError::into_error)?;
            begin(&mut self.archive, name, numbers.metadata()?.len())?;
            self.archive.write_all(&header("<f4", &[rows, self.width]))?;
            numbers.seek(SeekFrom::Start(0))?;
            io::copy(&mut numbers, &mut self.archive)?;
        }
        self.archive.finish()?;
        Ok(())
    }

    /// Text in NumPy's own type, which is opened without pickle: as many code points in each row as the longest has.
    fn names(&mut self) -> Result<()> {
        let name = self.columns.names()[0];
        let rows = self.spans.len();
        let longest = self.names.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(1);
        begin(&mut self.archive, name, 4 * (longest * rows) as u64)?;
        let mut out = BufWriter::new(&mut self.archive);
        out.write_all(&header(&format!("<U{longest}"), &[rows]))?;
        for (name, rows) in &self.names {
            let letters = name.chars().map(u32::from).chain(std::iter::repeat(0)).take(longest);
            let bytes: Vec<u8> = letters.flat_map(u32::to_le_bytes).collect();
            (0..*rows).try_for_each(|_| out.write_all(&bytes))?;
        }
        Ok(out.flush()?)
    }
}

/// Begins an array of so many bytes.
fn begin<W: Write + io::Seek>(archive: &mut ZipWriter<W>, name: &str, bytes: u64) -> Result<()> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    Ok(archive.start_file(format!("{name}.npy"), options.large_file(bytes >= LARGE))?)
}
