use std::io;
use std::path::Path;

use earmark::audio::{SampleRate, Waveform};
use earmark::config::{self, Object};
use earmark::features::Preprocessor;
use earmark::pipeline::read_extractor;
use numpy::{PyArray1, PyArrayMethods as _, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::{exception, unusable_rate};
use crate::open::HubSettings;
use crate::threads;

/// What a model reads: normalised samples or a log-mel spectrogram.
#[pyclass(frozen, module = "earmark._earmark")]
pub(crate) struct FeatureExtractor(Preprocessor);

#[pymethods]
impl FeatureExtractor {
    #[new]
    fn new(py: Python<'_>, model: &str, hub: HubSettings) -> PyResult<FeatureExtractor> {
        Ok(FeatureExtractor(threads::run(py, || open(model, &hub))??))
    }

    /// The sample rate that it takes, in Hz.
    #[getter]
    fn sampling_rate(&self) -> u32 {
        self.0.sampling_rate().hz()
    }

    /// The arrays of one clip by the names that the model has for them, each with a batch axis of 1.
    fn extract<'py>(
        &self,
        py: Python<'py>,
        samples: PyReadonlyArray1<'py, f32>,
        sampling_rate: u32,
    ) -> PyResult<Bound<'py, PyDict>> {
        let rate = SampleRate::new(sampling_rate).ok_or_else(|| unusable_rate(sampling_rate))?;
        let waveform = Waveform::new(samples.as_array().to_vec(), rate).map_err(|error| exception(&error))?;
        let features = threads::run(py, || self.0.extract(&waveform))?.map_err(|error| exception(&error))?;
        let arrays = PyDict::new(py);
        let shape = [&[1], &*features.shape].concat();
        arrays.set_item(self.0.input_name(), PyArray1::from_vec(py, features.data).reshape(shape)?)?;
        let mut mask = features.attention_mask;
        // A clip alone has no padding, but the reference says so when the model wants a mask.
        if let Preprocessor::Wav2Vec2(extractor) = &self.0
            && extractor.return_attention_mask
        {
            mask = Some(vec![1; waveform.samples().len()]);
        }
        if let Some(mask) = mask {
            let shape = [1, mask.len()];
            arrays.set_item("attention_mask", PyArray1::from_vec(py, mask).reshape(shape)?)?;
        }
        if let Some(longer) = features.is_longer {
            arrays.set_item("is_longer", PyArray1::from_vec(py, vec![longer]).reshape([1, 1])?)?;
        }
        Ok(arrays)
    }
}

/// Of a folder, or of a model on the Hub, whose weights are not fetched.
fn open(model: &str, settings: &HubSettings) -> PyResult<Preprocessor> {
    let folder = match Path::new(model).is_dir() {
        true => model.into(),
        false => fetch(model, settings).map_err(|error| exception(&error))?,
    };
    let path = folder.join("config.json");
    // The extractor's own file is enough, where it names its class.
    let config = match config::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Object::new(),
        text => {
            let named =
                |why: String| PyValueError::new_err(format!("cannot use `{}`: {why}", path.display()));
            let text = text.map_err(|error| named(error.to_string()))?;
            config::object(&text).map_err(|error| named(error.to_string()))?
        }
    };
    read_extractor(&folder, &config).map_err(|error| exception(&error))
}

fn fetch(model: &str, settings: &HubSettings) -> Result<std::path::PathBuf, earmark::Error> {
    let (hub, repo) = (settings.hub()?, settings.repo(model)?);
    // All of it from the commit that the branch is at now.
    let repo = hub.pin(&repo)?;
    let config = hub.fetch(&repo, "config.json")?;
    hub.fetch_extractor(&repo)?;
    Ok(config.parent().map(Path::to_owned).unwrap_or_default())
}
