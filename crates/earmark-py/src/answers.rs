//! What every model answers for a list of sounds.

use earmark::audio::SampleRate;
use earmark::labels::Prediction;
use earmark::pipeline::{Error, Sound};
use pyo3::IntoPyObjectExt as _;
use pyo3::prelude::*;

use crate::errors::exception;
use crate::sound::PySound;
use crate::threads;

/// Labels and scores, best first.
pub(crate) type Scored = Vec<(String, f32)>;

pub(crate) fn pairs(predictions: Vec<Prediction>) -> Scored {
    predictions.into_iter().map(|it| (it.label, it.score)).collect()
}

/// For each sound, in order, what `model` answers, or why there is no answer: one sound that fails does not take the others with it.
pub(crate) fn of_sounds<T: Send>(
    py: Python<'_>,
    sounds: Vec<PySound>,
    rate: SampleRate,
    model: impl FnOnce(Vec<Sound>) -> Vec<Result<T, Error>> + Send,
) -> PyResult<Vec<PyResult<T>>> {
    threads::run(py, || {
        let mut readable = Vec::new();
        let sounds = sounds.into_iter().map(|it| it.into_sound(rate).map(|it| readable.push(it)));
        let sounds: Vec<PyResult<()>> = sounds.collect();
        let mut answers = model(readable).into_iter();
        let mut next = || {
            answers.next().expect("an answer or an error for each sound").map_err(|error| exception(&error))
        };
        sounds.into_iter().map(|it| it.and_then(|()| next())).collect()
    })
}

/// The value, or in its place the exception itself.
pub(crate) fn or_exception<'py, T: IntoPyObject<'py>>(
    py: Python<'py>,
    result: PyResult<T>,
) -> PyResult<Bound<'py, PyAny>> {
    match result {
        Ok(value) => value.into_bound_py_any(py),
        Err(error) => Ok(error.into_value(py).into_bound(py).into_any()),
    }
}
