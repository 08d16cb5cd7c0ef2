//! What is refused before anything is computed: settings out of range, clips at another rate, samples too large.

use std::ops::RangeInclusive;

use earmark_audio::{SampleRate, Waveform};
use earmark_error::Attempt as _;

use crate::error::{Error, ErrorKind, Task};

/// The largest absolute value of a sample that features are made of: far beyond any sound, and far enough below the largest
/// `f32` that the squares of a billion such samples add up, and so does the power of every bin of a frame. No filter, transform
/// or variance overflows.
pub const MAX_AMPLITUDE: f32 = 1e14;

/// Refuses samples beyond [`MAX_AMPLITUDE`]; `samples[0]` is number `first` of the clip.
pub(crate) fn check_amplitude(
    task: Task,
    samples: &[f32],
    first: usize,
    rate: SampleRate,
) -> Result<(), Error> {
    let is_too_large = |x: &f32| x.is_nan() || x.abs() > MAX_AMPLITUDE;
    // Without the search for the place this loop is vectorised.
    if !samples.iter().fold(false, |found, x| found | is_too_large(x)) {
        return Ok(());
    }
    let at = samples.iter().position(is_too_large).expect("one was found");
    let index = first + at;
    let seconds = index as f64 / f64::from(rate.hz());
    Err(task.failed(ErrorKind::TooLoud { index, seconds, value: samples[at] }))
}

/// Refuses a clip at another rate than the model's, whose features would only be wrong, and samples whose squares overflow.
pub(crate) fn check_clip(task: Task, clip: &Waveform, model: SampleRate) -> Result<(), Error> {
    match clip.rate() {
        rate if rate == model => check_amplitude(task, clip.samples(), 0, rate),
        rate => Err(task.failed(ErrorKind::RateMismatch { clip: rate, model })),
    }
}

// A config is untrusted: these limits bound the memory that a wrong or hostile one makes an extractor allocate.
pub(crate) const RATES: RangeInclusive<usize> = 1_000..=1_000_000;
pub(crate) const MAX_BINS: usize = 1 << 10;
const MAX_FRAME: usize = 1 << 16;
pub(crate) const MAX_FRAMES: usize = 1 << 16;
pub(crate) const MAX_SECONDS: usize = 600;
/// Ten minutes at 48 kHz.
pub(crate) const MAX_SAMPLES: u64 = 600 * 48_000;
/// A hundred times the largest spectrogram of a published model.
pub(crate) const MAX_VALUES: u64 = 1 << 24;
/// Weights of a filter bank.
pub(crate) const MAX_WEIGHTS: u64 = 1 << 22;

pub(crate) fn in_range(key: &'static str, value: usize, range: RangeInclusive<usize>) -> Result<(), Error> {
    match range.contains(&value) {
        true => Ok(()),
        false => {
            let rule = "models use values within a smaller range";
            Err(Task::Configure.failed(ErrorKind::Value { key, value: value.to_string(), rule }))
        }
    }
}

/// As [`in_range`], for how many numbers `key` and the other settings in `with` make together.
pub(crate) fn product(key: &'static str, with: &str, count: u64, most: u64) -> Result<(), Error> {
    if count <= most {
        return Ok(());
    }
    let value = format!("so large that together with {with} it gives {count} numbers");
    let rule = "no model needs that many";
    Err(Task::Configure.failed(ErrorKind::Value { key, value, rule }))
}

/// An odd frame has no centre, and the reference counts one frame less then; no model has one.
pub(crate) fn even_frame(key: &'static str, samples: usize) -> Result<(), Error> {
    in_range(key, samples, 2..=MAX_FRAME)?;
    match samples.is_multiple_of(2) {
        true => Ok(()),
        false => {
            let rule = "a frame must have an even number of samples";
            Err(Task::Configure.failed(ErrorKind::Value { key, value: samples.to_string(), rule }))
        }
    }
}

/// The settings of a log-mel spectrogram over clips of one length; pairs are a setting and its key, which extractors call
/// differently.
pub(crate) struct LogMel {
    /// In hertz.
    pub(crate) sampling_rate: u32,
    pub(crate) feature_size: usize,
    /// The length of a clip.
    pub(crate) seconds: (&'static str, usize),
    /// Samples of a frame.
    pub(crate) frame: (&'static str, usize),
    pub(crate) hop_length: usize,
}

/// Checks them one by one and together, and gives the samples of a clip.
pub(crate) fn log_mel(settings: &LogMel) -> Result<usize, Error> {
    let LogMel { sampling_rate, feature_size, seconds: (length, seconds), frame: (frame, size), hop_length } =
        *settings;
    in_range("sampling_rate", sampling_rate as usize, RATES)?;
    in_range("feature_size", feature_size, 1..=MAX_BINS)?;
    in_range(length, seconds, 1..=MAX_SECONDS)?;
    even_frame(frame, size)?;
    let samples = seconds * sampling_rate as usize;
    in_range("hop_length", hop_length, 1..=samples)?;
    let frames = samples / hop_length;
    in_range(length, frames, 1..=MAX_FRAMES)?;
    product(length, "`sampling_rate`", samples as u64, MAX_SAMPLES)?;
    let (bands, with) = (feature_size as u64, format!("`{length}`, `sampling_rate` and `hop_length`"));
    product("feature_size", &with, frames as u64 * bands, MAX_VALUES)?;
    product("feature_size", &format!("`{frame}`"), bands * size as u64 / 2, MAX_WEIGHTS)?;
    Ok(samples)
}
