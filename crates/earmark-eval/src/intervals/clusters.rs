use std::collections::BTreeMap;

/// Clips that belong together, such as those cut from one recording or spoken by one speaker: another draw of clips would have all of them
/// or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    /// The rows of each cluster, in ascending order; the clusters in the order of their keys.
    members: Vec<Vec<usize>>,
    clips: usize,
}

impl Clusters {
    /// Clips with equal keys belong together: `keys` has, for each clip, the recording or the speaker it is from.
    ///
    /// ```
    /// use earmark_eval::Clusters;
    ///
    /// let speakers = Clusters::new(&["ann", "bo", "ann"]);
    /// assert_eq!((speakers.len(), speakers.clips(), speakers.largest()), (2, 3, 2));
    /// ```
    pub fn new<K: Ord>(keys: &[K]) -> Self {
        let mut members: BTreeMap<&K, Vec<usize>> = BTreeMap::new();
        for (row, key) in keys.iter().enumerate() {
            members.entry(key).or_default().push(row);
        }
        Self { members: members.into_values().collect(), clips: keys.len() }
    }

    /// As [`new`](Self::new), where some clips have no key: each of these is a cluster of its own.
    pub fn with_unknown<K: Ord>(keys: &[Option<K>]) -> Self {
        // A known key with row 0, an unknown one with its own row.
        let keys: Vec<(Option<&K>, usize)> = keys
            .iter()
            .enumerate()
            .map(|(row, key)| (key.as_ref(), if key.is_none() { row } else { 0 }))
            .collect();
        Self::new(&keys)
    }

    /// Independent clips: each is a cluster of its own.
    pub fn alone(clips: usize) -> Self {
        Self { members: (0..clips).map(|row| vec![row]).collect(), clips }
    }

    /// Number of clusters.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are no clips.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Number of clips.
    pub fn clips(&self) -> usize {
        self.clips
    }

    /// Clips of the largest cluster.
    pub fn largest(&self) -> usize {
        self.members.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Whether no two clips belong together.
    pub fn are_single_clips(&self) -> bool {
        self.members.len() == self.clips
    }

    /// The rows of each cluster.
    pub(crate) fn members(&self) -> &[Vec<usize>] {
        &self.members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_without_a_key_is_alone() {
        let clusters = Clusters::with_unknown(&[Some("b"), None, Some("b"), None, Some("a")]);
        assert_eq!(clusters.members(), [vec![1], vec![3], vec![4], vec![0, 2]]);
        assert!(!clusters.are_single_clips());
        assert!(Clusters::alone(3).are_single_clips() && Clusters::new(&[1, 0]).are_single_clips());
    }
}
