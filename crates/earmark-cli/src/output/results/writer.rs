//! Writes results in any format.

use std::io::Write;

use anyhow::Result;

use crate::output::results::format::{Format, Style};
use crate::output::results::result_table::ResultTable;
use crate::output::results::rows::InputResult;
use crate::output::results::text::TextWriter;

/// Writes results in a format.
pub(crate) enum Writer<W: Write> {
    Text(TextWriter<W>),
    Parquet(Box<ResultTable<W>>),
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(out: W, style: Style) -> Result<Writer<W>> {
        Ok(match style.format {
            Format::Parquet => Writer::Parquet(Box::new(ResultTable::new(out, style)?)),
            _ => Writer::Text(TextWriter::new(out, style)),
        })
    }

    pub(crate) fn write(&mut self, result: &InputResult) -> Result<()> {
        match self {
            Writer::Text(text) => text.write(result),
            Writer::Parquet(table) => result.rows.iter().try_for_each(|row| table.write(row)),
        }
    }

    /// Writes what follows the last row.
    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Writer::Text(text) => text.finish(),
            Writer::Parquet(table) => table.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::results::rows::Row;
    use earmark_labels::Prediction;

    const LABEL: &str = "dog, \"barking\"";

    fn result(path: &str, label: &str, starts: &[Option<f64>]) -> InputResult {
        let row = |start: &Option<f64>| Row::Scored {
            path: path.to_owned(),
            duration: 4.5,
            start: *start,
            end: start.map(|it| it + 2.0),
            time: start.map(|it| format!("2021-05-10T19:00:0{it}Z")),
            predictions: vec![Prediction { label: label.to_owned(), code: None, score: 0.75 }],
        };
        InputResult { input: path.to_owned(), duration: Some(4.5), rows: starts.iter().map(row).collect() }
    }

    fn scored(start: Option<f64>) -> InputResult {
        result("a b.wav", LABEL, &[start])
    }

    fn failed() -> InputResult {
        InputResult::failed("x.wav".to_owned(), "it is no sound".to_owned())
    }

    fn style(format: Format) -> Style {
        Style { format, times: false, codes: false, terminal: false, lines: None, nyquist: 8000.0 }
    }

    fn written(format: Format, results: &[InputResult]) -> String {
        written_as(style(format), results)
    }

    fn written_as(style: Style, results: &[InputResult]) -> String {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, style).unwrap();
        results.iter().for_each(|result| writer.write(result).unwrap());
        writer.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_is_one_array_and_jsonl_one_object_a_line() {
        let results = [scored(None), failed()];
        let rows: Vec<Row> = results.iter().flat_map(|result| result.rows.clone()).collect();
        let objects: Vec<Row> = serde_json::from_str(&written(Format::Json, &results)).unwrap();
        assert_eq!(objects, rows);
        let lines = written(Format::Jsonl, &results);
        let objects: Vec<Row> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects, rows);
        assert_eq!(written(Format::Json, &[]), "[]\n");
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        let want = "path,duration,start,end,rank,label,score,error\n\
                    a b.wav,4.5,1,3,1,\"dog, \"\"barking\"\"\",0.75,\n\
                    x.wav,,,,,,,it is no sound\n";
        assert_eq!(written(Format::Csv, &[scored(Some(1.0)), failed()]), want);
    }

    #[test]
    fn times_are_a_column_of_csv_where_they_are_asked_for() {
        let want = "path,duration,start,end,rank,label,score,error,time\n\
                    a b.wav,4.5,1,3,1,\"dog, \"\"barking\"\"\",0.75,,2021-05-10T19:00:01Z\n\
                    x.wav,,,,,,,it is no sound,\n";
        let style = Style { times: true, ..style(Format::Csv) };
        assert_eq!(written_as(style, &[scored(Some(1.0)), failed()]), want);
        assert_eq!(written_as(style, &[]), "path,duration,start,end,rank,label,score,error,time\n");
    }

    #[test]
    fn codes_are_a_column_where_the_labels_have_them_and_ravens_species() {
        let mut spoken = scored(Some(1.0));
        let Row::Scored { predictions, .. } = &mut spoken.rows[0] else { panic!("it is scored") };
        predictions[0] = Prediction { label: "english".into(), code: Some("en".into()), score: 0.75 };
        let results = [spoken, failed()];
        let want = "path,duration,start,end,rank,label,score,error,code\n\
                    a b.wav,4.5,1,3,1,english,0.75,,en\n\
                    x.wav,,,,,,,it is no sound,\n";
        assert_eq!(written_as(Style { codes: true, ..style(Format::Csv) }, &results), want);
        let selections = written(Format::Raven, &results);
        assert!(selections.contains("\tenglish\ten\t0.7500\t"), "{selections}");
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, Style { codes: true, ..style(Format::Parquet) }).unwrap();
        results.iter().for_each(|result| writer.write(result).unwrap());
        writer.finish().unwrap();
        assert!(out.windows(4).any(|it| it == b"code"));
    }

    #[test]
    fn times_are_a_column_of_parquet_where_they_are_asked_for() {
        for times in [false, true] {
            let mut out = Vec::new();
            let mut writer = Writer::new(&mut out, Style { times, ..style(Format::Parquet) }).unwrap();
            [scored(Some(1.0)), failed()].iter().for_each(|result| writer.write(result).unwrap());
            writer.finish().unwrap();
            let has = |text: &[u8]| out.windows(text.len()).any(|it| it == text);
            assert!(has(b"duration"));
            assert_eq!((has(b"time"), has(b"2021-05-10T19:00:01Z")), (times, times));
        }
    }

    #[test]
    fn on_a_terminal_data_are_without_what_acts_on_it_and_json_stays_json() {
        const HOSTILE: &str = "a\u{1b}[2J\u{9b}31m\u{202e}\n\u{e0041}b";
        let results = [result("x\u{7f}.wav", HOSTILE, &[Some(1.0)])];
        for format in [Format::Csv, Format::Json, Format::Jsonl] {
            let shown = written_as(Style { terminal: true, ..style(format) }, &results);
            let lines: Vec<&str> = shown.lines().collect();
            assert!(lines.iter().all(|line| *line == crate::output::escape::escape(line)), "{shown:?}");
            let piped = written(format, &results);
            if format == Format::Csv {
                assert!(piped.contains(HOSTILE), "{piped:?}");
            } else {
                let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
                assert_eq!(value(&shown), value(&piped));
            }
        }
    }

    #[test]
    fn marks_have_their_columns() {
        let rows = [scored(Some(1.0)), failed()];
        assert_eq!(written(Format::Audacity, &rows), "1.000000\t3.000000\tdog, \"barking\" 0.75\n");
        assert_eq!(
            written(Format::Rttm, &rows),
            "SPEAKER a_b.wav 1 1.000 2.000 <NA> <NA> dog,_\"barking\" 0.7500 <NA>\n"
        );
        let mut writer = Writer::new(Vec::new(), style(Format::Raven)).unwrap();
        assert!(writer.write(&scored(None)).is_err(), "a whole file has no start");
    }

    #[test]
    fn ravens_selections_are_numbered_and_timed_through_all_files() {
        let (first, second) =
            (result("d/a.wav", "dog", &[Some(0.0), Some(2.5)]), result("/b.wav", "cat", &[Some(1.0)]));
        // A file in which nothing was found, and one that failed.
        let (silent, failed) = (InputResult { rows: Vec::new(), ..first.clone() }, failed());
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
            let one = [result("x\ty\nz.wav", label, &[Some(1.0)])];
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
}
