//! A table that adds fields to the clips of a dataset, such as the artist of each.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use earmark_error::Context as _;
use serde_json::Value;

use crate::dataset::AudioDataset;
use crate::error::{Error, ErrorKind, Task};
use crate::example::{Fields, stem};
use crate::read::files::FoundFile;
use crate::read::folder::metadata_file;

/// A table with a row for each clip: its file and further fields.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldTable {
    path: PathBuf,
    columns: Vec<String>,
    /// File and fields of each row.
    rows: Vec<(String, Fields)>,
}

/// The largest text that is read, in bytes.
const MOST_BYTES: u64 = 64 << 20;

impl FieldTable {
    /// Reads a `.csv`, `.jsonl` or `.parquet` file with the column `file_name`, as in `metadata.csv`; or a `.txt` file with lines
    /// `FILE ::: ARTIST ::: TITLE`, as in B. Sturm's index of GTZAN (empty lines and lines that begin with `#` are comments), whose
    /// fields are `artist` and `title`.
    ///
    /// # Errors
    /// When the file cannot be read or is not such a table; the error names the line.
    pub fn read(path: impl AsRef<Path>) -> Result<FieldTable, Error> {
        let path = path.as_ref();
        let read = read(path).map_err(|kind| match kind {
            // The task names the table already.
            ErrorKind::BadTable { why, .. } => ErrorKind::Table { why },
            kind => kind,
        });
        read.with_context(|| Task::Table(path.to_path_buf()))
    }

    /// Its columns other than that of the files, in alphabetical order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }
}

fn read(path: &Path) -> Result<FieldTable, ErrorKind> {
    let bad = |why: String| ErrorKind::Table { why };
    let (columns, rows) = match path.extension().and_then(|ending| ending.to_str()) {
        Some("csv" | "jsonl" | "parquet") => {
            let name = path.file_name().map(earmark_fs::text).unwrap_or_default();
            let table = metadata_file::read(&FoundFile { name, path: path.to_path_buf() })?;
            let table = table.ok_or_else(|| bad("it has no column `file_name`".to_owned()))?;
            (table.columns, table.rows.into_iter().map(|row| (row.file, row.fields)).collect())
        }
        Some("txt") => {
            let text = earmark_fs::read_to_string(path, MOST_BYTES)?;
            (vec!["artist".to_owned(), "title".to_owned()], index_rows(&text).map_err(bad)?)
        }
        _ => return Err(bad("the name of a table ends in .csv, .jsonl, .parquet or .txt".to_owned())),
    };
    let table = FieldTable { path: path.to_path_buf(), columns, rows };
    let mut files = HashSet::new();
    match table.rows.iter().find(|(file, _)| !files.insert(file.as_str())) {
        Some((file, _)) => Err(bad(format!("two of its rows are of `{file}`"))),
        None => Ok(table),
    }
}

/// `blues.00000.wav ::: ARTIST ::: TITLE`.
fn index_rows(text: &str) -> Result<Vec<(String, Fields)>, String> {
    let mut rows = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parts: Vec<&str> = line.splitn(3, ":::").map(str::trim).collect();
        let &[file, artist, title] = parts.as_slice() else {
            return Err(format!(
                "line {number} is not `FILE ::: ARTIST ::: TITLE`, nor a comment that begins with `#`"
            ));
        };
        let value = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
        let fields = [("artist".to_owned(), value(artist)), ("title".to_owned(), value(title))];
        rows.push((file.to_owned(), fields.into_iter().collect()));
    }
    Ok(rows)
}

impl AudioDataset {
    /// Adds the fields of a table to the clips, and gives the number of clips that no row is of. A field that a clip has already
    /// stays as it is.
    ///
    /// A row is of the clip of that name; else of the clip whose file name is the same without folders and extension, if only one
    /// clip and one row have it: `blues.00000.wav` is of `blues/blues.00000.au`.
    ///
    /// # Errors
    /// [`ErrorKind::Table`] when no row is of a clip.
    pub fn add_fields(&mut self, table: &FieldTable) -> Result<usize, Error> {
        let by_file: HashMap<&str, &Fields> =
            table.rows.iter().map(|(file, fields)| (file.as_str(), fields)).collect();
        let clips = count(self.clips.iter().map(|clip| stem(&clip.name)));
        let rows = count(table.rows.iter().map(|(file, _)| stem(file)));
        let by_stem: HashMap<&str, &Fields> = table
            .rows
            .iter()
            .map(|(file, fields)| (stem(file), fields))
            .filter(|(stem, _)| rows[stem] == 1 && clips.get(stem) == Some(&1))
            .collect();
        let found: Vec<Option<&Fields>> = self
            .clips
            .iter()
            .map(|clip| by_file.get(clip.name.as_str()).or_else(|| by_stem.get(stem(&clip.name))).copied())
            .collect();
        if let (true, Some((row, _)), Some(clip)) =
            (found.iter().all(Option::is_none), table.rows.first(), self.clips.first())
        {
            let why = format!(
                "none of its {} rows is of a clip: the first is of `{row}`, the first clip is `{}`",
                table.rows.len(),
                clip.name
            );
            return Err(ErrorKind::Table { why }).with_context(|| Task::Table(table.path.clone()));
        }
        let missing = found.iter().filter(|fields| fields.is_none()).count();
        let added: Vec<Option<Fields>> = found.into_iter().map(Option::<&Fields>::cloned).collect();
        for (clip, fields) in self.clips.iter_mut().zip(added) {
            for column in &table.columns {
                if let Some(value) = fields.as_ref().and_then(|fields| fields.get(column)) {
                    clip.fields.entry(column.clone()).or_insert_with(|| value.clone());
                }
            }
        }
        Ok(missing)
    }
}

fn count<'a>(stems: impl Iterator<Item = &'a str>) -> HashMap<&'a str, usize> {
    let mut counts = HashMap::new();
    stems.for_each(|stem| *counts.entry(stem).or_default() += 1);
    counts
}
