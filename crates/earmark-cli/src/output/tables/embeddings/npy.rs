//! NumPy's format 1.0 (`numpy.lib.format`): a magic number, the header's length, the header, the numbers.

use std::io::{BufWriter, Seek as _, SeekFrom, Write as _};

use anyhow::Result;
use earmark_fs::AtomicFile;

use super::row::{Columns, Row, RowOf};

/// Bytes before the numbers, a multiple of 64 as NumPy has it: the header holds the number of rows, and is written last.
pub(super) const HEADER: usize = 128;

/// The header of an array of this type and shape.
pub(super) fn header(descr: &str, shape: &[usize]) -> Vec<u8> {
    let sizes = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    // A tuple of one has a comma behind it.
    let comma = if shape.len() == 1 { "," } else { "" };
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}{comma}), }}");
    let length = HEADER - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{text:<0$}\n", length - 1).into_bytes());
    bytes
}

/// A matrix, and a CSV with the path, start and end of each of its rows.
pub(crate) struct NpyWriter<'a> {
    numbers: BufWriter<&'a mut AtomicFile>,
    list: csv::Writer<&'a mut AtomicFile>,
    /// Whether a row has a start and an end.
    has_times: bool,
    rows: usize,
    width: usize,
}

impl<'a> NpyWriter<'a> {
    pub(super) fn new(
        numbers: &'a mut AtomicFile,
        list: &'a mut AtomicFile,
        columns: &Columns,
    ) -> Result<NpyWriter<'a>> {
        let mut numbers = BufWriter::new(numbers);
        numbers.write_all(&[0; HEADER])?;
        let mut list = csv::Writer::from_writer(list);
        list.write_record(columns.names())?;
        Ok(NpyWriter { numbers, list, has_times: columns.of == RowOf::Sound, rows: 0, width: 0 })
    }

    pub(super) fn write(&mut self, row: &Row<'_>) -> Result<()> {
        let second = |time: Option<f64>| time.map_or(String::new(), |it| it.to_string());
        self.list.write_field(row.name)?;
        if self.has_times {
            let (start, end) = (row.span.map(|span| span.0), row.span.map(|span| span.1));
            self.list.write_field(second(start))?;
            self.list.write_field(second(end))?;
        }
        self.list.write_record(None::<&[u8]>)?;
        for vector in &row.vectors {
            vector.iter().try_for_each(|x| self.numbers.write_all(&x.to_le_bytes()))?;
            self.width = vector.len();
        }
        self.rows += 1;
        Ok(())
    }

    pub(super) fn finish(self) -> Result<()> {
        let NpyWriter { mut numbers, mut list, rows, width, .. } = self;
        list.flush()?;
        numbers.seek(SeekFrom::Start(0))?;
        numbers.write_all(&header("<f4", &[rows, width]))?;
        Ok(numbers.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_one_line_of_python_that_ends_at_a_multiple_of_64() {
        let cases: [(&[usize], &str); 3] = [(&[7], "(7,)"), (&[2, 16], "(2, 16)"), (&[0, 0], "(0, 0)")];
        for (shape, tuple) in cases {
            let bytes = header("<f4", shape);
            assert_eq!((bytes.len(), bytes[127]), (128, b'\n'));
            let text = String::from_utf8_lossy(&bytes[10..]).into_owned();
            let want = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple}, }}");
            assert_eq!(text.trim_end(), want);
        }
    }
}
