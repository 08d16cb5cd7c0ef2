//! Which clips a run trains on and which it is evaluated on, and the file that remembers them.

use std::cmp::Ordering;
use std::path::Path;

use earmark_data::{
    AudioDataset, Clip, Split, TestSize, fold_split, group_split, published_split, stratified_split,
    train_test_split,
};
use earmark_error::Context as _;
use earmark_labels::LabelId;
use serde::{Deserialize, Serialize};

use crate::error::{Doing, Error, ErrorKind};
use crate::recipe::{Recipe, SplitBy, ValFromTrain};

/// Larger than the split of any dataset: ten million clips with long names.
const LIMIT: u64 = 4 << 30;

/// `split.json`: the clips of each part, by the names they have below the data folder, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitFile {
    /// Clips to train on.
    pub train: Vec<String>,
    /// Clips of the training part that choose the epoch; empty where `test` does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation: Vec<String>,
    /// Clips to evaluate on.
    pub test: Vec<String>,
    /// SHA-256 of the sound of each clip in `train`, in hexadecimal digits; empty where they were not decoded before
    /// the first step, and in files of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub train_sha256: Vec<String>,
    /// The same for `validation`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation_sha256: Vec<String>,
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
        if (&self.train, &self.validation, &self.test) != (&now.train, &now.validation, &now.test) {
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
            (&self.validation, &self.validation_sha256, &now.validation_sha256),
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

/// The clips of each part, as places among those that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) train: Vec<usize>,
    /// Clips that choose the epoch; empty where those of `test` do.
    pub(crate) validation: Vec<usize>,
    pub(crate) test: Vec<usize>,
}

/// Which of the clips that can be used a training keeps for evaluation: by `split_by`, `test_size` and the seed of its recipe. What
/// chooses the epoch is in neither part.
///
/// # Errors
/// When they cannot be split so.
pub fn draw_split(
    recipe: &Recipe,
    dataset: &AudioDataset,
    clips: &[Clip],
) -> Result<Split, earmark_data::Error> {
    let Parts { train, test, .. } = draw_parts(recipe, dataset, clips)?;
    Ok(Split { train, test })
}

/// Which of the clips that can be used are kept for evaluation, and which of the others to choose the epoch by.
pub(crate) fn draw_parts(
    recipe: &Recipe,
    dataset: &AudioDataset,
    clips: &[Clip],
) -> Result<Parts, earmark_data::Error> {
    let all: Vec<usize> = (0..clips.len()).collect();
    let size = if recipe.test_size < 1.0 {
        TestSize::Fraction(recipe.test_size)
    } else {
        TestSize::Count(recipe.test_size as usize)
    };
    let Split { train, test } = draw(recipe, dataset, clips, &all, &recipe.split_by, size)?;
    let (split_by, size) = match (recipe.val_from_train, &recipe.split_by) {
        (ValFromTrain::None, _) => return Ok(Parts { train, validation: Vec::new(), test }),
        (ValFromTrain::Share(share), SplitBy::Published) => (SplitBy::Random, TestSize::Fraction(share)),
        (ValFromTrain::Share(share), split_by) => (split_by.clone(), TestSize::Fraction(share)),
        (ValFromTrain::Fold, SplitBy::Fold(field, value)) => {
            let folds = of(dataset, clips, &train).groups(field)?;
            let next = next_fold(&folds, value).unwrap_or_default();
            (SplitBy::Fold(field.clone(), next.to_owned()), size)
        }
        (ValFromTrain::Fold | ValFromTrain::Group, split_by) => (split_by.clone(), size),
    };
    let Split { train, test: validation } = draw(recipe, dataset, clips, &train, &split_by, size)?;
    Ok(Parts { train, validation, test })
}

/// Divides the `rows` of `clips`.
fn draw(
    recipe: &Recipe,
    dataset: &AudioDataset,
    clips: &[Clip],
    rows: &[usize],
    split_by: &SplitBy,
    size: TestSize,
) -> Result<Split, earmark_data::Error> {
    // Those left out because they cannot be used belong to no group.
    let groups = |field: &str| of(dataset, clips, rows).groups(field);
    let seed = recipe.split_seed();
    let Split { train, test } = match split_by {
        SplitBy::Random => train_test_split(rows.len(), size, seed)?,
        SplitBy::Stratified => {
            let labels: Vec<LabelId> = rows.iter().map(|&row| clips[row].label).collect();
            stratified_split(&labels, size, seed)?
        }
        SplitBy::Group(field) => group_split(&groups(field)?, size, seed)?,
        SplitBy::Fold(field, value) => fold_split(&groups(field)?, value)?,
        SplitBy::Published => {
            let kept = |held_out: bool| {
                let places =
                    rows.iter().enumerate().filter(move |(_, row)| clips[**row].held_out == held_out);
                places.map(|(place, _)| place).collect::<Vec<_>>()
            };
            published_split(kept(false), kept(true))?
        }
    };
    let [train, test] = [train, test].map(|places| places.into_iter().map(|place| rows[place]).collect());
    Ok(Split { train, test })
}

/// The dataset with these clips alone.
fn of(dataset: &AudioDataset, clips: &[Clip], rows: &[usize]) -> AudioDataset {
    AudioDataset { clips: rows.iter().map(|&row| clips[row].clone()).collect(), ..dataset.clone() }
}

/// The fold after `fold` among `folds`, or the first where it is the last; numbers in their order.
fn next_fold<'a>(folds: &'a [String], fold: &str) -> Option<&'a str> {
    let order = |a: &str, b: &str| match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.cmp(b),
    };
    let folds = || folds.iter().map(String::as_str);
    let after = folds().filter(|it| order(it, fold) == Ordering::Greater);
    after.min_by(|a, b| order(a, b)).or_else(|| folds().min_by(|a, b| order(a, b)))
}

/// How many clips each class has among the `rows` of `clips`, in class order.
pub(crate) fn clips_per_class(clips: &[Clip], rows: &[usize], classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    for class in rows.iter().flat_map(|&row| clips[row].classes()) {
        counts[class.index()] += 1;
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
            ..SplitFile::default()
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

    #[test]
    fn the_fold_after_the_last_is_the_first_and_ten_comes_after_nine() {
        let folds = ["10", "9", "2", "10"].map(str::to_owned);
        assert_eq!(["2", "9", "10", "1"].map(|fold| next_fold(&folds, fold).unwrap()), ["9", "10", "2", "2"]);
        let folds = ["b", "a"].map(str::to_owned);
        assert_eq!(["a", "b", "c"].map(|fold| next_fold(&folds, fold).unwrap()), ["b", "a", "a"]);
    }

    /// Twelve clips of two classes, three speakers and four folds.
    fn dataset() -> AudioDataset {
        use earmark_labels::LabelSet;
        let clip = |i: usize| {
            let mut clip = Clip::new(format!("{i}.wav"), format!("{i}.wav"), LabelId::new(i % 2));
            clip.fields.insert("speaker".into(), ["ada", "bo", "cy"][i % 3].into());
            clip.fields.insert("fold".into(), (i / 3 + 1).to_string().into());
            clip
        };
        let labels = LabelSet::from_names(["a", "b"]).unwrap();
        AudioDataset {
            name: "data".into(),
            root: "data".into(),
            clips: (0..12).map(clip).collect(),
            labels,
            classes_from: String::new(),
            splits: Vec::new(),
            info: Default::default(),
            skipped: Vec::new(),
            remarks: Vec::new(),
        }
    }

    fn parts(split_by: &str, val_from_train: &str) -> Parts {
        let recipe = Recipe {
            split_by: split_by.parse().unwrap(),
            val_from_train: val_from_train.parse().unwrap(),
            test_size: 0.25,
            ..Recipe::new("name", "model", "data")
        };
        recipe.validate().unwrap();
        let dataset = dataset();
        let parts = draw_parts(&recipe, &dataset, &dataset.clips).unwrap();
        let mut all = [&parts.train[..], &parts.validation, &parts.test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..12).collect::<Vec<_>>());
        // What is held out is the same with validation clips and without.
        let without = Recipe { val_from_train: ValFromTrain::None, ..recipe };
        assert_eq!(draw_parts(&without, &dataset, &dataset.clips).unwrap().test, parts.test);
        parts
    }

    #[test]
    fn validation_clips_come_from_the_training_clips_and_belong_together_as_the_held_out_ones() {
        assert!(parts("random", "").validation.is_empty());
        assert_eq!(parts("random", "0.3").validation.len(), 3);
        let stratified = parts("stratified", "0.25").validation;
        assert!([0, 1].iter().all(|class| stratified.iter().any(|row| row % 2 == *class)), "{stratified:?}");
        let folds = parts("fold:fold=4", "fold");
        assert_eq!((folds.validation, folds.test), (vec![0, 1, 2], vec![9, 10, 11]));
        for by_speaker in [parts("group:speaker", "group"), parts("group:speaker", "0.3")] {
            let speakers =
                |rows: &[usize]| rows.iter().map(|row| row % 3).collect::<std::collections::BTreeSet<_>>();
            assert!(speakers(&by_speaker.validation).is_disjoint(&speakers(&by_speaker.train)));
            assert_eq!(by_speaker.validation.len(), 4);
        }
    }
}
