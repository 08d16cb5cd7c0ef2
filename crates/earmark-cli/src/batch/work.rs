//! The model's part of a job: it scores what was decoded, and hands the results on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use earmark_features::Features;
use earmark_pipeline::{Error, Window, Windows};

use crate::batch::prepare::{Prepared, PreparedFile, Reading};
use crate::batch::remaining::start_of;
use crate::batch::results::Results;
use crate::batch::windows::WindowScores;
use crate::output::clock::length;
use crate::output::count::count;
use crate::output::messages;
use crate::output::results::rows::Row;
use crate::scoring::scorer::Scorer;

/// What the model scores before results are kept and the bar moves: so many clips, and seconds of whole files. The clips are
/// those of one forward pass, so that none is smaller for it.
const CLIPS: usize = 8;
const SECONDS: f64 = 120.0;

/// A job that runs.
pub(crate) struct Work<'a, M> {
    pub(crate) model: &'a M,
    pub(crate) windows: Option<Windows>,
    /// Of the file that is read in windows.
    pub(crate) scores: WindowScores<'a>,
    pub(crate) results: Results,
    /// The file that is read in windows, since when, and how many windows were scored of it since.
    pub(crate) reading: Option<(Reading, Instant, usize)>,
    /// Inputs without a result.
    pub(crate) left: usize,
    pub(crate) stop: &'a AtomicBool,
    /// Time that the model and the writing of results took.
    pub(crate) forward: Duration,
    pub(crate) writing: Duration,
}

impl<M: Scorer> Work<'_, M> {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Scores what was prepared, and keeps the results.
    pub(crate) fn score(&mut self, prepared: Prepared) -> Result<()> {
        match prepared {
            Prepared::Files(files) => {
                for group in groups(files) {
                    if self.is_stopped() {
                        break;
                    }
                    self.files(group)?;
                }
                Ok(())
            }
            Prepared::Begin(reading, before) => {
                let start = self.windows.map_or(0.0, |windows| start_of(before.count, windows));
                self.results.progress.begin(reading.input.shown(), start);
                self.scores.begin(before);
                self.reading = Some((reading, Instant::now(), 0));
                Ok(())
            }
            Prepared::Windows(mut windows) => {
                while !windows.is_empty() && !self.is_stopped() {
                    let rest = windows.split_off(windows.len().min(CLIPS));
                    self.score_windows(std::mem::replace(&mut windows, rest))?;
                }
                Ok(())
            }
            Prepared::End(ended) => {
                let Some((reading, began, scored)) = self.reading.take() else { return Ok(()) };
                let rows = self.scores.finish(&reading.input, ended);
                if let Ok((seconds, _)) = &rows {
                    messages::detail(format_args!(
                        "`{}`: {} of audio; {} in {}",
                        reading.input.shown(),
                        length(*seconds),
                        count(scored, "window"),
                        length(began.elapsed().as_secs_f64())
                    ));
                }
                self.keep(&reading, rows)
            }
        }
    }

    fn score_windows(&mut self, windows: Vec<(Window, Result<Features, Error>)>) -> Result<()> {
        let (number, end) = (windows.len(), windows.last().map_or(0.0, |(window, _)| window.end));
        let began = Instant::now();
        self.scores.score(windows, self.model);
        self.forward += began.elapsed();
        let Some((reading, _, scored)) = &mut self.reading else { return Ok(()) };
        *scored += number;
        self.results.progress.advance(end);
        let began = Instant::now();
        self.results.keep_windows(reading, self.scores.progress())?;
        self.writing += began.elapsed();
        Ok(())
    }

    /// Scores whole files.
    fn files(&mut self, files: Vec<(Reading, Result<PreparedFile>)>) -> Result<()> {
        let (mut clips, mut seconds) = (Vec::new(), 0.0);
        let mut take_features = |PreparedFile { duration, features, took }| {
            clips.push(features);
            seconds += duration;
            (duration, took)
        };
        let files: Vec<(Reading, Result<(f64, Duration)>)> =
            files.into_iter().map(|(reading, file)| (reading, file.map(&mut take_features))).collect();
        let began = Instant::now();
        let mut scores = self.model.scores(&clips).into_iter();
        let forward = began.elapsed();
        self.forward += forward;
        for (reading, file) in files {
            let rows = file.and_then(|(duration, took)| {
                let scores = scores.next().expect("one list of scores a clip");
                let scores = scores.map_err(|error| reading.input.name_in(error))?;
                let (path, predictions) = (reading.input.name(), self.scores.predictions(&scores));
                // Its share, where several clips were one batch.
                let share = forward.as_secs_f64() * duration / seconds;
                messages::detail(format_args!(
                    "`{path}`: {} of audio; decoding and features {:.3} s, the model {share:.3} s",
                    length(duration),
                    took.as_secs_f64()
                ));
                let row = Row::Scored { path, duration, start: None, end: None, time: None, predictions };
                Ok((duration, vec![row]))
            });
            self.keep(&reading, rows)?;
        }
        Ok(())
    }

    fn keep(&mut self, reading: &Reading, rows: Result<(f64, Vec<Row>)>) -> Result<()> {
        self.left -= 1;
        let began = Instant::now();
        self.results.keep(reading, rows)?;
        self.writing += began.elapsed();
        Ok(())
    }
}

/// Files in groups that the model scores at once.
fn groups(files: Vec<(Reading, Result<PreparedFile>)>) -> Vec<Vec<(Reading, Result<PreparedFile>)>> {
    let mut groups: Vec<Vec<_>> = Vec::new();
    let mut seconds = 0.0;
    for file in files {
        let length = file.1.as_ref().map_or(0.0, |it| it.duration);
        match groups.last_mut().filter(|group| group.len() < CLIPS && seconds + length <= SECONDS) {
            Some(group) => {
                seconds += length;
                group.push(file);
            }
            None => {
                seconds = length;
                groups.push(vec![file]);
            }
        }
    }
    groups
}
