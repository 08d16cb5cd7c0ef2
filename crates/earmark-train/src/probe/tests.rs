//! The probe against scikit-learn 1.9.1. Remake the golden: `cargo xtask goldens probe`.

use std::path::Path;

use earmark_testkit::{Golden, assert_close};

use super::*;
use crate::probe::strength::{STRENGTHS, choose_c};

/// Each C with a tolerance of its decisions: the worst difference seen is 6.1e-3 of 18, 3.5e-5 of 10 and 1.3e-6 of 1.9.
const STRENGTHS_TRIED: [(&str, f64, f32); 3] =
    [("weak", 100.0, 2e-2), ("usual", 1.0, 2e-4), ("strong", 0.01, 1e-5)];

const CASES: [(&str, usize); 3] = [("three", 3), ("two", 2), ("ten", 10)];

struct Case {
    golden: Golden,
    name: &'static str,
    classes: usize,
    rows: Vec<Vec<f32>>,
    labels: Vec<usize>,
    others: Vec<Vec<f32>>,
}

impl Case {
    fn open((name, classes): (&'static str, usize)) -> Case {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/probe.safetensors");
        let golden = Golden::open(path);
        let rows = |key: &str| {
            let key = format!("{name}.{key}");
            let width = golden.shape(&key)[1];
            golden.f32s(&key).chunks(width).map(<[f32]>::to_vec).collect::<Vec<_>>()
        };
        let (rows, others) = (rows("rows"), rows("others"));
        let labels = golden.f32s(&format!("{name}.labels")).iter().map(|&label| label as usize).collect();
        Case { golden, name, classes, rows, labels, others }
    }

    fn rows(&self) -> Vec<&[f32]> {
        self.rows.iter().map(Vec::as_slice).collect()
    }

    fn golden(&self, key: &str) -> Vec<f32> {
        self.golden.f32s(&format!("{}.{key}", self.name))
    }
}

#[test]
fn decisions_are_those_of_scikit_learn() {
    for case in CASES.map(Case::open) {
        for (strength, c, tolerance) in STRENGTHS_TRIED {
            let probe = Probe::fit(&case.rows(), &case.labels, case.classes, c);
            let want = case.golden(&format!("{strength}.decision"));
            let logits: Vec<Vec<f32>> = case.others.iter().map(|row| probe.logits(row)).collect();
            let got: Vec<f32> = match case.classes {
                // scikit-learn has one number for two classes: how much likelier the second is.
                2 => logits.iter().map(|row| row[1] - row[0]).collect(),
                // Logits are known up to a number that is added to all of a clip; scikit-learn's sum to 0 as ours do.
                _ => logits.concat(),
            };
            let worst = assert_close(&format!("{} {strength}", case.name), &got, &want, tolerance);
            println!("{} {strength}: {worst:e}", case.name);
        }
    }
}

#[test]
fn accuracy_is_scikit_learns_to_within_a_clip() {
    for case in CASES.map(Case::open) {
        let truth: Vec<usize> = case.golden("truth").iter().map(|&label| label as usize).collect();
        for (strength, c, _) in STRENGTHS_TRIED {
            let probe = Probe::fit(&case.rows(), &case.labels, case.classes, c);
            let decisions = case.golden(&format!("{strength}.decision"));
            let exact: Vec<usize> = match case.classes {
                2 => decisions.iter().map(|decision| usize::from(*decision > 0.0)).collect(),
                classes => decisions.chunks(classes).map(crate::evaluate::largest).collect(),
            };
            let theirs = case.golden(&format!("{strength}.predicted"));
            let correct = |predicted: &dyn Fn(usize) -> usize| {
                (0..truth.len()).filter(|&row| predicted(row) == truth[row]).count()
            };
            let ours = correct(&|row| probe.predict(&case.others[row]));
            let exact = correct(&|row| exact[row]);
            assert!(ours.abs_diff(exact) <= 1, "{} {strength}: {ours} and {exact}", case.name);
            // Where the penalty is weak, its own tolerance is up to four clips off its own minimum.
            let (theirs, most) =
                (correct(&|row| theirs[row] as usize), if strength == "weak" { 4 } else { 1 });
            assert!(ours.abs_diff(theirs) <= most, "{} {strength}: {ours} and {theirs}", case.name);
        }
    }
}

#[test]
fn a_class_without_rows_is_never_predicted_and_the_others_are_as_without_it() {
    let case = Case::open(CASES[0]);
    let shifted: Vec<usize> = case.labels.iter().map(|label| label + 1).collect();
    let (with, without) =
        (Probe::fit(&case.rows(), &shifted, 5, 1.0), Probe::fit(&case.rows(), &case.labels, 3, 1.0));
    for row in &case.others {
        let logits = with.logits(row);
        assert_eq!(logits[1..4], without.logits(row));
        assert!(logits[0] < -9e3 && logits[4] < -9e3, "{logits:?}");
    }
}

#[test]
fn rows_of_one_class_are_all_of_that_class() {
    let case = Case::open(CASES[0]);
    let probe = Probe::fit(&case.rows(), &vec![2; case.rows.len()], 3, 1.0);
    assert!(case.others.iter().all(|row| probe.predict(row) == 2));
}

#[test]
fn the_strength_is_the_most_accurate_on_the_folds() {
    let case = Case::open(CASES[2]);
    let folds: Vec<usize> = (0..case.rows.len()).map(|row| (row / 10) % 4).collect();
    let chosen = choose_c(&case.rows(), &case.labels, case.classes, &folds).unwrap();
    let accuracy = |c: f64| {
        let correct = (0..4).map(|fold| {
            let kept: Vec<usize> = (0..folds.len()).filter(|&row| folds[row] != fold).collect();
            let rows: Vec<&[f32]> = kept.iter().map(|&row| case.rows[row].as_slice()).collect();
            let labels: Vec<usize> = kept.iter().map(|&row| case.labels[row]).collect();
            let probe = Probe::fit(&rows, &labels, case.classes, c);
            let held_out = (0..folds.len()).filter(|&row| folds[row] == fold);
            held_out.filter(|&row| probe.predict(&case.rows[row]) == case.labels[row]).count()
        });
        correct.sum::<usize>()
    };
    let best = STRENGTHS.iter().map(|&c| accuracy(c)).max().unwrap();
    assert_eq!(accuracy(chosen), best);
    assert_eq!(choose_c(&case.rows(), &case.labels, case.classes, &vec![1; folds.len()]), None);
}
