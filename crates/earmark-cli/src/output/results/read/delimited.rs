//! CSV, and the tables of Raven, whose cells have tabs between them.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context as _, Result, bail};

use crate::output::causes::brief;
use crate::output::results::read::columns::Columns;
use crate::output::results::read::found::Found;

/// The longest row that is read: no path and no label come near it, and what a quote opens that is never closed ends here.
const MOST_ROW: u64 = 1 << 20;

pub(super) fn read(file: &Path, visit: &mut dyn FnMut(Found<'_>)) -> Result<()> {
    let name = file.display();
    let mut input = BufReader::new(earmark_fs::open(file).with_context(|| format!("cannot read `{name}`"))?);
    let (header, separator) = read_header(&mut input).with_context(|| format!("cannot read `{name}`"))?;
    let names: Vec<&str> = header.iter().map(String::as_str).collect();
    let columns = match Columns::find(&names) {
        Ok(columns) => columns,
        Err(why) => bail!("`{name}`: {why}"),
    };
    let left = Rc::new(Cell::new(0));
    let bounded = Bounded { input, left: Rc::clone(&left) };
    let mut rows =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(bounded);
    let mut row = csv::StringRecord::new();
    loop {
        left.set(MOST_ROW);
        match rows.read_record(&mut row) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => {
                // The header was read before.
                let line = 1 + error.position().map_or_else(|| rows.position().line(), csv::Position::line);
                let why = match error.kind() {
                    csv::ErrorKind::Utf8 { .. } => "is not UTF-8".to_owned(),
                    csv::ErrorKind::Io(error) => brief(error),
                    _ => error.to_string(),
                };
                bail!("`{name}`: line {line} {why}");
            }
        }
        let line = 1 + row.position().map_or(1, csv::Position::line);
        if row.len() != names.len() {
            bail!("`{name}`: line {line} has {} cells, and the first line {}", row.len(), names.len());
        }
        let cells: Vec<Cow<'_, str>> = row.iter().map(Cow::from).collect();
        match columns.sound(&cells) {
            Ok(found) => found.into_iter().for_each(&mut *visit),
            Err(why) => bail!("`{name}`: line {line} {why}"),
        }
    }
}

/// The names of the columns, and what stands between them: of the separators the one that makes most columns.
fn read_header(input: &mut impl BufRead) -> Result<(Vec<String>, u8)> {
    let mut line = Vec::new();
    input.take(MOST_ROW).read_until(b'\n', &mut line)?;
    // Excel and Notepad put a byte order mark first.
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line);
    let cells = |separator: &u8| -> Vec<String> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).delimiter(*separator).from_reader(line);
        let first = reader.records().next().and_then(Result::ok).unwrap_or_default();
        first.iter().map(str::to_owned).collect()
    };
    let headers = [b',', b'\t', b';'].map(|separator| (cells(&separator), separator));
    let header = headers.into_iter().rev().max_by_key(|(names, _)| names.len());
    header.filter(|(names, _)| !names.is_empty()).context("it has no line with the names of its columns")
}

/// A file of which at most `left` more bytes are read.
struct Bounded<R> {
    input: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(left) = self.left.get().checked_sub(buffer.len() as u64) else {
            return Err(io::Error::other(format!(
                "is longer than {MOST_ROW} bytes; is a quote never closed?"
            )));
        };
        self.left.set(left);
        self.input.read(buffer)
    }
}
