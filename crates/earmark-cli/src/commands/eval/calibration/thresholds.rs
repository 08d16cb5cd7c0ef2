//! A threshold for each label, fitted on the clips of an evaluation.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use earmark_eval::{FittedThresholds, MultiLabel, Objective, ScoreMatrix, Thresholds};

use crate::commands::eval::record::About;
use crate::output::shell::argument;
use crate::output::tables::predictions::ClipPrediction;
use crate::output::training::list;
use crate::output::{columns, messages, stdout};

/// The table in the folder of an evaluation.
pub(in crate::commands::eval) const FILE: &str = "thresholds.csv";

/// Reads the value of a flag.
pub(in crate::commands::eval) fn objective(text: &str) -> Result<Objective, String> {
    let expected = "expected f1, or precision=P with P above 0 and at most 1, such as precision=0.9";
    text.parse().map_err(|_| expected.to_owned())
}

/// The scores of all clips so far: unlike the rest of an evaluation, a fit needs them all at once.
#[derive(Debug)]
pub(in crate::commands::eval) struct ThresholdFit {
    objective: Objective,
    labels: Vec<String>,
    /// Row after row, and whether the clip is of the class.
    scores: Vec<f64>,
    truth: Vec<bool>,
}

impl ThresholdFit {
    pub(in crate::commands::eval) fn new(objective: Objective, about: &About) -> ThresholdFit {
        ThresholdFit { objective, labels: about.labels.clone(), scores: Vec::new(), truth: Vec::new() }
    }

    pub(in crate::commands::eval) fn add(&mut self, clip: &ClipPrediction) {
        self.scores.extend(clip.scores.iter().map(|&score| f64::from(score)));
        self.truth.extend(self.labels.iter().map(|label| *label == clip.label));
    }

    pub(in crate::commands::eval) fn finish(self) -> Result<Fitted> {
        let scores = ScoreMatrix::new(self.labels.len(), self.scores)?;
        let clips = MultiLabel::new(scores, self.truth)?;
        let fitted = Thresholds::fit(&clips, &self.labels, self.objective)?;
        let counts = clips.counts(fitted.thresholds.values())?;
        let values = fitted.thresholds.labels().iter().zip(fitted.thresholds.values());
        let share = |ratio: Option<f64>| ratio.map_or_else(|| "–".to_owned(), |it| format!("{it:.3}"));
        let rows = values.zip(&counts).map(|((label, threshold), counts)| {
            let threshold =
                if threshold.is_finite() { format!("{threshold:.4}") } else { "never".to_owned() };
            let (precision, recall) = (share(counts.precision()), share(counts.recall()));
            [label.clone(), threshold, precision, recall, counts.support.to_string()]
        });
        let rows = rows.collect();
        Ok(Fitted { objective: self.objective, fitted, rows })
    }
}

/// Thresholds, and how well they do on the clips that they were fitted on.
#[derive(Debug)]
pub(in crate::commands::eval) struct Fitted {
    objective: Objective,
    fitted: FittedThresholds,
    /// Label, threshold, precision, recall, and clips of it.
    rows: Vec<[String; 5]>,
}

impl Fitted {
    pub(in crate::commands::eval) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        self.fitted.thresholds.write(&path)?;
        messages::note(format_args!("wrote {}", path.display()));
        Ok(())
    }

    /// Prints the table; `folder` is where the file is.
    pub(in crate::commands::eval) fn print(&self, folder: Option<&Path>) -> Result<()> {
        let objective = match self.objective {
            Objective::F1 => "for the highest F1".to_owned(),
            Objective::Precision(least) => format!("for a precision of at least {least}"),
        };
        let header = ["label", "threshold", "precision", "recall", "clips"];
        let table = columns::numeric(header, self.rows.iter().cloned());
        writeln!(
            stdout::stdout(),
            "\nthresholds {objective}, on the clips that they were fitted on:\n{table}"
        )
        .context("cannot print the thresholds")?;
        let FittedThresholds { without_clips, unreachable, .. } = &self.fitted;
        for (labels, why) in [(without_clips, "no clip is of"), (unreachable, "no threshold is enough for")] {
            if !labels.is_empty() {
                messages::warning(format_args!(
                    "{why} {}: `--thresholds` would never give {}",
                    list(labels),
                    if labels.len() == 1 { "it" } else { "them" }
                ));
            }
        }
        match folder {
            Some(folder) => messages::note(format_args!(
                "to classify with them, pass --thresholds {} to `earmark classify`",
                argument(&folder.join(FILE))
            )),
            None => messages::note(format_args!("pass -o DIR to write them to DIR/{FILE}")),
        }
        Ok(())
    }
}
