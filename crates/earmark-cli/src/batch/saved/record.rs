//! The lines of a journal: what a batch job depends on, and how far it is with each input.

use anyhow::Result;
use earmark_labels::Prediction;
use serde::{Deserialize, Serialize};

use crate::input::path::FileStamp;
use crate::output::results::rows::InputResult;

/// What changes the results, each by its name.
pub(crate) type Settings = Vec<(String, String)>;

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

/// `CHECKSUM JSON`: in eight digits, the CRC-32C of all lines' JSON up to this one's, `sum` being that of the line before.
/// So a line that is missing or there twice is noticed as well.
pub(crate) fn encode(record: &Record, sum: u32) -> Result<(Vec<u8>, u32)> {
    let json = serde_json::to_string(record)?;
    let sum = crc32c::crc32c_append(sum, json.as_bytes());
    Ok((format!("{sum:08x} {json}\n").into_bytes(), sum))
}

/// `None` where the line is not as it was written after one with the checksum `sum`.
pub(crate) fn decode(line: &[u8], sum: u32) -> Option<(Record, u32)> {
    let (digits, json) = line.strip_suffix(b"\n")?.split_at_checked(9)?;
    let digits = std::str::from_utf8(digits).ok()?.strip_suffix(' ')?;
    let sum = crc32c::crc32c_append(sum, json);
    if u32::from_str_radix(digits, 16) != Ok(sum) {
        return None;
    }
    Some((serde_json::from_slice(json).ok()?, sum))
}
