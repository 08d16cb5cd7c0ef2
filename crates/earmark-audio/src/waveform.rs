use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::error::ErrorKind;

/// Samples a second. Never zero.
///
/// A bare number beside a list of samples is how 8 kHz speech meets a 16 kHz model in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate(NonZeroU32);

impl SampleRate {
    /// 16 kHz: what Wav2Vec2, HuBERT, AST and Whisper were trained on.
    pub const HZ_16000: SampleRate = SampleRate::constant(16_000);
    /// 48 kHz: what CLAP was trained on.
    pub const HZ_48000: SampleRate = SampleRate::constant(48_000);

    /// `None` for zero.
    pub const fn new(hz: u32) -> Option<SampleRate> {
        match NonZeroU32::new(hz) {
            Some(hz) => Some(SampleRate(hz)),
            None => None,
        }
    }

    const fn constant(hz: u32) -> SampleRate {
        SampleRate::new(hz).expect("the constants above are not zero")
    }

    /// The rate in hertz.
    pub const fn hz(self) -> u32 {
        self.0.get()
    }

    /// How long so many samples of a channel play.
    pub(crate) fn time(self, samples: u64) -> Duration {
        Duration::from_secs_f64(samples as f64 / f64::from(self.hz()))
    }

    /// The error for sample `index`, which is `value`.
    pub(crate) fn not_finite(self, index: u64, value: f32) -> ErrorKind {
        ErrorKind::NotFinite { index: index as usize, at: self.time(index), value }
    }
}

impl fmt::Display for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}

/// Mono audio at a known rate.
///
/// Invariant: at least one sample, and every sample finite. [`Waveform::new`] is the only way in, so no feature
/// extractor or model checks again. Samples are nominally in `[-1, 1]`, but resampling and float files may overshoot.
#[derive(Debug, Clone, PartialEq)]
pub struct Waveform {
    samples: Vec<f32>,
    rate: SampleRate,
}

impl Waveform {
    /// Takes mono samples at `rate`.
    ///
    /// # Errors
    /// [`ErrorKind::Empty`] without samples, [`ErrorKind::NotFinite`] when one is not a finite number.
    pub fn new(samples: Vec<f32>, rate: SampleRate) -> Result<Waveform, ErrorKind> {
        if samples.is_empty() {
            return Err(ErrorKind::Empty);
        }
        match not_finite(&samples) {
            Some(index) => Err(rate.not_finite(index as u64, samples[index])),
            None => Ok(Waveform { samples, rate }),
        }
    }

    /// The samples, at least one, all finite.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// Takes the samples out.
    pub fn into_samples(self) -> Vec<f32> {
        self.samples
    }

    /// The sample rate.
    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    /// How long it plays.
    pub fn duration(&self) -> Duration {
        self.rate.time(self.samples.len() as u64)
    }

    /// The first `samples` samples, or the whole clip when it is shorter; `samples` of 0 keeps one.
    pub fn truncated(mut self, samples: usize) -> Waveform {
        self.samples.truncate(samples.max(1));
        self
    }
}

/// Where the first sample lies that is not a finite number.
pub(crate) fn not_finite(samples: &[f32]) -> Option<usize> {
    // Nearly every sound has none, and without the search for the place this loop is vectorised.
    let finite = samples.iter().fold(true, |finite, x| finite & x.is_finite());
    if finite { None } else { samples.iter().position(|x| !x.is_finite()) }
}
