//! The strength of regularisation, by cross-validation.

use rayon::prelude::*;

use super::fit::{Fitting, Probe};

/// The strengths that are tried, as their inverse C, from strong to weak.
pub const STRENGTHS: [f64; 6] = [1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2];

/// The C of [`STRENGTHS`] with the highest mean accuracy over the folds, each predicted by a probe that is fitted on the others; of
/// equals the smallest, as scikit-learn's `LogisticRegressionCV` has it. `folds` has each row's.
///
/// `None` when there are not two folds.
///
/// # Panics
/// As [`Probe::fit`].
pub fn choose_c(rows: &[&[f32]], labels: &[usize], classes: usize, folds: &[usize]) -> Option<f64> {
    let count = folds.iter().max().map_or(0, |last| last + 1);
    let used: Vec<usize> = (0..count).filter(|fold| folds.contains(fold)).collect();
    if used.len() < 2 {
        return None;
    }
    let of_fold = |&fold: &usize| -> Vec<f64> {
        let (held_out, kept): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(|&row| folds[row] == fold);
        let kept_rows: Vec<&[f32]> = kept.iter().map(|&row| rows[row]).collect();
        let kept_labels: Vec<usize> = kept.iter().map(|&row| labels[row]).collect();
        let mut fitting = Fitting::new(&kept_rows, &kept_labels, classes);
        let accuracy = |&c: &f64| {
            let probe: Probe = fitting.fit(c);
            let correct = held_out.iter().filter(|&&row| probe.predict(rows[row]) == labels[row]).count();
            correct as f64 / held_out.len() as f64
        };
        STRENGTHS.iter().map(accuracy).collect()
    };
    let accuracies: Vec<Vec<f64>> = used.par_iter().map(of_fold).collect();
    let mean = |strength: usize| accuracies.iter().map(|fold| fold[strength]).sum::<f64>();
    let best = (1..STRENGTHS.len()).fold(0, |best, next| if mean(next) > mean(best) { next } else { best });
    Some(STRENGTHS[best])
}
