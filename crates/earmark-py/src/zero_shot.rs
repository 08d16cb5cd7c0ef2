use earmark::pipeline::ZeroShotClassifier as Inner;
use pyo3::prelude::*;

use crate::classifier::{or_exception, pairs};
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
    #[pyo3(signature = (model, *, revision=None, token=None, cache_dir=None, offline=false, like_transformers=true))]
    fn new(
        py: Python<'_>,
        model: &str,
        revision: Option<String>,
        token: Option<String>,
        cache_dir: Option<String>,
        offline: bool,
        like_transformers: bool,
    ) -> PyResult<ZeroShotClassifier> {
        let hub = HubSettings { revision, token, cache_dir, offline };
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
        let rate = self.0.sampling_rate();
        let scored = threads::run(py, || {
            let candidates = self.0.candidates(&labels, template).map_err(|error| exception(&error))?;
            let classify = |sound: PySound| {
                let scored = self.0.classify(sound.into_sound(rate)?, &candidates);
                scored.map(pairs).map_err(|error| exception(&error))
            };
            Ok::<_, PyErr>(sounds.into_iter().map(classify).collect::<Vec<_>>())
        })??;
        scored.into_iter().map(|it| or_exception(py, it)).collect()
    }
}
