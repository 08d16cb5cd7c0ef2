//! Clips that are not independent of each other: cut from one recording, spoken by one person, or by one artist.

use std::collections::HashMap;
use std::fmt;

use earmark_error::Context as _;

use crate::clip::Clip;
use crate::dataset::AudioDataset;
use crate::error::{Error, ErrorKind, Task};
use crate::example::text;

/// What the clips of a group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum GroupKind {
    /// The artist.
    Artist,
    /// The speaker.
    Speaker,
    /// The recording that they were cut from.
    Recording,
    /// The fold of an official division.
    Fold,
}

impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GroupKind::Artist => "artist",
            GroupKind::Speaker => "speaker",
            GroupKind::Recording => "recording",
            GroupKind::Fold => "fold",
        })
    }
}

/// A field that groups clips.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GroupField {
    /// Its name among the fields of a clip: `src_file`.
    pub name: String,
    /// What the clips of a group have in common.
    pub kind: GroupKind,
}

/// The names that datasets give such fields, the largest groups first; folds are no unit of sampling, and so last.
const NAMES: &[(GroupKind, &[&str])] = &[
    (GroupKind::Artist, &["artist", "artist_id"]),
    (GroupKind::Speaker, &["speaker_id", "speaker", "client_id"]),
    (GroupKind::Recording, &["src_file", "fsID", "recording", "recording_id"]),
    (GroupKind::Fold, &["fold"]),
];

/// Clips by group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    /// The number of each clip's group, in the order of the clips; groups are numbered from 0 as they first occur.
    pub of: Vec<usize>,
    /// How many groups there are.
    pub count: usize,
    /// Clips without a value, such as noises without a speaker: each of them is a group of its own.
    pub alone: usize,
}

impl Clip {
    /// The group it belongs to by one of its fields; `None` where that has no value.
    pub fn group(&self, field: &str) -> Option<String> {
        self.fields.get(field).filter(|value| !value.is_null()).map(text)
    }
}

impl AudioDataset {
    /// The fields that are known to group clips and that some clip has a value of: artist, speaker, recording, then fold. The
    /// column of the classes is none of them.
    ///
    /// Any other field can group clips as well, see [`groups`](Self::groups) and [`clusters`](Self::clusters).
    pub fn group_fields(&self) -> Vec<GroupField> {
        let known = NAMES.iter().flat_map(|(kind, names)| names.iter().map(|name| (*kind, *name)));
        let is_there = |name: &str| {
            self.classes_from != format!("the column `{name}`")
                && self.clips.iter().any(|clip| clip.fields.get(name).is_some_and(|value| !value.is_null()))
        };
        known
            .filter(|(_, name)| is_there(name))
            .map(|(kind, name)| GroupField { name: name.to_owned(), kind })
            .collect()
    }

    /// The field whose groups are resampled for an interval of a score: the first of [`group_fields`](Self::group_fields) that is
    /// no fold. `None` where clips are not known to depend on each other.
    pub fn cluster_field(&self) -> Option<GroupField> {
        self.group_fields().into_iter().find(|field| field.kind != GroupKind::Fold)
    }

    /// Numbers the clips by group. Unlike [`groups`](Self::groups) it takes clips without a value, each as a group of its own.
    ///
    /// # Errors
    /// [`ErrorKind::NoField`] when no clip has a value of that field.
    pub fn clusters(&self, field: &str) -> Result<Clusters, Error> {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let (mut of, mut count, mut alone) = (Vec::with_capacity(self.clips.len()), 0, 0);
        for clip in &self.clips {
            let group = clip.group(field);
            alone += usize::from(group.is_none());
            let known = group.as_ref().and_then(|group| numbers.get(group).copied());
            of.push(known.unwrap_or_else(|| {
                count += 1;
                numbers.extend(group.map(|group| (group, count - 1)));
                count - 1
            }));
        }
        match self.clips.first().filter(|_| alone == self.clips.len()) {
            Some(clip) => {
                Err(ErrorKind::no_field(clip, field)).with_context(|| Task::Open(self.root.clone()))
            }
            None => Ok(Clusters { of, count, alone }),
        }
    }

    /// The group of each clip, by one of its fields, such as speaker, fold or artist: for a split that keeps groups together.
    ///
    /// # Errors
    /// [`ErrorKind::NoField`] for the first clip without that field.
    pub fn groups(&self, field: &str) -> Result<Vec<String>, Error> {
        let group = |clip: &Clip| clip.group(field).ok_or_else(|| ErrorKind::no_field(clip, field));
        let groups = self.clips.iter().map(group).collect::<Result<_, ErrorKind>>();
        groups.with_context(|| Task::Open(self.root.clone()))
    }
}

impl ErrorKind {
    /// A clip without a field. A field without a value is as good as none.
    pub(crate) fn no_field(clip: &Clip, field: &str) -> ErrorKind {
        let fields = clip.fields.iter().filter(|(_, value)| !value.is_null());
        let fields = fields.map(|(name, _)| name.clone()).collect();
        ErrorKind::NoField { clip: clip.name.clone(), field: field.to_owned(), fields }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::CATALOG;

    #[test]
    fn the_group_fields_of_every_published_dataset_are_known_by_name() {
        for dataset in CATALOG {
            for field in dataset.group_fields {
                assert!(NAMES.iter().any(|(_, names)| names.contains(field)), "{}: {field}", dataset.id);
            }
        }
    }
}
