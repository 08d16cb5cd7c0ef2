//! Work that is given up as soon as somebody asks for it.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::error::ErrorKind;

/// How often somebody who waits looks whether he is to go on.
const LOOK: Duration = Duration::from_millis(50);

/// What work reports while it is done, and whether anybody still wants it.
pub(crate) struct Report {
    done: Sender<usize>,
    unwanted: Arc<AtomicBool>,
}

impl Report {
    /// So much is done.
    pub(crate) fn done(&self, count: usize) {
        // Nobody listens to work that was given up.
        let _ = self.done.send(count);
    }

    /// Whether the work is in vain.
    pub(crate) fn is_unwanted(&self) -> bool {
        self.unwanted.load(Ordering::Relaxed)
    }
}

/// Does `work` on a thread of its own, and waits until it is done or `stop` is set, whichever comes first: one clip or one
/// batch may take seconds. Work that is given up ends by itself, once it looks at its [`Report`].
///
/// # Errors
/// [`ErrorKind::Interrupted`] when `stop` came first.
pub(crate) fn unless_stopped<T: Send + 'static>(
    stop: &AtomicBool,
    progress: &mut dyn FnMut(usize),
    work: impl FnOnce(&Report) -> T + Send + 'static,
) -> Result<T, ErrorKind> {
    let (done, news) = channel();
    let unwanted = Arc::new(AtomicBool::new(false));
    let report = Report { done, unwanted: Arc::clone(&unwanted) };
    let worker = thread::spawn(move || panic::catch_unwind(AssertUnwindSafe(|| work(&report))));
    loop {
        let next = news.recv_timeout(LOOK);
        if let Ok(count) = next {
            progress(count);
        }
        if next == Err(RecvTimeoutError::Disconnected) {
            break;
        }
        if stop.load(Ordering::Relaxed) {
            unwanted.store(true, Ordering::Relaxed);
            return Err(ErrorKind::Interrupted);
        }
    }
    match worker.join().and_then(|done| done) {
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
        let work = |report: &Report| {
            (1..=3).for_each(|count| report.done(count));
            "done"
        };
        let done = unless_stopped(&AtomicBool::new(false), &mut |count| seen.push(count), work);
        assert_eq!((done.unwrap(), seen), ("done", vec![1, 2, 3]));
    }

    #[test]
    fn work_that_takes_long_is_not_waited_for() {
        let (stop, began) = (AtomicBool::new(false), Instant::now());
        let (ended, end) = channel();
        let work = move |report: &Report| {
            report.done(1);
            while !report.is_unwanted() {
                thread::sleep(Duration::from_millis(5));
            }
            thread::sleep(Duration::from_secs(2)); // A batch that cannot be cut short.
            ended.send(()).unwrap();
        };
        let done = unless_stopped(&stop, &mut |_| stop.store(true, Ordering::Relaxed), work);
        assert!(matches!(done, Err(ErrorKind::Interrupted)));
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        end.recv_timeout(Duration::from_secs(10)).expect("the work ends by itself");
    }

    #[test]
    #[should_panic(expected = "a bug")]
    fn a_panic_goes_on_its_way() {
        let _ = unless_stopped(&AtomicBool::new(false), &mut |_| (), |_: &Report| panic!("a bug"));
    }
}
