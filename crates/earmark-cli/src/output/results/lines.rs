//! Results for people, on a line for each file or window.

use earmark_labels::{LabelSet, Prediction, TopK};

use crate::output::clock::clock;
use crate::output::escape::escape;
use crate::output::results::rows::Row;
use crate::output::width;

/// How results of several files, or of windows, are put on lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines {
    /// Columns of the path; none where all results are of one file.
    path: Option<usize>,
    /// Columns of a label.
    label: usize,
    /// Labels on a line, at most; without it those that fit, up to [`LABELS`].
    labels: Option<usize>,
    /// Columns of the terminal that shows them, if one does: paths and labels are shortened to fit.
    terminal: Option<usize>,
}

/// Labels on a line where --top-k is not given.
const LABELS: usize = 3;
/// The widest column of labels: AudioSet has some of forty letters.
const WIDEST_LABEL: usize = 20;
/// The narrowest column of paths on a terminal.
const NARROWEST_PATH: usize = 16;
/// Between two columns.
const GAP: usize = 2;
/// A score, `0.9312`, and the gap before it.
const SCORE: usize = 8;
/// `0:00.0 1:02:03.5`
const TIMES: usize = 20;

impl Lines {
    /// For the results of the files `paths`, of windows with their times if `has_times`; `terminal` is as in the type. `None`
    /// where there is one result, for which there is a table.
    pub(crate) fn new(
        paths: &[String],
        labels: &LabelSet,
        top_k: Option<TopK>,
        has_times: bool,
        terminal: Option<usize>,
    ) -> Option<Lines> {
        if paths.len() <= 1 && !has_times {
            return None;
        }
        let widest =
            |texts: &[String]| texts.iter().map(|text| width::of_text(&escape(text))).max().unwrap_or(0);
        let label = widest(labels.names()).min(WIDEST_LABEL);
        let times = if has_times { TIMES + GAP } else { 0 };
        let room = terminal.map(|it| it.saturating_sub(times + label + SCORE + GAP).max(NARROWEST_PATH));
        let path = (paths.len() > 1).then(|| widest(paths).min(room.unwrap_or(usize::MAX)));
        let labels = top_k.map(|top_k| match top_k {
            TopK::N(n) => n,
            TopK::All => usize::MAX,
        });
        Some(Lines { path, label, labels, terminal })
    }

    /// The line of a result; none for a failure, which is reported on stderr.
    pub(crate) fn line(&self, row: &Row) -> Option<String> {
        let Row::Scored { path, start, end, predictions, .. } = row else { return None };
        let mut line = String::new();
        if let Some(columns) = self.path {
            let path = escape(path);
            let path = if self.terminal.is_some() { width::shorten(&path, columns) } else { path };
            line += &padded(&path, columns);
            line += &" ".repeat(GAP);
        }
        if let (Some(start), Some(end)) = (start, end) {
            line += &format!("{:>9}  {:>9}", clock(*start), clock(*end));
            line += &" ".repeat(GAP);
        }
        let most = self.terminal.filter(|_| self.labels.is_none()).unwrap_or(usize::MAX);
        let shown = predictions.iter().take(self.labels.unwrap_or(LABELS));
        for (number, Prediction { label, score, .. }) in shown.enumerate() {
            let label = escape(label);
            let label = if self.terminal.is_some() { width::shorten(&label, self.label) } else { label };
            let gap = " ".repeat(if number == 0 { 0 } else { GAP });
            let cell = format!("{gap}{} {score:>7.4}", padded(&label, self.label));
            if number > 0 && width::of_text(&line) + width::of_text(&cell) > most {
                break;
            }
            line += &cell;
        }
        if predictions.is_empty() {
            line.push('-');
        }
        Some(line)
    }
}

/// Text with blanks behind it, up to so many columns.
fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width::of_text(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(path: &str, start: Option<f64>, predictions: &[(&str, f32)]) -> Row {
        let predictions = predictions.iter().map(|(label, score)| Prediction {
            label: (*label).to_owned(),
            code: None,
            score: *score,
        });
        let end = start.map(|start| start + 5.0);
        Row::Scored {
            path: path.to_owned(),
            duration: 9.0,
            start,
            end,
            time: None,
            predictions: predictions.collect(),
        }
    }

    const THREE: &[(&str, f32)] = &[("dog", 0.931), ("vacuum cleaner", 0.0412), ("rain", 0.01)];

    #[test]
    fn columns_stand_below_each_other_and_fit_a_terminal() {
        let lines = Lines { path: Some(24), label: 14, labels: None, terminal: Some(80) };
        let text = |path: &str, start, predictions: &[(&str, f32)]| {
            lines.line(&row(path, start, predictions)).unwrap()
        };
        assert_eq!(
            text("recordings/2026/marsh/night_0400.wav", None, THREE),
            "recordi…h/night_0400.wav  dog             0.9310  vacuum cleaner  0.0412"
        );
        assert_eq!(text("a.wav", None, &THREE[..1]), "a.wav                     dog             0.9310");
        assert_eq!(
            text("a.wav", Some(3600.0), THREE),
            "a.wav                     1:00:00.0  1:00:05.0  dog             0.9310"
        );
        assert_eq!(text("a.wav", None, &[]), "a.wav                     -");
    }

    #[test]
    fn elsewhere_nothing_is_shortened() {
        let lines = Lines { path: Some(5), label: 4, labels: Some(2), terminal: None };
        let line = lines.line(&row("recordings/night.wav", None, THREE)).unwrap();
        assert_eq!(line, "recordings/night.wav  dog   0.9310  vacuum cleaner  0.0412");
        let one = Lines { path: None, ..lines };
        assert_eq!(
            one.line(&row("a.wav", Some(0.0), &THREE[..1])).unwrap(),
            "   0:00.0     0:05.0  dog   0.9310"
        );
    }

    #[test]
    fn what_acts_on_a_terminal_is_escaped() {
        let lines = Lines { path: Some(12), label: 8, labels: None, terminal: None };
        let line = lines.line(&row("a\nb.wav", None, &[("\u{1b}[2J", 0.5)])).unwrap();
        assert!(line.starts_with("a\\nb.wav ") && line.contains("\\u{1b}[2J"), "{line}");
    }
}
