use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use crate::clips::Clips;

/// Two clips with the same bytes and different labels: one of the labels is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelConflict {
    /// The clips' names in the dataset.
    pub clips: [String; 2],
    /// The label of each.
    pub labels: [String; 2],
}

/// Finds the sound files that have several labels, clip by clip.
#[derive(Debug, Default)]
pub struct Conflicts {
    /// The first clip of each sound file, by the SHA-256 of the file, and whether its conflict is known.
    first: HashMap<[u8; 32], (Clip, bool)>,
    found: Vec<LabelConflict>,
}

#[derive(Debug)]
struct Clip {
    name: String,
    label: usize,
}

impl Conflicts {
    /// Adds a clip: the SHA-256 of its sound file, its name, and its class. `labels` are the names of the classes.
    ///
    /// # Panics
    /// When a class has no name.
    pub fn add(&mut self, sha256: [u8; 32], name: &str, label: usize, labels: &[String]) {
        match self.first.entry(sha256) {
            Entry::Vacant(entry) => _ = entry.insert((Clip { name: name.to_owned(), label }, false)),
            Entry::Occupied(mut entry) => {
                let (first, is_known) = entry.get_mut();
                if first.label != label && !*is_known {
                    *is_known = true;
                    self.found.push(LabelConflict {
                        clips: [first.name.clone(), name.to_owned()],
                        labels: [first.label, label].map(|label| labels[label].clone()),
                    });
                }
            }
        }
    }

    /// For each sound file that has several labels: its first clip, and the first clip with another label.
    pub fn found(self) -> Vec<LabelConflict> {
        self.found
    }
}

impl Clips {
    /// For each sound file that has several labels: its first clip, and the first clip with another label. `labels` are the names
    /// of the classes.
    ///
    /// # Panics
    /// When a class has no name.
    pub fn label_conflicts(&self, labels: &[String]) -> Vec<LabelConflict> {
        let mut conflicts = Conflicts::default();
        if !self.clips().iter().any(earmark_data::Clip::is_multi_label) {
            for (row, clip) in self.clips().iter().enumerate() {
                // A clip that has not been decoded yet is not compared.
                if let Some(hash) = self.hash(row) {
                    conflicts.add(*hash, &clip.name, clip.label.index(), labels);
                }
            }
            return conflicts.found();
        }
        // Each set of classes is told from the others by its names.
        let names = |clip: &earmark_data::Clip| {
            let names: Vec<&str> =
                clip.classes().iter().map(|class| labels[class.index()].as_str()).collect();
            names.join(", ")
        };
        let sets: Vec<String> = self.clips().iter().map(names).collect();
        let distinct: Vec<String> = sets.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect();
        for (row, (clip, set)) in self.clips().iter().zip(&sets).enumerate() {
            let set = distinct.binary_search(set).unwrap_or_default();
            if let Some(hash) = self.hash(row) {
                conflicts.add(*hash, &clip.name, set, &distinct);
            }
        }
        conflicts.found()
    }
}
