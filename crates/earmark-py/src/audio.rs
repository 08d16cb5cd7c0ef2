use earmark::audio::{DecodeOptions, Downmix, SampleRate, UnknownName, Waveform, decode_bytes, decode_file};
use earmark::features::{Resampler, resample};
use earmark::pipeline::Sound;
use numpy::PyArray1;
use pyo3::prelude::*;

use crate::errors::{exception, unusable_rate};
use crate::sound::PySound;
use crate::threads;

/// The samples of a sound, mono, and their rate: its own, or `sampling_rate`.
#[pyfunction]
#[pyo3(signature = (sound, sampling_rate=None, *, downmix="mean", resampler="hq"))]
pub(crate) fn load_audio<'py>(
    py: Python<'py>,
    sound: PySound,
    sampling_rate: Option<u32>,
    downmix: &str,
    resampler: &str,
) -> PyResult<(Bound<'py, PyArray1<f32>>, u32)> {
    let unknown = |error: UnknownName| exception(&error);
    let downmix: Downmix = downmix.parse().map_err(unknown)?;
    let resampler: Resampler = resampler.parse().map_err(unknown)?;
    let wanted = sampling_rate.map(|hz| SampleRate::new(hz).ok_or_else(|| unusable_rate(hz))).transpose()?;
    let options = DecodeOptions { downmix, ..DecodeOptions::default() };
    let waveform = threads::run(py, || {
        let waveform = decode(sound, wanted, &options)?;
        match wanted {
            Some(rate) => resample(waveform, rate, resampler).map_err(|error| exception(&error)),
            None => Ok(waveform),
        }
    })??;
    let rate = waveform.rate().hz();
    Ok((PyArray1::from_vec(py, waveform.into_samples()), rate))
}

/// At its own rate. Samples whose rate is not given are taken to be at the one that is `wanted`.
fn decode(sound: PySound, wanted: Option<SampleRate>, options: &DecodeOptions) -> PyResult<Waveform> {
    let decoded = match sound.into_sound(wanted.unwrap_or(SampleRate::HZ_16000))? {
        Sound::Waveform(waveform) => return Ok(waveform),
        Sound::File(path) => decode_file(path, options),
        Sound::Bytes(bytes) | Sound::Named(_, bytes) => decode_bytes(bytes, options),
        _ => unreachable!("the kinds of `PySound`"),
    };
    Ok(decoded.map_err(|error| exception(&error))?.waveform)
}
