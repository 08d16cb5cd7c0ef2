//! A folder on this machine, whatever its layout: recognised by what is in it.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use earmark_audio::is_sound;
use earmark_labels::LabelSet;
use serde_json::Value;

use crate::dataset::{About, AudioDataset, Clip};
use crate::error::{Error, ErrorKind, Task};
use crate::example::{Fields, text};
use crate::table::{Labels, Shard};
use crate::{esc50, folder};

/// What columns of classes are called, if nobody says.
const LABEL_COLUMNS: &[&str] =
    &["label", "labels", "class", "category", "genre", "intent_class", "language", "lang_id"];

impl AudioDataset {
    /// Opens Parquet files with a column of sounds as one dataset.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_parquet(
        root: impl AsRef<Path>,
        files: &[PathBuf],
        label: Option<&str>,
    ) -> Result<AudioDataset, Error> {
        open_shards(root.as_ref(), files, label)
    }

    /// Opens a folder, whatever its layout:
    ///
    /// - `metadata.csv` or `metadata.jsonl` with a column `file_name`, as the Hub's `audiofolder` has it, clips in byte order of
    ///   that; where no column says the class, the folders do;
    /// - Parquet files with a column of sounds, as `datasets` writes them, in the folder or below it;
    /// - the repository of ESC-50's makers;
    /// - otherwise a sub-folder per class: [`open_folder`](Self::open_folder).
    ///
    /// A single Parquet file will do as well. `label` names the column that is the class; else it is the one with a usual name, or
    /// the only one that says class names.
    ///
    /// # Errors
    /// When nothing of it is there, or a table has no such column, an unknown class or a clip that is missing.
    pub fn open(path: impl AsRef<Path>, label: Option<&str>) -> Result<AudioDataset, Error> {
        let path = path.as_ref();
        let failed = |kind| Task::Open(path.to_path_buf()).failed(kind);
        if path.extension().is_some_and(|extension| extension == "parquet") {
            return open_shards(path, &[path.to_path_buf()], label);
        }
        for name in ["metadata.csv", "metadata.jsonl"] {
            let table = path.join(name);
            if table.is_file() {
                return open_metadata(path, &table, label).map_err(failed);
            }
        }
        if esc50::is_here(path) {
            return esc50::open(path);
        }
        if path.is_dir() {
            let files = folder::files_below(path).map_err(failed)?;
            let shards: Vec<PathBuf> = files
                .into_iter()
                .filter(|(name, _)| name.ends_with(".parquet"))
                .map(|(_, path)| path)
                .collect();
            if !shards.is_empty() {
                return open_shards(path, &shards, label);
            }
        }
        AudioDataset::open_folder(path)
    }
}

/// All rows of some shards.
fn open_shards(root: &Path, files: &[PathBuf], label: Option<&str>) -> Result<AudioDataset, Error> {
    let failed = |kind| Task::Open(root.to_path_buf()).failed(kind);
    let shards = files.iter().map(|path| Shard::open(path)).collect::<Result<Vec<_>, _>>()?;
    let labels = labels_of(&shards, label).map_err(failed)?;
    let mut dataset = AudioDataset {
        name: root.file_stem().map_or_else(|| "parquet".into(), |name| name.to_string_lossy().into_owned()),
        root: root.to_path_buf(),
        clips: Vec::new(),
        labels: labels.set.clone(),
        about: About::default(),
        skipped: Vec::new(),
    };
    for shard in &shards {
        dataset.extend_from_shard(shard, &labels, None)?;
    }
    if dataset.clips.is_empty() {
        return Err(failed(ErrorKind::Broken("it has no rows".to_owned())));
    }
    Ok(dataset)
}

/// The classes that the first of some shards names, or else the sorted values of the column in all of them.
pub(crate) fn labels_of(shards: &[Shard], label: Option<&str>) -> Result<Labels, ErrorKind> {
    let Some(first) = shards.first() else { return Err(ErrorKind::Broken("there are no shards".to_owned())) };
    let columns: Vec<String> = first.columns().into_iter().map(str::to_owned).collect();
    let column = match label {
        Some(label) => label.to_owned(),
        None => choose(&columns, &first.classes().keys().cloned().collect::<Vec<_>>())?,
    };
    let names = match first.classes().get(&column) {
        Some(names) => names.clone(),
        None => {
            let mut values = BTreeSet::new();
            for shard in shards {
                for (_, _, fields) in shard.table(None).map_err(|error| error.kind)? {
                    let missing = || ErrorKind::NoColumn { column: column.clone(), columns: columns.clone() };
                    let value = fields.get(&column).ok_or_else(missing)?;
                    if !value.is_null() {
                        values.insert(text(value));
                    }
                }
            }
            values.into_iter().collect()
        }
    };
    let set = LabelSet::from_names(names).map_err(|error| ErrorKind::Broken(error.to_string()))?;
    Ok(Labels { column, set, in_part: false })
}

/// The column of classes, if nobody names it.
fn choose(columns: &[String], classes: &[String]) -> Result<String, ErrorKind> {
    let usual = |names: &[String]| {
        LABEL_COLUMNS.iter().find(|usual| names.iter().any(|name| name == *usual)).copied()
    };
    if let [only] = classes {
        return Ok(only.clone());
    }
    if let Some(found) = usual(classes).or_else(|| usual(columns)) {
        return Ok(found.to_owned());
    }
    Err(ErrorKind::NoLabelColumn { columns: columns.to_vec() })
}

const FILE: &str = "file_name";

/// `metadata.csv` or `metadata.jsonl`: a row a clip.
fn open_metadata(root: &Path, table: &Path, label: Option<&str>) -> Result<AudioDataset, ErrorKind> {
    let bad = |why: String| ErrorKind::BadTable { path: table.to_path_buf(), why };
    let rows = match table.extension().and_then(|it| it.to_str()) {
        Some("csv") => csv_rows(table, &bad)?,
        _ => jsonl_rows(table, &bad)?,
    };
    let Some((_, first)) = rows.first() else { return Err(bad("it has no rows".to_owned())) };
    let columns: Vec<String> = first.keys().filter(|name| *name != FILE).cloned().collect();
    let folders: BTreeSet<&str> = rows.iter().filter_map(|(_, fields)| folder_of(fields)).collect();
    let column = match (label, choose(&columns, &[])) {
        (Some(label), _) => Some(label.to_owned()),
        (None, Ok(usual)) => Some(usual),
        (None, Err(_)) if folders.len() > 1 => None,
        // With one more column than the file's, that is the class.
        (None, Err(_)) if columns.len() == 1 => Some(columns[0].clone()),
        (None, Err(none)) => return Err(none),
    };
    let class = |line: u64, fields: &Fields| match &column {
        Some(column) => {
            let value = fields.get(column).filter(|value| !value.is_null());
            value.map(text).ok_or_else(|| bad(format!("line {line} has no `{column}`")))
        }
        None => {
            let folder = folder_of(fields).map(str::to_owned);
            folder.ok_or_else(|| {
                bad(format!("line {line}: its file lies in no folder, which would be its class"))
            })
        }
    };
    let classes = rows.iter().map(|(line, fields)| class(*line, fields)).collect::<Result<Vec<_>, _>>()?;
    let names: BTreeSet<&str> = classes.iter().map(String::as_str).collect();
    let labels = LabelSet::from_names(names).map_err(|error| bad(error.to_string()))?;
    let mut clips = Vec::new();
    for ((line, fields), class) in rows.into_iter().zip(classes) {
        let name = match fields.get(FILE) {
            Some(Value::String(name)) => name.clone(),
            _ => return Err(bad(format!("line {line} has no `{FILE}`"))),
        };
        let mut parts = name.split(['/', '\\']);
        if name.starts_with(['/', '\\']) || parts.any(|part| part == ".." || part.contains(':')) {
            return Err(bad(format!("line {line}: `{name}` leads out of the folder")));
        }
        let path = root.join(&name);
        if !path.is_file() {
            return Err(bad(format!("line {line}: `{}` is not there", path.display())));
        }
        let label = labels.id(&class).ok_or_else(|| bad(format!("line {line} has no class")))?;
        clips.push(Clip::new(name, path, label).with_fields(fields));
    }
    clips.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(pair) = clips.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(bad(format!("`{}` is in it twice", pair[0].name)));
    }
    let listed: HashSet<&str> = clips.iter().map(|clip| clip.name.as_str()).collect();
    let others = folder::files_below(root)?.into_iter();
    let skipped =
        others.filter(|(name, path)| is_sound(path) && !listed.contains(name.as_str())).map(|(_, path)| path);
    let (skipped, about) = (skipped.collect(), About::default());
    let name = root.file_name().map_or_else(|| "folder".into(), |name| name.to_string_lossy().into_owned());
    Ok(AudioDataset { name, root: root.to_path_buf(), clips, labels, about, skipped })
}

/// The first folder of a row's file.
fn folder_of(fields: &Fields) -> Option<&str> {
    let (folder, _) = fields.get(FILE)?.as_str()?.split_once('/')?;
    Some(folder)
}

type Rows = Vec<(u64, Fields)>;

fn csv_rows(table: &Path, bad: &dyn Fn(String) -> ErrorKind) -> Result<Rows, ErrorKind> {
    let bytes = fs::read(table)?;
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let headers = reader.headers().map_err(|error| bad(error.to_string()))?.clone();
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| bad(error.to_string()))?;
        let line = row.position().map_or(0, csv::Position::line);
        let cell = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
        rows.push((
            line,
            headers.iter().zip(row.iter()).map(|(name, text)| (name.to_owned(), cell(text))).collect(),
        ));
    }
    Ok(rows)
}

fn jsonl_rows(table: &Path, bad: &dyn Fn(String) -> ErrorKind) -> Result<Rows, ErrorKind> {
    let text = fs::read_to_string(table)?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| match serde_json::from_str(line) {
            Ok(Value::Object(fields)) => Ok((number, fields)),
            Ok(_) => Err(bad(format!("line {number} is no object"))),
            Err(error) => Err(bad(format!("line {number}: {error}"))),
        })
        .collect()
}
