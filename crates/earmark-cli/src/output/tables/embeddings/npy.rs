//! NumPy's format 1.0 (`numpy.lib.format`): a magic number, the header's length, the header, the numbers.

use std::io::{BufWriter, Seek as _, SeekFrom, Write as _};

use anyhow::Result;
use earmark_data::VectorRow;
use earmark_fs::AtomicFile;

/// Bytes before the numbers, a multiple of 64 as NumPy has it: the header holds the number of rows, and is written last.
const HEADER: usize = 128;

/// A matrix, and a CSV with the path, start and end of each of its rows.
pub(crate) struct NpyWriter<'a> {
    numbers: BufWriter<&'a mut AtomicFile>,
    list: csv::Writer<&'a mut AtomicFile>,
    rows: usize,
    columns: usize,
}

impl<'a> NpyWriter<'a> {
    pub(super) fn new(numbers: &'a mut AtomicFile, list: &'a mut AtomicFile) -> Result<NpyWriter<'a>> {
        let mut numbers = BufWriter::new(numbers);
        numbers.write_all(&[0; HEADER])?;
        let mut list = csv::Writer::from_writer(list);
        list.write_record(["path", "start", "end"])?;
        Ok(NpyWriter { numbers, list, rows: 0, columns: 0 })
    }

    pub(super) fn write(&mut self, row: &VectorRow) -> Result<()> {
        let second = |time: fn(&(f64, f64)) -> f64| {
            row.span.as_ref().map(time).map_or(String::new(), |it| it.to_string())
        };
        self.list.write_record([&row.path, &second(|span| span.0), &second(|span| span.1)])?;
        row.vector.iter().try_for_each(|x| self.numbers.write_all(&x.to_le_bytes()))?;
        self.rows += 1;
        self.columns = row.vector.len();
        Ok(())
    }

    pub(super) fn finish(self) -> Result<()> {
        let NpyWriter { mut numbers, mut list, rows, columns } = self;
        list.flush()?;
        let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
        let length = HEADER - 10;
        numbers.seek(SeekFrom::Start(0))?;
        numbers.write_all(b"\x93NUMPY\x01\x00")?;
        numbers.write_all(&(length as u16).to_le_bytes())?;
        writeln!(numbers, "{text:<0$}", length - 1)?;
        Ok(numbers.flush()?)
    }
}
