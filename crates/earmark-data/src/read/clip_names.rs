//! Clips of one name.

use std::collections::BTreeMap;

use crate::clip::Clip;

/// Gives clips of one name names of their own, which `rename` makes of their places in the dataset.
pub(crate) fn tell_apart(clips: &mut [Clip], rename: impl Fn(usize, &Clip) -> String) {
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
