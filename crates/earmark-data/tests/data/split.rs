//! Orders against numpy, torch and datasets. Regenerate: `python tests/golden/make.py`. All comparisons are exact.

use std::fs::File;

use earmark_data::{ErrorKind, TestSize, permutation, torch_randperm, train_test_split};
use earmark_testkit::reference;
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
fn a_split_that_leaves_one_part_empty_is_refused() {
    let refusal = |n, size| train_test_split(n, size, 42).expect_err("one part is empty").kind;
    assert!(matches!(refusal(5, TestSize::Count(5)), ErrorKind::EmptyPart { train: 0, test: 5, .. }));
    assert!(matches!(refusal(0, TestSize::Fraction(0.1)), ErrorKind::EmptyPart { train: 0, test: 0, .. }));
    assert!(matches!(refusal(5, TestSize::Count(usize::MAX)), ErrorKind::EmptyPart { train: 0, .. }));
    for part in [0.0, 1.0, -0.1, 1.5, f64::NAN, f64::INFINITY] {
        assert!(matches!(refusal(5, TestSize::Fraction(part)), ErrorKind::NotAFraction(_)), "{part}");
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
