//! Decodes inputs and extracts their features on threads of their own, so that the model never waits for them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use anyhow::Result;
use earmark_audio::{DecodeOptions, RecordingTime};
use earmark_features::Features;
use earmark_pipeline::{AudioOptions, Caution, Error, Window, Windows};
use rayon::prelude::*;

use crate::args::audio;
use crate::batch::record::WindowProgress;
use crate::input::open::Opener;
use crate::input::path::{FileStamp, Input};
use crate::output::messages;
use crate::scoring::scorer::Scorer;

/// Files that are decoded at once, and windows that the model scores at once.
pub(crate) const BATCH: usize = 16;

/// An input, and its file as it was before it was read.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) input: Input,
    pub(crate) stamp: Option<FileStamp>,
    /// When it was recorded, where that is wanted and known.
    pub(crate) began: Option<RecordingTime>,
}

impl Reading {
    fn begin(input: Input, times: bool) -> Reading {
        let began = if times { input.recording_time() } else { None };
        Reading { stamp: input.stamp(), input, began }
    }
}

/// A whole file, ready for the model.
pub(crate) struct PreparedFile {
    /// How long it plays, in seconds.
    pub(crate) duration: f64,
    pub(crate) features: Features,
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
}

impl<M: Scorer> Preparer<'_, M> {
    /// Sends all inputs, whole or in windows, each with what was scored of it before.
    pub(crate) fn run(
        &self,
        inputs: Vec<(Input, WindowProgress)>,
        windows: Option<Windows>,
        sender: &SyncSender<Prepared>,
    ) -> Sent {
        match windows {
            None => self.files(&inputs, sender),
            Some(windows) => inputs
                .into_iter()
                .try_for_each(|(input, before)| self.windows(&input, before, windows, sender)),
        }
    }

    fn files(&self, inputs: &[(Input, WindowProgress)], sender: &SyncSender<Prepared>) -> Sent {
        for batch in inputs.chunks(BATCH) {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let files = batch.par_iter().map(|(input, _)| {
                let reading = Reading::begin(input.clone(), self.times);
                let file = self.file(input);
                (reading, file)
            });
            sender.send(Prepared::Files(files.collect())).map_err(|_| Disconnected)?;
        }
        Ok(())
    }

    fn file(&self, input: &Input) -> Result<PreparedFile> {
        let clip = self.hearing.decode(self.opener.sound(input)?, self.model.sampling_rate())?;
        audio::warn(&input.name(), &clip.warnings);
        if let Some(caution) = self.model.caution(clip.waveform.samples().len()) {
            messages::warning(format_args!("`{}`: {}", input.name(), suggest_windows(caution)));
        }
        let features = self.model.features(&clip.waveform).map_err(|error| input.name_in(error))?;
        Ok(PreparedFile { duration: clip.duration, features })
    }

    fn windows(
        &self,
        input: &Input,
        before: WindowProgress,
        windows: Windows,
        sender: &SyncSender<Prepared>,
    ) -> Sent {
        let (reading, skip) = (Reading::begin(input.clone(), self.times), before.count);
        sender.send(Prepared::Begin(reading, before)).map_err(|_| Disconnected)?;
        let ended = match self.stream(input, skip, windows, sender) {
            Ok(duration) => Ok(duration),
            Err(StreamEnd::Failed(error)) => Err(error),
            Err(StreamEnd::Disconnected) => return Err(Disconnected),
        };
        sender.send(Prepared::End(ended)).map_err(|_| Disconnected)
    }

    /// Sends all windows but the first `skip`; gives how long the recording plays.
    fn stream(
        &self,
        input: &Input,
        skip: usize,
        windows: Windows,
        sender: &SyncSender<Prepared>,
    ) -> Result<f64, StreamEnd> {
        let failed = |error: anyhow::Error| StreamEnd::Failed(error);
        // One block at a time is in memory, however long the recording.
        let options = DecodeOptions { max_duration: Duration::MAX, ..self.hearing.decode.clone() };
        let decoder = self.opener.decoder(input, &options).map_err(failed)?;
        let (rate, min_samples) = (self.model.sampling_rate(), self.model.min_samples());
        let mut cut =
            windows.cut(decoder, self.hearing, rate, min_samples).map_err(|error| failed(error.into()))?;
        let mut number = 0;
        loop {
            // Batches begin where they began before an interruption, so that each holds the same windows.
            let batch: Vec<_> = cut.by_ref().take(BATCH).collect();
            if self.stop.load(Ordering::Relaxed) {
                return Err(StreamEnd::Disconnected);
            }
            if batch.is_empty() {
                break;
            }
            number += batch.len();
            let spans = batch.into_iter().collect::<Result<Vec<_>, Error>>();
            let spans = spans.map_err(|error| failed(input.name_in(error).into()))?;
            if number <= skip {
                continue;
            }
            let prepared = spans
                .into_par_iter()
                .map(|span| (span.window, self.model.features(&span.waveform)))
                .collect();
            sender.send(Prepared::Windows(prepared)).map_err(|_| StreamEnd::Disconnected)?;
        }
        audio::warn(&input.name(), &cut.warnings());
        Ok(cut.duration())
    }
}

enum StreamEnd {
    Failed(anyhow::Error),
    Disconnected,
}

/// A caution about a whole file, with the windows that help.
fn suggest_windows(caution: Caution) -> String {
    match caution {
        Caution::ReadsTheBeginning { seconds, .. } | Caution::ReadsOneWindow { seconds, .. } => {
            format!("{caution}: --window {}s scores all of it", seconds.floor().max(1.0))
        }
        Caution::Long { .. } => format!("{caution}: --window 30s takes time in proportion to it"),
        _ => caution.to_string(),
    }
}
