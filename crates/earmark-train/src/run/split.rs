//! Which clips a run trains on and which it is evaluated on, and the file that remembers them.

use std::path::Path;

use earmark_data::{
    AudioDataset, Clip, Split, TestSize, fold_split, group_split, published_split, stratified_split,
    train_test_split,
};
use earmark_error::Context as _;
use earmark_labels::LabelId;
use serde::{Deserialize, Serialize};

use crate::error::{Doing, Error, ErrorKind};
use crate::recipe::{Recipe, SplitBy};

/// Larger than the split of any dataset: ten million clips with long names.
const LIMIT: u64 = 4 << 30;

/// `split.json`: the clips of each part, by the names they have below the data folder, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitFile {
    /// Clips to train on.
    pub train: Vec<String>,
    /// Clips to evaluate on.
    pub test: Vec<String>,
    /// SHA-256 of the sound of each clip in `train`, in hexadecimal digits; empty in files of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub train_sha256: Vec<String>,
    /// The same for `test`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_sha256: Vec<String>,
}

impl SplitFile {
    /// Reads `split.json` in a run folder.
    ///
    /// # Errors
    /// When the file is missing or broken.
    pub fn read(run: &Path) -> Result<SplitFile, Error> {
        let path = run.join("split.json");
        let doing = || Doing(format!("cannot read `{}`", path.display()));
        serde_json::from_slice(&earmark_fs::read(&path, LIMIT).with_context(doing)?).with_context(doing)
    }

    /// What differs between the clips a run began with, `self`, and those that are there `now`; `None` when nothing does.
    /// Sounds are compared where both files know them.
    pub(crate) fn difference(&self, now: &SplitFile) -> Option<String> {
        if (&self.train, &self.test) != (&now.train, &now.test) {
            let first = |names: &[String]| names.first().cloned().unwrap_or_default();
            return Some(format!(
                "then {} and {} clips, the first `{}`; now {} and {}, the first `{}`",
                self.train.len(),
                self.test.len(),
                first(&self.train),
                now.train.len(),
                now.test.len(),
                first(&now.train),
            ));
        }
        let parts = [
            (&self.train, &self.train_sha256, &now.train_sha256),
            (&self.test, &self.test_sha256, &now.test_sha256),
        ];
        let mut changed = parts.into_iter().flat_map(|(names, then, now)| {
            let hashes = then.iter().zip(now);
            names.iter().zip(hashes).filter(|(_, (then, now))| then != now).map(|(name, _)| name)
        });
        let first = changed.next()?;
        Some(match changed.count() {
            0 => format!("`{first}` is another sound now"),
            more => format!("`{first}` and {more} more are other sounds now"),
        })
    }
}

/// Which of the clips that can be used are kept for evaluation.
pub(crate) fn draw_split(
    recipe: &Recipe,
    dataset: &AudioDataset,
    clips: &[Clip],
) -> Result<Split, earmark_data::Error> {
    let test_size = if recipe.test_size < 1.0 {
        TestSize::Fraction(recipe.test_size)
    } else {
        TestSize::Count(recipe.test_size as usize)
    };
    // Those left out because they cannot be used belong to no group.
    let groups = |field: &str| AudioDataset { clips: clips.to_vec(), ..dataset.clone() }.groups(field);
    match &recipe.split_by {
        SplitBy::Random => train_test_split(clips.len(), test_size, recipe.seed),
        SplitBy::Stratified => {
            let labels: Vec<LabelId> = clips.iter().map(|clip| clip.label).collect();
            stratified_split(&labels, test_size, recipe.seed)
        }
        SplitBy::Group(field) => group_split(&groups(field)?, test_size, recipe.seed),
        SplitBy::Fold(field, value) => fold_split(&groups(field)?, value),
        SplitBy::Published => {
            let kept = |held_out: bool| {
                let places = clips.iter().enumerate().filter(move |(_, clip)| clip.held_out == held_out);
                places.map(|(place, _)| place).collect::<Vec<_>>()
            };
            published_split(kept(false), kept(true))
        }
    }
}

/// How many clips each class has among the `rows` of `clips`, in class order.
pub(crate) fn clips_per_class(clips: &[Clip], rows: &[usize], classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    for &row in rows {
        counts[clips[row].label.index()] += 1;
    }
    counts
}

/// Fails unless a resumed run finds the clips it began with.
pub(crate) fn check_same(before: &SplitFile, now: &SplitFile, run: &Path) -> Result<(), Error> {
    match before.difference(now) {
        None => Ok(()),
        Some(why) => Err(ErrorKind::OtherData(why))
            .with_context(|| Doing(format!("cannot resume `{}`", run.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(train_sha256: &[&str]) -> SplitFile {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        SplitFile {
            train: names(&["hum/0.wav", "hum/0.wav", "hum/1.wav"]),
            test: names(&["hiss/0.wav"]),
            train_sha256: names(train_sha256),
            test_sha256: Vec::new(),
        }
    }

    #[test]
    fn a_sound_that_was_replaced_is_named() {
        let then = split(&["a", "b", "c"]);
        assert_eq!(then.difference(&then), None);
        assert_eq!(then.difference(&split(&["a", "b", "d"])).unwrap(), "`hum/1.wav` is another sound now");
        let swapped = then.difference(&split(&["b", "a", "c"])).unwrap();
        assert_eq!(swapped, "`hum/0.wav` and 1 more are other sounds now");
    }

    #[test]
    fn a_file_of_an_earlier_version_is_read_and_compares_names_alone() {
        let dir = tempfile::tempdir().unwrap();
        let text = r#"{"train": ["hum/0.wav", "hum/0.wav", "hum/1.wav"], "test": ["hiss/0.wav"]}"#;
        std::fs::write(dir.path().join("split.json"), text).unwrap();
        let then = SplitFile::read(dir.path()).unwrap();
        assert_eq!(then, split(&[]));
        assert_eq!(then.difference(&split(&["a", "b", "c"])), None);
        let other = SplitFile { test: vec!["hiss/9.wav".into()], ..split(&[]) };
        assert!(then.difference(&other).unwrap().contains("3 and 1 clips"));
    }
}
