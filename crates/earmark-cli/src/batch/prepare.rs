//! Decodes inputs and extracts their features on threads of their own, so that the model never waits for them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use anyhow::Result;
use earmark_audio::{DecodeOptions, RecordingTime};
use earmark_features::Features;
use earmark_pipeline::{AudioOptions, Error, Window, Windows};
use rayon::prelude::*;

use crate::args::audio;
use crate::batch::cautions::Cautions;
use crate::batch::lengths::Lengths;
use crate::batch::progress::Progress;
use crate::batch::saved::record::WindowProgress;
use crate::input::open::Opener;
use crate::input::path::{FileStamp, Input};
use crate::scoring::scorer::ClipModel;

/// Files, or windows of one, that are decoded at once.
pub(crate) const BATCH: usize = 16;

/// An input, and its file as it was before it was read.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) input: Input,
    /// Its place among the inputs that are left to do.
    pub(crate) place: usize,
    pub(crate) stamp: Option<FileStamp>,
    /// When it was recorded, where that is wanted and known.
    pub(crate) began: Option<RecordingTime>,
}

impl Reading {
    fn begin(place: usize, input: Input, times: bool) -> Reading {
        let began = if times { input.recording_time() } else { None };
        Reading { stamp: input.stamp(), place, input, began }
    }
}

/// A whole file, ready for the model.
pub(crate) struct PreparedFile {
    /// How long it plays, in seconds.
    pub(crate) duration: f64,
    pub(crate) features: Features,
    /// How long it took to decode it and extract its features.
    pub(crate) took: Duration,
}

/// What is ready for the model, in the order of the inputs.
pub(crate) enum Prepared {
    /// Whole files.
    Files(Vec<(Reading, Result<PreparedFile>)>),
    /// The windows that follow are of this file; some may have been scored before the job was interrupted.
    Begin(Reading, WindowProgress),
    Windows(Vec<(Window, Result<Features, Error>)>),
    /// The end of that file: how long it plays in seconds, or why it could not be decoded.
    End(Result<f64>),
}

/// Nobody receives any more: the other thread met an error, and reports it.
pub(crate) struct Disconnected;

type Sent = Result<(), Disconnected>;

/// Prepares inputs for a model.
pub(crate) struct Preparer<'a, M> {
    pub(crate) hearing: &'a AudioOptions,
    pub(crate) opener: &'a Opener,
    pub(crate) model: &'a M,
    pub(crate) stop: &'a AtomicBool,
    /// Whether the time of day is wanted.
    pub(crate) times: bool,
    pub(crate) lengths: &'a Lengths<'a>,
    pub(crate) cautions: &'a Cautions,
    pub(crate) progress: &'a Progress,
    /// How long the work took, over all threads.
    pub(crate) busy: Busy,
}

/// Time that several threads spent on something.
#[derive(Debug, Default)]
pub(crate) struct Busy(AtomicU64);

impl Busy {
    fn add(&self, since: Instant) -> Duration {
        let took = since.elapsed();
        self.0.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        took
    }

    pub(crate) fn total(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

impl<M: ClipModel> Preparer<'_, M> {
    /// Sends all inputs, whole or in windows, each with what was scored of it before.
    pub(crate) fn run(
        &self,
        inputs: Vec<(Input, WindowProgress)>,
        windows: Option<Windows>,
        sender: &SyncSender<Prepared>,
    ) -> Sent {
        match windows {
            None => self.files(&inputs, sender),
            Some(windows) => inputs.into_iter().enumerate().try_for_each(|(place, (input, before))| {
                let reading = Reading::begin(place, input, self.times);
                self.windows(&reading, before, windows, sender)
            }),
        }
    }

    fn files(&self, inputs: &[(Input, WindowProgress)], sender: &SyncSender<Prepared>) -> Sent {
        for (number, batch) in inputs.chunks(BATCH).enumerate() {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let files = batch.par_iter().enumerate().map(|(place, (input, _))| {
                let reading = Reading::begin(number * BATCH + place, input.clone(), self.times);
                let file = self.file(&reading);
                (reading, file)
            });
            sender.send(Prepared::Files(files.collect())).map_err(|_| Disconnected)?;
        }
        Ok(())
    }

    fn file(&self, reading: &Reading) -> Result<PreparedFile> {
        let (input, rate, began) = (&reading.input, self.model.sampling_rate(), Instant::now());
        // From the header, before the work begins.
        let expected = self.lengths.of(reading.place);
        self.progress.expect(reading.place, expected);
        let is_warned = expected.is_some_and(|it| self.warn(input, (it * f64::from(rate.hz())) as usize));
        let clip = self.hearing.decode(self.opener.sound(input)?, rate)?;
        audio::warn(&input.shown(), &clip.warnings);
        if !is_warned {
            self.warn(input, clip.waveform.samples().len());
        }
        let features = self.model.features(&clip.waveform).map_err(|error| input.name_in(error))?;
        Ok(PreparedFile { duration: clip.duration, features, took: self.busy.add(began) })
    }

    /// Warns if the model reads a clip of so many samples otherwise than may be expected.
    fn warn(&self, input: &Input, samples: usize) -> bool {
        let caution = self.model.caution(samples);
        caution.inspect(|&caution| self.cautions.warn(&input.shown(), caution)).is_some()
    }

    fn windows(
        &self,
        reading: &Reading,
        before: WindowProgress,
        windows: Windows,
        sender: &SyncSender<Prepared>,
    ) -> Sent {
        let skip = before.count;
        sender.send(Prepared::Begin(reading.clone(), before)).map_err(|_| Disconnected)?;
        let ended = match self.stream(reading, skip, windows, sender) {
            Ok(duration) => Ok(duration),
            Err(StreamEnd::Failed(error)) => Err(error),
            Err(StreamEnd::Disconnected) => return Err(Disconnected),
        };
        sender.send(Prepared::End(ended)).map_err(|_| Disconnected)
    }

    /// Sends all windows but the first `skip`; gives how long the recording plays.
    fn stream(
        &self,
        reading: &Reading,
        skip: usize,
        windows: Windows,
        sender: &SyncSender<Prepared>,
    ) -> Result<f64, StreamEnd> {
        let input = &reading.input;
        let failed = |error: anyhow::Error| StreamEnd::Failed(error);
        // One block at a time is in memory, however long the recording.
        let options = DecodeOptions { max_duration: Duration::MAX, ..self.hearing.decode.clone() };
        let decoder = self.opener.decoder(input, &options).map_err(failed)?;
        self.progress.expect(reading.place, decoder.expected_duration().map(|it| it.as_secs_f64()));
        let (rate, min_samples) = (self.model.sampling_rate(), self.model.min_samples());
        let mut cut =
            windows.cut(decoder, self.hearing, rate, min_samples).map_err(|error| failed(error.into()))?;
        let mut number = 0;
        loop {
            let began = Instant::now();
            // Batches begin where they began before an interruption, so that each holds the same windows.
            let batch: Vec<_> = cut.by_ref().take(BATCH).collect();
            if self.stop.load(Ordering::Relaxed) {
                return Err(StreamEnd::Disconnected);
            }
            if batch.is_empty() {
                break;
            }
            // Those that were scored before are decoded, for what follows them, and nothing else.
            let scored = skip.saturating_sub(number).min(batch.len());
            number += batch.len();
            let spans = batch.into_iter().collect::<Result<Vec<_>, Error>>();
            let spans = spans.map_err(|error| failed(input.name_in(error).into()))?;
            let prepared: Vec<_> = spans
                .into_par_iter()
                .skip(scored)
                .map(|span| (span.window, self.model.features(&span.waveform)))
                .collect();
            self.busy.add(began);
            if !prepared.is_empty() {
                sender.send(Prepared::Windows(prepared)).map_err(|_| StreamEnd::Disconnected)?;
            }
        }
        audio::warn(&input.shown(), &cut.warnings());
        Ok(cut.duration())
    }
}

enum StreamEnd {
    Failed(anyhow::Error),
    Disconnected,
}
