//! Which of a model's labels results may have, and from which score on.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;

/// Longest list of labels, or table of thresholds, that is read.
const LIMIT: u64 = 16 << 20;

/// Which of a model's labels results may have, and from which score on.
#[derive(Debug, Default, Args)]
pub(crate) struct LabelFilterArgs {
    /// Hide labels below this score [default: show all].
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    pub(crate) threshold: Option<f32>,

    /// Thresholds per label: a csv file with the columns label and threshold, such as `earmark eval --fit-thresholds` writes.
    /// Labels that are not in it use --threshold; without that, every label must be in it.
    #[arg(long, value_name = "FILE.csv", help_heading = "Labels")]
    pub(crate) thresholds: Option<PathBuf>,

    /// Keep only these labels: a file with one label per line, or labels separated by commas (quote a label that has a
    /// comma). Applied before --top-k.
    #[arg(long, value_name = "FILE|A,B,…", help_heading = "Labels")]
    pub(crate) only_labels: Vec<String>,

    /// Leave out these labels; same form as --only-labels.
    #[arg(long, value_name = "FILE|A,B,…", help_heading = "Labels")]
    pub(crate) except_labels: Vec<String>,
}

/// The labels in a value of a flag: those of a file, one a line, or else those between commas, quoted where they have one.
pub(crate) fn labels_of(flag: &str, value: &str) -> Result<Vec<String>> {
    let labels: Vec<String> = if Path::new(value).is_file() {
        read_text(Path::new(value))?.lines().map(|line| line.trim().to_owned()).collect()
    } else {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(value.as_bytes());
        let mut record = csv::StringRecord::new();
        reader.read_record(&mut record).with_context(|| format!("cannot read {flag} {value}"))?;
        record.iter().map(|label| label.trim().to_owned()).collect()
    };
    Ok(labels.into_iter().filter(|label| !label.is_empty()).collect())
}

/// A text file; Excel and Notepad put a byte order mark first.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let text = earmark_fs::read_to_string(path, LIMIT)
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
