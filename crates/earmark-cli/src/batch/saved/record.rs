//! The lines of a journal: what a batch job depends on, and how far it is with each input.

use earmark_labels::Prediction;
use serde::{Deserialize, Serialize};

use crate::input::path::FileStamp;
use crate::journal::{Line, Settings};
use crate::output::results::rows::InputResult;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    /// Stands in the first line and in no other.
    Settings(Settings),
    Done {
        stamp: Option<FileStamp>,
        result: InputResult,
    },
    Windows {
        input: String,
        stamp: Option<FileStamp>,
        progress: WindowProgress,
    },
    Written(Written),
}

impl Line for Record {
    fn of_settings(settings: Settings) -> Record {
        Record::Settings(settings)
    }

    fn settings(&self) -> Option<&Settings> {
        match self {
            Record::Settings(settings) => Some(settings),
            _ => None,
        }
    }
}

/// What a folder of results holds of an input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Written {
    pub(crate) input: String,
    pub(crate) stamp: Option<FileStamp>,
    /// Its file below the folder; nothing where all of it failed.
    pub(crate) file: Option<String>,
    pub(crate) rows: usize,
    /// How long it plays, in seconds; nothing where it failed.
    pub(crate) seconds: Option<f64>,
    /// Why it, or some of its windows, failed.
    pub(crate) errors: Vec<String>,
}

/// How far a recording is scored, window by window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct WindowProgress {
    /// Windows so far, from the recording's beginning.
    pub(crate) count: usize,
    /// Those since the line before: start and end in seconds, and labels.
    pub(crate) windows: Vec<(f64, f64, Vec<Prediction>)>,
    /// Sums or maxima of the scores over all windows, where the recording gets one result.
    pub(crate) totals: Vec<f64>,
    pub(crate) failed: Option<FailedWindows>,
}

/// The windows that could not be scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FailedWindows {
    pub(crate) count: usize,
    /// Where the first of them begins, in seconds.
    pub(crate) first: f64,
    /// Why that one failed.
    pub(crate) why: String,
}

/// What a journal holds of an input.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Earlier {
    pub(crate) stamp: Option<FileStamp>,
    pub(crate) progress: Progress,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Progress {
    /// How long it plays, in seconds, unless it failed.
    Done {
        failed: bool,
        seconds: Option<f64>,
    },
    Windows(WindowProgress),
}
