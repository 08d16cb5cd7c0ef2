//! Long recordings, window by window in bounded memory.

use std::path::Path;
use std::time::Duration;

use earmark_audio::{DecodeOptions, Decoder, Origin, SampleRate, Warning, Waveform};
use earmark_error::{Attempt as _, Context as _};
use earmark_features::StreamResampler;

use crate::error::{Doing, Error, ErrorKind};
use crate::sound::AudioOptions;

/// How a recording is cut into windows: all of one length, each starting a hop after the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// The length of a window; at most an hour.
    pub length: Duration,
    /// The time from the start of a window to the start of the next; equal to the length for windows without overlap.
    pub hop: Duration,
}

/// The position of a window, in seconds from the start of the recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// The time of its first sample.
    pub start: f64,
    /// The time after its last sample.
    pub end: f64,
}

/// A window and its samples, at the model's rate.
#[derive(Debug, Clone)]
pub struct WindowSpan {
    /// Its position.
    pub window: Window,
    /// Its samples.
    pub waveform: Waveform,
}

impl Windows {
    /// Windows of this length, side by side.
    pub fn of(length: Duration) -> Windows {
        Windows { length, hop: length }
    }

    /// The same windows, each beginning `hop` after the one before: they overlap where `hop` is shorter than the length.
    #[must_use]
    pub fn every(self, hop: Duration) -> Windows {
        Windows { hop, ..self }
    }

    /// Cuts a file of any length while it is being decoded; `rate` and `least` as in [`cut`](Self::cut). The limit on the length
    /// of a clip in `audio` does not apply, because one window is in memory at a time.
    ///
    /// # Errors
    /// When the file cannot be opened, and as [`check`](Self::check).
    pub fn cut_file(
        self,
        file: impl AsRef<Path>,
        audio: &AudioOptions,
        rate: SampleRate,
        least: usize,
    ) -> Result<WindowIter, Error> {
        let file = file.as_ref();
        let options = DecodeOptions { max_duration: Duration::MAX, ..audio.decode.clone() };
        let decoder =
            Decoder::open(file, &options).map_err(|error| Doing(error.to_string()).failed(error.into()))?;
        self.cut(decoder, audio, rate, least)
    }

    /// Decodes, resamples to `rate` and cuts, in bounded memory. A window has exactly the samples that the whole recording,
    /// resampled at once, has there. The last window may be shorter: it is returned if it has samples that no window before
    /// it has and is at least `least` samples long, or if it is the only one.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn cut(
        self,
        decoder: Decoder,
        audio: &AudioOptions,
        rate: SampleRate,
        least: usize,
    ) -> Result<WindowIter, Error> {
        let origin = decoder.origin().to_string();
        let doing = || Doing(format!("cannot cut windows from {origin}"));
        let [length, hop] = self.samples(rate, least).with_context(doing)?;
        let resampler = StreamResampler::new(decoder.rate(), rate, audio.resampler).with_context(doing)?;
        Ok(WindowIter {
            origin,
            decoder,
            resampler: Some(resampler),
            rate,
            length,
            hop,
            least,
            held: Vec::new(),
            first: 0,
            next: 0,
            covered: 0,
            ended: false,
            failed: false,
        })
    }
}

impl Windows {
    /// Checks that the windows fit a model at `rate` that needs `least` samples.
    ///
    /// # Errors
    /// [`ErrorKind::Windows`] for a length or hop of less than a sample, and for a length of less than `least` samples or more
    /// than an hour.
    pub fn check(self, rate: SampleRate, least: usize) -> Result<(), Error> {
        self.samples(rate, least).map(|_| ()).with_context(|| Doing("cannot cut windows".to_owned()))
    }

    /// Length and hop in samples.
    fn samples(self, rate: SampleRate, least: usize) -> Result<[usize; 2], ErrorKind> {
        let [length, hop] =
            [self.length, self.hop].map(|it| (it.as_secs_f64() * f64::from(rate.hz())).round() as usize);
        if length == 0 || hop == 0 || self.length > Duration::from_secs(3600) {
            return Err(ErrorKind::Windows(format!(
                "windows of {:?} every {:?}: both must be above 0, and the length at most 1 h",
                self.length, self.hop
            )));
        }
        if length < least {
            return Err(ErrorKind::Windows(format!(
                "a window of {:?} has {length} samples at {rate}, but the model needs {least}",
                self.length
            )));
        }
        Ok([length, hop])
    }
}

/// The windows of a recording, in order; made by [`Windows::cut`]. After an error it ends.
#[derive(Debug)]
pub struct WindowIter {
    /// Where the recording is from, for error messages.
    origin: String,
    decoder: Decoder,
    /// Until the end of the recording.
    resampler: Option<StreamResampler>,
    rate: SampleRate,
    length: usize,
    hop: usize,
    least: usize,
    /// Samples from `first` on, as many as the next windows need.
    held: Vec<f32>,
    first: usize,
    /// Where the next window begins.
    next: usize,
    /// Behind the last sample of any window so far.
    covered: usize,
    ended: bool,
    failed: bool,
}

impl WindowIter {
    /// The problems of the file found so far; complete after the last window.
    pub fn warnings(&self) -> Vec<Warning> {
        self.decoder.warnings()
    }

    /// Where its bytes come from.
    pub(crate) fn origin(&self) -> &Origin {
        self.decoder.origin()
    }

    /// The seconds of sound decoded so far; the length of the recording after the last window.
    pub fn duration(&self) -> f64 {
        (self.first + self.held.len()) as f64 / f64::from(self.rate.hz())
    }

    /// Decodes until the next window is whole, or the recording ends.
    fn fill(&mut self) -> Result<(), Error> {
        while !self.ended && self.first + self.held.len() < self.next + self.length {
            let block =
                self.decoder.next_block().map_err(|error| Doing(error.to_string()).failed(error.into()))?;
            match (block, &mut self.resampler) {
                (Some(block), Some(resampler)) => {
                    let doing = || Doing(format!("cannot resample {}", self.origin));
                    resampler.push(block, &mut self.held).with_context(doing)?;
                }
                (_, resampler) => {
                    self.ended = true;
                    if let Some(resampler) = resampler.take() {
                        resampler.finish(&mut self.held);
                    }
                }
            }
            // What lies before the next window is over.
            let over = self.next.saturating_sub(self.first).min(self.held.len());
            self.held.drain(..over);
            self.first += over;
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<WindowSpan>, Error> {
        self.fill()?;
        let end = (self.first + self.held.len()).min(self.next + self.length);
        let samples = end.saturating_sub(self.next);
        let whole = samples == self.length;
        // A rest that is new; what is too short for the model is a window only when there is nothing else.
        let rest = end > self.covered && samples > 0 && (samples >= self.least || self.covered == 0);
        if !whole && !rest {
            return Ok(None);
        }
        let skip = self.next - self.first;
        let samples = self.held[skip..skip + samples].to_vec();
        let seconds = |sample: usize| sample as f64 / f64::from(self.rate.hz());
        let window = Window { start: seconds(self.next), end: seconds(end) };
        let waveform = Waveform::new(samples, self.rate)
            .map_err(|kind| ErrorKind::Windows(kind.to_string()))
            .with_context(|| Doing(format!("cannot resample {}", self.origin)))?;
        self.covered = end;
        // After a rest nothing follows.
        self.next = if whole { self.next + self.hop } else { usize::MAX - self.length };
        Ok(Some(WindowSpan { window, waveform }))
    }
}

impl Iterator for WindowIter {
    type Item = Result<WindowSpan, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.advance().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}
