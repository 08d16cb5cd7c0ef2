//! How far a job is, in seconds of audio.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::output::clock::{times_real_time, whole_seconds};
use crate::output::progress::LiveBar;
use crate::output::width;

/// How far a job is. Inputs are known by their place among those that are left to do.
#[derive(Debug)]
pub(crate) struct Progress {
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    files: usize,
    files_done: usize,
    /// Seconds that were done before the job was resumed.
    earlier: f64,
    /// Seconds of the inputs that ended in this run.
    done: f64,
    /// Of the input that is read in windows: where this run began, how far it is, and its name.
    base: f64,
    current: f64,
    name: String,
    inputs: Vec<Expected>,
    left: Sum,
    /// Of inputs whose length and bytes are known, from which that of others is estimated.
    seen: Sum,
}

/// What is known of an input that is not done.
#[derive(Debug, Clone, Copy)]
struct Expected {
    bytes: Option<u64>,
    seconds: Option<f64>,
    done: bool,
}

/// Seconds, bytes of inputs, and inputs of which neither is known.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    seconds: f64,
    bytes: f64,
    unknown: usize,
}

/// How far a job is at a moment, in seconds of audio.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Now {
    position: f64,
    /// All of the job, once it can be estimated.
    total: Option<f64>,
    /// Done in this run.
    here: f64,
    /// Since this run began.
    elapsed: f64,
}

impl Progress {
    /// Of a job of `files` files, of which `earlier` seconds were done before; `bytes` are the sizes of those that are left.
    pub(crate) fn new(files: usize, earlier: f64, bytes: &[Option<u64>]) -> Progress {
        let mut state = State { files, files_done: files - bytes.len(), earlier, ..State::default() };
        state.inputs = bytes.iter().map(|&bytes| Expected { bytes, seconds: None, done: false }).collect();
        for place in 0..state.inputs.len() {
            state.count(place, 1.0);
        }
        Progress { began: Instant::now(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An input is `seconds` long by its header, if that says so.
    pub(crate) fn expect(&self, place: usize, seconds: Option<f64>) {
        if let Some(seconds) = seconds {
            self.state().learn(place, seconds);
        }
    }

    /// An input is read in windows from now on, from `start` on if those before were scored before.
    pub(crate) fn begin(&self, name: String, start: f64) {
        let mut state = self.state();
        state.earlier += start;
        (state.base, state.current, state.name) = (start, start, name);
    }

    /// That input is scored up to here.
    pub(crate) fn advance(&self, seconds: f64) {
        let mut state = self.state();
        state.current = seconds.max(state.current);
    }

    /// An input has its result: how long it is, or nothing where it failed.
    pub(crate) fn done(&self, place: usize, seconds: Option<f64>) {
        let mut state = self.state();
        if let Some(seconds) = seconds {
            state.learn(place, seconds);
        }
        state.count(place, -1.0);
        state.inputs[place].done = true;
        state.files_done += 1;
        state.done += (seconds.unwrap_or(state.current) - state.base).max(0.0);
        (state.base, state.current) = (0.0, 0.0);
        state.name.clear();
    }

    /// Seconds of audio that this run has done, and how many it did in each second.
    pub(crate) fn rate(&self) -> (f64, f64) {
        let now = self.state().now(self.began.elapsed());
        (now.here, now.here / now.elapsed.max(1e-9))
    }

    /// `3 of 12 files, 12:30 of 60:00 audio`
    pub(crate) fn position(&self) -> String {
        let state = self.state();
        let now = state.now(self.began.elapsed());
        [state.files_text(), Some(now.audio_text())].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// A bar on the terminal, until it is dropped.
    pub(crate) fn show(self: &Arc<Progress>) -> Option<LiveBar> {
        const BAR: usize = 10;
        let progress = Arc::clone(self);
        LiveBar::start("{bar:10} {msg}", move |bar| {
            let state = progress.state();
            let now = state.now(progress.began.elapsed());
            // In milliseconds, as a bar counts whole numbers.
            let (position, length) = match now.total {
                Some(total) => ((now.position * 1e3) as u64, (total * 1e3) as u64),
                None => (state.files_done as u64, state.files as u64),
            };
            // The last column stays free: some terminals break the line behind it.
            let most = width::of_stderr().saturating_sub(BAR + 2);
            let text = state.text(now, most);
            drop(state);
            bar.set_length(length.max(1));
            bar.set_position(position);
            bar.set_message(text);
        })
    }
}

impl State {
    /// Adds an input to what is left, or takes it away.
    fn count(&mut self, place: usize, sign: f64) {
        match self.inputs[place] {
            Expected { done: true, .. } => {}
            Expected { seconds: Some(seconds), .. } => self.left.seconds += sign * seconds,
            Expected { bytes: Some(bytes), .. } => self.left.bytes += sign * bytes as f64,
            Expected { .. } if sign > 0.0 => self.left.unknown += 1,
            Expected { .. } => self.left.unknown -= 1,
        }
    }

    fn learn(&mut self, place: usize, seconds: f64) {
        self.count(place, -1.0);
        let input = &mut self.inputs[place];
        if let (None, Some(bytes)) = (input.seconds.replace(seconds), input.bytes) {
            self.seen.seconds += seconds;
            self.seen.bytes += bytes as f64;
        }
        self.count(place, 1.0);
    }

    fn now(&self, elapsed: Duration) -> Now {
        let here = self.done + self.current - self.base;
        let unseen = match (self.left.bytes > 0.0, self.seen.bytes > 0.0) {
            (false, _) => Some(0.0),
            (true, true) => Some(self.left.bytes * self.seen.seconds / self.seen.bytes),
            (true, false) => None,
        };
        let left = unseen.filter(|_| self.left.unknown == 0).map(|unseen| self.left.seconds + unseen);
        let position = self.earlier + here;
        let total = left.map(|left| self.earlier + self.done - self.base + left.max(self.current));
        Now { position, total, here, elapsed: elapsed.as_secs_f64() }
    }

    fn files_text(&self) -> Option<String> {
        (self.files > 1).then(|| format!("{} of {} files", self.files_done, self.files))
    }

    /// One line of `most` columns or fewer; what matters least is left out first.
    fn text(&self, now: Now, most: usize) -> String {
        let files = self.files_text();
        let (rate, left) = (now.rate_text(), now.left_text());
        let audio = Some(now.audio_text());
        let join = |parts: [&Option<String>; 3]| {
            let parts = [&audio].into_iter().chain(parts).flatten().map(String::as_str);
            parts.collect::<Vec<_>>().join(", ")
        };
        let none = None;
        let choices =
            [[&files, &rate, &left], [&none, &rate, &left], [&none, &none, &left], [&none, &none, &none]];
        let texts = choices.map(join);
        let text = texts.iter().find(|text| width::of_text(text) <= most).unwrap_or(&texts[3]);
        // The name of the recording, where there is room for one that can be recognised.
        match most.saturating_sub(width::of_text(text) + 2) {
            room @ 12.. if !self.name.is_empty() => format!("{text}  {}", width::shorten(&self.name, room)),
            _ => width::shorten(text, most).into_owned(),
        }
    }
}

impl Now {
    /// `12:30 of 60:00 audio`
    fn audio_text(self) -> String {
        let position = whole_seconds(self.position);
        match self.total {
            Some(total) => format!("{position} of {} audio", whole_seconds(total)),
            None => format!("{position} of audio"),
        }
    }

    fn rate(self) -> Option<f64> {
        (self.here > 0.0 && self.elapsed > 0.0).then(|| self.here / self.elapsed)
    }

    fn rate_text(self) -> Option<String> {
        self.rate().map(times_real_time)
    }

    /// Never none at all: what is left takes a second, too.
    fn left_text(self) -> Option<String> {
        let left = (self.total? - self.position) / self.rate()?;
        Some(format!("{} left", whole_seconds(left.max(1.0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(progress: &Progress, seconds: u64, most: usize) -> String {
        let state = progress.state();
        state.text(state.now(Duration::from_secs(seconds)), most)
    }

    #[test]
    fn a_recording_counts_its_seconds() {
        let progress = Progress::new(1, 0.0, &[Some(1000)]);
        assert_eq!(after(&progress, 0, 68), "0:00 of audio");
        progress.expect(0, Some(3600.0));
        progress.begin("night.wav".to_owned(), 0.0);
        assert_eq!(after(&progress, 0, 68), "0:00 of 1:00:00 audio  night.wav");
        progress.advance(750.0);
        let text = "12:30 of 1:00:00 audio, 75 × real time, 0:38 left";
        assert_eq!(after(&progress, 10, 68), format!("{text}  night.wav"));
        progress.begin("recordings/2026/marsh/night_0400.wav".to_owned(), 0.0);
        progress.advance(3599.9);
        let end = "1:00:00 of 1:00:00 audio, 360 × real time, 0:01 left  reco…_0400.wav";
        assert_eq!(after(&progress, 10, 68), end);
        progress.done(0, Some(3600.5));
        assert_eq!(progress.position(), "1:00:01 of 1:00:01 audio");
    }

    #[test]
    fn a_resumed_job_counts_from_where_it_was_and_times_what_it_did() {
        // One file of ten minutes was done before, and ten minutes of one of an hour.
        let progress = Progress::new(3, 600.0, &[Some(6000), Some(1000)]);
        progress.expect(0, Some(3600.0));
        progress.begin("b.wav".to_owned(), 600.0);
        // The third is estimated by its bytes.
        assert_eq!(after(&progress, 0, 68), "20:00 of 1:20:00 audio, 1 of 3 files  b.wav");
        progress.advance(1200.0);
        assert_eq!(
            after(&progress, 60, 100),
            "30:00 of 1:20:00 audio, 1 of 3 files, 10 × real time, 5:00 left  b.wav"
        );
        progress.done(0, Some(3600.0));
        assert_eq!(progress.rate().0, 3000.0);
        progress.done(1, None);
        assert_eq!(
            after(&progress, 60, 68),
            "1:10:00 of 1:10:00 audio, 3 of 3 files, 50 × real time, 0:01 left"
        );
        assert_eq!(progress.position(), "3 of 3 files, 1:10:00 of 1:10:00 audio");
    }

    #[test]
    fn a_stream_has_no_total_and_nothing_is_left_of_it_that_is_known() {
        let progress = Progress::new(2, 0.0, &[None, Some(10)]);
        progress.expect(1, Some(60.0));
        progress.begin("-".to_owned(), 0.0);
        progress.advance(30.0);
        assert_eq!(after(&progress, 10, 40), "0:30 of audio, 3.0 × real time");
        progress.done(0, Some(40.0));
        assert_eq!(after(&progress, 10, 80), "0:40 of 1:40 audio, 1 of 2 files, 4.0 × real time, 0:15 left");
    }

    #[test]
    fn every_line_fits_its_width() {
        let progress = Progress::new(12_000, 430_000.0, &[Some(1 << 30); 11_000]);
        for place in 0..11_000 {
            progress.expect(place, Some(36_000.0));
        }
        progress.begin("recordings/2026/marsh/録音/night_0400.wav".to_owned(), 0.0);
        progress.advance(5000.0);
        for most in 0..120 {
            assert!(width::of_text(&after(&progress, 3, most)) <= most, "{most}");
        }
        assert!(after(&progress, 3, 68).ends_with("left"));
    }
}
