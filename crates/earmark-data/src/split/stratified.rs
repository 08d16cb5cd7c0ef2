//! Splits that keep the share of each class: `stratify_by_column` of `Dataset.train_test_split`.
//!
//! Names are those of `datasets` 5.2.0 `utils/stratify.py`, which has them from scikit-learn.

use std::collections::BTreeMap;

use earmark_error::Context as _;
use earmark_labels::LabelId;

use crate::error::{Error, ErrorKind, Task};
use crate::random::Pcg64;
use crate::split::parts::{Split, part_sizes};
use crate::split::sizes::SplitSizes;

/// Splits clips of these classes so that each part has the classes in the proportions of the whole, as
/// `Dataset.train_test_split(…, stratify_by_column=…, seed=seed)` does. Each part is in shuffled order.
///
/// ```
/// use earmark_data::{TestSize, stratified_split};
/// use earmark_labels::LabelId;
///
/// let labels = [0, 0, 0, 0, 0, 0, 1, 1, 1].map(LabelId::new);
/// let split = stratified_split(&labels, TestSize::Count(3), 42)?;
/// let of_class_1 = split.test.iter().filter(|&&clip| labels[clip] == LabelId::new(1));
/// assert_eq!(of_class_1.count(), 1);
/// # Ok::<(), earmark_data::Error>(())
/// ```
///
/// # Errors
/// As [`train_test_split`](crate::train_test_split); and when a class has only one clip, or a part has fewer clips than
/// there are classes.
pub fn stratified_split(labels: &[LabelId], sizes: impl Into<SplitSizes>, seed: u64) -> Result<Split, Error> {
    let sizes = part_sizes(sizes.into(), labels.len());
    let split = sizes.and_then(|(train, test)| draw(labels, train, test, seed));
    split.context(Task::Split(labels.len()))
}

/// `stratified_shuffle_split_generate_indices`, its first split.
fn draw(labels: &[LabelId], n_train: usize, n_test: usize, seed: u64) -> Result<Split, ErrorKind> {
    // Ascending classes, as `numpy.unique` has them; a class without a clip is none.
    let mut classes: BTreeMap<LabelId, Vec<usize>> = BTreeMap::new();
    for (clip, &label) in labels.iter().enumerate() {
        classes.entry(label).or_default().push(clip);
    }
    if let Some((&class, _)) = classes.iter().find(|(_, clips)| clips.len() < 2) {
        return Err(ErrorKind::LoneClip { class });
    }
    for (part, clips) in [("training", n_train), ("test", n_test)] {
        if clips < classes.len() {
            return Err(ErrorKind::FewerThanClasses { part, clips, classes: classes.len() });
        }
    }

    let mut rng = Pcg64::seeded(seed);
    let counts: Vec<usize> = classes.values().map(Vec::len).collect();
    let train_counts = approximate_mode(&counts, n_train, &mut rng);
    let remaining: Vec<usize> = counts.iter().zip(&train_counts).map(|(all, train)| all - train).collect();
    let test_counts = approximate_mode(&remaining, n_test, &mut rng);

    let (mut train, mut test) = (Vec::with_capacity(n_train), Vec::with_capacity(n_test));
    for ((clips, n_train), n_test) in classes.values().zip(train_counts).zip(test_counts) {
        let order = rng.permutation(clips.len());
        let mut drawn = order.into_iter().map(|i| clips[i]);
        train.extend(drawn.by_ref().take(n_train));
        test.extend(drawn.take(n_test));
    }
    // Until here class after class.
    rng.shuffle(&mut train);
    rng.shuffle(&mut test);
    Ok(Split { train, test })
}

/// How many of `draws` fall on each class, as nearly in proportion to `counts` as whole numbers can be.
///
/// The fractions that are cut off decide which classes get one more, the largest first; among equals the generator does.
fn approximate_mode(counts: &[usize], draws: usize, rng: &mut Pcg64) -> Vec<usize> {
    let all: usize = counts.iter().sum();
    // One product and one division, in this order: another rounding would break ties that the reference has.
    let continuous: Vec<f64> = counts.iter().map(|&n| (draws * n) as f64 / all as f64).collect();
    let mut drawn: Vec<usize> = continuous.iter().map(|&share| share as usize).collect();
    let mut missing = draws - drawn.iter().sum::<usize>();

    let remainders: Vec<f64> = continuous.iter().map(|share| share - share.floor()).collect();
    let mut values = remainders.clone();
    values.sort_by(|a, b| b.total_cmp(a));
    values.dedup();
    for value in values {
        // Without this the generator would be asked for a choice of nothing.
        if missing == 0 {
            break;
        }
        let equals: Vec<usize> = (0..counts.len()).filter(|&class| remainders[class] == value).collect();
        let more = equals.len().min(missing);
        for i in rng.choice(equals.len(), more) {
            drawn[equals[i]] += 1;
        }
        missing -= more;
    }
    drawn
}
