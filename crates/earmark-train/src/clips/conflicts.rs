use std::collections::HashMap;

use crate::clips::Clips;

/// Two clips with the same bytes and different labels: one of the labels is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelConflict {
    /// The clips' names in the dataset.
    pub clips: [String; 2],
    /// The label of each.
    pub labels: [String; 2],
}

impl Clips {
    /// For each sound file that has several labels: its first clip, and the first clip with another label. `labels` are the names
    /// of the classes.
    ///
    /// # Panics
    /// When a class has no name.
    pub fn label_conflicts(&self, labels: &[String]) -> Vec<LabelConflict> {
        let mut seen: HashMap<_, (usize, bool)> = HashMap::new();
        let mut conflicts = Vec::new();
        for (row, clip) in self.clips().iter().enumerate() {
            let (first, is_known) = seen.entry(self.hash(row)).or_insert((row, false));
            let first = &self.clips()[*first];
            if first.label != clip.label && !*is_known {
                *is_known = true;
                conflicts.push(LabelConflict {
                    clips: [first, clip].map(|clip| clip.name.clone()),
                    labels: [first, clip].map(|clip| labels[clip.label.index()].clone()),
                });
            }
        }
        conflicts
    }
}
