use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use earmark::labels::{Scores, TopK, top_k};
use earmark::pipeline::{AudioClassifier, WindowIter};
use numpy::PyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::answers::{Scored, of_sounds, or_exception, pairs};
use crate::errors::exception;
use crate::open::{HubSettings, open};
use crate::sound::{PySound, audio_options};
use crate::threads;

/// Windows that are classified together.
const WINDOWS: usize = 8;

/// A classifier with fixed labels.
#[pyclass(frozen, module = "earmark._earmark")]
pub(crate) struct Classifier(Arc<AudioClassifier>);

#[pymethods]
impl Classifier {
    #[new]
    fn new(py: Python<'_>, model: &str, hub: HubSettings, like_transformers: bool) -> PyResult<Classifier> {
        let classifier: AudioClassifier = open(py, model, &hub)?;
        Ok(Classifier(Arc::new(classifier.with_audio(audio_options(like_transformers)))))
    }

    /// The labels, in the order of their ids.
    #[getter]
    fn labels(&self) -> Vec<String> {
        self.0.labels().names().to_vec()
    }

    /// The model's sample rate, in Hz.
    #[getter]
    fn sampling_rate(&self) -> u32 {
        self.0.sampling_rate().hz()
    }

    /// For each sound its labels with their scores, best first, or the exception that says why it has none.
    #[pyo3(signature = (sounds, top_k=None, function_to_apply=None))]
    fn classify<'py>(
        &self,
        py: Python<'py>,
        sounds: Vec<PySound>,
        top_k: Option<usize>,
        function_to_apply: Option<&str>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let ranking = Ranking::new(&self.0, top_k, function_to_apply)?;
        let logits = self.all_logits(py, sounds)?;
        let scored = logits.into_iter().map(|logits| logits.map(|logits| ranking.of(&self.0, &logits)));
        scored.map(|it| or_exception(py, it)).collect()
    }

    /// For each sound its logits, one per label, or the exception that says why it has none.
    fn logits<'py>(&self, py: Python<'py>, sounds: Vec<PySound>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let logits = self.all_logits(py, sounds)?;
        logits.into_iter().map(|it| or_exception(py, it.map(|it| PyArray1::from_vec(py, it)))).collect()
    }

    /// The windows of a file, `length` seconds each, a new one every `hop` seconds.
    #[pyo3(signature = (path, length, hop, top_k=None, function_to_apply=None))]
    fn windows(
        &self,
        py: Python<'_>,
        path: PathBuf,
        length: f64,
        hop: f64,
        top_k: Option<usize>,
        function_to_apply: Option<&str>,
    ) -> PyResult<Windows> {
        let seconds = |name: &str, value: f64| {
            Duration::try_from_secs_f64(value)
                .map_err(|_| PyValueError::new_err(format!("{name} is {value} seconds: it must be above 0")))
        };
        let windows = earmark::pipeline::Windows::of(seconds("length", length)?).every(seconds("hop", hop)?);
        let ranking = Ranking::new(&self.0, top_k, function_to_apply)?;
        let opened = threads::run(py, || self.0.windows(path, windows))?;
        let windows = Mutex::new(opened.map_err(|error| exception(&error))?);
        Ok(Windows { classifier: Arc::clone(&self.0), ranking, windows })
    }
}

impl Classifier {
    fn all_logits(&self, py: Python<'_>, sounds: Vec<PySound>) -> PyResult<Vec<PyResult<Vec<f32>>>> {
        of_sounds(py, sounds, self.0.sampling_rate(), |sounds| self.0.logits_all(sounds))
    }
}

/// Which labels are returned, and how logits become scores.
#[derive(Clone, Copy)]
struct Ranking {
    top_k: TopK,
    scores: Scores,
}

impl Ranking {
    fn new(
        classifier: &AudioClassifier,
        top_k: Option<usize>,
        function_to_apply: Option<&str>,
    ) -> PyResult<Ranking> {
        let top_k = match top_k {
            None => TopK::All,
            Some(0) => {
                return Err(PyValueError::new_err(
                    "top_k is 0: it must be 1 or more, or None for all labels",
                ));
            }
            Some(n) => TopK::N(n),
        };
        let scores = match function_to_apply {
            None => Scores::for_problem_type(classifier.model().config.problem_type()),
            Some(name) => name.parse().map_err(|_| {
                PyValueError::new_err(format!(
                    "Invalid value for `function_to_apply`: {name}. Valid options are ['softmax', 'sigmoid', 'none']"
                ))
            })?,
        };
        Ok(Ranking { top_k, scores })
    }

    fn of(self, classifier: &AudioClassifier, logits: &[f32]) -> Scored {
        pairs(top_k(&self.scores.apply(logits), classifier.labels(), self.top_k))
    }
}

/// The windows of a recording, a batch at a time.
#[pyclass(frozen, module = "earmark._earmark")]
pub(crate) struct Windows {
    classifier: Arc<AudioClassifier>,
    ranking: Ranking,
    windows: Mutex<WindowIter>,
}

#[pymethods]
impl Windows {
    /// The next windows: start and end in seconds, and the labels with their scores. Empty at the end of the recording.
    fn next_batch(&self, py: Python<'_>) -> PyResult<Vec<(f64, f64, Scored)>> {
        threads::run(py, || {
            let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
            let spans: Result<Vec<_>, _> = windows.by_ref().take(WINDOWS).collect();
            let spans = spans.map_err(|error| exception(&error))?;
            let (places, clips): (Vec<_>, Vec<_>) =
                spans.into_iter().map(|it| (it.window, it.waveform)).unzip();
            let logits = self.classifier.logits_all(clips);
            let scored = places.into_iter().zip(logits).map(|(place, logits)| {
                let logits = logits.map_err(|error| exception(&error))?;
                Ok((place.start, place.end, self.ranking.of(&self.classifier, &logits)))
            });
            scored.collect()
        })?
    }
}
