//! How a job ends that was interrupted: once, by the job itself or by the thread that waits for it in vain.

use std::sync::{Arc, Mutex, PoisonError};

use crate::batch::progress::Progress;
use crate::batch::results::Printed;
use crate::output::messages;

/// The end of a job that was interrupted.
#[derive(Clone)]
pub(crate) struct Interruption {
    ended: Arc<Mutex<bool>>,
    progress: Arc<Progress>,
    /// Results on stdout; those in a journal need no end.
    printed: Option<Printed>,
}

impl Interruption {
    pub(crate) fn new(progress: Arc<Progress>, printed: Option<Printed>) -> Interruption {
        Interruption { ended: Arc::default(), progress, printed }
    }

    /// Completes what was printed, and reports how far the job came.
    pub(crate) fn end(&self) {
        // Held to the end: the process must not end before the results do.
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *ended, true) {
            return;
        }
        let position = self.progress.position();
        match &self.printed {
            None => messages::note(format_args!(
                "interrupted after {position}; run the same command again to resume"
            )),
            Some(printed) => {
                printed.end();
                messages::note(format_args!(
                    "interrupted after {position}; a job with -o FILE can be resumed"
                ));
            }
        }
    }
}
