//! A folder on this machine, whatever its layout: read as `datasets` 5.2.0 reads it (`audiofolder`, `parquet`).

mod classes;
mod metadata;
mod splits;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use earmark_audio::has_audio_extension;
use earmark_labels::LabelSet;

use crate::catalog::esc50;
use crate::dataset::{About, AudioDataset, Clip, Skipped, Why};
use crate::error::{Error, ErrorKind, Task};
use crate::example::Fields;
use crate::read::folder::{Found, files_below};
use crate::read::table::{Labels, Shard, row_name};

pub(crate) use classes::class_of;
use classes::{ClassFrom, Folders};
use splits::Splits;

impl AudioDataset {
    /// Opens Parquet files with a column of sounds as one dataset without splits.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_parquet(
        root: impl AsRef<Path>,
        files: &[PathBuf],
        label: Option<&str>,
    ) -> Result<AudioDataset, Error> {
        let root = root.as_ref();
        // Not their whole paths: those of the Hub's cache differ from machine to machine.
        let shards = files.iter().enumerate().map(|(at, path)| {
            let file = path.file_name().map(earmark_fs::text).unwrap_or_default();
            let alone = files.iter().filter(|other| other.file_name() == path.file_name()).count() == 1;
            let name = if alone { file } else { format!("{at}/{file}") };
            Ok((name, Shard::open(path)?))
        });
        let shards = shards.collect::<Result<Vec<_>, Error>>()?;
        let opened = of_shards(root, shards, None, label, Vec::new());
        opened.map_err(|kind| Task::Open(root.to_path_buf()).failed(kind))
    }

    /// Opens a folder, whatever its layout:
    ///
    /// - `metadata.csv`, `.jsonl` or `.parquet` with a column `file_name`, as the Hub's `audiofolder` has it, in the folder or in
    ///   folders below; clips in the order of the rows;
    /// - Parquet files with a column of sounds, as `datasets` writes them, in the folder or below it;
    /// - the repository of ESC-50's makers;
    /// - otherwise folders of sounds, whose names are the classes.
    ///
    /// A single Parquet file will do as well. Splits are those of `datasets`: shards `data/NAME-00000-of-00001…`, or folders or
    /// files whose names have a word such as `train`, `validation`, `dev`, `test`.
    ///
    /// `label` names the column that is the class; `folder1`, `folder2` … are the folders that a clip lies in, from outside. Without
    /// it the class is the column that is called so (`label`, `class`, `category`, …), else the only one that looks like classes,
    /// else the folder.
    ///
    /// # Errors
    /// When nothing of it is there; [`ErrorKind::NoLabelColumn`] when the class would be a guess; a table with an unknown class or a
    /// clip that is missing.
    pub fn open(path: impl AsRef<Path>, label: Option<&str>) -> Result<AudioDataset, Error> {
        let path = path.as_ref();
        open(path, label).map_err(|kind| Task::Open(path.to_path_buf()).failed(kind))
    }
}

fn open(path: &Path, label: Option<&str>) -> Result<AudioDataset, ErrorKind> {
    if path.extension().is_some_and(|ending| ending == "parquet") && !path.is_dir() {
        let shard = Shard::open(path).map_err(|error| error.kind)?;
        let name = path.file_name().map(earmark_fs::text).unwrap_or_default();
        return of_shards(path, vec![(name, shard)], None, label, Vec::new());
    }
    if esc50::is_here(path) {
        return match label {
            None | Some("category") => esc50::open(path).map_err(|error| error.kind),
            Some(other) => {
                Err(ErrorKind::NoColumn { column: other.to_owned(), columns: vec!["category".to_owned()] })
            }
        };
    }
    let mut here = Here::list(path)?;
    let mut tables = Vec::new();
    for table in std::mem::take(&mut here.tables) {
        match metadata::read(&table)? {
            Some(read) => tables.push((table.name, read)),
            None => here.parquet.push(table),
        }
    }
    let mut shards = Vec::new();
    for found in std::mem::take(&mut here.parquet) {
        let shard = Shard::table_of(&found.path).map_err(|error| error.kind)?;
        match shard.has_sounds() {
            true => shards.push((found.name, shard)),
            false => here.skip(&found.path, Why::NoClips),
        }
    }
    let dataset = match (tables.is_empty(), shards.first(), here.sounds.first()) {
        (false, None, _) => of_tables(path, &tables, &here.sounds, label, here.skipped),
        (_, Some((shard, _)), sound) if sound.is_some() || !tables.is_empty() => Err(ErrorKind::TwoLayouts {
            file: sound.map_or_else(|| tables[0].0.clone(), |sound| sound.name.clone()),
            shard: shard.clone(),
        }),
        (_, Some(_), _) => {
            shards.sort_by(|(a, _), (b, _)| a.cmp(b));
            let names: Vec<&str> = shards.iter().map(|(name, _)| name.as_str()).collect();
            let splits = splits::find(&names)?;
            of_shards(path, shards, splits, label, here.skipped)
        }
        (true, None, Some(_)) => of_classes(path, &here.sounds, label, here.skipped),
        (true, None, None) => Err(ErrorKind::NoSounds),
    };
    dataset.map(|mut dataset| {
        dataset.skipped.sort_by(|a, b| (&a.why, &a.place).cmp(&(&b.why, &b.place)));
        dataset
    })
}

/// See [`AudioDataset::open_folder`].
pub(crate) fn open_classes(root: &Path) -> Result<AudioDataset, ErrorKind> {
    let here = Here::list(root)?;
    match here.sounds.is_empty() {
        true => Err(ErrorKind::NoSounds),
        false => of_classes(root, &here.sounds, None, here.skipped),
    }
}

/// How sound files end that are recognised as such and cannot be decoded.
#[rustfmt::skip]
const UNSUPPORTED: &[&str] = &[
    "ac3", "amr", "ape", "asf", "avi", "avr", "dff", "dsf", "dts", "eac3", "f4v", "flv", "gsm", "htk", "mpc", "mpg", "mxf", "nist", "nut",
    "ogm", "paf", "pcm", "pvf", "ra", "raw", "rm", "sd2", "sds", "spx", "sph", "svx", "tak", "tta", "voc", "wma", "wmv", "wv", "wve", "xi",
];
const ARCHIVES: &[&str] = &["7z", "bz2", "gz", "rar", "tar", "tgz", "xz", "zip", "zst"];

/// The files of a folder by what they may be.
#[derive(Default)]
struct Here {
    sounds: Vec<Found>,
    tables: Vec<Found>,
    parquet: Vec<Found>,
    skipped: Vec<Skipped>,
}

impl Here {
    fn list(root: &Path) -> Result<Here, ErrorKind> {
        let below = files_below(root)?;
        let mut here = Here::default();
        for found in below.files {
            let file = found.name.rsplit('/').next().unwrap_or_default();
            let ends = |endings: &[&str]| {
                let ending = file.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
                ending.is_some_and(|ending| endings.contains(&ending.as_str()))
            };
            if metadata::NAMES.contains(&file) {
                here.tables.push(found);
            } else if ends(&["parquet"]) {
                here.parquet.push(found);
            } else if has_audio_extension(&found.path) {
                here.sounds.push(found);
            } else if ends(UNSUPPORTED) {
                here.skip(&found.path, Why::Unsupported);
            } else if ends(ARCHIVES) {
                here.skip(&found.path, Why::Archive);
            } else if found.name.contains('/') {
                here.skip(&found.path, Why::NotASound);
            }
            // What else lies beside the folders is a README, a licence, a script.
        }
        below.odd.iter().for_each(|path| here.skip(path, Why::NotAFile));
        below.empty.iter().for_each(|path| here.skip(path, Why::EmptyFolder));
        Ok(here)
    }

    fn skip(&mut self, path: &Path, why: Why) {
        self.skipped.push(Skipped::new(path, why));
    }
}

/// The folders of a clip, without those that say its split.
fn folders_of(name: &str, by_folder: bool) -> Vec<&str> {
    let folders = name.rsplit_once('/').map(|(folders, _)| folders.split('/'));
    folders.into_iter().flatten().filter(|folder| !by_folder || !splits::says_split(folder)).collect()
}

/// Splits that hold for a dataset: their names, and that of each of some files.
#[derive(Default)]
struct Parts {
    names: Vec<Arc<str>>,
    of: Vec<Option<Arc<str>>>,
    by_folder: bool,
}

impl Parts {
    fn new(splits: Option<Splits>) -> Result<Parts, ErrorKind> {
        let Some(splits) = splits else { return Ok(Parts::default()) };
        if let Some((file, splits)) = splits.torn {
            return Err(ErrorKind::TwoSplits { file, splits });
        }
        let names: Vec<Arc<str>> = splits.names.into_iter().map(Arc::from).collect();
        let of = splits.of.into_iter().map(|split| split.map(|split| Arc::clone(&names[split]))).collect();
        Ok(Parts { names, of, by_folder: splits.by_folder })
    }

    /// The place of a split among them: clips are in the order of their splits.
    fn place(&self, split: &Option<Arc<str>>) -> usize {
        self.names.iter().position(|name| Some(name) == split.as_ref()).unwrap_or(0)
    }

    /// The split of file `at`: an error of nothing if there are splits and it is in none.
    fn split(&self, at: usize) -> Result<Option<Arc<str>>, ()> {
        match self.names.is_empty() {
            true => Ok(None),
            false => self.of[at].clone().map(Some).ok_or(()),
        }
    }
}

/// Sounds by the folders they lie in.
fn of_classes(
    root: &Path,
    sounds: &[Found],
    label: Option<&str>,
    mut skipped: Vec<Skipped>,
) -> Result<AudioDataset, ErrorKind> {
    let names: Vec<&str> = sounds.iter().map(|sound| sound.name.as_str()).collect();
    let mut remarks = Vec::new();
    let found = splits::find(&names)?
        .filter(|splits| splits.by_folder || !is_by_chance(splits, &names, &mut remarks));
    let found = match found {
        Some(splits) if splits.by_folder => classes_not_splits(splits, &names, &mut remarks)?,
        found => found,
    };
    let parts = Parts::new(found)?;
    // Each with its split and its folders.
    type Listed<'a> = (&'a Found, Option<Arc<str>>, Vec<&'a str>);
    let mut clips: Vec<Listed<'_>> = Vec::new();
    for (at, sound) in sounds.iter().enumerate() {
        match parts.split(at) {
            Ok(split) => clips.push((sound, split, folders_of(&sound.name, parts.by_folder))),
            Err(()) => skipped.push(Skipped::new(&sound.path, Why::NoSplit)),
        }
    }
    let is_loose = |clip: &Listed<'_>| clip.2.is_empty();
    if !clips.iter().all(is_loose) {
        skipped.extend(
            clips
                .iter()
                .filter(|clip| is_loose(clip))
                .map(|clip| Skipped::new(&clip.0.path, Why::NoClassFolder)),
        );
        clips.retain(|clip| !is_loose(clip));
    }
    clips.sort_by_key(|clip| parts.place(&clip.1));
    let folders = Folders { of: clips.iter().map(|clip| clip.2.clone()).collect() };
    let (depth, others) = classes::of_folders(&folders, label)?;
    if !others.is_empty() {
        let taken = ClassFrom::Folder(depth);
        remarks.push(format!(
            "{taken} are taken as the classes, as `datasets` does; there is also {}",
            others.join(", ")
        ));
    }
    let labels = label_set(clips.iter().map(|clip| clip.2[depth]))?;
    let mut dataset = AudioDataset::empty(name_of(root), root.to_path_buf(), labels, About::default());
    for (sound, split, folders) in clips {
        let label =
            dataset.labels.id(folders[depth]).expect("it is one of the names that the labels are made of");
        dataset.clips.push(Clip::new(sound.name.clone(), &sound.path, label).in_split(split));
    }
    finish(dataset, parts.names, &ClassFrom::Folder(depth), skipped, remarks)
}

/// A split that only some names of files say is none: `mic test.wav`.
fn is_by_chance(splits: &Splits, names: &[&str], remarks: &mut Vec<String>) -> bool {
    let (outside, by_chance) = (splits.outside(), splits.names.len() == 1 && splits.outside() > 0);
    if by_chance {
        let of = splits.of.iter().position(Option::is_some).map_or("", |at| names[at]);
        remarks.push(format!(
            "{} of {} names say the split `{}`, such as `{of}`: taken as chance, and all clips as one split",
            names.len() - outside,
            names.len(),
            splits.names[0]
        ));
    }
    by_chance
}

/// A folder that is called like a split and holds its clips itself, as the folders beside it, is a class.
fn classes_not_splits(
    splits: Splits,
    names: &[&str],
    remarks: &mut Vec<String>,
) -> Result<Option<Splits>, ErrorKind> {
    let inside = || names.iter().zip(&splits.of).filter(|(_, split)| split.is_some()).map(|(name, _)| *name);
    if inside().any(|name| !folders_of(name, true).is_empty()) {
        return Ok(Some(splits));
    }
    if splits.names.len() == 1 && splits.outside() > 0 {
        let folder = inside().next().and_then(|name| Some(name.rsplit_once('/')?.0)).unwrap_or_default();
        remarks.push(format!(
            "the folder `{folder}` is taken as a class like the others, and not as the split `{}`",
            splits.names[0]
        ));
        return Ok(None);
    }
    let folders: BTreeSet<&str> = inside().filter_map(|name| Some(name.rsplit_once('/')?.0)).collect();
    Err(ErrorKind::SplitsWithoutClasses { folders: folders.into_iter().map(str::to_owned).collect() })
}

/// Sounds that tables name.
fn of_tables(
    root: &Path,
    tables: &[(String, metadata::Table)],
    sounds: &[Found],
    label: Option<&str>,
    mut skipped: Vec<Skipped>,
) -> Result<AudioDataset, ErrorKind> {
    let bad = |table: &metadata::Table, why: String| ErrorKind::BadTable { path: table.path.clone(), why };
    let ending = |name: &str| name.rsplit_once('.').map(|(_, ending)| ending.to_owned());
    if let Some((other, table)) = tables.iter().find(|(name, _)| ending(name) != ending(&tables[0].0)) {
        return Err(bad(
            table,
            format!(
                "`{}` is of another kind; keep one of the two",
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
            more => format!(", nor are the files of {more} more rows"),
        };
        return Err(bad(
            table,
            format!("{} {}: `{}` is not there{more}", table.unit(), row.line, root.join(name).display()),
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
    let parts = Parts::new(found)?;
    let place_of: HashMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (*name, at)).collect();
    let split_of = |table: usize, name: &str| parts.split(table).or_else(|()| parts.split(place_of[name]));
    for sound in sounds.iter().filter(|sound| !listed.contains(sound.name.as_str())) {
        let split = parts.split(place_of[sound.name.as_str()]);
        // Such a split has no table at all, and its sounds would all be left out.
        if let Ok(Some(split)) = split
            && !rows.iter().any(|(table, name, _)| split_of(*table, name) == Ok(Some(Arc::clone(&split))))
        {
            let why = format!("it names no clip of the split `{split}`, to which `{}` belongs", sound.name);
            return Err(bad(&tables[0].1, why));
        }
        skipped.push(Skipped::new(&sound.path, Why::NotListed));
    }
    let place = |table: usize, row: &metadata::Row| {
        let table = &tables[table].1;
        format!("{} {} {}", earmark_fs::text(&table.path), table.unit(), row.line)
    };
    let mut kept = Vec::new();
    for (table, name, row) in &rows {
        match split_of(*table, name) {
            Ok(split) => kept.push((*table, name.as_str(), *row, split)),
            Err(()) => skipped.push(Skipped { place: place(*table, row), why: Why::NoSplit }),
        }
    }
    kept.sort_by_key(|(.., split)| parts.place(split));

    let columns: BTreeSet<&String> = tables.iter().flat_map(|(_, table)| &table.columns).collect();
    let columns: Vec<String> = columns.into_iter().cloned().collect();
    let fields: Vec<&Fields> = kept.iter().map(|(_, _, row, _)| &row.fields).collect();
    let folders =
        Folders { of: kept.iter().map(|(_, name, ..)| folders_of(name, parts.by_folder)).collect() };
    let declared = &tables[0].1.classes;
    let from = classes::choose(label, &columns, declared, &fields, &folders)?;
    let class = |at: usize| -> Result<Option<String>, ErrorKind> {
        let (table, _, row, _) = &kept[at];
        let table = &tables[*table].1;
        match &from {
            ClassFrom::Folder(depth) => Ok(folders.of[at].get(*depth).map(|folder| (*folder).to_owned())),
            ClassFrom::Column(column) => {
                let names = table.classes.get(column).map(Vec::as_slice);
                let unknown = |class| {
                    bad(table, format!("{} {}: `{class}` is no class of `{column}`", table.unit(), row.line))
                };
                class_of(&row.fields, column, names).map_err(unknown)
            }
        }
    };
    let classes = (0..kept.len()).map(class).collect::<Result<Vec<_>, _>>()?;
    if classes.iter().all(Option::is_none) {
        let column = match &from {
            ClassFrom::Column(column) => column.clone(),
            ClassFrom::Folder(_) => String::new(),
        };
        return Err(ErrorKind::NoLabels { column, rows: kept.len() });
    }
    let labels = match &from {
        ClassFrom::Column(column) if declared.contains_key(column) => {
            LabelSet::from_names(declared[column].iter().cloned())
                .map_err(|error| ErrorKind::Broken(error.to_string()))?
        }
        _ => label_set(classes.iter().flatten().map(String::as_str))?,
    };
    let mut dataset = AudioDataset::empty(name_of(root), root.to_path_buf(), labels, About::default());
    for ((table, name, row, split), class) in kept.iter().zip(classes) {
        let Some(class) = class else {
            skipped.push(Skipped { place: place(*table, row), why: Why::NoLabel });
            continue;
        };
        let label = dataset.labels.id(&class).ok_or_else(|| ErrorKind::NoClass {
            row: dataset.clips.len(),
            column: from.to_string(),
            class: class.clone(),
        })?;
        let path = known.get(name).map_or_else(|| root.join(name), |path| path.to_path_buf());
        let mut fields = row.fields.clone();
        if let ClassFrom::Column(column) = &from {
            fields.insert(column.clone(), class.into());
        }
        let clip = Clip::new(*name, path, label).with_fields(fields);
        dataset.clips.push(clip.in_split(split.clone()));
    }
    tell_apart(&mut dataset.clips, |row, clip| format!("{}#{row}", clip.name));
    finish(dataset, parts.names, &from, skipped, remarks)
}

/// The splits of files alone, which follow on those of so many tables.
fn without_tables(splits: &Splits, tables: usize) -> Splits {
    Splits {
        names: splits.names.clone(),
        of: splits.of[tables..].to_vec(),
        by_folder: splits.by_folder,
        torn: None,
    }
}

/// All rows of some shards.
fn of_shards(
    root: &Path,
    shards: Vec<(String, Shard)>,
    splits: Option<Splits>,
    label: Option<&str>,
    mut skipped: Vec<Skipped>,
) -> Result<AudioDataset, ErrorKind> {
    let parts = Parts::new(splits)?;
    let mut kept = Vec::new();
    for (at, (name, shard)) in shards.into_iter().enumerate() {
        match parts.split(at) {
            Ok(split) => kept.push((name, Arc::new(shard), split)),
            Err(()) => skipped.push(Skipped { place: shard.name().to_owned(), why: Why::NoSplit }),
        }
    }
    kept.sort_by_key(|(.., split)| parts.place(split));
    let mut rows = Vec::new();
    for (at, (_, shard, _)) in kept.iter().enumerate() {
        let table = shard.table().map_err(|error| error.kind)?;
        rows.extend(table.into_iter().enumerate().map(|(row, (path, fields))| (at, row, path, fields)));
    }
    if rows.is_empty() {
        return Err(ErrorKind::Broken("it has no rows".to_owned()));
    }
    let fields: Vec<&Fields> = rows.iter().map(|(.., fields)| fields).collect();
    let labels = labels_among(kept.iter().map(|(_, shard, _)| &**shard), &fields, label)?;
    let mut dataset =
        AudioDataset::empty(name_of(root), root.to_path_buf(), labels.set.clone(), About::default());
    // By place in the dataset: the shard, and the row in it.
    let mut places = Vec::new();
    let all = rows.len();
    for (at, row, path, mut fields) in rows {
        let (_, shard, split) = &kept[at];
        match labels.of(&mut fields, shard.classes(), row)? {
            Some(label) => {
                let name = path.unwrap_or_else(|| row_name(row));
                let clip = Clip::of_row(name, label, fields, Arc::clone(shard), row);
                dataset.clips.push(clip.in_split(split.clone()));
                places.push((at, row));
            }
            None => skipped.push(Skipped { place: format!("{}#{row}", shard.name()), why: Why::NoLabel }),
        }
    }
    if dataset.clips.is_empty() {
        return Err(ErrorKind::NoLabels { column: labels.column, rows: all });
    }
    tell_apart(&mut dataset.clips, |clip_row, clip| {
        let (shard, row) = places[clip_row];
        format!("{}#{row}/{}", kept[shard].0, clip.name)
    });
    finish(dataset, parts.names, &ClassFrom::Column(labels.column), skipped, Vec::new())
}

/// Whether a shard itself says all classes of the column that is the class.
pub(crate) fn declares_classes(shard: &Shard, label: Option<&str>) -> Result<bool, ErrorKind> {
    let columns: Vec<String> = shard.columns().into_iter().map(str::to_owned).collect();
    let decided = classes::decided(label, &columns, shard.classes())?;
    Ok(decided.is_some_and(|column| shard.classes().contains_key(&column)))
}

/// The classes that the first of some shards names, or else the sorted values of the column in all of them.
pub(crate) fn labels_of(shards: &[Shard], label: Option<&str>) -> Result<Labels, ErrorKind> {
    let mut tables = Vec::new();
    let Some(first) = shards.first() else { return Err(ErrorKind::Broken("there are no shards".to_owned())) };
    if !declares_classes(first, label)? {
        for shard in shards {
            tables.extend(shard.table().map_err(|error| error.kind)?);
        }
    }
    let fields: Vec<&Fields> = tables.iter().map(|(_, fields)| fields).collect();
    labels_among(shards.iter(), &fields, label)
}

fn labels_among<'a>(
    mut shards: impl Iterator<Item = &'a Shard>,
    rows: &[&Fields],
    label: Option<&str>,
) -> Result<Labels, ErrorKind> {
    let Some(first) = shards.next() else { return Err(ErrorKind::Broken("there are no shards".to_owned())) };
    let columns: Vec<String> = first.columns().into_iter().map(str::to_owned).collect();
    let nowhere = Folders { of: vec![Vec::new(); rows.len()] };
    let column = match classes::choose(label, &columns, first.classes(), rows, &nowhere)? {
        ClassFrom::Column(column) => column,
        ClassFrom::Folder(_) => return Err(ErrorKind::NoClasses),
    };
    let set = match first.classes().get(&column) {
        Some(names) => LabelSet::from_names(names.iter().cloned())
            .map_err(|error| ErrorKind::Broken(error.to_string()))?,
        None => {
            let values: BTreeSet<String> =
                rows.iter().filter_map(|row| class_of(row, &column, None).ok()?).collect();
            if values.is_empty() {
                return Err(ErrorKind::NoLabels { column, rows: rows.len() });
            }
            label_set(values.iter().map(String::as_str))?
        }
    };
    Ok(Labels { column, set, in_part: false })
}

/// The classes of these names, sorted.
fn label_set<'a>(names: impl Iterator<Item = &'a str>) -> Result<LabelSet, ErrorKind> {
    let names: BTreeSet<&str> = names.collect();
    LabelSet::from_names(names).map_err(|error| ErrorKind::Broken(error.to_string()))
}

/// A class alone tells nothing apart; what is left of the dataset is put in.
fn finish(
    mut dataset: AudioDataset,
    splits: Vec<Arc<str>>,
    from: &ClassFrom,
    skipped: Vec<Skipped>,
    remarks: Vec<String>,
) -> Result<AudioDataset, ErrorKind> {
    if let [only] = dataset.labels.names() {
        return Err(ErrorKind::OneClass { class: only.clone() });
    }
    // A split that lost all of its clips is none.
    let left: HashSet<&str> = dataset.clips.iter().filter_map(|clip| clip.split.as_deref()).collect();
    dataset.splits = splits.into_iter().filter(|split| left.contains(&**split)).collect();
    dataset.classes_from = from.to_string();
    dataset.skipped = skipped;
    dataset.remarks = remarks;
    Ok(dataset)
}

/// Gives clips of one name names of their own, which `rename` makes of their places in the dataset.
fn tell_apart(clips: &mut [Clip], rename: impl Fn(usize, &Clip) -> String) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for clip in clips.iter() {
        *counts.entry(&clip.name).or_default() += 1;
    }
    if counts.values().all(|count| *count == 1) {
        return;
    }
    // A name that has a `#` could be one that is made here.
    let renamed: Vec<Option<String>> = clips
        .iter()
        .enumerate()
        .map(|(row, clip)| {
            (counts[clip.name.as_str()] > 1 || clip.name.contains('#')).then(|| rename(row, clip))
        })
        .collect();
    for (clip, renamed) in clips.iter_mut().zip(renamed) {
        if let Some(name) = renamed {
            clip.name = name;
        }
    }
}

/// What a folder is called.
fn name_of(root: &Path) -> String {
    let real;
    let named = match root.file_name() {
        Some(_) => root,
        // `.` and `..`.
        None => {
            real = root.canonicalize().unwrap_or_default();
            &real
        }
    };
    let name = if named.is_dir() { named.file_name() } else { named.file_stem() };
    name.map_or_else(|| "folder".to_owned(), earmark_fs::text)
}
