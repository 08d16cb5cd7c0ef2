//! What becomes of each input: scored files and windows, and failures.

use earmark_audio::RecordingTime;
use earmark_labels::Prediction;
use serde::{Deserialize, Serialize};

/// The result of one file, or of one window of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Row {
    Scored {
        path: String,
        duration: f64,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        start: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        end: Option<f64>,
        /// When it begins, in ISO 8601, where that is asked for and known.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        time: Option<String>,
        predictions: Vec<Prediction>,
    },
    Failed {
        path: String,
        error: String,
    },
}

/// The result of one input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct InputResult {
    /// The input's name.
    pub(crate) input: String,
    /// How long it plays, in seconds; nothing where it failed.
    pub(crate) duration: Option<f64>,
    pub(crate) rows: Vec<Row>,
}

impl Row {
    pub(crate) fn path(&self) -> &str {
        let (Row::Scored { path, .. } | Row::Failed { path, .. }) = self;
        path
    }

    /// Sets when it begins, of a recording that began then.
    pub(crate) fn set_time(&mut self, began: RecordingTime) {
        if let Row::Scored { start, time, .. } = self {
            *time = began.after(start.unwrap_or(0.0)).map(|time| time.to_string());
        }
    }
}

impl InputResult {
    pub(crate) fn failed(input: String, error: String) -> InputResult {
        let rows = vec![Row::Failed { path: input.clone(), error }];
        InputResult { input, duration: None, rows }
    }

    /// Why it, or some of its windows, could not be classified.
    pub(crate) fn errors(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(|row| match row {
            Row::Failed { error, .. } => Some(error.as_str()),
            Row::Scored { .. } => None,
        })
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.errors().next().is_some()
    }
}
