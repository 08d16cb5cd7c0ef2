//! What Python hands on as a sound.

use std::io::Read as _;

use earmark::audio::{SampleRate, Waveform};
use earmark::hub::Hub;
use earmark::pipeline::{AudioOptions, Sound};
use numpy::PyReadonlyArray1;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::errors::{exception, unusable_rate};

/// Most bytes of a sound at an address.
const MAX_DOWNLOAD: u64 = 1 << 30;

/// A path or an address, the bytes of a file, or samples with their rate; `None` stands for the model's rate.
pub(crate) enum PySound {
    File(String),
    Bytes(Vec<u8>),
    Samples(Vec<f32>, Option<u32>),
}

impl<'py> FromPyObject<'_, 'py> for PySound {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<PySound> {
        if let Ok(path) = value.extract::<String>() {
            return Ok(PySound::File(path));
        }
        if let Ok(bytes) = value.extract::<&[u8]>() {
            return Ok(PySound::Bytes(bytes.to_vec()));
        }
        let (samples, rate): (PyReadonlyArray1<'py, f32>, Option<u32>) = value.extract().map_err(|_| {
            PyTypeError::new_err("a sound is a path, bytes, or an array of float32 with its rate")
        })?;
        Ok(PySound::Samples(samples.as_array().to_vec(), rate))
    }
}

impl PySound {
    /// As the pipelines take it; a sound at an address is downloaded.
    pub(crate) fn into_sound(self, rate: SampleRate) -> PyResult<Sound> {
        match self {
            PySound::File(path) if path.starts_with("http://") || path.starts_with("https://") => {
                download(path)
            }
            PySound::File(path) => Ok(path.into()),
            PySound::Bytes(bytes) => Ok(bytes.into()),
            PySound::Samples(samples, of) => {
                let given = of.unwrap_or_else(|| rate.hz());
                let rate = SampleRate::new(given).ok_or_else(|| unusable_rate(given))?;
                Ok(Waveform::new(samples, rate).map_err(|error| exception(&error))?.into())
            }
        }
    }
}

/// It sends no token, as the address may lead anywhere.
fn download(address: String) -> PyResult<Sound> {
    let hub = Hub::from_env().map_err(|error| exception(&error))?;
    let mut bytes = Vec::new();
    let body = hub.open_url(&address).map_err(|error| exception(&error))?;
    body.take(MAX_DOWNLOAD + 1).read_to_end(&mut bytes).map_err(|error| exception(&error))?;
    if bytes.len() as u64 > MAX_DOWNLOAD {
        return Err(PyValueError::new_err(
            "the sound at this address has more than 1 GiB: save it to a file first",
        ));
    }
    Ok(Sound::Named(address, bytes))
}

/// How sounds are decoded and resampled: as the pipelines of transformers do, or as earmark does by itself.
pub(crate) fn audio_options(like_transformers: bool) -> AudioOptions {
    if like_transformers { AudioOptions::as_transformers() } else { AudioOptions::default() }
}
