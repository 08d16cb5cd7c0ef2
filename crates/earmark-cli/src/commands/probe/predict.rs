//! What probes predict of the clips that they were not fitted on.

use anyhow::{Result, bail};
use earmark_train::{Probe, choose_c, draw_per_class, stratified_folds};
use rayon::prelude::*;
use serde::Serialize;

use super::args::{Args, Strength};
use super::clips::Round;

/// The embeddings of the clips that can be used, with what is known of each.
pub(super) struct Rows<'a> {
    pub(super) vectors: Vec<&'a [f32]>,
    pub(super) labels: Vec<usize>,
    /// What keeps clips together where a strength is chosen.
    pub(super) groups: Vec<Option<String>>,
    /// The names of the classes.
    pub(super) classes: &'a [String],
}

/// A probe that was fitted, and what it predicts.
#[derive(Debug, Serialize)]
pub(super) struct Fit {
    /// The fold or the part that it predicts.
    pub(super) part: String,
    /// The seed that drew its clips; nothing where it learned from all there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seed: Option<u64>,
    /// Clips that it was fitted on.
    pub(super) n: usize,
    /// The inverse of the strength of regularisation.
    pub(super) c: f64,
    /// The places of clips, with their logits.
    #[serde(skip)]
    pub(super) logits: Vec<(usize, Vec<f32>)>,
}

/// The strength where there are too few clips to choose one.
const USUAL: f64 = 1.0;

/// Every round of every draw; the rounds of a draw follow one another.
pub(super) fn predict(args: &Args, rows: &Rows<'_>, rounds: &[Round]) -> Result<Vec<Fit>> {
    let draws: Vec<(u64, &Round)> = (0..args.repeat.get() as u64)
        .flat_map(|draw| rounds.iter().map(move |round| (args.seed.wrapping_add(draw), round)))
        .collect();
    let fit = |&(seed, round): &(u64, &Round)| -> Result<Fit> {
        let train = rows.drawn(args, &round.split.train, seed)?;
        let probe = rows.fit(args, &train, seed)?;
        let logits = round.split.test.iter().map(|&row| (row, probe.logits(rows.vectors[row]))).collect();
        Ok(Fit {
            part: round.name.clone(),
            seed: args.per_class.map(|_| seed),
            n: train.len(),
            c: probe.c,
            logits,
        })
    };
    draws.par_iter().map(fit).collect()
}

impl Rows<'_> {
    /// The clips of a part that are learned from.
    fn drawn(&self, args: &Args, train: &[usize], seed: u64) -> Result<Vec<usize>> {
        let Some(count) = args.per_class else { return Ok(train.to_vec()) };
        draw_per_class(train, &self.labels, count.get(), seed).map_err(|(class, found)| {
            let class = &self.classes[class];
            anyhow::anyhow!("--per-class {count}: there are only {found} clips of `{class}` to learn from")
        })
    }

    /// The probe of some clips.
    pub(super) fn fit(&self, args: &Args, train: &[usize], seed: u64) -> Result<Probe> {
        let vectors: Vec<&[f32]> = train.iter().map(|&row| self.vectors[row]).collect();
        let labels: Vec<usize> = train.iter().map(|&row| self.labels[row]).collect();
        if labels.iter().all(|label| *label == labels[0]) {
            bail!(
                "every clip to learn from is of `{}`: there is nothing to tell apart",
                self.classes[labels[0]]
            );
        }
        let c = match args.c {
            Strength::C(c) => c,
            Strength::CrossValidated => {
                let groups: Vec<Option<String>> = train.iter().map(|&row| self.groups[row].clone()).collect();
                let folds = stratified_folds(&labels, &groups, seed);
                choose_c(&vectors, &labels, self.classes.len(), &folds).unwrap_or(USUAL)
            }
        };
        Ok(Probe::fit(&vectors, &labels, self.classes.len(), c))
    }
}
