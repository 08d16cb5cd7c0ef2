//! Which column of a table is what: in earmark's own, in Raven's selection tables and in BirdNET-Analyzer's.

use std::borrow::Cow;
use std::str::FromStr;

use crate::output::results::read::found::Found;

const PATH: &[&str] = &["path", "Begin Path", "Begin File", "File"];
const LABEL: &[&str] = &["label", "Common Name", "Common name"];
const SCORE: &[&str] = &["score", "Confidence"];
const DURATION: &[&str] = &["duration"];
const START: &[&str] = &["start", "Start (s)"];
const END: &[&str] = &["end", "End (s)"];
// Raven counts these through all the files of a table, and the offset within one.
const BEGIN_TIME: &[&str] = &["Begin Time (s)"];
const END_TIME: &[&str] = &["End Time (s)"];
const OFFSET: &[&str] = &["File Offset (s)"];

/// All of them, for a reader that takes some columns only.
pub(crate) fn known() -> Vec<&'static str> {
    [PATH, LABEL, SCORE, DURATION, START, END, BEGIN_TIME, END_TIME, OFFSET].concat()
}

/// The columns of a table, by their places.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Columns {
    path: usize,
    label: usize,
    span: Span,
    score: Option<usize>,
    duration: Option<usize>,
}

#[derive(Debug, Clone, PartialEq)]
enum Span {
    /// In the recording.
    Ends { start: usize, end: usize },
    /// Raven's: where it begins in the recording, and two times whose difference is its length.
    Offset { start: usize, from: usize, to: usize },
}

impl Columns {
    /// Finds them among the names of a table's columns.
    ///
    /// # Errors
    /// The first that is missing, and the names there are.
    pub(crate) fn find(names: &[&str]) -> Result<Columns, String> {
        let place = |known: &[&str]| {
            known.iter().find_map(|name| names.iter().position(|column| column.trim() == *name))
        };
        let need = |known: &[&str]| {
            place(known).ok_or_else(|| {
                let there = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                let others =
                    if known.len() > 1 { format!(" (or {})", known[1..].join(", ")) } else { String::new() };
                format!("it has no column `{}`{others}, only {there}", known[0])
            })
        };
        let span = match (place(BEGIN_TIME), place(END_TIME)) {
            (Some(from), Some(to)) => Span::Offset { start: place(OFFSET).unwrap_or(from), from, to },
            _ => Span::Ends { start: need(START)?, end: need(END)? },
        };
        let (path, label) = (need(PATH)?, need(LABEL)?);
        Ok(Columns { path, label, span, score: place(SCORE), duration: place(DURATION) })
    }

    /// The sound of a row, of which `cells` are as many as the table has columns; `None` for a row without a label.
    ///
    /// # Errors
    /// What is wrong with the row, to follow on `line 7`.
    pub(crate) fn sound<'a>(&self, cells: &'a [Cow<'_, str>]) -> Result<Option<Found<'a>>, String> {
        let cell = |at: usize| cells[at].trim();
        if cell(self.label).is_empty() {
            return Ok(None);
        }
        let (start, end) = match self.span {
            Span::Ends { start, end } if cell(start).is_empty() && cell(end).is_empty() => {
                return Err(
                    "has no start and no end: classify with --window, so that each label has its time"
                        .to_owned(),
                );
            }
            Span::Ends { start, end } => (number(cell(start), "start")?, number(cell(end), "end")?),
            Span::Offset { start, from, to } => {
                let start: f64 = number(cell(start), "start")?;
                let [from, to] = [number::<f64>(cell(from), "start")?, number(cell(to), "end")?];
                (start, start + (to - from))
            }
        };
        let filled = |at: Option<usize>| at.map(cell).filter(|cell| !cell.is_empty());
        // Parsed as f32 at once, so that a score is the very one that was written.
        let score = filled(self.score).map(|text| number(text, "score")).transpose()?;
        let duration = filled(self.duration).map(|text| number(text, "duration")).transpose()?;
        // As it is: a file's name may begin with a blank.
        let path = cells[self.path].as_ref();
        Found { path, duration, start, end, label: cell(self.label), score }.check().map(Some)
    }
}

fn number<T: FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| match text {
        "" => format!("has no {what}"),
        _ => format!("has `{text}` as its {what}, which is not a number"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start, end, label and score.
    type Sound = (f64, f64, String, Option<f32>);

    fn sound(columns: &Columns, row: &str) -> Result<Option<Sound>, String> {
        let cells: Vec<Cow<'_, str>> = row.split('|').map(Cow::from).collect();
        let found = columns.sound(&cells)?;
        Ok(found.map(|found| (found.start, found.end, found.label.to_owned(), found.score)))
    }

    #[test]
    fn a_row_of_raven_lies_where_its_offset_says() {
        let names =
            ["Begin Time (s)", "End Time (s)", "File Offset (s)", "Begin Path", "Common Name", "Confidence"];
        let columns = Columns::find(&names).unwrap();
        assert_eq!(
            sound(&columns, "3612.0|3615.0|12.0|/a.wav|Robin|0.9"),
            Ok(Some((12.0, 15.0, "Robin".to_owned(), Some(0.9))))
        );
        // A mark that a person made has no score.
        assert_eq!(sound(&columns, "2|3.5|2|/a.wav|Robin|"), Ok(Some((2.0, 3.5, "Robin".to_owned(), None))));
        let one_file =
            Columns::find(&["Begin File", "Begin Time (s)", "End Time (s)", "Common Name"]).unwrap();
        assert_eq!(sound(&one_file, "a.wav|2|3.5|Robin"), Ok(Some((2.0, 3.5, "Robin".to_owned(), None))));
    }

    #[test]
    fn a_damaged_row_says_what_is_wrong() {
        let columns = Columns::find(&["path", "start", "end", "label", "score"]).unwrap();
        for (row, want) in [
            ("a.wav|1|x|dog|0.5", "has `x` as its end, which is not a number"),
            ("a.wav|1||dog|0.5", "has no end"),
            ("a.wav|||dog|0.5", "has no start and no end: classify with --window"),
            ("a.wav|2|1|dog|0.5", "goes from 2 to 1 s, which is no stretch of time"),
            ("a.wav|-1|1|dog|0.5", "goes from -1 to 1 s"),
            ("a.wav|NaN|1|dog|0.5", "holds `NaN`, which is not a finite number"),
            ("a.wav|0|1|dog|1e99", "holds `inf`, which is not a finite number"),
            ("|0|1|dog|0.5", "has no path of a recording"),
        ] {
            let said = sound(&columns, row).unwrap_err();
            assert!(said.starts_with(want), "{row}: {said}");
        }
        for without_a_label in ["a.wav|1|2||", "a.wav||||"] {
            assert_eq!(sound(&columns, without_a_label), Ok(None));
        }
        assert_eq!(
            Columns::find(&["path", "start", "label"]),
            Err("it has no column `end` (or End (s)), only `path`, `start`, `label`".to_owned())
        );
    }
}
