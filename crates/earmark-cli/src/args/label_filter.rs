//! Which of a model's labels results may have, and from which score on.

use std::path::PathBuf;

use clap::Args;

/// Which of a model's labels results may have, and from which score on.
#[derive(Debug, Default, Args)]
pub(crate) struct LabelFilterArgs {
    /// Hide labels below this score [default: show all].
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    pub(crate) threshold: Option<f32>,

    /// Thresholds per label: a csv file with the columns label and threshold. Other labels use --threshold.
    #[arg(long, value_name = "FILE.csv", help_heading = "Labels")]
    pub(crate) thresholds: Option<PathBuf>,

    /// Keep only these labels: a file with one a line, or labels with commas between them (quote a label that has a comma).
    /// Applied before --top-k.
    #[arg(long, value_name = "FILE|A,B,…", help_heading = "Labels")]
    pub(crate) only_labels: Vec<String>,

    /// Leave these labels out; given as for --only-labels.
    #[arg(long, value_name = "FILE|A,B,…", help_heading = "Labels")]
    pub(crate) except_labels: Vec<String>,
}
