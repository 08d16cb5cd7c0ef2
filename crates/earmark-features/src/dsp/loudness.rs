//! Samples too large to compute with.

use earmark_audio::SampleRate;

use crate::error::{Error, ErrorKind, Task};

/// Far beyond any sound, and far enough below the largest `f32` that a billion of its squares add up, and so does the power of
/// every bin of a frame: no filter, transform, variance or spectrum overflows.
pub(crate) const LOUDEST: f32 = 1e14;

/// Refuses samples beyond [`LOUDEST`]; `samples[0]` is number `first` of the clip.
pub(crate) fn check(task: Task, samples: &[f32], first: usize, rate: SampleRate) -> Result<(), Error> {
    let too_loud = |x: &f32| x.is_nan() || x.abs() > LOUDEST;
    // Looking for the place in the first pass would keep it from running in vectors.
    if !samples.iter().fold(false, |found, x| found | too_loud(x)) {
        return Ok(());
    }
    let at = samples.iter().position(too_loud).expect("one was found");
    let index = first + at;
    let seconds = index as f64 / f64::from(rate.hz());
    Err(task.failed(ErrorKind::TooLoud { index, seconds, value: samples[at] }))
}
