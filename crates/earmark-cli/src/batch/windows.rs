//! The scores of a recording's windows, and the rows that they become.

use anyhow::{Result, bail};
use earmark_features::Features;
use earmark_labels::{Prediction, TopK};
use earmark_pipeline::{Error, Window};

use crate::args::job::{Aggregate, JobArgs};
use crate::batch::saved::record::{FailedWindows, WindowProgress};
use crate::input::path::Input;
use crate::output::causes::brief;
use crate::output::clock::clock;
use crate::output::results::rows::Row;
use crate::scoring::label_filter::LabelFilter;
use crate::scoring::scorer::Scorer;

/// The result of the file whose windows are being scored.
pub(crate) struct WindowScores<'a> {
    labels: LabelFilter<'a>,
    top_k: TopK,
    merge: bool,
    aggregate: Option<Aggregate>,
    windows: Vec<(Window, Vec<Prediction>)>,
    /// How many windows are joined in the last of `windows`, whose score is their mean.
    joined: f32,
    /// Sums or maxima of the scores over the windows that did not fail.
    totals: Vec<f64>,
    /// All windows so far.
    count: usize,
    failed: Option<FailedWindows>,
    /// The windows that the journal does not hold yet.
    fresh: Vec<(f64, f64, Vec<Prediction>)>,
}

impl<'a> WindowScores<'a> {
    pub(crate) fn new(args: &JobArgs, top_k: TopK, labels: LabelFilter<'a>) -> WindowScores<'a> {
        WindowScores {
            labels,
            top_k: if args.merge { TopK::N(1) } else { top_k },
            merge: args.merge,
            aggregate: args.aggregate,
            windows: Vec::new(),
            joined: 0.0,
            totals: Vec::new(),
            count: 0,
            failed: None,
            fresh: Vec::new(),
        }
    }

    pub(crate) fn predictions(&self, scores: &[f32]) -> Vec<Prediction> {
        self.labels.best(scores, self.top_k)
    }

    /// Begins the next file, with what was scored of it before.
    pub(crate) fn begin(&mut self, progress: WindowProgress) {
        let WindowProgress { count, windows, totals, failed } = progress;
        self.windows.clear();
        windows.into_iter().for_each(|(start, end, best)| self.join(Window { start, end }, best));
        (self.count, self.totals, self.failed) = (count, totals, failed);
        self.fresh.clear();
    }

    /// What was scored since the last call.
    pub(crate) fn progress(&mut self) -> WindowProgress {
        WindowProgress {
            count: self.count,
            windows: std::mem::take(&mut self.fresh),
            totals: self.totals.clone(),
            failed: self.failed.clone(),
        }
    }

    /// Scores the windows that come next.
    pub(crate) fn score(&mut self, windows: Vec<(Window, Result<Features, Error>)>, model: &impl Scorer) {
        let mut clips = Vec::new();
        let windows: Vec<(Window, Result<(), Error>)> = windows
            .into_iter()
            .map(|(window, features)| (window, features.map(|features| clips.push(features))))
            .collect();
        let mut scores = model.scores(&clips).into_iter();
        for (window, features) in windows {
            self.count += 1;
            match features.and_then(|()| scores.next().expect("one list of scores a window")) {
                Ok(scores) if self.aggregate.is_some() => self.add(&scores),
                Ok(scores) => {
                    let best = self.predictions(&scores);
                    self.fresh.push((window.start, window.end, best.clone()));
                    self.join(window, best);
                }
                Err(error) => {
                    let first = window.start;
                    let new = || FailedWindows { count: 0, first, why: brief(&error) };
                    self.failed.get_or_insert_with(new).count += 1;
                }
            }
        }
    }

    fn add(&mut self, scores: &[f32]) {
        let scores = scores.iter().map(|&score| f64::from(score));
        if self.totals.is_empty() {
            self.totals = scores.collect();
            return;
        }
        for (total, score) in self.totals.iter_mut().zip(scores) {
            *total = match self.aggregate {
                Some(Aggregate::Max) => total.max(score),
                _ => *total + score,
            };
        }
    }

    fn join(&mut self, window: Window, predictions: Vec<Prediction>) {
        match (self.windows.last_mut(), predictions.first()) {
            (Some((span, before)), Some(best))
                if self.merge
                    && window.start <= span.end
                    && before.first().is_some_and(|before| before.label == best.label) =>
            {
                span.end = window.end;
                before[0].score = (before[0].score * self.joined + best.score) / (self.joined + 1.0);
                self.joined += 1.0;
            }
            _ => {
                self.joined = 1.0;
                self.windows.push((window, predictions));
            }
        }
    }

    /// Ends the file: how long it plays in seconds, and its rows.
    pub(crate) fn finish(&mut self, input: &Input, ended: Result<f64>) -> Result<(f64, Vec<Row>)> {
        let (windows, totals) = (std::mem::take(&mut self.windows), std::mem::take(&mut self.totals));
        let (count, failed) = (std::mem::take(&mut self.count), self.failed.take());
        let (duration, path) = (ended?, input.name());
        if count == 0 {
            bail!("{}: it plays {duration} s, which is shorter than any window", input.cannot_use());
        }
        let mut used = count;
        let mut failure = None;
        if let Some(FailedWindows { count: bad, first, why }) = failed {
            used -= bad;
            let cannot_use = input.cannot_use();
            if used == 0 {
                bail!("{cannot_use}: {why}");
            }
            let at = clock(first);
            let error =
                format!("{cannot_use}: {bad} of {count} windows fail, the first of them at {at}: {why}");
            failure = Some(Row::Failed { path: path.clone(), error });
        }
        let row = |start, end, predictions| Row::Scored {
            path: path.clone(),
            duration,
            start,
            end,
            time: None,
            predictions,
        };
        let mut rows = match self.aggregate {
            Some(how) => {
                let share = if how == Aggregate::Mean { used.max(1) as f64 } else { 1.0 };
                let scores: Vec<f32> = totals.iter().map(|total| (total / share) as f32).collect();
                vec![row(None, None, self.predictions(&scores))]
            }
            None => {
                // With --merge, windows without a label are no event.
                let events =
                    windows.into_iter().filter(|(_, predictions)| !self.merge || !predictions.is_empty());
                events
                    .map(|(window, predictions)| row(Some(window.start), Some(window.end), predictions))
                    .collect()
            }
        };
        rows.extend(failure);
        Ok((duration, rows))
    }
}

#[cfg(test)]
mod tests {
    use earmark_labels::{LabelSet, Scores};

    use super::*;
    use crate::args::label_filter::LabelFilterArgs;
    use crate::output::results::rows::InputResult;

    #[test]
    fn windows_beside_one_that_failed_have_their_rows_and_the_file_counts_as_failed() {
        let labels = LabelSet::from_names(["rain", "wind"]).unwrap();
        let best = |label: &str| vec![Prediction { label: label.to_owned(), code: None, score: 0.9 }];
        let mut scores = WindowScores {
            labels: LabelFilter::new(&LabelFilterArgs::default(), &labels, Scores::Softmax).unwrap(),
            top_k: TopK::N(1),
            merge: false,
            aggregate: None,
            windows: Vec::new(),
            joined: 0.0,
            totals: Vec::new(),
            count: 0,
            failed: None,
            fresh: Vec::new(),
        };
        scores.begin(WindowProgress {
            count: 3,
            windows: vec![(0.0, 1.0, best("rain")), (2.0, 3.0, best("wind"))],
            totals: Vec::new(),
            failed: Some(FailedWindows { count: 1, first: 1.0, why: "a logit is NaN".to_owned() }),
        });
        let input = Input::File("a.wav".into());
        let (duration, rows) = scores.finish(&input, Ok(3.0)).unwrap();
        assert_eq!(rows.len(), 3);
        let result = InputResult { input: input.name(), duration: Some(duration), rows };
        assert!(result.has_failed());
        let errors: Vec<&str> = result.errors().collect();
        assert_eq!(
            errors,
            ["cannot use `a.wav`: 1 of 3 windows fail, the first of them at 0:01.0: a logit is NaN"]
        );
    }
}
