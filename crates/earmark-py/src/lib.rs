//! The native half of the Python package `earmark`. Its other half, `python/earmark`, has the public classes: it takes whatever the
//! pipelines of transformers take and hands on paths, bytes and arrays.

#![expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments on by value")]

mod classifier; // Read first: the three kinds of models.
mod embedder;
mod zero_shot;
mod features; // Without a model:
mod audio;
mod answers; // What they share.
mod sound;
mod open;
mod threads;
mod errors;
mod logs;

use pyo3::prelude::*;

/// The native module `earmark._earmark`.
#[pymodule(gil_used = false)]
mod _earmark {
    use super::{Bound, PyModule, PyModuleMethods, PyResult, logs};

    #[pymodule_export]
    use super::audio::load_audio;
    #[pymodule_export]
    use super::classifier::{Classifier, Windows};
    #[pymodule_export]
    use super::embedder::Embedder;
    #[pymodule_export]
    use super::features::FeatureExtractor;
    #[pymodule_export]
    use super::zero_shot::ZeroShotClassifier;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        logs::to_python();
        Ok(())
    }
}
