use earmark::models::{Layer, Pool};
use earmark::pipeline::{AudioEmbedder, Embedding};
use numpy::ndarray::Array;
use numpy::{IntoPyArray as _, PyArray1, PyArrayDyn};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::answers::{of_sounds, or_exception};
use crate::errors::exception;
use crate::open::{HubSettings, open};
use crate::sound::{PySound, audio_options};
use crate::threads;

/// Embeddings by any checkpoint, with a head or without.
#[pyclass(frozen, module = "earmark._earmark")]
pub(crate) struct Embedder(AudioEmbedder);

/// Vectors, and the times in seconds at which their frames begin; none of what is pooled.
type States<'py> = (Bound<'py, PyArrayDyn<f32>>, Bound<'py, PyArray1<f64>>);

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

    /// For each sound the vectors of a layer, or of all, and where their frames begin; or the exception that says why it has none.
    fn embed<'py>(
        &self,
        py: Python<'py>,
        sounds: Vec<PySound>,
        layer: Option<&str>,
        pool: Option<&str>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let mut embedder = self.0.clone();
        if let Some(layer) = layer {
            let layer: Layer = layer
                .parse()
                .map_err(|_| PyValueError::new_err(format!("layer is {layer:?}: {}", Layer::FORM)))?;
            embedder = embedder.with_layer(layer).map_err(|error| exception(&error))?;
        }
        if let Some(pool) = pool {
            let pool: Pool = pool
                .parse()
                .map_err(|expected| PyValueError::new_err(format!("pool is {pool:?}: {expected}")))?;
            embedder = embedder.with_pool(pool).map_err(|error| exception(&error))?;
        }
        let all_layers = embedder.layer() == Layer::All;
        let embedded =
            of_sounds(py, sounds, embedder.sampling_rate(), |sounds| embedder.hidden_states_all(sounds))?;
        let arrays = embedded.into_iter().map(|it| it.and_then(|it| arrays(py, it, all_layers)));
        arrays.map(|it| or_exception(py, it)).collect()
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

/// `[layers, frames, D]`, without the axes of which there is one: layers unless all are asked for, and frames where they are pooled.
fn arrays(py: Python<'_>, embedding: Embedding, all_layers: bool) -> PyResult<States<'_>> {
    let Embedding { layers, width, frames, .. } = embedding;
    let mut shape = vec![layers.len()];
    if !frames.is_empty() {
        shape.push(frames.len());
    }
    shape.push(width);
    if !all_layers {
        shape.remove(0);
    }
    let values = Array::from_shape_vec(shape, layers.concat());
    let values = values.map_err(|error| PyValueError::new_err(error.to_string()))?;
    let starts = frames.iter().map(|frame| frame.start).collect();
    Ok((values.into_pyarray(py), PyArray1::from_vec(py, starts)))
}
