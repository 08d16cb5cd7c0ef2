//! Sounds that `metadata.csv`, `.jsonl` or `.parquet` list.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use earmark_labels::{LabelId, LabelSet};

use super::assemble::{finish, label_set, name_of};
use super::file_splits::{FileSplits, folders_of, is_by_chance};
use super::label_source::{self, ClipFolders, LabelSource};
use super::metadata_file::{Row, Table};
use super::splits::{self, Splits};
use crate::clip::Clip;
use crate::dataset::{AudioDataset, DatasetInfo, SkipReason, Skipped};
use crate::error::ErrorKind;
use crate::example::Fields;
use crate::read::clip_names;
use crate::read::files::FoundFile;
use crate::read::label_column::{Labelling, as_field, classes_of};

/// Sounds that tables name.
pub(super) fn open(
    root: &Path,
    tables: &[(String, Table)],
    sounds: &[FoundFile],
    (label, labelling): (Option<&str>, Labelling),
    mut skipped: Vec<Skipped>,
) -> Result<AudioDataset, ErrorKind> {
    let bad = |table: &Table, why: String| ErrorKind::BadTable { path: table.path.clone(), why };
    let ending = |name: &str| name.rsplit_once('.').map(|(_, ending)| ending.to_owned());
    if let Some((other, table)) = tables.iter().find(|(name, _)| ending(name) != ending(&tables[0].0)) {
        return Err(bad(
            table,
            format!(
                "`{}` is a table in another format; keep one of the two",
                if *other == tables[0].0 { other } else { &tables[0].0 }
            ),
        ));
    }
    // Each row with the place of its table and its sound's name below the root.
    let mut rows = Vec::new();
    for (place, (name, table)) in tables.iter().enumerate() {
        let folder = name.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        rows.extend(table.rows.iter().map(|row| (place, format!("{folder}{}", row.file), row)));
    }
    let known: HashMap<&str, &Path> =
        sounds.iter().map(|sound| (sound.name.as_str(), sound.path.as_path())).collect();
    let mut missing =
        rows.iter().filter(|(_, name, _)| !known.contains_key(name.as_str()) && !root.join(name).is_file());
    if let Some((place, name, row)) = missing.next() {
        let table = &tables[*place].1;
        let more = match missing.count() {
            0 => String::new(),
            more => format!(", and {more} more files are missing"),
        };
        return Err(bad(
            table,
            format!("{} {}: no such file `{}`{more}", table.unit(), row.line, root.join(name).display()),
        ));
    }

    // The splits of tables, then of files.
    let mut names: Vec<&str> = tables.iter().map(|(name, _)| name.as_str()).collect();
    let listed: BTreeSet<&str> = rows.iter().map(|(_, name, _)| name.as_str()).collect();
    let files: BTreeSet<&str> = listed.iter().copied().chain(known.keys().copied()).collect();
    names.extend(files);
    let mut remarks = Vec::new();
    let found = splits::find(&names)?.filter(|splits| {
        let tables_say_it = splits.of[..tables.len()].iter().any(Option::is_some);
        tables_say_it
            || !is_by_chance(&without_tables(splits, tables.len()), &names[tables.len()..], &mut remarks)
    });
    let file_splits = FileSplits::new(found)?;
    let place_of: HashMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (*name, at)).collect();
    let split_of =
        |table: usize, name: &str| file_splits.split(table).or_else(|()| file_splits.split(place_of[name]));
    for sound in sounds.iter().filter(|sound| !listed.contains(sound.name.as_str())) {
        let split = file_splits.split(place_of[sound.name.as_str()]);
        // Such a split has no table at all, and its sounds would all be left out.
        if let Ok(Some(split)) = split
            && !rows.iter().any(|(table, name, _)| split_of(*table, name) == Ok(Some(Arc::clone(&split))))
        {
            let why = format!("it lists no clip of the split `{split}`, which `{}` belongs to", sound.name);
            return Err(bad(&tables[0].1, why));
        }
        skipped.push(Skipped::new(&sound.path, SkipReason::NotListed));
    }
    let location = |table: usize, row: &Row| {
        let table = &tables[table].1;
        format!("{} {} {}", earmark_fs::text(&table.path), table.unit(), row.line)
    };
    let mut kept = Vec::new();
    for (table, name, row) in &rows {
        match split_of(*table, name) {
            Ok(split) => kept.push((*table, name.as_str(), *row, split)),
            Err(()) => skipped.push(Skipped { location: location(*table, row), reason: SkipReason::NoSplit }),
        }
    }
    kept.sort_by_key(|(.., split)| file_splits.rank(split));

    let columns: BTreeSet<&String> = tables.iter().flat_map(|(_, table)| &table.columns).collect();
    let columns: Vec<String> = columns.into_iter().cloned().collect();
    let fields: Vec<&Fields> = kept.iter().map(|(_, _, row, _)| &row.fields).collect();
    let folders = ClipFolders {
        of: kept.iter().map(|(_, name, ..)| folders_of(name, file_splits.by_folder)).collect(),
    };
    let declared = &tables[0].1.classes;
    let from = label_source::choose((label, labelling), &columns, declared, &fields, &folders)?;
    let classes = |at: usize| -> Result<Option<Vec<String>>, ErrorKind> {
        let (table, _, row, _) = &kept[at];
        let table = &tables[*table].1;
        match &from {
            LabelSource::Folder(depth) => {
                Ok(folders.of[at].get(*depth).map(|folder| vec![(*folder).to_owned()]))
            }
            LabelSource::Column(column) => {
                let names = table.classes.get(column).map(Vec::as_slice);
                let unknown = |class| {
                    bad(
                        table,
                        format!("{} {}: `{class}` is not a class of `{column}`", table.unit(), row.line),
                    )
                };
                classes_of(labelling, &row.fields, column, names).map_err(unknown)
            }
        }
    };
    let classes = (0..kept.len()).map(classes).collect::<Result<Vec<_>, _>>()?;
    if classes.iter().all(Option::is_none) {
        let column = match &from {
            LabelSource::Column(column) => column.clone(),
            LabelSource::Folder(_) => String::new(),
        };
        return Err(ErrorKind::NoLabels { column, rows: kept.len() });
    }
    let labels = match &from {
        LabelSource::Column(column) if declared.contains_key(column) => {
            LabelSet::from_names(declared[column].iter().cloned())
                .map_err(|error| ErrorKind::Broken(error.to_string()))?
        }
        _ => label_set(classes.iter().flatten().flatten().map(String::as_str))?,
    };
    let mut dataset = AudioDataset::empty(name_of(root), root.to_path_buf(), labels, DatasetInfo::default());
    for ((table, name, row, split), classes) in kept.iter().zip(classes) {
        let Some(classes) = classes else {
            skipped.push(Skipped { location: location(*table, row), reason: SkipReason::NoLabel });
            continue;
        };
        let id = |class: &String| {
            dataset.labels.id(class).ok_or_else(|| ErrorKind::NoClass {
                row: dataset.clips.len(),
                column: from.to_string(),
                class: class.clone(),
            })
        };
        let labels = classes.iter().map(id).collect::<Result<Vec<LabelId>, _>>()?;
        let path = known.get(name).map_or_else(|| root.join(name), |path| path.to_path_buf());
        let mut fields = row.fields.clone();
        if let LabelSource::Column(column) = &from {
            fields.insert(column.clone(), as_field(labelling, classes));
        }
        let first = labels.first().copied().unwrap_or(LabelId::new(0));
        let clip = Clip::new(*name, path, first).with_fields(fields);
        let clip = if labelling == Labelling::MultiLabel { clip.with_labels(labels) } else { clip };
        dataset.clips.push(clip.in_split(split.clone()));
    }
    clip_names::tell_apart(&mut dataset.clips, |row, clip| format!("{}#{row}", clip.name));
    finish(dataset, file_splits.names, &from, skipped, remarks)
}

/// The splits of files alone, which follow on those of so many tables.
fn without_tables(splits: &Splits, tables: usize) -> Splits {
    Splits {
        names: splits.names.clone(),
        of: splits.of[tables..].to_vec(),
        by_folder: splits.by_folder,
        conflict: None,
    }
}
