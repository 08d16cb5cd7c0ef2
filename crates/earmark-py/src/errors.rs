//! Our errors as the exceptions that Python has for them.

use std::error::Error;
use std::io;

use pyo3::PyErr;
use pyo3::exceptions::{PyFileNotFoundError, PyOSError, PyPermissionError, PyValueError};

/// The exception for `error`, with the sentence of each error in its chain: `FileNotFoundError`, `PermissionError` or `OSError` where a
/// file or the network is the cause, as in Python, and otherwise `ValueError`.
pub(crate) fn exception(error: &(dyn Error + 'static)) -> PyErr {
    let chain = || std::iter::successors(Some(error), |&error| Error::source(error));
    let mut text = String::new();
    for sentence in chain().map(ToString::to_string) {
        // An error that only passes on its cause says the same.
        if !text.ends_with(&sentence) {
            let colon = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{colon}{sentence}");
        }
    }
    let kind = chain().find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind);
    let from_hub =
        error.is::<earmark::hub::Error>() || matches!(error.downcast_ref(), Some(earmark::Error::Hub(_)));
    match kind {
        Some(io::ErrorKind::NotFound) => PyFileNotFoundError::new_err(text),
        Some(io::ErrorKind::PermissionDenied) => PyPermissionError::new_err(text),
        Some(_) => PyOSError::new_err(text),
        None if from_hub => PyOSError::new_err(text),
        None => PyValueError::new_err(text),
    }
}

/// For a sampling rate that is 0, or higher than any recording has.
pub(crate) fn unusable_rate(hz: u32) -> PyErr {
    PyValueError::new_err(format!("a sampling rate of {hz} Hz cannot be used"))
}
