use earmark::pipeline::AudioEmbedder;
use numpy::PyArray1;
use pyo3::prelude::*;

use crate::classifier::or_exception;
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
    #[pyo3(signature = (model, *, revision=None, token=None, cache_dir=None, offline=false, like_transformers=true))]
    fn new(
        py: Python<'_>,
        model: &str,
        revision: Option<String>,
        token: Option<String>,
        cache_dir: Option<String>,
        offline: bool,
        like_transformers: bool,
    ) -> PyResult<Embedder> {
        let hub = HubSettings { revision, token, cache_dir, offline };
        Ok(Embedder(open::<AudioEmbedder>(py, model, &hub)?.with_audio(audio_options(like_transformers))))
    }

    /// The model's sample rate, in Hz.
    #[getter]
    fn sampling_rate(&self) -> u32 {
        self.0.sampling_rate().hz()
    }

    /// For each sound its embedding, or the exception that says why it has none.
    fn embed<'py>(&self, py: Python<'py>, sounds: Vec<PySound>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let rate = self.0.sampling_rate();
        let embedded: Vec<PyResult<Vec<f32>>> = threads::run(py, || {
            let mut readable = Vec::new();
            let sounds = sounds.into_iter().map(|it| it.into_sound(rate).map(|it| readable.push(it)));
            let sounds: Vec<PyResult<()>> = sounds.collect();
            let mut embedded = self.0.embed_all(readable).into_iter();
            let mut next = || {
                let embedded = embedded.next().expect("an embedding or an error for each sound");
                embedded.map_err(|error| exception(&error))
            };
            sounds.into_iter().map(|it| it.and_then(|()| next())).collect()
        })?;
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
