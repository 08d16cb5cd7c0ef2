//! The formats that are text: for people, JSON, CSV, and the label tracks of other programs.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use earmark_labels::Prediction;

use crate::exit::usage;
use crate::output::columns;
use crate::output::escape::{escape, escape_json};
use crate::output::results::format::{Format, Style};
use crate::output::results::rows::{InputResult, Row};

/// Writes every format but Parquet.
pub(crate) struct TextWriter<W: Write> {
    out: W,
    style: Style,
    rows: usize,
    /// Raven's, numbered through all files.
    selections: usize,
    /// How long the files before play, in seconds.
    played: f64,
}

impl<W: Write> TextWriter<W> {
    pub(crate) fn new(out: W, style: Style) -> TextWriter<W> {
        TextWriter { out, style, rows: 0, selections: 0, played: 0.0 }
    }

    pub(crate) fn write(&mut self, result: &InputResult) -> Result<()> {
        result.rows.iter().try_for_each(|row| self.row(row))?;
        self.played += result.duration.unwrap_or(0.0);
        Ok(())
    }

    fn row(&mut self, row: &Row) -> Result<()> {
        let first = self.rows == 0;
        self.rows += 1;
        match self.style.format {
            Format::Jsonl => writeln!(self.out, "{}", self.object(row)?)?,
            Format::Json => {
                let object = self.object(row)?;
                write!(self.out, "{}{object}", if first { "[" } else { ",\n" })?;
            }
            Format::Csv => {
                if first {
                    self.csv_header()?;
                }
                self.csv_lines(row)?;
            }
            Format::Table => match self.style.lines {
                None => table_block(&mut self.out, row)?,
                Some(lines) => lines.line(row).map_or(Ok(()), |line| writeln!(self.out, "{line}"))?,
            },
            Format::Parquet => unreachable!("`Writer` writes it by a `ResultTable`"),
            Format::Audacity => {
                for (start, end, prediction) in marks(row)? {
                    // A track has no column for the score, and who looks at it wants to know.
                    let (label, score) = (escape(&prediction.label), prediction.score);
                    writeln!(self.out, "{start:.6}\t{end:.6}\t{label} {score:.2}")?;
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
                    let (file, label) = (word(row.path()), word(&prediction.label));
                    let (length, score) = (end - start, prediction.score);
                    let line = format!("{start:.3} {length:.3} <NA> <NA> {label} {score:.4} <NA>");
                    writeln!(self.out, "SPEAKER {file} 1 {line}")?;
                }
            }
        }
        Ok(())
    }

    /// A row as JSON.
    fn object(&self, row: &Row) -> serde_json::Result<String> {
        let object = serde_json::to_string(row)?;
        Ok(if self.style.terminal { escape_json(&object) } else { object })
    }

    fn csv_header(&mut self) -> io::Result<()> {
        let Style { times, codes, .. } = self.style;
        self.out.write_all(b"path,duration,start,end,rank,label,score,error")?;
        self.out.write_all(if times { b",time" } else { b"" })?;
        self.out.write_all(if codes { b",code\n" } else { b"\n" })
    }

    fn csv_lines(&mut self, row: &Row) -> Result<()> {
        let mut lines = csv::WriterBuilder::new().has_headers(false).from_writer(&mut self.out);
        let Style { times, codes, terminal, .. } = self.style;
        let mut line = |fields: [&str; 8], time: &str, code: &str| {
            let more = [times.then_some(time), codes.then_some(code)];
            let fields = fields.into_iter().chain(more.into_iter().flatten());
            match terminal {
                true => lines.write_record(fields.map(|field| escape(field).into_owned())),
                false => lines.write_record(fields),
            }
        };
        let seconds = |x: &Option<f64>| x.map(|x| x.to_string()).unwrap_or_default();
        match row {
            Row::Scored { path, duration, start, end, time, predictions } => {
                let (duration, start, end) = (duration.to_string(), seconds(start), seconds(end));
                let time = time.as_deref().unwrap_or_default();
                if predictions.is_empty() {
                    // Nothing above the threshold; the file has its row all the same.
                    line([path, &duration, &start, &end, "", "", "", ""], time, "")?;
                }
                for (rank, Prediction { label, code, score }) in predictions.iter().enumerate() {
                    let (rank, score) = ((rank + 1).to_string(), score.to_string());
                    let code = code.as_deref().unwrap_or_default();
                    line([path, &duration, &start, &end, &rank, label, &score, ""], time, code)?;
                }
            }
            Row::Failed { path, error } => line([path, "", "", "", "", "", "", error], "", "")?,
        }
        Ok(lines.flush()?)
    }

    /// The columns of BirdNET-Analyzer's tables (2.4.0, `save_as_rtable` in `birdnet_analyzer/analyze/core.py`), which Raven's
    /// readers know by their names, but for the Scientific Name: a label is one name here. Raven plays the files of a table one
    /// after the other: a selection's times are in all of them, its offset in its own. As in Raven, and unlike in
    /// BirdNET-Analyzer, a file without a selection takes its time as well.
    fn selections(&mut self, row: &Row) -> Result<()> {
        let path = row.path();
        let file = path.rsplit(['/', std::path::MAIN_SEPARATOR]).next().unwrap_or_default();
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
        for (start, end, Prediction { label, code, score }) in marks(row)? {
            self.selections += 1;
            let (begin, end) = (self.played + start, self.played + end);
            let (number, nyquist, label) = (self.selections, self.style.nyquist, escape(label));
            let code = code.as_deref().map_or_else(|| label.clone(), escape);
            writeln!(
                self.out,
                "{number}\tSpectrogram 1\t1\t{begin:.6}\t{end:.6}\t0.0\t{nyquist:.1}\t{label}\t{code}\t{score:.4}\t{whole}\t{start:.6}\t{file}"
            )?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        match (self.style.format, self.rows) {
            (Format::Csv, 0) => self.csv_header()?,
            (Format::Raven, 0) => self.out.write_all(RAVEN_HEADER)?,
            (Format::Json, 0) => self.out.write_all(b"[]\n")?,
            (Format::Json, _) => self.out.write_all(b"]\n")?,
            _ => {}
        }
        Ok(self.out.flush()?)
    }
}

const RAVEN_HEADER: &[u8] =
    b"Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\t\
    Common Name\tSpecies Code\tConfidence\tBegin Path\tFile Offset (s)\tBegin File\n";

/// The labels of a window with its start and end; none for a failure, which is reported on stderr.
fn marks(row: &Row) -> Result<Vec<(f64, f64, &Prediction)>> {
    match row {
        Row::Scored { start: Some(start), end: Some(end), predictions, .. } => {
            Ok(predictions.iter().map(|prediction| (*start, *end, prediction)).collect())
        }
        Row::Scored { path, .. } => Err(usage(format_args!("`{path}` has no windows: pass --window"))),
        Row::Failed { .. } => Ok(Vec::new()),
    }
}

fn table_block(out: &mut impl Write, row: &Row) -> io::Result<()> {
    // A failure is reported on stderr.
    let Row::Scored { path, predictions, .. } = row else { return Ok(()) };
    writeln!(out, "{}", escape(path))?;
    let rows = predictions.iter().map(|p| [format!("  {}", p.label), format!("{:.4}", p.score)]);
    writeln!(out, "{}\n", columns::numeric(["  label", "score"], rows))
}

/// Text as one word.
fn word(text: &str) -> String {
    let joined = text.split_whitespace().map(escape).collect::<Vec<_>>().join("_");
    if joined.is_empty() { "<NA>".to_owned() } else { joined }
}
