//! Which labels a model chooses from, and what its numbers are.

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use earmark_pipeline::HYPOTHESIS_TEMPLATE;

use crate::exit::usage;

/// What the numbers of a classifier are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScoresArg {
    Auto,
    Softmax,
    Sigmoid,
    None,
}

/// The labels that a CLAP model chooses from.
#[derive(Debug, Args)]
pub(crate) struct LabelArgs {
    /// Labels, separated by commas.
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', help_heading = "Labels")]
    labels: Vec<String>,

    /// One label, which may contain commas; can be repeated.
    #[arg(long, value_name = "LABEL", help_heading = "Labels")]
    label: Vec<String>,

    /// File with one label per line.
    #[arg(long, value_name = "FILE", help_heading = "Labels")]
    labels_file: Option<PathBuf>,

    /// Sentence made of each label, which replaces {}.
    #[arg(long, value_name = "TEXT", default_value = HYPOTHESIS_TEMPLATE, help_heading = "Labels")]
    pub(crate) template: String,
}

impl LabelArgs {
    /// Whether there are any.
    pub(crate) fn given(&self) -> bool {
        !self.labels.is_empty() || !self.label.is_empty() || self.labels_file.is_some()
    }

    /// All labels, each once.
    pub(crate) fn all(&self) -> Result<Vec<String>> {
        const LIMIT: u64 = 16 << 20;
        let from_file = match &self.labels_file {
            Some(path) => earmark_fs::read_to_string(path, LIMIT)
                .with_context(|| format!("cannot read `{}`", path.display()))?,
            None => String::new(),
        };
        // Excel and Notepad put a byte order mark first.
        let from_file = from_file.strip_prefix('\u{feff}').unwrap_or(&from_file);
        let all = self.labels.iter().chain(&self.label).map(String::as_str).chain(from_file.lines());
        let labels: Vec<String> =
            all.map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()).collect();
        if labels.is_empty() {
            return Err(usage(
                "no labels given: pass --labels \"dog,rain\", --label LABEL or --labels-file FILE",
            ));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = labels.iter().find(|label| !seen.insert(label.as_str())) {
            return Err(usage(format_args!("the label `{twice}` is given twice")));
        }
        Ok(labels)
    }
}
