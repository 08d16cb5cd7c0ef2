//! Work on a thread of its own, abandoned as soon as a stop is requested.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::error::ErrorKind;

/// How often the waiting thread looks at the stop flag.
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// How work on another thread reports its progress and learns that it was cancelled.
pub(crate) struct Worker {
    done: Sender<usize>,
    cancelled: Arc<AtomicBool>,
}

impl Worker {
    /// Reports how many units of work are done.
    pub(crate) fn report(&self, count: usize) {
        // After a cancellation nobody receives.
        let _ = self.done.send(count);
    }

    /// Whether the result is no longer waited for.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Runs `work` on a thread of its own, and waits until it is done or `stop` is set, whichever comes first: one clip or one
/// batch may take seconds. Cancelled work ends by itself, at its next look at [`Worker::is_cancelled`].
///
/// # Errors
/// [`ErrorKind::Interrupted`] when `stop` came first.
pub(crate) fn run_cancellable<T: Send + 'static>(
    stop: &AtomicBool,
    progress: &mut dyn FnMut(usize),
    work: impl FnOnce(&Worker) -> T + Send + 'static,
) -> Result<T, ErrorKind> {
    let (done, progress_of_work) = channel();
    let cancelled = Arc::new(AtomicBool::new(false));
    let worker = Worker { done, cancelled: Arc::clone(&cancelled) };
    let thread = thread::spawn(move || panic::catch_unwind(AssertUnwindSafe(|| work(&worker))));
    loop {
        let next = progress_of_work.recv_timeout(POLL);
        if let Ok(count) = next {
            progress(count);
        }
        if next == Err(RecvTimeoutError::Disconnected) {
            break;
        }
        if stop.load(Ordering::Relaxed) {
            cancelled.store(true, Ordering::Relaxed);
            return Err(ErrorKind::Interrupted);
        }
    }
    match thread.join().and_then(|done| done) {
        Ok(done) => Ok(done),
        Err(cause) => panic::resume_unwind(cause),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn work_that_is_done_is_returned_with_its_progress() {
        let mut seen = Vec::new();
        let work = |worker: &Worker| {
            (1..=3).for_each(|count| worker.report(count));
            "done"
        };
        let done = run_cancellable(&AtomicBool::new(false), &mut |count| seen.push(count), work);
        assert_eq!((done.unwrap(), seen), ("done", vec![1, 2, 3]));
    }

    #[test]
    fn work_that_takes_long_is_not_waited_for() {
        let (stop, began) = (AtomicBool::new(false), Instant::now());
        let (ended, end) = channel();
        let work = move |worker: &Worker| {
            worker.report(1);
            while !worker.is_cancelled() {
                thread::sleep(Duration::from_millis(5));
            }
            thread::sleep(Duration::from_secs(2)); // A batch that cannot be cut short.
            ended.send(()).unwrap();
        };
        let done = run_cancellable(&stop, &mut |_| stop.store(true, Ordering::Relaxed), work);
        assert!(matches!(done, Err(ErrorKind::Interrupted)));
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        end.recv_timeout(Duration::from_secs(10)).expect("the work ends by itself");
    }

    #[test]
    #[should_panic(expected = "a bug")]
    fn a_panic_goes_on_its_way() {
        let _ = run_cancellable(&AtomicBool::new(false), &mut |_| (), |_: &Worker| panic!("a bug"));
    }
}
