//! Orders against numpy, torch and datasets. Regenerate: `python tests/golden/make.py`. All comparisons are exact.

use std::fs::File;

use earmark_data::{
    ErrorKind, PartSize, Split, SplitSizes, TestSize, fold_split, group_split, k_folds, permutation, shuffle,
    split_in_order, stratified_split, torch_randperm, train_test_split,
};
use earmark_labels::LabelId;
use earmark_testkit::reference;
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(Deserialize)]
struct Orders {
    gtzan: Vec<usize>,
    permutations: Vec<Order>,
    randperms: Vec<Order>,
    splits: Vec<SplitCase>,
}

#[derive(Deserialize)]
struct Order {
    n: usize,
    seed: u64,
    #[serde(flatten)]
    order: Summary,
}

#[derive(Deserialize)]
struct SplitCase {
    n: usize,
    test_size: Value,
    seed: u64,
    /// `None` where datasets raises a `ValueError`.
    parts: Option<Parts>,
}

#[derive(Deserialize)]
struct Parts {
    train: Summary,
    test: Summary,
}

#[derive(Deserialize)]
struct Splits {
    parts: Vec<PartCase>,
    stratified: Vec<StratifiedCase>,
    shuffles: Vec<ShuffleCase>,
}

#[derive(Debug, Deserialize)]
struct PartCase {
    n: usize,
    seed: u64,
    shuffle: bool,
    test_size: Option<Value>,
    train_size: Option<Value>,
    parts: Option<EndsOfParts>,
}

#[derive(Debug, Deserialize)]
struct StratifiedCase {
    n: usize,
    /// Clip `i` has class `classes[(i * i + 3 * i) / 2 % classes.len()]`.
    classes: Vec<usize>,
    seed: u64,
    test_size: Option<Value>,
    train_size: Option<Value>,
    parts: Option<EndsOfParts>,
}

#[derive(Debug, Deserialize)]
struct ShuffleCase {
    n: usize,
    seed: u64,
    #[serde(flatten)]
    order: Ends,
}

#[derive(Debug, PartialEq, Deserialize)]
struct EndsOfParts {
    train: Ends,
    test: Ends,
}

impl EndsOfParts {
    fn of(split: &Split) -> EndsOfParts {
        EndsOfParts { train: Ends::of(&split.train), test: Ends::of(&split.test) }
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct Ends {
    clips: usize,
    first: Vec<usize>,
    last: Vec<usize>,
    digest: u64,
}

impl Ends {
    fn of(order: &[usize]) -> Ends {
        let ends = order.len().min(2);
        Ends {
            clips: order.len(),
            first: order[..ends].to_vec(),
            last: order[order.len() - ends..].to_vec(),
            digest: Summary::of(order).digest,
        }
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct Summary {
    first: Vec<usize>,
    digest: u64,
}

impl Summary {
    fn of(order: &[usize]) -> Summary {
        let digest = order.iter().fold(0u64, |h, &x| h.wrapping_mul(31).wrapping_add(x as u64 + 1));
        Summary { first: order.iter().copied().take(3).collect(), digest }
    }
}

fn json<T: DeserializeOwned>(path: impl AsRef<std::path::Path>) -> T {
    serde_json::from_reader(File::open(path).unwrap()).unwrap()
}

fn orders() -> Orders {
    json(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/orders.json"))
}

fn splits() -> Splits {
    json(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/splits.json"))
}

fn sizes(train: Option<&Value>, test: Option<&Value>) -> SplitSizes {
    match (train.map(test_size), test.map(test_size)) {
        (None, Some(test)) => SplitSizes::Test(test),
        (Some(train), None) => SplitSizes::Train(train),
        (Some(train), Some(test)) => SplitSizes::Both { train, test },
        (None, None) => panic!("a case without a size"),
    }
}

/// A test size as Python writes it: a whole number counts clips.
fn test_size(value: &Value) -> TestSize {
    match value.as_u64() {
        Some(clips) => TestSize::Count(clips as usize),
        None => TestSize::Fraction(value.as_f64().unwrap()),
    }
}

#[test]
fn permutation_is_numpys() {
    let golden = orders();
    assert_eq!(permutation(999, 42), golden.gtzan);
    assert!(golden.permutations.len() > 150);
    for Order { n, seed, order } in golden.permutations {
        assert_eq!(Summary::of(&permutation(n, seed)), order, "n = {n}, seed = {seed}");
    }
}

#[test]
fn randperm_is_torchs() {
    let golden = orders();
    assert!(golden.randperms.len() > 150);
    for Order { n, seed, order } in golden.randperms {
        assert_eq!(Summary::of(&torch_randperm(n, seed)), order, "n = {n}, seed = {seed}");
    }
}

#[test]
fn the_split_and_its_refusals_are_those_of_datasets() {
    let golden = orders();
    assert!(golden.splits.iter().filter(|case| case.parts.is_none()).count() > 3);
    for SplitCase { n, test_size: size, seed, parts } in golden.splits {
        let got = train_test_split(n, test_size(&size), seed);
        let got = got.ok().map(|split| (Summary::of(&split.train), Summary::of(&split.test)));
        let want = parts.map(|parts| (parts.train, parts.test));
        assert_eq!(got, want, "n = {n}, test_size = {size}, seed = {seed}");
    }
}

#[test]
fn train_and_test_sizes_in_any_order_are_those_of_datasets() {
    let cases = splits().parts;
    assert!(cases.len() > 200 && cases.iter().filter(|case| case.parts.is_none()).count() > 20);
    assert!(cases.iter().filter(|case| !case.shuffle && case.parts.is_some()).count() > 20);
    for case in cases {
        let sizes = sizes(case.train_size.as_ref(), case.test_size.as_ref());
        let got = match case.shuffle {
            true => train_test_split(case.n, sizes, case.seed),
            false => split_in_order(case.n, sizes),
        };
        assert_eq!(got.ok().as_ref().map(EndsOfParts::of), case.parts, "{case:?}");
    }
}

#[test]
fn stratified_splits_and_their_refusals_are_those_of_datasets() {
    let cases = splits().stratified;
    assert!(cases.iter().filter(|case| case.parts.is_some()).count() > 60);
    assert!(cases.iter().filter(|case| case.parts.is_none()).count() > 10);
    for case in cases {
        let class = |i: usize| LabelId::new(case.classes[(i * i + 3 * i) / 2 % case.classes.len()]);
        let labels: Vec<LabelId> = (0..case.n).map(class).collect();
        let sizes = sizes(case.train_size.as_ref(), case.test_size.as_ref());
        let got = stratified_split(&labels, sizes, case.seed);
        assert_eq!(got.ok().as_ref().map(EndsOfParts::of), case.parts, "{case:?}");
    }
}

#[test]
fn shuffle_is_that_of_datasets() {
    let cases = splits().shuffles;
    assert!(cases.len() >= 40);
    for ShuffleCase { n, seed, order } in cases {
        assert_eq!(Ends::of(&shuffle(n, seed)), order, "n = {n}, seed = {seed}");
    }
}

/// Labels by their ids.
fn labels(ids: &[usize]) -> Vec<LabelId> {
    ids.iter().copied().map(LabelId::new).collect()
}

#[test]
fn a_stratified_split_names_the_class_that_has_one_clip() {
    let error = stratified_split(&labels(&[0, 0, 7, 2, 2]), TestSize::Count(3), 0).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::LoneClip { class } if class == LabelId::new(7)));
    assert_eq!(
        super::told(&error),
        "cannot split 5 clips into train and test: class 7 has only 1 clip, and a stratified split needs 2 of each class; add one or \
         drop the class"
    );
}

#[test]
fn a_stratified_part_has_room_for_every_class() {
    let ids: Vec<usize> = (0..30).map(|i| i % 3).collect();
    let refusal = |size: SplitSizes| stratified_split(&labels(&ids), size, 0).unwrap_err().kind;
    let test = refusal(SplitSizes::Test(PartSize::Count(2)));
    assert!(matches!(test, ErrorKind::FewerThanClasses { part: "test", clips: 2, classes: 3 }));
    let train = refusal(SplitSizes::Train(PartSize::Count(2)));
    assert!(matches!(train, ErrorKind::FewerThanClasses { part: "training", clips: 2, classes: 3 }));
}

/// Pins the draw: a released split must not move under those who published scores on it.
#[test]
fn groups_are_drawn_whole_in_the_order_of_the_permutation() {
    let artists = ["abba", "blur", "cake", "blur", "dire", "cake", "abba", "blur"];
    assert_eq!(permutation(4, 42), [3, 2, 1, 0]);
    let split = |size| group_split(&artists, size, 42).unwrap();
    assert_eq!(split(TestSize::Count(1)).test, [4]);
    assert_eq!(split(TestSize::Count(2)).test, [2, 4, 5]); // `dire` has one clip, so `cake` comes whole
    assert_eq!(split(TestSize::Count(3)), split(TestSize::Fraction(0.25)));
    assert_eq!(split(TestSize::Count(4)).train, [0, 6]);
}

#[test]
fn groups_that_cannot_be_kept_apart_are_refused() {
    let refusal = |groups: &[u8], size| group_split(groups, size, 42).unwrap_err();
    assert!(matches!(refusal(&[5; 9], TestSize::Fraction(0.1)).kind, ErrorKind::OneGroup));
    let greedy = refusal(&[1, 1, 2, 2], TestSize::Count(3));
    assert_eq!(
        super::told(&greedy),
        "cannot split 4 clips into train and test: a test size of 3 clips takes all 2 groups, as groups are never split, and leaves none to train on; lower \
         it, or try another seed"
    );
    assert!(matches!(refusal(&[], TestSize::Fraction(0.1)).kind, ErrorKind::EmptyPart { .. }));
    assert!(matches!(refusal(&[1, 2], TestSize::Fraction(2.0)).kind, ErrorKind::NotAFraction { .. }));
}

#[test]
fn a_fold_is_tested_and_the_others_are_trained_on() {
    let folds = [1, 2, 3, 1, 2, 5];
    let split = fold_split(&folds, &1).unwrap();
    assert_eq!((split.test, split.train), (vec![0, 3], vec![1, 2, 4, 5]));

    let missing = fold_split(&folds, &4).unwrap_err();
    assert_eq!(
        super::told(&missing),
        "cannot split 6 clips into train and test: no clip is in fold 4; the folds are 1, 2, 3, 5"
    );
    assert!(matches!(fold_split(&[1, 1], &1).unwrap_err().kind, ErrorKind::OneFold { .. }));
    assert!(matches!(k_folds(&[1, 1]).unwrap_err().kind, ErrorKind::OneFold { .. }));
    assert!(matches!(k_folds::<u8>(&[]).unwrap_err().kind, ErrorKind::NoFolds));
}

#[test]
fn a_split_that_leaves_one_part_empty_is_refused() {
    let refusal = |n, size| train_test_split(n, size, 42).expect_err("one part is empty").kind;
    assert!(matches!(refusal(5, TestSize::Count(5)), ErrorKind::EmptyPart { train: 0, test: 5, .. }));
    assert!(matches!(refusal(0, TestSize::Fraction(0.1)), ErrorKind::EmptyPart { train: 0, test: 0, .. }));
    assert!(matches!(refusal(5, TestSize::Count(usize::MAX)), ErrorKind::EmptyPart { train: 0, .. }));
    for part in [0.0, 1.0, -0.1, 1.5, f64::NAN, f64::INFINITY] {
        assert!(matches!(refusal(5, TestSize::Fraction(part)), ErrorKind::NotAFraction { .. }), "{part}");
    }
}

/// The course's split of GTZAN, name by name. The committed golden has the same order as numbers.
#[test]
fn gtzan_splits_as_in_the_course() {
    let clips: Vec<String> = super::gtzan::clip_names().collect();
    let split = train_test_split(clips.len(), TestSize::Fraction(0.1), 42).unwrap();
    assert_eq!((split.train.len(), split.test.len()), (899, 100));
    assert_eq!(clips[split.train[0]], "pop/pop.00098.wav"); // the example the course prints

    let Some(path) = reference("gtzan_splits_as_in_the_course", "gtzan_course_split_seed42.json") else {
        return;
    };
    #[derive(Deserialize)]
    struct Course {
        train: Vec<String>,
        test: Vec<String>,
    }
    let course: Course = json(path);
    let named = |part: &[usize]| part.iter().map(|&i| format!("genres/{}", clips[i])).collect::<Vec<_>>();
    assert_eq!(named(&split.train), course.train);
    assert_eq!(named(&split.test), course.test);
}

#[test]
fn reference_orders_are_reproduced_whole() {
    let Some(path) = reference("reference_orders_are_reproduced_whole", "cases/data_order.json") else {
        return;
    };
    let cases: std::collections::BTreeMap<String, Value> = json(path);
    assert!(cases.len() >= 12);
    for (name, want) in cases {
        let number = |key: &str| -> Option<f64> {
            let (_, rest) = name.split_once(&format!("{key}="))?;
            rest.split([' ', '(']).next()?.parse().ok()
        };
        let (n, seed) = (number(" n").unwrap() as usize, number("seed").unwrap() as u64);
        let got = if name.starts_with("train_test_split") {
            let size = number("test_size").unwrap();
            let size = if size < 1.0 { TestSize::Fraction(size) } else { TestSize::Count(size as usize) };
            let split = train_test_split(n, size, seed).unwrap();
            serde_json::json!({ "train": split.train, "test": split.test })
        } else if name.starts_with("Dataset.shuffle") {
            permutation(n, seed).into()
        } else {
            torch_randperm(n, seed + number("epoch").unwrap() as u64).into()
        };
        assert_eq!(got, want, "{name}");
    }
}

fn part_size() -> impl Strategy<Value = PartSize> {
    prop_oneof![(0.001..0.999).prop_map(PartSize::Fraction), (1usize..400).prop_map(PartSize::Count)]
}

fn split_sizes() -> impl Strategy<Value = SplitSizes> {
    prop_oneof![
        part_size().prop_map(SplitSizes::Test),
        part_size().prop_map(SplitSizes::Train),
        (part_size(), part_size()).prop_map(|(train, test)| SplitSizes::Both { train, test }),
    ]
}

/// How many clips a part of this size has, of `n`; the test part is rounded up.
fn clips(size: PartSize, n: usize, round: fn(f64) -> f64) -> usize {
    match size {
        PartSize::Fraction(share) => round(share * n as f64) as usize,
        PartSize::Count(clips) => clips,
    }
}

/// No clip twice, none that is not there, and as many as were asked for.
fn check(split: &Split, n: usize, sizes: SplitSizes) -> Result<(), TestCaseError> {
    let mut rows: Vec<usize> = split.train.iter().chain(&split.test).copied().collect();
    rows.sort_unstable();
    prop_assert!(rows.windows(2).all(|pair| pair[0] < pair[1]) && rows.last() < Some(&n));
    prop_assert!(!split.train.is_empty() && !split.test.is_empty());
    match sizes {
        SplitSizes::Test(test) => {
            prop_assert_eq!((split.test.len(), rows.len()), (clips(test, n, f64::ceil), n));
        }
        SplitSizes::Train(train) => {
            prop_assert_eq!((split.train.len(), rows.len()), (clips(train, n, f64::floor), n));
        }
        SplitSizes::Both { train, test } => {
            let wanted = (clips(train, n, f64::floor), clips(test, n, f64::ceil));
            prop_assert_eq!((split.train.len(), split.test.len()), wanted);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_clip_is_in_both_parts_and_the_sizes_hold(n in 0usize..400, sizes in split_sizes(), seed: u64) {
        if let Ok(split) = train_test_split(n, sizes, seed) {
            check(&split, n, sizes)?;
            // Unshuffled, the same parts are the clips in their own order.
            let in_order = split_in_order(n, sizes).unwrap();
            check(&in_order, n, sizes)?;
            prop_assert!(in_order.train.into_iter().chain(in_order.test).is_sorted());
        }
    }

    /// Each class is off its exact share by less than one clip, in the training part; where the test part is the rest,
    /// so is that.
    #[test]
    fn a_stratified_split_keeps_the_share_of_each_class(
        ids in prop::collection::vec(0usize..6, 2..300), sizes in split_sizes(), seed: u64,
    ) {
        if let Ok(split) = stratified_split(&labels(&ids), sizes, seed) {
            check(&split, ids.len(), sizes)?;
            for class in 0..6 {
                let of = |part: &[usize]| part.iter().filter(|&&row| ids[row] == class).count() as f64;
                let all = ids.iter().filter(|&&id| id == class).count() as f64;
                let share = |part: &[usize]| all * part.len() as f64 / ids.len() as f64;
                prop_assert!((of(&split.train) - share(&split.train)).abs() < 1.0);
                if !matches!(sizes, SplitSizes::Both { .. }) {
                    prop_assert!((of(&split.test) - share(&split.test)).abs() < 1.0);
                }
            }
        }
    }

    #[test]
    fn no_group_is_on_both_sides(
        groups in prop::collection::vec(0u8..12, 1..200), test in part_size(), seed: u64,
    ) {
        if let Ok(split) = group_split(&groups, test, seed) {
            let mut rows: Vec<usize> = split.train.iter().chain(&split.test).copied().collect();
            rows.sort_unstable();
            prop_assert_eq!(rows, (0..groups.len()).collect::<Vec<_>>());
            let tested = |group: u8| split.test.iter().any(|&row| groups[row] == group);
            prop_assert!(!split.train.is_empty());
            prop_assert!(split.train.iter().all(|&row| !tested(groups[row])));

            let wanted = clips(test, groups.len(), f64::ceil);
            prop_assert!(split.test.len() >= wanted);
            // Without its last group, some group of the test part, it would be too small.
            let size = |group: u8| groups.iter().filter(|&&g| g == group).count();
            prop_assert!((0..12).any(|group| tested(group) && split.test.len() - size(group) < wanted));
        }
    }

    #[test]
    fn every_clip_is_tested_in_one_of_the_folds(folds in prop::collection::vec(0u8..6, 1..100)) {
        if let Ok(splits) = k_folds(&folds) {
            let mut tested = Vec::new();
            for (fold, split) in splits {
                prop_assert!(split.test.iter().all(|&row| folds[row] == *fold));
                prop_assert!(split.train.iter().all(|&row| folds[row] != *fold));
                prop_assert_eq!(split.train.len() + split.test.len(), folds.len());
                tested.extend(split.test);
            }
            tested.sort_unstable();
            prop_assert_eq!(tested, (0..folds.len()).collect::<Vec<_>>());
        } else {
            prop_assert!(folds.iter().all(|fold| *fold == folds[0]));
        }
    }
}
