//! What is said about sounds, and the formats it is written in.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;
use earmark_labels::Prediction;
use serde::{Deserialize, Serialize};

use crate::error::usage;
use crate::output::escape::escape;
use crate::output::parquet::LabelTable;
use crate::output::table;

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

/// What is said about one input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The input's name.
    pub(crate) input: String,
    /// How long it plays, in seconds; nothing where it failed.
    pub(crate) duration: Option<f64>,
    pub(crate) rows: Vec<Row>,
}

impl Answer {
    pub(crate) fn failed(input: String, error: String) -> Answer {
        let rows = vec![Row::Failed { path: input.clone(), error }];
        Answer { input, duration: None, rows }
    }

    /// Why it, or some of its windows, could not be classified.
    pub(crate) fn errors(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(|row| match row {
            Row::Failed { error, .. } => Some(error.as_str()),
            Row::Heard { .. } => None,
        })
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.errors().next().is_some()
    }
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

impl Format {
    /// The rows that what was heard makes in it.
    pub(crate) fn rows(self, answer: &Answer) -> usize {
        let rows = answer.rows.iter().map(|row| match row {
            Row::Failed { .. } => 0,
            Row::Heard { predictions, .. } => match self {
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
    /// The highest frequency that the model is given, in hertz.
    pub(crate) high: f64,
}

/// Rows as they are written.
pub(crate) enum Writer<W: Write> {
    Lines(LineWriter<W>),
    Table(Box<LabelTable<W>>),
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(out: W, style: Style) -> Result<Writer<W>> {
        Ok(match style.format {
            Format::Parquet => Writer::Table(Box::new(LabelTable::new(out)?)),
            _ => Writer::Lines(LineWriter { out, style, rows: 0, selections: 0, played: 0.0 }),
        })
    }

    pub(crate) fn write(&mut self, answer: &Answer) -> Result<()> {
        match self {
            Writer::Lines(lines) => lines.answer(answer),
            Writer::Table(table) => answer.rows.iter().try_for_each(|row| table.write(row)),
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
    style: Style,
    rows: usize,
    /// Raven's, numbered through all files.
    selections: usize,
    /// How long the files before play, in seconds.
    played: f64,
}

impl<W: Write> LineWriter<W> {
    fn answer(&mut self, answer: &Answer) -> Result<()> {
        answer.rows.iter().try_for_each(|row| self.write(row))?;
        self.played += answer.duration.unwrap_or(0.0);
        Ok(())
    }

    fn write(&mut self, row: &Row) -> Result<()> {
        let first = self.rows == 0;
        self.rows += 1;
        match self.style.format {
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
                    writeln!(self.out, "{start:.6}\t{end:.6}\t{}", escape(&prediction.label))?;
                }
            }
            Format::Raven => {
                if first {
                    self.out.write_all(RAVEN_HEADER)?;
                }
                self.selections(row)?;
            }
            Format::Rttm => {
                for (start, end, prediction) in marks(row)? {
                    let (file, label) = (word(path(row)), word(&prediction.label));
                    let (length, score) = (end - start, prediction.score);
                    let line = format!("{start:.3} {length:.3} <NA> <NA> {label} {score:.4} <NA>");
                    writeln!(self.out, "SPEAKER {file} 1 {line}")?;
                }
            }
        }
        Ok(())
    }

    /// The columns of BirdNET-Analyzer's tables, which Raven's readers know by their names. Raven plays the files one after
    /// the other: a selection's times are in all of them, its offset in its own.
    fn selections(&mut self, row: &Row) -> Result<()> {
        let (path, file) =
            (path(row), path(row).rsplit(['/', std::path::MAIN_SEPARATOR]).next().unwrap_or_default());
        let is_file = path != "-" && !path.contains("://");
        let here = if is_file && Path::new(path).is_relative() { std::env::current_dir().ok() } else { None };
        let whole = match here {
            Some(here) => {
                let inside = path.strip_prefix("./").unwrap_or(path);
                format!("{}{}{inside}", earmark_fs::text(here), std::path::MAIN_SEPARATOR)
            }
            None => path.to_owned(),
        };
        let (whole, file) = (escape(&whole), escape(file));
        for (start, end, Prediction { label, score }) in marks(row)? {
            self.selections += 1;
            let (begin, end) = (self.played + start, self.played + end);
            let (number, high, label) = (self.selections, self.style.high, escape(label));
            writeln!(
                self.out,
                "{number}\tSpectrogram 1\t1\t{begin:.6}\t{end:.6}\t0.0\t{high:.1}\t{label}\t{label}\t{score:.4}\t{whole}\t{start:.6}\t{file}"
            )?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        match (self.style.format, self.rows) {
            (Format::Csv, 0) => self.out.write_all(CSV_HEADER)?,
            (Format::Raven, 0) => self.out.write_all(RAVEN_HEADER)?,
            (Format::Json, 0) => self.out.write_all(b"[]\n")?,
            (Format::Json, _) => self.out.write_all(b"]\n")?,
            _ => {}
        }
        Ok(self.out.flush()?)
    }
}

const CSV_HEADER: &[u8] = b"path,duration,start,end,rank,label,score,error\n";

const RAVEN_HEADER: &[u8] =
    b"Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\t\
    Common Name\tSpecies Code\tConfidence\tBegin Path\tFile Offset (s)\tBegin File\n";

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
        Row::Heard { path, .. } => {
            Err(usage(format_args!("`{path}` was not heard window by window: pass --window")))
        }
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
        (Some(start), Some(end)) => writeln!(out, "{} {} to {}", escape(path), clock(*start), clock(*end))?,
        _ => writeln!(out, "{}", escape(path))?,
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

/// Text as one word.
fn word(text: &str) -> String {
    let joined = text.split_whitespace().map(escape).collect::<Vec<_>>().join("_");
    if joined.is_empty() { "<NA>".to_owned() } else { joined }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: &str = "dog, \"barking\"";

    fn answer(path: &str, label: &str, starts: &[Option<f64>]) -> Answer {
        let row = |start: &Option<f64>| Row::Heard {
            path: path.to_owned(),
            duration: 4.5,
            start: *start,
            end: start.map(|it| it + 2.0),
            predictions: vec![Prediction { label: label.to_owned(), score: 0.75 }],
        };
        Answer { input: path.to_owned(), duration: Some(4.5), rows: starts.iter().map(row).collect() }
    }

    fn heard(start: Option<f64>) -> Answer {
        answer("a b.wav", LABEL, &[start])
    }

    fn failed() -> Answer {
        Answer::failed("x.wav".to_owned(), "it is no sound".to_owned())
    }

    fn written(format: Format, answers: &[Answer]) -> String {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, Style { format, high: 8000.0 }).unwrap();
        answers.iter().for_each(|answer| writer.write(answer).unwrap());
        writer.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_is_one_array_and_jsonl_one_object_a_line() {
        let answers = [heard(None), failed()];
        let rows: Vec<Row> = answers.iter().flat_map(|answer| answer.rows.clone()).collect();
        let objects: Vec<Row> = serde_json::from_str(&written(Format::Json, &answers)).unwrap();
        assert_eq!(objects, rows);
        let lines = written(Format::Jsonl, &answers);
        let objects: Vec<Row> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects, rows);
        assert_eq!(written(Format::Json, &[]), "[]\n");
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        let want = "path,duration,start,end,rank,label,score,error\n\
                    a b.wav,4.5,1,3,1,\"dog, \"\"barking\"\"\",0.75,\n\
                    x.wav,,,,,,,it is no sound\n";
        assert_eq!(written(Format::Csv, &[heard(Some(1.0)), failed()]), want);
    }

    #[test]
    fn marks_have_their_columns() {
        let rows = [heard(Some(1.0)), failed()];
        assert_eq!(written(Format::Audacity, &rows), "1.000000\t3.000000\tdog, \"barking\"\n");
        assert_eq!(
            written(Format::Rttm, &rows),
            "SPEAKER a_b.wav 1 1.000 2.000 <NA> <NA> dog,_\"barking\" 0.7500 <NA>\n"
        );
        let mut writer = Writer::new(Vec::new(), Style { format: Format::Raven, high: 8000.0 }).unwrap();
        assert!(writer.write(&heard(None)).is_err(), "a whole file has no start");
    }

    #[test]
    fn ravens_selections_are_numbered_and_timed_through_all_files() {
        let (first, second) =
            (answer("d/a.wav", "dog", &[Some(0.0), Some(2.5)]), answer("/b.wav", "cat", &[Some(1.0)]));
        // A file in which nothing was found, and one that failed.
        let (silent, failed) = (Answer { rows: Vec::new(), ..first.clone() }, failed());
        let table = written(Format::Raven, &[first, silent, failed, second]);
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split('\t').collect()).collect();
        assert_eq!(
            lines[0],
            [
                "Selection",
                "View",
                "Channel",
                "Begin Time (s)",
                "End Time (s)",
                "Low Freq (Hz)",
                "High Freq (Hz)",
                "Common Name",
                "Species Code",
                "Confidence",
                "Begin Path",
                "File Offset (s)",
                "Begin File",
            ]
        );
        let path = std::path::absolute("d/a.wav").unwrap();
        let a = path.to_str().unwrap();
        let row = |rest: [&'static str; 3], label, path, offset, file| {
            let [number, begin, end] = rest;
            vec![
                number,
                "Spectrogram 1",
                "1",
                begin,
                end,
                "0.0",
                "8000.0",
                label,
                label,
                "0.7500",
                path,
                offset,
                file,
            ]
        };
        assert_eq!(lines[1], row(["1", "0.000000", "2.000000"], "dog", a, "0.000000", "a.wav"));
        assert_eq!(lines[2], row(["2", "2.500000", "4.500000"], "dog", a, "2.500000", "a.wav"));
        assert_eq!(lines[3], row(["3", "10.000000", "12.000000"], "cat", "/b.wav", "1.000000", "b.wav"));
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn a_label_cannot_end_its_column_or_its_line() {
        for label in ["a\tb\nc d", "a\r\u{2028}b\u{85}c", "", " ", "\u{1b}[2J"] {
            let one = [answer("x\ty\nz.wav", label, &[Some(1.0)])];
            for (format, columns, between) in
                [(Format::Audacity, 3, '\t'), (Format::Raven, 13, '\t'), (Format::Rttm, 10, ' ')]
            {
                let text = written(format, &one);
                let lines: Vec<&str> = text.lines().skip(usize::from(format == Format::Raven)).collect();
                assert_eq!(lines.len(), 1, "{text:?}");
                assert_eq!(lines[0].split(between).count(), columns, "{text:?}");
                assert!(!lines[0].contains(|c: char| c.is_control() && c != '\t'), "{text:?}");
            }
        }
    }

    #[test]
    fn time_is_told_as_people_do() {
        assert_eq!(
            (clock(0.0), clock(62.25), clock(3723.5)),
            ("0:00.0".into(), "1:02.3".into(), "1:02:03.5".into())
        );
    }
}
