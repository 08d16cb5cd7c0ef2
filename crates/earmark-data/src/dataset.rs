use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use earmark_error::Context as _;
use earmark_labels::LabelSet;

use crate::clip::Clip;
use crate::error::{Error, ErrorKind, Task};

/// A list of labelled clips. Opening a dataset decodes none of them.
#[derive(Debug, Clone)]
pub struct AudioDataset {
    /// A short name, e.g. `gtzan` or the folder's.
    pub name: String,
    /// The folder that the names of clips are relative to.
    pub root: PathBuf,
    /// Every clip: for class folders sorted by label, then by name; otherwise in the dataset's order.
    pub clips: Vec<Clip>,
    /// The classes.
    pub labels: LabelSet,
    /// Where the classes come from: ``the column `species` ``, `the folders`.
    pub classes_from: String,
    /// The dataset's splits, in order; empty if it has none.
    pub splits: Vec<Arc<str>>,
    /// Licence, citation and home page.
    pub info: DatasetInfo,
    /// Files and rows that are not clips, with the reason.
    pub skipped: Vec<Skipped>,
    /// Choices that opening made where the layout was ambiguous, a sentence each.
    pub remarks: Vec<String>,
}

/// A file or row that is not a clip of the dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its location: a file, as [`text`](earmark_fs::text) writes it, or a table and a row.
    pub location: String,
    /// Why it is skipped.
    pub reason: SkipReason,
}

impl Skipped {
    pub(crate) fn new(path: &Path, reason: SkipReason) -> Skipped {
        Skipped { location: earmark_fs::text(path), reason }
    }
}

/// Why a file or row is not a clip.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SkipReason {
    /// It does not have the extension of a sound file.
    NotASound,
    /// It has the extension of a sound format that is not supported.
    Unsupported,
    /// An archive; archives are not opened.
    Archive,
    /// A folder, a device, or a broken link.
    NotAFile,
    /// A folder without files.
    EmptyFolder,
    /// It is beside the class folders, not in one.
    NoClassFolder,
    /// No row of the metadata lists it.
    NotListed,
    /// It is in none of the splits.
    NoSplit,
    /// Its row has no class.
    NoLabel,
    /// A table without audio and without file names.
    NoClips,
    /// It is known to be damaged.
    KnownDamaged,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SkipReason::NotASound => "it does not have the extension of a sound file",
            SkipReason::Unsupported => "this sound format is not supported",
            SkipReason::Archive => "it is an archive; unpack it to use its clips",
            SkipReason::NotAFile => "it is not a file",
            SkipReason::EmptyFolder => "it is a folder without files",
            SkipReason::NoClassFolder => "it is not in a class folder",
            SkipReason::NotListed => "no row of the metadata lists it",
            SkipReason::NoSplit => "it is in none of the splits",
            SkipReason::NoLabel => "its row has no class",
            SkipReason::NoClips => "it is a table without audio or file names",
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

    /// The clips of one split. A dataset without splits is all `train`, as in `datasets`.
    ///
    /// # Errors
    /// [`ErrorKind::Unknown`] with the names of the splits.
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

    /// The number of clips in each split.
    pub fn clips_per_split(&self) -> Vec<(&str, usize)> {
        let count =
            |split: &str| self.clips.iter().filter(|clip| clip.split.as_deref() == Some(split)).count();
        self.splits.iter().map(|split| (&**split, count(split))).collect()
    }

    /// Adds another part of the same dataset as held-out clips. The names of all clips then start with the name of their part.
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

    /// The splits of one dataset as one dataset; the names of the clips then start with the name of their split. Everything else
    /// is that of the first.
    pub fn of_splits(splits: impl IntoIterator<Item = (String, AudioDataset)>) -> Option<AudioDataset> {
        let parts = splits.into_iter().map(|(name, mut part)| {
            let split: Arc<str> = name.into();
            for clip in &mut part.clips {
                clip.name = format!("{split}/{}", clip.name);
                clip.split = Some(Arc::clone(&split));
            }
            part.splits = vec![split];
            part
        });
        parts.reduce(|mut all, part| {
            all.clips.extend(part.clips);
            all.splits.extend(part.splits);
            all.skipped.extend(part.skipped);
            all
        })
    }

    /// The number of clips in each class, in id order.
    pub fn clips_per_label(&self) -> Vec<usize> {
        let mut counts = vec![0; self.labels.len()];
        for class in self.clips.iter().flat_map(Clip::classes) {
            counts[class.index()] += 1;
        }
        counts
    }

    /// Whether its clips may have any number of classes.
    pub fn is_multi_label(&self) -> bool {
        self.clips.first().is_some_and(Clip::is_multi_label)
    }
}

/// Licence, citation and home page of a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatasetInfo {
    /// The licence of the recordings.
    pub licence: Option<String>,
    /// The publication to cite.
    pub citation: Option<String>,
    /// Its home page.
    pub home: Option<String>,
}
