//! The sentences that a CLAP model reads for each label.

use serde::{Deserialize, Serialize};

/// The sentences that a CLAP model reads for each label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Prompts {
    /// With `{}` where the label goes.
    pub(super) templates: Vec<String>,
    /// The labels as they stand in the templates, in the order of the model's outputs.
    pub(super) labels: Vec<String>,
}

impl Prompts {
    /// Underscores become spaces, unless labels are taken as they are: a sentence has none.
    pub(super) fn new(templates: &[String], labels: &[String], as_is: bool) -> Prompts {
        let labels = labels.iter().map(|label| if as_is { label.clone() } else { label.replace('_', " ") });
        Prompts { templates: templates.to_vec(), labels: labels.collect() }
    }
}
