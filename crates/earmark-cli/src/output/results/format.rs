//! The formats of results.

use std::path::Path;

use clap::ValueEnum;

use crate::output::results::rows::{InputResult, Row};

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One array of objects.
    Json,
    /// One object a line.
    Jsonl,
    /// One line a label: path, duration, start, end, rank, label, score, error.
    Csv,
    /// The columns of csv in one compressed file; needs --output, or a pipe.
    Parquet,
    /// A label track of Audacity; needs --window and one recording.
    Audacity,
    /// A selection table of Raven, with BirdNET-Analyzer's columns: times of one file after the other, and each file's own
    /// as File Offset; needs --window.
    Raven,
    /// Rich transcription time marks, as speaker diarisation writes them; needs --window.
    Rttm,
}

impl Format {
    /// Whether a row without a start and an end has no place in it.
    pub(crate) fn needs_windows(self) -> bool {
        matches!(self, Format::Audacity | Format::Raven | Format::Rttm)
    }

    /// The format that a file's name ends in.
    pub(crate) fn of_name(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "json" => Some(Format::Json),
            "jsonl" | "ndjson" => Some(Format::Jsonl),
            "csv" => Some(Format::Csv),
            "parquet" => Some(Format::Parquet),
            "rttm" => Some(Format::Rttm),
            _ => None,
        }
    }

    /// How many rows a result has in it.
    pub(crate) fn rows(self, result: &InputResult) -> usize {
        let rows = result.rows.iter().map(|row| match row {
            Row::Failed { .. } => 0,
            Row::Scored { predictions, .. } => match self {
                Format::Json | Format::Jsonl => 1,
                // Nothing above the threshold is a row as well.
                Format::Csv | Format::Parquet => predictions.len().max(1),
                _ => predictions.len(),
            },
        });
        rows.sum()
    }
}

/// How results are written, and what of the model stands in them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) format: Format,
    /// Half the model's sampling rate, in hertz: the highest frequency that it is given.
    pub(crate) nyquist: f64,
}
