//! The formats of results.

use std::path::Path;

use clap::ValueEnum;

use crate::output::results::lines::Lines;
use crate::output::results::rows::{InputResult, Row};

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned text: a table for one file, a line for each of several files or windows.
    Table,
    /// One JSON array.
    Json,
    /// One JSON object per line, for each file or window.
    Jsonl,
    /// One row per label: path, duration, start, end, rank, label, score, error (and time, with --times; code, of languages).
    Csv,
    /// The columns of csv as a Parquet file; needs --output or a pipe.
    Parquet,
    /// Audacity label track, each label with its score; needs --window, and a single recording or -o DIR/.
    Audacity,
    /// Raven selection table with BirdNET-Analyzer's columns; needs --window. In one table of several files Begin and End
    /// Time run on from file to file, File Offset starts at 0 in each.
    Raven,
    /// RTTM (rich transcription time marked), the format of speaker diarisation; needs --window.
    Rttm,
}

impl Format {
    /// Whether a row without a start and an end has no place in it.
    pub(crate) fn needs_windows(self) -> bool {
        matches!(self, Format::Audacity | Format::Raven | Format::Rttm)
    }

    /// Whether it has room for the time of day.
    pub(crate) fn has_times(self) -> bool {
        matches!(self, Format::Json | Format::Jsonl | Format::Csv | Format::Parquet)
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What the names of its files end in.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Format::Table | Format::Audacity => "txt",
            Format::Json => "json",
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
            Format::Parquet => "parquet",
            // As Raven itself calls them.
            Format::Raven => "selections.txt",
            Format::Rttm => "rttm",
        }
    }

    /// The format that a file's name ends in. Several are written as `.txt`.
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
                Format::Json | Format::Jsonl | Format::Table => 1,
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
    /// Whether there is a column for the time of day.
    pub(crate) times: bool,
    /// Whether the labels have codes, and there is a column for these.
    pub(crate) codes: bool,
    /// Whether a terminal shows them, which acts on control characters.
    pub(crate) terminal: bool,
    /// Half the model's sampling rate, in hertz: the highest frequency that it is given.
    pub(crate) nyquist: f64,
    /// How a table has a line for each result; `None` where it has one result.
    pub(crate) lines: Option<Lines>,
}
