//! What is said about sounds, and the formats it is written in.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Result, bail};
use clap::ValueEnum;
use earmark_labels::Prediction;
use serde::{Deserialize, Serialize};

use crate::table;
use crate::tables::LabelTable;

/// What is said about one file, or one window of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Row {
    Heard {
        path: String,
        duration: f64,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        start: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        end: Option<f64>,
        predictions: Vec<Prediction>,
    },
    Failed {
        path: String,
        error: String,
    },
}

/// How rows are written.
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
    /// A selection table of Raven; needs --window.
    Raven,
    /// Rich transcription time marks, as speaker diarisation writes them; needs --window.
    Rttm,
}

impl Format {
    /// Whether a row without a start and an end has no place in it.
    pub(crate) fn needs_windows(self) -> bool {
        matches!(self, Format::Audacity | Format::Raven | Format::Rttm)
    }

    /// What a file's name asks for.
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
}

/// Rows as they are written.
pub(crate) enum Writer<W: Write> {
    Lines(LineWriter<W>),
    Table(Box<LabelTable<W>>),
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(out: W, format: Format) -> Result<Writer<W>> {
        Ok(match format {
            Format::Parquet => Writer::Table(Box::new(LabelTable::new(out)?)),
            _ => Writer::Lines(LineWriter { out, format, rows: 0 }),
        })
    }

    pub(crate) fn write(&mut self, row: &Row) -> Result<()> {
        match self {
            Writer::Lines(lines) => lines.write(row),
            Writer::Table(table) => table.write(row),
        }
    }

    /// What stands behind the last row.
    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Writer::Lines(lines) => lines.finish(),
            Writer::Table(table) => table.finish(),
        }
    }
}

/// The formats that are text.
pub(crate) struct LineWriter<W: Write> {
    out: W,
    format: Format,
    rows: usize,
}

impl<W: Write> LineWriter<W> {
    fn write(&mut self, row: &Row) -> Result<()> {
        let first = self.rows == 0;
        self.rows += 1;
        match self.format {
            Format::Jsonl => writeln!(self.out, "{}", serde_json::to_string(row)?)?,
            Format::Json => {
                write!(self.out, "{}{}", if first { "[" } else { ",\n" }, serde_json::to_string(row)?)?;
            }
            Format::Csv => {
                if first {
                    self.out.write_all(CSV_HEADER)?;
                }
                csv_lines(&mut self.out, row)?;
            }
            Format::Table => table_block(&mut self.out, row)?,
            Format::Parquet => unreachable!("Writer::new makes a table of it"),
            Format::Audacity => {
                for (start, end, prediction) in marks(row)? {
                    writeln!(self.out, "{start:.6}\t{end:.6}\t{}", one_line(&prediction.label))?;
                }
            }
            Format::Raven => {
                if first {
                    let columns =
                        "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tBegin File\tSpecies\tScore";
                    writeln!(self.out, "{columns}")?;
                }
                for (start, end, prediction) in marks(row)? {
                    let (file, label) = (one_line(path(row)), one_line(&prediction.label));
                    let (number, score) = (self.rows, prediction.score);
                    writeln!(
                        self.out,
                        "{number}\tSpectrogram 1\t1\t{start:.3}\t{end:.3}\t{file}\t{label}\t{score:.4}"
                    )?;
                }
            }
            Format::Rttm => {
                for (start, end, prediction) in marks(row)? {
                    let (file, label) = (joined(path(row)), joined(&prediction.label));
                    let (length, score) = (end - start, prediction.score);
                    let line = format!("{start:.3} {length:.3} <NA> <NA> {label} {score:.4} <NA>");
                    writeln!(self.out, "SPEAKER {file} 1 {line}")?;
                }
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        if self.format == Format::Csv && self.rows == 0 {
            self.out.write_all(CSV_HEADER)?;
        }
        if self.format == Format::Json {
            self.out.write_all(if self.rows == 0 { b"[]\n" } else { b"]\n" })?;
        }
        Ok(self.out.flush()?)
    }
}

const CSV_HEADER: &[u8] = b"path,duration,start,end,rank,label,score,error\n";

fn path(row: &Row) -> &str {
    let (Row::Heard { path, .. } | Row::Failed { path, .. }) = row;
    path
}

/// The labels of a window with its start and end; none of a file that failed, which stderr tells of.
fn marks(row: &Row) -> Result<Vec<(f64, f64, &Prediction)>> {
    match row {
        Row::Heard { start: Some(start), end: Some(end), predictions, .. } => {
            Ok(predictions.iter().map(|prediction| (*start, *end, prediction)).collect())
        }
        Row::Heard { path, .. } => bail!("`{path}` was not heard window by window: pass --window"),
        Row::Failed { .. } => Ok(Vec::new()),
    }
}

fn csv_lines(out: &mut impl Write, row: &Row) -> Result<()> {
    let mut lines = csv::WriterBuilder::new().has_headers(false).from_writer(out);
    let seconds = |x: &Option<f64>| x.map(|x| x.to_string()).unwrap_or_default();
    match row {
        Row::Heard { path, duration, start, end, predictions } => {
            let (duration, start, end) = (duration.to_string(), seconds(start), seconds(end));
            if predictions.is_empty() {
                // Nothing above the threshold; the file has its row all the same.
                lines.write_record([path, &duration, &start, &end, "", "", "", ""])?;
            }
            for (rank, Prediction { label, score }) in predictions.iter().enumerate() {
                let (rank, score) = ((rank + 1).to_string(), score.to_string());
                lines.write_record([path, &duration, &start, &end, &rank, label, &score, ""])?;
            }
        }
        Row::Failed { path, error } => lines.write_record([path, "", "", "", "", "", "", error])?,
    }
    Ok(lines.flush()?)
}

fn table_block(out: &mut impl Write, row: &Row) -> io::Result<()> {
    // What failed is said on stderr.
    let Row::Heard { path, start, end, predictions, .. } = row else { return Ok(()) };
    match (start, end) {
        (Some(start), Some(end)) => writeln!(out, "{path} {} to {}", clock(*start), clock(*end))?,
        _ => writeln!(out, "{path}")?,
    }
    let rows = predictions.iter().map(|p| [format!("  {}", p.label), format!("{:.4}", p.score)]);
    writeln!(out, "{}\n", table::plain(["  label", "score"], rows))
}

/// `1:02:03.5`
pub(crate) fn clock(seconds: f64) -> String {
    let tenths = (seconds * 10.0).round() as u64;
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    match hours {
        0 => format!("{minutes}:{:02}.{}", rest / 10, rest % 10),
        _ => format!("{hours}:{minutes:02}:{:02}.{}", rest / 10, rest % 10),
    }
}

/// Text that cannot end the line or the column it stands in.
fn one_line(text: &str) -> String {
    text.replace(['\t', '\n', '\r'], " ")
}

/// Text as one word.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(start: Option<f64>) -> Row {
        let predictions = vec![Prediction { label: "dog, \"barking\"".to_owned(), score: 0.75 }];
        Row::Heard {
            path: "a b.wav".to_owned(),
            duration: 4.5,
            start,
            end: start.map(|it| it + 2.0),
            predictions,
        }
    }

    fn failed() -> Row {
        Row::Failed { path: "x.wav".to_owned(), error: "it is no sound".to_owned() }
    }

    fn written(format: Format, rows: &[Row]) -> String {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, format).unwrap();
        rows.iter().for_each(|row| writer.write(row).unwrap());
        writer.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_is_one_array_and_jsonl_one_object_a_line() {
        let rows = [heard(None), failed()];
        let objects: Vec<Row> = serde_json::from_str(&written(Format::Json, &rows)).unwrap();
        assert_eq!(objects, rows);
        let lines = written(Format::Jsonl, &rows);
        let objects: Vec<Row> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects, rows);
        assert_eq!(written(Format::Json, &[]), "[]\n");
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        let rows = [heard(Some(1.0)), failed()];
        let want = "path,duration,start,end,rank,label,score,error\n\
                    a b.wav,4.5,1,3,1,\"dog, \"\"barking\"\"\",0.75,\n\
                    x.wav,,,,,,,it is no sound\n";
        assert_eq!(written(Format::Csv, &rows), want);
    }

    #[test]
    fn marks_have_their_columns() {
        let rows = [heard(Some(1.0)), failed()];
        assert_eq!(written(Format::Audacity, &rows), "1.000000\t3.000000\tdog, \"barking\"\n");
        assert_eq!(
            written(Format::Rttm, &rows),
            "SPEAKER a_b.wav 1 1.000 2.000 <NA> <NA> dog,_\"barking\" 0.7500 <NA>\n"
        );
        let raven = written(Format::Raven, &rows);
        assert!(
            raven.ends_with("1\tSpectrogram 1\t1\t1.000\t3.000\ta b.wav\tdog, \"barking\"\t0.7500\n"),
            "{raven}"
        );
        let mut writer = Writer::new(Vec::new(), Format::Raven).unwrap();
        assert!(writer.write(&heard(None)).is_err(), "a whole file has no start");
    }

    #[test]
    fn time_is_told_as_people_do() {
        assert_eq!(
            (clock(0.0), clock(62.25), clock(3723.5)),
            ("0:00.0".into(), "1:02.3".into(), "1:02:03.5".into())
        );
    }
}
