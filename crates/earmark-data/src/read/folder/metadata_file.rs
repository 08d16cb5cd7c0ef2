//! `metadata.csv`, `metadata.jsonl` and `metadata.parquet`: a row a clip, as `datasets`' `audiofolder` reads them.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::error::ErrorKind;
use crate::example::Fields;
use crate::read::files::FoundFile;
use crate::read::parquet::shard::Shard;

/// What the tables are called.
pub(super) const NAMES: [&str; 3] = ["metadata.csv", "metadata.jsonl", "metadata.parquet"];

/// The largest table that is read: each of its bytes may become a hundred in memory.
const MOST_BYTES: u64 = 256 << 20;
/// The largest cell.
const MOST_CELL: usize = 1 << 20;
/// The longest line of JSON.
const MOST_LINE: usize = 16 << 20;

/// What pandas reads as no value, as `datasets` does by it.
#[rustfmt::skip]
const NO_VALUE: &[&str] = &[
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN",
    "None", "n/a", "nan", "null",
];

/// A table, read.
pub(crate) struct Table {
    pub(crate) path: PathBuf,
    pub(crate) rows: Vec<Row>,
    /// In order; those of files are not among them.
    pub(crate) columns: Vec<String>,
    /// The classes that the file itself declares, by column.
    pub(crate) classes: BTreeMap<String, Vec<String>>,
}

/// A row of a table.
pub(crate) struct Row {
    /// Its line, from 1, as an editor counts; of Parquet its row, from 1.
    pub(crate) line: u64,
    /// Its sound, below the folder of the table.
    pub(crate) file: String,
    pub(crate) fields: Fields,
}

/// Reads a table; `None` for Parquet without a column of file names, which may hold sounds itself.
pub(crate) fn read(table: &FoundFile) -> Result<Option<Table>, ErrorKind> {
    let path = &table.path;
    let bad = |why: String| ErrorKind::BadTable { path: path.clone(), why };
    let (rows, classes) = match path.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => (csv_rows(&text_of(path)?, &bad)?, BTreeMap::new()),
        Some("jsonl") => (jsonl_rows(&text_of(path)?, &bad)?, BTreeMap::new()),
        _ => {
            let shard = Shard::table_of(path).map_err(|error| error.kind)?;
            if !shard.columns().iter().any(|column| is_file_column(column)) {
                return Ok(None);
            }
            let rows = shard.table().map_err(|error| error.kind)?;
            let rows = (1..).zip(rows).map(|(row, (_, fields))| (row, fields)).collect();
            (rows, shard.classes().clone())
        }
    };
    let Some((_, first)) = rows.first() else { return Err(bad("it has no rows".to_owned())) };
    let column = file_column(first).map_err(&bad)?;
    let mut table = Table { path: path.clone(), rows: Vec::new(), columns: Vec::new(), classes };
    for (line, fields) in rows {
        for name in fields.keys().filter(|name| **name != column) {
            if let Err(place) = table.columns.binary_search(name) {
                table.columns.insert(place, name.clone());
            }
        }
        let file = match fields.get(&column) {
            Some(Value::String(file)) => file,
            _ => return Err(bad(format!("{} {line} has no `{column}`", table.unit()))),
        };
        let root = path.parent().unwrap_or(Path::new("."));
        let file =
            below(root, file).map_err(|why| bad(format!("{} {line}: `{file}` {why}", table.unit())))?;
        table.rows.push(Row { line, file, fields });
    }
    Ok(Some(table))
}

impl Table {
    /// What a row's number counts.
    pub(super) fn unit(&self) -> &'static str {
        if self.path.extension().is_some_and(|ending| ending == "parquet") { "row" } else { "line" }
    }
}

fn text_of(path: &Path) -> Result<String, ErrorKind> {
    let bytes = earmark_fs::read(path, MOST_BYTES)?;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let why = "it is UTF-16; save it as UTF-8".to_owned();
        return Err(ErrorKind::BadTable { path: path.to_path_buf(), why });
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = 1 + breaks(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        ErrorKind::BadTable {
            path: path.to_path_buf(),
            why: format!("line {line} is not UTF-8; save the file as UTF-8"),
        }
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn is_file_column(name: &str) -> bool {
    name == "file_name" || name.ends_with("_file_name")
}

/// The column of the sounds' files: `file_name`, or the only one that ends so.
fn file_column(first: &Fields) -> Result<String, String> {
    if first.contains_key("file_name") {
        return Ok("file_name".to_owned());
    }
    let found: Vec<&String> = first.keys().filter(|name| is_file_column(name)).collect();
    match found.as_slice() {
        [only] => Ok((*only).clone()),
        [] if first.keys().any(|name| name == "file_names" || name.ends_with("_file_names")) => {
            Err("it has several files per row (`file_names`), but only one is supported (`file_name`)"
                .to_owned())
        }
        [] => {
            let columns: Vec<&str> = first.keys().map(String::as_str).collect();
            Err(format!("it has no column `file_name`; its columns: {}", columns.join(", ")))
        }
        several => {
            let names: Vec<String> = several.iter().map(|name| format!("`{name}`")).collect();
            Err(format!(
                "it has several columns of files, {}: rename the one of the sound files to `file_name`",
                names.join(", ")
            ))
        }
    }
}

/// Where a row says its file is, by plain folders below `root`, that of the table.
fn below(root: &Path, file: &str) -> Result<String, &'static str> {
    const OUT: &str = "is outside the folder of the table";
    if file.contains("://") {
        return Err("is a web address, not a file in the folder of the table");
    }
    // Written on Windows, unless a file here is really called so.
    let windows = cfg!(unix) && file.contains('\\') && !root.join(file).exists();
    let file = if windows { file.replace('\\', "/") } else { file.to_owned() };
    let mut path = Path::new(&file);
    let inside;
    if path.is_absolute() {
        let real = |path: &Path| path.canonicalize().ok();
        let there = path.strip_prefix(root).ok().map(Path::to_path_buf);
        let there = there.or_else(|| Some(real(path)?.strip_prefix(real(root)?).ok()?.to_path_buf()));
        inside = there.ok_or(OUT)?;
        path = &inside;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str().ok_or(OUT)?),
            Component::CurDir => {}
            Component::ParentDir => {
                parts.pop().ok_or(OUT)?;
            }
            Component::RootDir | Component::Prefix(_) => return Err(OUT),
        }
    }
    if parts.is_empty() {
        return Err("is not a file");
    }
    Ok(parts.join("/"))
}

type Rows = Vec<(u64, Fields)>;

fn csv_rows(text: &str, bad: &dyn Fn(String) -> ErrorKind) -> Result<Rows, ErrorKind> {
    let header = text.lines().next().unwrap_or_default();
    let is_header = |separator: &u8| {
        let mut reader = csv::ReaderBuilder::new().delimiter(*separator).from_reader(header.as_bytes());
        reader.headers().is_ok_and(|names| names.iter().any(is_file_column))
    };
    let separator = [b',', b';', b'\t'].into_iter().find(is_header).unwrap_or(b',');
    let mut reader =
        csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|error| bad(error.to_string()))?.clone();
    let names: Vec<&str> = headers.iter().collect();
    if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        return Err(bad(format!("two of its columns have the name `{}`", twice.1)));
    }
    let mut rows = Vec::new();
    let mut last = None;
    let mut lines = Lines::new(text.as_bytes());
    let mut row = csv::StringRecord::new();
    loop {
        let more = reader.read_record(&mut row);
        let line = row.position().map_or(0, |at| lines.line_of(at.byte() as usize));
        match more {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(bad(format!("line {line}: {error}"))),
        }
        if row.len() > names.len() {
            return Err(bad(format!(
                "line {line} has {} cells, but the first line has {}",
                row.len(),
                names.len()
            )));
        }
        if let Some(cell) = row.iter().find(|cell| cell.len() > MOST_CELL) {
            let what = format!("line {line} has a cell of {} bytes", cell.len());
            return Err(ErrorKind::Limit { what, limit: format!("{MOST_CELL} bytes") });
        }
        let cell = |text: &str| if NO_VALUE.contains(&text) { Value::Null } else { text.into() };
        let cells = row.iter().map(cell).chain(std::iter::repeat(Value::Null));
        rows.push((line, names.iter().map(|name| (*name).to_owned()).zip(cells).collect()));
        let has_break = row.iter().next_back().is_some_and(|cell| cell.contains(['\n', '\r']));
        last = has_break.then(|| (line, row.position().map_or(0, |at| at.byte() as usize)));
    }
    // The reader takes the end of the file for the end of a quoted cell, and all lines up to it for the cell.
    if let Some((line, at)) = last
        && text[at..].matches('"').count() % 2 == 1
    {
        return Err(bad(format!("a quote in the row at line {line} is not closed")));
    }
    Ok(rows)
}

fn jsonl_rows(text: &str, bad: &dyn Fn(String) -> ErrorKind) -> Result<Rows, ErrorKind> {
    let mut rows = Rows::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.len() > MOST_LINE {
            let what = format!("line {number} has {} bytes", line.len());
            return Err(ErrorKind::Limit { what, limit: format!("{MOST_LINE} bytes") });
        }
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(line) {
            Ok(Value::Object(fields)) => rows.push((number, fields)),
            Ok(_) => return Err(bad(format!("line {number} is not a JSON object"))),
            Err(error) => {
                // serde_json counts lines as well, and has only this one.
                let (column, text) = (error.column(), error.to_string());
                let why = text.rsplit_once(" at line ").map_or(text.as_str(), |(why, _)| why);
                return Err(bad(format!("line {number}, column {column}: {why}")));
            }
        }
    }
    Ok(rows)
}

/// Lines as editors count them: each ends with `\n`, `\r\n` or `\r`.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn new(bytes: &'a [u8]) -> Lines<'a> {
        Lines { bytes, at: 0, line: 1 }
    }

    /// The line of the first thing at `at` or after it that ends no line; later ones must follow.
    fn line_of(&mut self, at: usize) -> u64 {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let at = at + rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let at = at.min(self.bytes.len());
        if at > self.at {
            self.line += breaks(&self.bytes[self.at..at]);
            self.at = at;
        }
        self.line
    }
}

/// How many lines end in `bytes`.
fn breaks(bytes: &[u8]) -> u64 {
    let ends = |(at, byte): &(usize, &u8)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    };
    bytes.iter().enumerate().filter(ends).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_that_is_not_closed_is_an_error_and_no_long_class() {
        let bad = |why: String| ErrorKind::BadTable { path: "metadata.csv".into(), why };
        let rows =
            |text: &str| csv_rows(text, &bad).map(|rows| rows.len()).map_err(|error| error.to_string());
        for text in [
            "file_name,label\n1.wav,a\n2.wav,\"b\n3.wav,a\n",
            "file_name,label\r\n1.wav,a\r\n2.wav,\"b\r\n3.wav,a",
        ] {
            let error = rows(text).unwrap_err();
            assert!(error.contains("a quote in the row at line 3 is not closed"), "{error}");
        }
        // A quoted cell of two lines, and a quote that means inches.
        assert_eq!(rows("file_name,label\n1.wav,\"a\nb\"\n"), Ok(1));
        assert_eq!(rows("file_name,label\n1.wav,5\" pipe\n"), Ok(1));
    }

    #[test]
    fn an_error_in_a_line_of_json_has_one_line_number() {
        let bad = |why: String| ErrorKind::BadTable { path: "metadata.jsonl".into(), why };
        let rows =
            |text: &str| jsonl_rows(text, &bad).map(|rows| rows.len()).map_err(|error| error.to_string());
        assert_eq!(rows("{\"file_name\": \"1.wav\"}\n\n{}\n"), Ok(2));
        for (text, place) in [
            ("{}\n{\"file_name\": 1.wav}\n", "line 2, column 17: invalid number"),
            ("{}\n\n{\"file_name\": \"1.wav\"\n", "EOF while parsing an object"),
        ] {
            let error = rows(text).unwrap_err();
            assert!(error.ends_with(place) && error.matches("line").count() == 1, "{error}");
            assert!(error.contains(": line "), "{error}");
        }
    }

    #[test]
    fn lines_are_counted_as_editors_do() {
        for text in ["a\nb\n\nc\n", "a\r\nb\r\n\r\nc", "a\rb\r\rc"] {
            let places: Vec<usize> = ["a", "b", "c"].iter().map(|word| text.find(word).unwrap()).collect();
            let mut lines = Lines::new(text.as_bytes());
            assert_eq!(places.iter().map(|&at| lines.line_of(at)).collect::<Vec<_>>(), [1, 2, 4], "{text:?}");
            // The reader's own places may lie before the end of the line before.
            let mut lines = Lines::new(text.as_bytes());
            assert_eq!(lines.line_of(places[1] - 1), 2);
        }
    }

    #[test]
    fn a_file_is_found_by_plain_folders() {
        let root = std::env::current_dir().unwrap();
        let below = |file: &str| below(&root, file);
        for (file, want) in [
            ("a.wav", "a.wav"),
            ("./a.wav", "a.wav"),
            ("x//a.wav", "x/a.wav"),
            ("x/./../a.wav", "a.wav"),
            ("10:30:00.wav", "10:30:00.wav"),
            ("C:a.wav", "C:a.wav"),
            ("x\\a.wav", "x/a.wav"),
        ] {
            assert_eq!(below(file).as_deref(), Ok(want), "{file}");
        }
        assert_eq!(below(root.join("x/a.wav").to_str().unwrap()).as_deref(), Ok("x/a.wav"));
        for file in [
            "../a.wav",
            "x/../../a.wav",
            "/etc/passwd",
            "..\\a.wav",
            "http://a/b.wav",
            "file:///etc/passwd",
            "",
            ".",
        ] {
            assert!(below(file).is_err(), "{file}");
        }
    }
}
