use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use earmark_error::Context as _;
use earmark_labels::LabelSet;

use crate::clip::Clip;
use crate::error::{Error, ErrorKind, Task};
use crate::example::text;

/// A list of labelled clips, and where they come from.
///
/// Nothing was decoded to make it.
#[derive(Debug, Clone)]
pub struct AudioDataset {
    /// A short name, e.g. `gtzan` or the folder's.
    pub name: String,
    /// The folder the clips' names start from.
    pub root: PathBuf,
    /// Every clip: of a folder sorted by label, then by name; else in the dataset's order.
    pub clips: Vec<Clip>,
    /// The classes.
    pub labels: LabelSet,
    /// What says the class: ``column `species` ``, `folders`.
    pub classes_from: String,
    /// The splits of its own, in order; none where nothing says one.
    pub splits: Vec<Arc<str>>,
    /// What is known about the recordings as a whole.
    pub info: DatasetInfo,
    /// What was found and is none of the clips, by reason.
    pub skipped: Vec<Skipped>,
    /// What was decided and could have been meant otherwise, a sentence each.
    pub remarks: Vec<String>,
}

/// A file or row that is none of the clips.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Where it is: a file, as [`text`](earmark_fs::text) writes it, or a table and a row of it.
    pub location: String,
    /// Why it is skipped.
    pub reason: SkipReason,
}

impl Skipped {
    pub(crate) fn new(path: &Path, reason: SkipReason) -> Skipped {
        Skipped { location: earmark_fs::text(path), reason }
    }
}

/// Why something is none of the clips.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SkipReason {
    /// Its name does not end as those of sound files do.
    NotASound,
    /// Its name ends as those of sound files of a kind that is not supported.
    Unsupported,
    /// An archive: what is in it is not read.
    Archive,
    /// A folder, a device, or a link that leads nowhere.
    NotAFile,
    /// A folder without files.
    EmptyFolder,
    /// It lies beside the folders that are the classes.
    NoClassFolder,
    /// No row of the tables names it.
    NotListed,
    /// It is in none of the splits.
    NoSplit,
    /// Its row says no class.
    NoLabel,
    /// A table that holds neither sounds nor their file names.
    NoClips,
    /// It is known to be damaged.
    KnownDamaged,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SkipReason::NotASound => "its name does not end as those of sound files do",
            SkipReason::Unsupported => "sounds of its kind are not supported",
            SkipReason::Archive => "it is an archive, which is not read: unpack it",
            SkipReason::NotAFile => "it is no file",
            SkipReason::EmptyFolder => "it is a folder without files",
            SkipReason::NoClassFolder => "it lies in no class folder",
            SkipReason::NotListed => "no row of the metadata names it",
            SkipReason::NoSplit => "it belongs to none of the splits",
            SkipReason::NoLabel => "its row says no class",
            SkipReason::NoClips => "it is a table without sounds or their file names",
            SkipReason::KnownDamaged => "it is known to be damaged",
        })
    }
}

impl AudioDataset {
    /// A dataset without clips, to be filled.
    pub(crate) fn empty(name: String, root: PathBuf, labels: LabelSet, info: DatasetInfo) -> AudioDataset {
        AudioDataset {
            name,
            root,
            clips: Vec::new(),
            labels,
            classes_from: "the dataset".to_owned(),
            splits: Vec::new(),
            info,
            skipped: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// One split of it. What has no splits of its own is all `train`, as in `datasets`.
    ///
    /// # Errors
    /// [`ErrorKind::Unknown`] lists the splits there are.
    pub fn split(mut self, name: &str) -> Result<AudioDataset, Error> {
        if self.splits.is_empty() && name == "train" {
            return Ok(self);
        }
        if !self.splits.iter().any(|split| **split == *name) {
            let mut known: Vec<String> = self.splits.iter().map(ToString::to_string).collect();
            if known.is_empty() {
                known.push("train".to_owned());
            }
            let kind = ErrorKind::Unknown { what: "split", name: name.to_owned(), known };
            return Err(kind).context(Task::Open(self.root));
        }
        self.clips.retain(|clip| clip.split.as_deref() == Some(name));
        self.splits.retain(|split| **split == *name);
        Ok(self)
    }

    /// How many clips each of its splits has.
    pub fn clips_per_split(&self) -> Vec<(&str, usize)> {
        let count =
            |split: &str| self.clips.iter().filter(|clip| clip.split.as_deref() == Some(split)).count();
        self.splits.iter().map(|split| (&**split, count(split))).collect()
    }

    /// Together with another part of the same dataset, which its makers keep for evaluation. Names begin with the parts' own.
    #[must_use]
    pub fn with_held_out(mut self, part: &str, other: AudioDataset, other_part: &str) -> AudioDataset {
        for clip in &mut self.clips {
            clip.name = format!("{part}/{}", clip.name);
        }
        self.clips.extend(other.clips.into_iter().map(|mut clip| {
            clip.name = format!("{other_part}/{}", clip.name);
            clip.held_out = true;
            clip
        }));
        self
    }

    /// Which group each clip belongs to, by one of its fields: those of one speaker, fold or artist. A split by groups keeps a
    /// group on one side.
    ///
    /// # Errors
    /// When a clip has no such field.
    pub fn groups(&self, field: &str) -> Result<Vec<String>, Error> {
        let group = |clip: &Clip| {
            let missing = || ErrorKind::NoField { clip: clip.name.clone(), field: field.to_owned() };
            let value = clip.fields.get(field).filter(|value| !value.is_null()).ok_or_else(missing);
            value.map(text)
        };
        let groups = self.clips.iter().map(group).collect::<Result<_, ErrorKind>>();
        groups.with_context(|| Task::Open(self.root.clone()))
    }

    /// How many clips each class has, in id order.
    pub fn clips_per_label(&self) -> Vec<usize> {
        let mut counts = vec![0; self.labels.len()];
        for clip in &self.clips {
            counts[clip.label.index()] += 1;
        }
        counts
    }
}

/// What a dataset's makers say about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatasetInfo {
    /// The terms the recordings are under.
    pub licence: Option<String>,
    /// Whom to cite.
    pub citation: Option<String>,
    /// Its home page.
    pub home: Option<String>,
}
