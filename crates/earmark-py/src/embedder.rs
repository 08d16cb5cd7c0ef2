use earmark::pipeline::AudioEmbedder;
use numpy::PyArray1;
use pyo3::prelude::*;

use crate::answers::{of_sounds, or_exception};
use crate::errors::exception;
use crate::open::{HubSettings, open};
use crate::sound::{PySound, audio_options};
use crate::threads;

/// Embeddings by any checkpoint, with a head or without.
#[pyclass(frozen, module = "earmark._earmark")]
pub(crate) struct Embedder(AudioEmbedder);

#[pymethods]
impl Embedder {
    #[new]
    fn new(py: Python<'_>, model: &str, hub: HubSettings, like_transformers: bool) -> PyResult<Embedder> {
        Ok(Embedder(open::<AudioEmbedder>(py, model, &hub)?.with_audio(audio_options(like_transformers))))
    }

    /// The model's sample rate, in Hz.
    #[getter]
    fn sampling_rate(&self) -> u32 {
        self.0.sampling_rate().hz()
    }

    /// For each sound its embedding, or the exception that says why it has none.
    fn embed<'py>(&self, py: Python<'py>, sounds: Vec<PySound>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let embedded = of_sounds(py, sounds, self.0.sampling_rate(), |sounds| self.0.embed_all(sounds))?;
        embedded.into_iter().map(|it| or_exception(py, it.map(|it| PyArray1::from_vec(py, it)))).collect()
    }

    /// For each text its embedding, of length 1: CLAP models only.
    fn embed_texts<'py>(
        &self,
        py: Python<'py>,
        texts: Vec<String>,
    ) -> PyResult<Vec<Bound<'py, PyArray1<f32>>>> {
        let embedded = threads::run(py, || self.0.embed_texts(&texts))?;
        let embedded = embedded.map_err(|error| exception(&error))?;
        Ok(embedded.into_iter().map(|it| PyArray1::from_vec(py, it)).collect())
    }
}
