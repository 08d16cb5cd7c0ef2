//! Where models run: with the GIL released, on threads of our own.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The threads, and the process that they belong to.
static THREADS: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// Runs `work` with the GIL released, on as many threads as there are cores, or `RAYON_NUM_THREADS`.
///
/// Not on rayon's own pool: that is started once for a process, and the child of a fork, such as a worker of `multiprocessing` or of
/// PyTorch's data loader, would wait for threads that only its parent has.
pub(crate) fn run<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    py.detach(|| Ok(of_this_process()?.install(work)))
}

fn of_this_process() -> PyResult<Arc<ThreadPool>> {
    let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if let Some((of, pool)) = &*threads {
        if *of == process {
            return Ok(Arc::clone(pool));
        }
        // Dropping it would wait for threads that this process does not have.
        std::mem::forget(Arc::clone(pool));
    }
    let pool = ThreadPoolBuilder::new().thread_name(|i| format!("earmark-{i}")).build();
    let pool = pool.map_err(|error| PyRuntimeError::new_err(format!("cannot start threads: {error}")))?;
    let pool = Arc::new(pool);
    *threads = Some((process, Arc::clone(&pool)));
    Ok(pool)
}
