//! How often 95 % intervals hold the true accuracy, on synthetic clips that belong together.
//!
//! A dataset has some groups, such as recordings. The accuracy of each group is drawn from a beta distribution whose mean is the true
//! accuracy and whose spread is set by the intraclass correlation; its number of clips is geometric; each clip is right with the
//! accuracy of its group. The interval of the dataset's accuracy should hold the true one in 95 of 100 datasets.
//!
//! The table of the README: `cargo test --release --workspace --test eval -- --nocapture coverage`.

use earmark_eval::{Bootstrap, Clusters, accuracy_interval, wilson_interval};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Beta, Distribution as _, Geometric};
use rayon::prelude::*;

const DATASETS: u64 = 1_000;

struct Setting {
    groups: usize,
    clips_per_group: f64,
    accuracy: f64,
    correlation: f64,
}

/// Shares of datasets, in per cent, whose interval holds the true accuracy.
#[derive(Debug)]
struct Coverage {
    clustered: f64,
    naive: f64,
}

fn coverage(seed: u64, setting: impl Fn(&mut ChaCha8Rng) -> Setting + Sync) -> Coverage {
    let covered = |dataset: u64| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(dataset);
        let Setting { groups, clips_per_group, accuracy, correlation } = setting(&mut rng);
        let concentration = 1.0 / correlation - 1.0;
        let of_group = Beta::new(accuracy * concentration, (1.0 - accuracy) * concentration).unwrap();
        let more_clips = Geometric::new(1.0 / clips_per_group).unwrap();
        let (mut keys, mut correct) = (Vec::new(), Vec::new());
        for group in 0..groups {
            let right = of_group.sample(&mut rng);
            for _ in 0..=more_clips.sample(&mut rng) {
                keys.push(group);
                correct.push(rng.random_bool(right));
            }
        }
        let bootstrap = Bootstrap { replicates: 1_000, seed: dataset };
        let interval = accuracy_interval(&correct, &Clusters::new(&keys), &bootstrap).unwrap();
        let [low, high] =
            wilson_interval(correct.iter().filter(|&&right| right).count() as u64, correct.len() as u64);
        let holds = |low: f64, high: f64| low <= accuracy && accuracy <= high;
        (holds(interval.low, interval.high), holds(low, high))
    };
    let covered: Vec<(bool, bool)> = (0..DATASETS).into_par_iter().map(covered).collect();
    let per_cent = |count: usize| 100.0 * count as f64 / DATASETS as f64;
    Coverage {
        clustered: per_cent(covered.iter().filter(|(clustered, _)| *clustered).count()),
        naive: per_cent(covered.iter().filter(|(_, naive)| *naive).count()),
    }
}

#[test]
fn coverage_of_the_cluster_bootstrap_is_93_to_97_per_cent_where_the_naive_interval_has_far_less() {
    let coverage = coverage(19, |rng| Setting {
        groups: rng.random_range(30..=150),
        clips_per_group: rng.random_range(2.0..12.0),
        accuracy: rng.random_range(0.6..0.9),
        correlation: rng.random_range(0.1..0.4),
    });
    println!("30 to 150 groups: {coverage:?}");
    assert!((93.0..=97.0).contains(&coverage.clustered), "{coverage:?}");
    assert!(coverage.naive < 80.0, "{coverage:?}");
}

/// Groups, true accuracy, and the shares of 1,000 datasets whose clustered and whose naive interval holds it, as in the README.
const TABLE: [(usize, f64, f64, f64); 6] = [
    (10, 0.8, 93.7, 77.4),
    (20, 0.8, 93.6, 73.6),
    (50, 0.8, 95.4, 71.0),
    (200, 0.8, 93.8, 72.2),
    (50, 0.95, 89.7, 70.8),
    (200, 0.95, 93.8, 71.4),
];

#[test]
fn coverage_by_the_number_of_groups_is_what_the_readme_tells() {
    let mut wrong = Vec::new();
    for (groups, accuracy, clustered, naive) in TABLE {
        let got = coverage(7, |_| Setting { groups, clips_per_group: 5.0, accuracy, correlation: 0.3 });
        println!("{groups} groups, accuracy {accuracy}: {got:?}");
        // The draws are the same everywhere; the last bit of a logarithm need not be.
        if (got.clustered - clustered).abs() > 0.5 || (got.naive - naive).abs() > 0.5 {
            wrong.push(format!("{groups} groups, accuracy {accuracy}: {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let readme = include_str!("../../README.md");
    for (groups, accuracy, clustered, naive) in TABLE {
        let row = format!("| {groups} | {accuracy} | {clustered:.1} % | {naive:.1} % |");
        assert!(readme.contains(&row), "the README has no row {row}");
    }
}
