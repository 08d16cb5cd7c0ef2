//! What says the class of a clip: a column, or the folders it lies in. Where that would be a guess, it is an error.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::error::ErrorKind;
use crate::example::{Fields, text};
use crate::read::label_column::Labelling;

/// Columns of these names are classes, if what is in them can be; of two, the first where both say the same.
const CLASS_NAMES: &[&str] =
    &["label", "labels", "class", "classes", "category", "genre", "intent_class", "target"];
/// Columns of these names are no classes unless one is named: they are of one clip, or of how it was recorded.
#[rustfmt::skip]
const OTHER_NAMES: &[&str] = &[
    "age", "artist", "author", "caption", "comment", "date", "description", "device", "file", "file_path", "filename", "filepath", "fold",
    "id", "licence", "license", "microphone", "name", "note", "notes", "path", "recordist", "sentence", "session", "singer", "source",
    "speaker", "split", "subject", "subset", "text", "time", "timestamp", "title", "transcript", "transcription", "url", "user", "utterance",
];
/// How the names of such columns end.
const ID_ENDINGS: &[&str] = &["_id", "_name", "_path", "_url"];

/// What says the class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LabelSource {
    /// A column.
    Column(String),
    /// The folders of this depth, from 0.
    Folder(usize),
}

impl std::fmt::Display for LabelSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LabelSource::Column(name) => write!(f, "the column `{name}`"),
            LabelSource::Folder(0) => f.write_str("the folders"),
            LabelSource::Folder(depth) => write!(f, "the folders at depth {}", depth + 1),
        }
    }
}

/// The name of the folders of a depth as a column: `folder1`.
fn folder_column(depth: usize) -> String {
    format!("folder{}", depth + 1)
}

/// The depth that such a name says.
fn depth_of(column: &str) -> Option<usize> {
    column.strip_prefix("folder")?.parse::<usize>().ok()?.checked_sub(1)
}

/// The folders of some clips, outermost first, without those that say the split.
pub(crate) struct ClipFolders<'a> {
    pub(crate) of: Vec<Vec<&'a str>>,
}

impl<'a> ClipFolders<'a> {
    /// The depths at which every clip has a folder, and not all the same one.
    fn candidates(&self) -> Vec<usize> {
        let least = self.of.iter().map(Vec::len).min().unwrap_or(0);
        (0..least).filter(|&depth| self.values(depth).len() > 1).collect()
    }

    fn values(&self, depth: usize) -> BTreeMap<&'a str, usize> {
        let mut values = BTreeMap::new();
        for folders in &self.of {
            if let Some(folder) = folders.get(depth) {
                *values.entry(*folder).or_default() += 1;
            }
        }
        values
    }

    /// The folders that `datasets` takes, all at one depth; else the only ones that every clip has and that differ.
    fn class(&self) -> Option<usize> {
        let depths: HashSet<usize> = self.of.iter().map(Vec::len).collect();
        let candidates = self.candidates();
        match candidates.as_slice() {
            [only] => Some(*only),
            [.., last] if depths.len() == 1 && depths.contains(&(last + 1)) => Some(*last),
            _ => None,
        }
    }

    fn describe(&self, depth: usize) -> String {
        let values = self.values(depth);
        format!("`{}` ({})", folder_column(depth), counted(values.len(), "folder", values.keys().copied()))
    }
}

/// Which folders are the classes of clips that nothing else is said about, and other folders that might have been meant.
pub(crate) fn of_folders(
    folders: &ClipFolders<'_>,
    label: Option<&str>,
) -> Result<(usize, Vec<String>), ErrorKind> {
    let candidates = folders.candidates();
    let describe = |depths: &[usize]| depths.iter().map(|&depth| folders.describe(depth)).collect::<Vec<_>>();
    if let Some(label) = label {
        let depth = depth_of(label).filter(|&depth| folders.of.iter().all(|folders| folders.len() > depth));
        let depth = depth.ok_or_else(|| {
            let least = folders.of.iter().map(Vec::len).min().unwrap_or(0);
            ErrorKind::NoColumn { column: label.to_owned(), columns: (0..least).map(folder_column).collect() }
        })?;
        return Ok((depth, Vec::new()));
    }
    if let Some(depth) = folders.class() {
        let others: Vec<usize> = candidates.into_iter().filter(|&other| other != depth).collect();
        return Ok((depth, describe(&others)));
    }
    match candidates.as_slice() {
        [] => {
            let values = folders.values(0);
            Err(match values.keys().next() {
                Some(only) if values.len() == 1 => ErrorKind::OneClass { class: (*only).to_owned() },
                _ => ErrorKind::NoClasses,
            })
        }
        several => Err(ErrorKind::NoLabelColumn { columns: describe(several) }),
    }
}

/// A decision that needs no look at the rows: the column that was named, or the only one that the file itself declares to be of
/// classes and that is called so.
pub(crate) fn decided(
    label: Option<&str>,
    columns: &[String],
    declared: &BTreeMap<String, Vec<String>>,
) -> Result<Option<String>, ErrorKind> {
    if let Some(label) = label {
        return match columns.iter().any(|column| column == label) {
            true => Ok(Some(label.to_owned())),
            false => Err(ErrorKind::NoColumn { column: label.to_owned(), columns: columns.to_vec() }),
        };
    }
    let mut usual = declared.keys().filter(|name| CLASS_NAMES.contains(&name.as_str()));
    Ok(usual.next().filter(|_| usual.next().is_none()).cloned())
}

/// Which column, or which folders, are the classes of some rows.
pub(crate) fn choose(
    (label, labelling): (Option<&str>, Labelling),
    columns: &[String],
    declared: &BTreeMap<String, Vec<String>>,
    rows: &[&Fields],
    folders: &ClipFolders<'_>,
) -> Result<LabelSource, ErrorKind> {
    if labelling == Labelling::MultiLabel {
        return choose_lists(label, columns, declared, rows).map(LabelSource::Column);
    }
    if let Some(label) = label
        && !columns.iter().any(|column| column == label)
        && let Some(depth) = depth_of(label)
        && folders.of.iter().all(|folders| folders.len() > depth)
    {
        return Ok(LabelSource::Folder(depth));
    }
    if let Some(column) = decided(label, columns, declared)? {
        let profile = ColumnProfile::of(&column, rows);
        return if profile.lists > 0 {
            Err(ErrorKind::ManyLabels { column })
        } else {
            Ok(LabelSource::Column(column))
        };
    }
    let profiles: Vec<ColumnProfile<'_>> =
        columns.iter().map(|column| ColumnProfile::of(column, rows)).collect();
    let usual: Vec<&ColumnProfile<'_>> =
        CLASS_NAMES.iter().filter_map(|name| profiles.iter().find(|it| it.name == *name)).collect();
    let usual_classes: Vec<&&ColumnProfile<'_>> = usual.iter().filter(|it| it.may_be_classes()).collect();
    if let [first, others @ ..] = usual_classes.as_slice()
        && others.iter().all(|other| first.says_the_same_as(other))
    {
        return Ok(LabelSource::Column(first.name.to_owned()));
    }
    let (candidates, folder) = (folders.candidates(), folders.class());
    if usual_classes.is_empty() {
        // What the file declares to be classes is them, unless other columns look like classes as well.
        let likely = |it: &&ColumnProfile<'_>| declared.contains_key(it.name) || it.looks_like_classes();
        let likely: Vec<&ColumnProfile<'_>> = profiles.iter().filter(likely).collect();
        match (likely.as_slice(), folder) {
            ([only], None) if candidates.is_empty() => return Ok(LabelSource::Column(only.name.to_owned())),
            ([only], Some(depth)) if only.says_the_same_as_folders(folders, depth) => {
                return Ok(LabelSource::Column(only.name.to_owned()));
            }
            ([], Some(depth)) => return Ok(LabelSource::Folder(depth)),
            ([], None) => {
                if let Some(lists) = usual.iter().find(|it| it.lists > 0) {
                    return Err(ErrorKind::ManyLabels { column: lists.name.to_owned() });
                }
                if let Some(empty) = usual.iter().find(|it| it.filled == 0) {
                    return Err(ErrorKind::NoLabels { column: empty.name.to_owned(), rows: rows.len() });
                }
            }
            _ => {}
        }
    }
    let mut described: Vec<String> = profiles.iter().map(ColumnProfile::to_string).collect();
    described.extend(candidates.iter().map(|&depth| folders.describe(depth)));
    if described.is_empty() {
        return Err(ErrorKind::NoClasses);
    }
    Err(ErrorKind::NoLabelColumn { columns: described })
}

/// Which column has the classes of clips that may have any number of them: the one that is named, else of those with a usual name
/// the first that has several of them somewhere, else the only other column with lists.
fn choose_lists(
    label: Option<&str>,
    columns: &[String],
    declared: &BTreeMap<String, Vec<String>>,
    rows: &[&Fields],
) -> Result<String, ErrorKind> {
    let column = match label {
        Some(_) => decided(label, columns, declared)?.unwrap_or_default(),
        None => {
            let profiles: Vec<ColumnProfile<'_>> =
                columns.iter().map(|column| ColumnProfile::of(column, rows)).collect();
            let named = |name: &&str| profiles.iter().find(|it| it.name == *name && it.filled > 0);
            let usual: Vec<&ColumnProfile<'_>> = CLASS_NAMES.iter().filter_map(named).collect();
            let several = |it: &&&ColumnProfile<'_>| it.lists > 0 || it.joined;
            let mut lists = profiles.iter().filter(|it| it.lists > 0);
            let only = lists.next().filter(|_| lists.next().is_none());
            match usual.iter().find(several).or(usual.first()).copied().or(only) {
                Some(found) => found.name.to_owned(),
                None => {
                    let columns = profiles.iter().map(ColumnProfile::to_string).collect();
                    return Err(ErrorKind::NoLabelColumn { columns });
                }
            }
        }
    };
    let profile = ColumnProfile::of(&column, rows);
    match profile.lists > 0 && profile.lists < profile.filled {
        true => Err(ErrorKind::MixedLabels { column }),
        false => Ok(column),
    }
}

/// What a column looks like.
struct ColumnProfile<'a> {
    name: &'a str,
    /// One a row.
    values: Vec<Option<String>>,
    /// How often each value occurs, and in which order they were first seen.
    counts: HashMap<String, usize>,
    examples: Vec<String>,
    filled: usize,
    numbers: usize,
    whole_numbers: usize,
    /// Values that are lists.
    lists: usize,
    /// Whether some value has a `|`.
    joined: bool,
    /// Whether some value is a list or a record.
    nested: bool,
    /// Words of all values.
    words: usize,
}

/// The longest value of a column that is taken for classes without being named.
const LONGEST_CLASS: usize = 80;

impl<'a> ColumnProfile<'a> {
    fn of(name: &'a str, rows: &[&Fields]) -> ColumnProfile<'a> {
        let mut profile = ColumnProfile {
            name,
            values: Vec::with_capacity(rows.len()),
            counts: HashMap::new(),
            examples: Vec::new(),
            filled: 0,
            numbers: 0,
            whole_numbers: 0,
            lists: 0,
            joined: false,
            nested: false,
            words: 0,
        };
        for fields in rows {
            let value = fields.get(name).filter(|value| !value.is_null());
            profile.values.push(value.map(text));
            let (Some(value), Some(Some(text))) = (value, profile.values.last()) else { continue };
            profile.filled += 1;
            profile.lists += usize::from(value.is_array());
            profile.joined |= text.contains('|');
            profile.nested |= value.is_array() || value.is_object();
            profile.words += text.split_whitespace().count();
            if text.parse::<f64>().is_ok() {
                profile.numbers += 1;
                profile.whole_numbers += usize::from(text.parse::<i64>().is_ok());
            }
            let count = profile.counts.entry(text.clone()).or_default();
            *count += 1;
            if *count == 1 && profile.examples.len() < 3 {
                profile.examples.push(text.clone());
            }
        }
        profile
    }

    /// Whether a column that is called so can be of classes: neither lists nor measurements.
    fn may_be_classes(&self) -> bool {
        self.filled > 0 && !self.nested && (self.numbers < self.filled || self.whole_numbers == self.filled)
    }

    /// Whether a column of any name is plainly of classes: short words of which most occur more than once.
    fn looks_like_classes(&self) -> bool {
        let lower = self.name.to_lowercase();
        self.may_be_classes()
            && self.numbers == 0
            && !OTHER_NAMES.contains(&lower.as_str())
            && !ID_ENDINGS.iter().any(|ending| lower.ends_with(ending))
            && self.counts.len() >= 2
            && self.counts.len() * 3 <= self.filled * 2
            && self.words <= self.filled * 4
            && self.counts.keys().all(|value| value.len() <= LONGEST_CLASS)
    }

    /// Whether two columns tell the same rows apart.
    fn says_the_same_as(&self, other: &ColumnProfile<'_>) -> bool {
        same_groups(self.values.iter().map(Option::as_deref), other.values.iter().map(Option::as_deref))
    }

    fn says_the_same_as_folders(&self, folders: &ClipFolders<'_>, depth: usize) -> bool {
        let folder = folders.of.iter().map(|folders| folders.get(depth).copied());
        same_groups(self.values.iter().map(Option::as_deref), folder)
    }
}

/// Whether two columns have one value of one for each value of the other.
fn same_groups<'a, 'b>(
    one: impl Iterator<Item = Option<&'a str>>,
    other: impl Iterator<Item = Option<&'b str>>,
) -> bool {
    let (mut there, mut back) = (HashMap::new(), HashMap::new());
    one.zip(other).all(|(a, b)| *there.entry(a).or_insert(b) == b && *back.entry(b).or_insert(a) == a)
}

impl std::fmt::Display for ColumnProfile<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self {
            ColumnProfile { filled: 0, .. } => return write!(f, "`{}` (empty)", self.name),
            ColumnProfile { lists: 1.., .. } => return write!(f, "`{}` (lists)", self.name),
            ColumnProfile { nested: true, .. } => return write!(f, "`{}` (records)", self.name),
            ColumnProfile { numbers, filled, .. } if numbers == filled => "number",
            _ => "value",
        };
        let examples = self.examples.iter().map(String::as_str);
        write!(f, "`{}` ({})", self.name, counted(self.counts.len(), what, examples))
    }
}

/// `3 values: crow, robin, wren`.
fn counted<'a>(count: usize, what: &str, examples: impl Iterator<Item = &'a str>) -> String {
    let short = |text: &str| match text.char_indices().nth(24) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    };
    let mut examples: Vec<String> = examples.take(3).map(short).collect();
    if count > examples.len() {
        examples.push("…".to_owned());
    }
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}: {}", examples.join(", "))
}
