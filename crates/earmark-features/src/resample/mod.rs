//! From one sample rate to another.

mod blocks;
mod ratio;
mod sinc;

use std::fmt;
use std::str::FromStr;

use earmark_audio::{SampleRate, UnknownName, Waveform};
use earmark_error::Attempt as _;
use serde::{Deserialize, Serialize};

use crate::checks::check_amplitude;
use crate::error::{Error, ErrorKind, Task};
use blocks::{Blocks, Plan};
use ratio::Ratio;
use sinc::Sinc;

/// Which resampler: the better one, or the one that gives the reference's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resampler {
    /// Flat to 97 % of the band with aliases below -110 dB: block-wise Fourier transforms, by `rubato`.
    #[default]
    Hq,
    /// `torchaudio.functional.resample` 2.9.0 with its defaults: six zero crossings, roll-off 0.99, and the kernel
    /// computed in `f32`. It rolls off from 7 kHz on the way to 16 kHz, and lets aliases through just above 8 kHz.
    Torchaudio,
}

impl Resampler {
    /// Every choice, the default first.
    pub const ALL: &[Resampler] = &[Resampler::Hq, Resampler::Torchaudio];

    /// Its name, as recipes and flags write it.
    pub const fn name(self) -> &'static str {
        match self {
            Resampler::Hq => "hq",
            Resampler::Torchaudio => "torchaudio",
        }
    }
}

impl fmt::Display for Resampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Resampler {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Resampler, UnknownName> {
        UnknownName::find(text, Resampler::ALL, Resampler::name)
    }
}

/// Rates further apart than this are a broken header, not a recording, and the output could be enormous.
const MAX_FACTOR: u32 = 64;

/// Resamples a whole clip: `n` samples become `ceil(n * to / from)`, and sample 0 stays at time 0.
///
/// A clip that is at `to` already comes back as it is.
///
/// # Errors
/// [`ErrorKind::RatesTooFarApart`] beyond a factor of 64, and [`ErrorKind::TooLoud`] for samples beyond [`MAX_AMPLITUDE`](crate::MAX_AMPLITUDE),
/// whatever the rates: sums of their squares could overflow.
pub fn resample(clip: Waveform, to: SampleRate, resampler: Resampler) -> Result<Waveform, Error> {
    if clip.rate() == to {
        check_amplitude(Task::Resample, clip.samples(), 0, to)?;
        return Ok(clip);
    }
    let mut stream = StreamResampler::new(clip.rate(), to, resampler)?;
    let mut samples = Vec::with_capacity(stream.resampled_length(clip.samples().len()));
    stream.push(clip.samples(), &mut samples)?;
    stream.finish(&mut samples);
    Ok(Waveform::new(samples, to).expect("a clip has samples, and `push` refuses those that could overflow"))
}

/// Resamples sound that arrives piece by piece; however it is cut, the samples are those of [`resample`].
#[derive(Debug)]
pub struct StreamResampler {
    method: Method,
    ratio: Ratio,
    /// Of what is pushed.
    rate: SampleRate,
    pushed: usize,
}

#[derive(Debug)]
enum Method {
    Same,
    Blocks(Box<Blocks<f32>>),
    PreciseBlocks(Box<Blocks<f64>>),
    Sinc(Sinc),
}

impl StreamResampler {
    /// Starts a stream.
    ///
    /// # Errors
    /// [`ErrorKind::RatesTooFarApart`] beyond a factor of 64.
    pub fn new(from: SampleRate, to: SampleRate, resampler: Resampler) -> Result<StreamResampler, Error> {
        let (high, low) = (from.max(to).hz(), from.min(to).hz());
        if high.div_ceil(low) > MAX_FACTOR {
            let kind = ErrorKind::RatesTooFarApart { from, to, limit: MAX_FACTOR };
            return Err(Task::Resample.failed(kind));
        }
        let ratio = Ratio::new(from, to);
        let method = match resampler {
            _ if from == to => Method::Same,
            Resampler::Torchaudio => Method::Sinc(Sinc::torchaudio(ratio)),
            Resampler::Hq => match Plan::new(ratio) {
                Some(plan) if plan.precise => Method::PreciseBlocks(Box::new(Blocks::new(plan))),
                Some(plan) => Method::Blocks(Box::new(Blocks::new(plan))),
                None => Method::Sinc(Sinc::long(ratio)),
            },
        };
        Ok(StreamResampler { method, ratio, rate: from, pushed: 0 })
    }

    /// Takes the next samples and appends to `out` what is ready.
    ///
    /// # Errors
    /// [`ErrorKind::TooLoud`] for a sample beyond [`MAX_AMPLITUDE`](crate::MAX_AMPLITUDE) or not a number; nothing is
    /// taken then.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<(), Error> {
        // `rubato` panics on a spectrum that is not finite.
        check_amplitude(Task::Resample, samples, self.pushed, self.rate)?;
        self.pushed += samples.len();
        match &mut self.method {
            Method::Same => out.extend_from_slice(samples),
            Method::Blocks(blocks) => blocks.push(samples, out),
            Method::PreciseBlocks(blocks) => blocks.push(samples, out),
            Method::Sinc(sinc) => sinc.push(samples, out),
        }
        Ok(())
    }

    /// Appends what is left: the whole is then `ceil(n * to / from)` samples for `n` pushed.
    pub fn finish(mut self, out: &mut Vec<f32>) {
        let length = self.resampled_length(self.pushed);
        match &mut self.method {
            Method::Same => {}
            Method::Blocks(blocks) => blocks.finish(length, out),
            Method::PreciseBlocks(blocks) => blocks.finish(length, out),
            Method::Sinc(sinc) => sinc.finish(length, out),
        }
    }

    /// How many samples `samples` samples become.
    pub fn resampled_length(&self, samples: usize) -> usize {
        self.ratio.resampled_length(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resampler_is_known_by_its_name() {
        for &resampler in Resampler::ALL {
            assert_eq!(resampler.to_string().parse(), Ok(resampler));
            assert_eq!(serde_json::to_value(resampler).unwrap(), resampler.name());
        }
        let error = "sox".parse::<Resampler>().unwrap_err();
        assert_eq!(error.to_string(), "unknown value `sox`: expected one of hq, torchaudio");
    }
}
