use earmark::pipeline::ZeroShotClassifier as Inner;
use pyo3::prelude::*;

use crate::answers::{of_sounds, or_exception, pairs};
use crate::errors::exception;
use crate::open::{HubSettings, open};
use crate::sound::{PySound, audio_options};
use crate::threads;

/// A classifier with labels of your choice: CLAP.
#[pyclass(frozen, module = "earmark._earmark")]
pub(crate) struct ZeroShotClassifier(Inner);

#[pymethods]
impl ZeroShotClassifier {
    #[new]
    fn new(
        py: Python<'_>,
        model: &str,
        hub: HubSettings,
        like_transformers: bool,
    ) -> PyResult<ZeroShotClassifier> {
        Ok(ZeroShotClassifier(open::<Inner>(py, model, &hub)?.with_audio(audio_options(like_transformers))))
    }

    /// The model's sample rate, in Hz.
    #[getter]
    fn sampling_rate(&self) -> u32 {
        self.0.sampling_rate().hz()
    }

    /// For each sound every label with its score, best first, or the exception that says why it has none.
    fn classify<'py>(
        &self,
        py: Python<'py>,
        sounds: Vec<PySound>,
        labels: Vec<String>,
        template: &str,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let candidates = threads::run(py, || self.0.candidates(&labels, template))?;
        let candidates = candidates.map_err(|error| exception(&error))?;
        let classify = |sound| self.0.classify(sound, &candidates).map(pairs);
        let scored = of_sounds(py, sounds, self.0.sampling_rate(), |sounds| {
            sounds.into_iter().map(classify).collect()
        })?;
        scored.into_iter().map(|it| or_exception(py, it)).collect()
    }
}
