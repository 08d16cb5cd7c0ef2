use std::fmt;
use std::path::Path;
use std::str::FromStr;

use earmark_error::{Attempt as _, Context as _};

use crate::error::{Error, ErrorKind, Task};
use crate::metrics::multi_label::MultiLabel;
use crate::metrics::ranking::{Curve, Point};

/// What the thresholds of labels are fitted for. As text `f1` or `precision=0.9`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Objective {
    /// The highest F1.
    F1,
    /// The most clips found at a precision of at least this, above 0 and at most 1.
    Precision(f64),
}

impl FromStr for Objective {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let precision = text.strip_prefix("precision=").and_then(|number| number.parse::<f64>().ok());
        match (text, precision) {
            ("f1", _) => Ok(Objective::F1),
            (_, Some(least)) if least > 0.0 && least <= 1.0 => Ok(Objective::Precision(least)),
            _ => {
                let choices = "f1, precision=P with P above 0 and at most 1";
                Err(Task::Parse("objective").failed(ErrorKind::Unknown { text: text.to_owned(), choices }))
            }
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Objective::F1 => f.write_str("f1"),
            Objective::Precision(least) => write!(f, "precision={least}"),
        }
    }
}

/// The score from which on each label is given, in class order.
///
/// As a csv file: `label,threshold`, a line a label in any order; `inf` for a label that is never given.
#[derive(Debug, Clone, PartialEq)]
pub struct Thresholds {
    labels: Vec<String>,
    values: Vec<f64>,
}

/// Thresholds with what the fit could not do.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedThresholds {
    /// One a label; infinite for a label of `without_clips` or `unreachable`.
    pub thresholds: Thresholds,
    /// Labels that no clip of the fit has.
    pub without_clips: Vec<String>,
    /// Labels that do not reach the precision at any threshold.
    pub unreachable: Vec<String>,
}

impl Thresholds {
    /// Fits a threshold for each label on held-out clips. It is the score of one of these clips, so that `score >= threshold` on them does what
    /// was fitted; of equally good ones the highest for [`Objective::F1`], the lowest for [`Objective::Precision`].
    ///
    /// `labels` are those of the classes of `clips`.
    ///
    /// # Errors
    /// [`ErrorKind::Count`] when there is not one label for each class.
    pub fn fit(
        clips: &MultiLabel,
        labels: &[String],
        objective: Objective,
    ) -> Result<FittedThresholds, Error> {
        crate::scores::counted("labels", clips.scores().classes(), labels.len()).context(Task::Thresholds)?;
        let mut fitted = FittedThresholds {
            thresholds: Self { labels: labels.to_vec(), values: Vec::new() },
            without_clips: Vec::new(),
            unreachable: Vec::new(),
        };
        for (class, label) in labels.iter().enumerate() {
            let curve = Curve::new(&clips.scores().column(class), &clips.is(class));
            let threshold = best(&curve, objective);
            fitted.thresholds.values.push(threshold.unwrap_or(f64::INFINITY));
            if threshold.is_none() {
                let missing = match curve.totals().positives {
                    0 => &mut fitted.without_clips,
                    _ => &mut fitted.unreachable,
                };
                missing.push(label.clone());
            }
        }
        Ok(fitted)
    }

    /// One threshold for every label.
    pub fn constant(labels: &[String], threshold: f64) -> Self {
        Self { labels: labels.to_vec(), values: vec![threshold; labels.len()] }
    }

    /// The labels, in class order.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The thresholds, in class order: what [`MultiLabel::counts`] takes.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Reads a csv file for a model with these labels.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Line`] names the line of a label that the model does not have or that was there before, of a threshold
    /// that is no number, and of a line with other columns; [`ErrorKind::Labels`] names the labels of the model without a threshold.
    pub fn read(path: impl AsRef<Path>, labels: &[String]) -> Result<Self, Error> {
        /// 16 MB.
        const LIMIT: u64 = 16 << 20;
        let path = path.as_ref();
        let text = earmark_fs::read_to_string(path, LIMIT).context(Task::Read(path))?;
        parse(&text, labels).context(Task::Read(path))
    }

    /// Writes a csv file as a whole or not at all, over a file that is there.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let write = || {
            let mut table = csv::Writer::from_writer(Vec::new());
            table.write_record(["label", "threshold"]).map_err(std::io::Error::from)?;
            for (label, threshold) in self.labels.iter().zip(&self.values) {
                table.write_record([label, &threshold.to_string()]).map_err(std::io::Error::from)?;
            }
            let bytes = table.into_inner().map_err(|error| std::io::Error::other(error.to_string()))?;
            earmark_fs::write(path, &bytes)
        };
        write().context(Task::Write(path))
    }
}

/// The score that does best; `None` when none does.
fn best(curve: &Curve, objective: Objective) -> Option<f64> {
    let totals = curve.totals();
    let f1 = |point: &Point| {
        2.0 * point.positives as f64 / (point.positives + point.negatives + totals.positives) as f64
    };
    let best = match objective {
        // The first of equals is the one with the highest score.
        Objective::F1 => curve
            .points
            .iter()
            .filter(|point| point.positives > 0)
            .reduce(|best, point| if f1(point) > f1(best) { point } else { best }),
        Objective::Precision(least) => curve.points.iter().rfind(|point| point.precision() >= least),
    };
    best.map(|point| point.score)
}

fn parse(text: &str, labels: &[String]) -> Result<Thresholds, ErrorKind> {
    let mut table = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let at_line = |line: u64, problem: String| ErrorKind::Line { line, problem };
    let headers = table.headers().map_err(std::io::Error::from)?.clone();
    if headers.iter().map(|name| name.trim_start_matches('\u{feff}')).ne(["label", "threshold"]) {
        return Err(at_line(1, "expected the columns `label,threshold`".to_owned()));
    }
    let mut values: Vec<Option<f64>> = vec![None; labels.len()];
    for record in table.records() {
        let record = record.map_err(std::io::Error::from)?;
        let line = record.position().map_or(0, csv::Position::line);
        let [label, number] = record.iter().collect::<Vec<_>>()[..] else {
            return Err(at_line(
                line,
                format!("it has {} columns, expected `label,threshold`", record.len()),
            ));
        };
        let Some(class) = labels.iter().position(|known| known == label) else {
            return Err(at_line(line, format!("the model has no label `{label}`")));
        };
        let threshold = number.trim().parse::<f64>().ok().filter(|threshold| !threshold.is_nan());
        let Some(threshold) = threshold else {
            return Err(at_line(line, format!("the threshold `{number}` of `{label}` is not a number")));
        };
        if values[class].replace(threshold).is_some() {
            return Err(at_line(line, format!("`{label}` has a threshold already")));
        }
    }
    let missing: Vec<&str> = labels
        .iter()
        .zip(&values)
        .filter(|(_, value)| value.is_none())
        .map(|(label, _)| label.as_str())
        .collect();
    match missing.first() {
        None => Ok(Thresholds { labels: labels.to_vec(), values: values.into_iter().flatten().collect() }),
        Some(first) => {
            let more = match missing.len() {
                1 => String::new(),
                count => format!(" and {} other labels of the model", count - 1),
            };
            Err(ErrorKind::Labels { problem: format!("no threshold for `{first}`{more}") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::ScoreMatrix;

    fn labels(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn fit(scores: &[f64], truth: &[bool], objective: Objective) -> FittedThresholds {
        let clips = MultiLabel::new(ScoreMatrix::new(1, scores.to_vec()).unwrap(), truth.to_vec()).unwrap();
        Thresholds::fit(&clips, &labels(&["dog"]), objective).unwrap()
    }

    #[test]
    fn a_precision_is_reached_with_as_many_clips_as_possible() {
        let scores = [0.9, 0.8, 0.7, 0.6, 0.5];
        let truth = [true, false, true, true, false];
        let threshold = |least| fit(&scores, &truth, Objective::Precision(least)).thresholds.values()[0];
        // Precision from the top: 1, 1/2, 2/3, 3/4, 3/5.
        assert_eq!((threshold(1.0), threshold(0.75), threshold(0.6)), (0.9, 0.6, 0.5));
        let never = fit(&[0.9, 0.5], &[false, true], Objective::Precision(0.9));
        assert_eq!((never.unreachable, never.thresholds.values()), (labels(&["dog"]), &[f64::INFINITY][..]));
    }

    #[test]
    fn the_highest_f1_is_found_and_clips_of_one_score_stay_together() {
        let f1 = |scores: &[f64], truth: &[bool]| fit(scores, truth, Objective::F1);
        assert_eq!(f1(&[0.9, 0.8, 0.7, 0.2], &[true, true, false, true]).thresholds.values(), [0.2]);
        assert_eq!(f1(&[0.9, 0.9, 0.1], &[true, false, false]).thresholds.values(), [0.9]);
        assert_eq!(f1(&[0.9, 0.1], &[false, false]).without_clips, ["dog"]);
    }

    #[test]
    fn thresholds_are_read_as_they_were_written_whatever_the_labels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thresholds.csv");
        let names = labels(&["Male speech, man speaking", "a \"quoted\" one", "dog"]);
        let mut written = Thresholds::constant(&names, 0.1 + 0.2);
        written.values[2] = f64::INFINITY;
        written.write(&path).unwrap();
        assert_eq!(Thresholds::read(&path, &names).unwrap(), written);
        // In another order of classes.
        let reversed: Vec<String> = names.iter().rev().cloned().collect();
        assert_eq!(Thresholds::read(&path, &reversed).unwrap().values()[0], f64::INFINITY);
    }

    #[test]
    fn a_bad_line_is_refused_by_its_number() {
        let names = labels(&["cat", "dog"]);
        let refused = |text: &str| parse(text, &names).unwrap_err().to_string();
        let head = "label,threshold\ncat,0.5\n";
        assert_eq!(refused(&format!("{head}cow,0.5\n")), "line 3: the model has no label `cow`");
        assert_eq!(
            refused(&format!("{head}dog,high\n")),
            "line 3: the threshold `high` of `dog` is not a number"
        );
        assert_eq!(refused(&format!("{head}cat,0.6\n")), "line 3: `cat` has a threshold already");
        assert_eq!(refused(&format!("{head}dog\n")), "line 3: it has 1 columns, expected `label,threshold`");
        assert_eq!(refused(head), "no threshold for `dog`");
        assert_eq!(refused("cat,0.5\n"), "line 1: expected the columns `label,threshold`");
        assert_eq!(
            refused(&format!("{head}dog,NaN\n")),
            "line 3: the threshold `NaN` of `dog` is not a number"
        );
    }

    #[test]
    fn an_objective_is_read_as_it_prints() {
        for objective in [Objective::F1, Objective::Precision(0.9)] {
            assert_eq!(objective.to_string().parse::<Objective>().unwrap(), objective);
        }
        for bad in ["precision", "precision=0", "precision=1.1", "precision=nan", "F2", ""] {
            assert!(bad.parse::<Objective>().is_err(), "{bad}");
        }
    }
}
