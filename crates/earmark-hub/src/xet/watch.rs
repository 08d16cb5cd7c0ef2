//! A transfer of hf-xet under the minimum rate.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use xet::XetError;

use crate::http::timeouts::Timeouts;

/// How often progress is told, at most.
const TICK: Duration = Duration::from_millis(200);

/// How far a transfer has come.
pub(crate) struct Moved {
    /// Anything that grows while the transfer lives.
    pub(crate) steps: u64,
    /// Whether every byte was sent, and only the answer is missing.
    pub(crate) all_sent: bool,
}

/// Runs `transfer` on a thread of its own and looks at it now and then, until it ends or comes below the minimum rate.
///
/// Then it is aborted and not waited for: what hangs may hang in hf-xet itself.
pub(crate) fn watch<T: Send + 'static>(
    timeouts: &Timeouts,
    transfer: impl FnOnce() -> Result<T, XetError> + Send + 'static,
    mut look: impl FnMut() -> Moved,
    abort: impl FnOnce() -> Result<(), XetError>,
) -> Result<T, String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // Nobody listens after an abort.
        let _ = sender.send(transfer());
    });
    let (mut since, mut before) = (Instant::now(), 0);
    loop {
        match receiver.recv_timeout(TICK.min(timeouts.min_rate.window)) {
            Ok(done) => {
                look();
                return done.map_err(|error| error.to_string());
            }
            Err(RecvTimeoutError::Disconnected) => return Err("hf-xet panicked".to_owned()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let (Moved { steps, all_sent }, spent) = (look(), since.elapsed());
        let steps_since = steps.saturating_sub(before);
        // The storage may read all of a large file before it answers.
        if all_sent && steps_since == 0 && spent < timeouts.read.saturating_mul(10) {
            continue;
        }
        if spent >= timeouts.min_rate.window {
            if timeouts.min_rate.is_missed(steps_since, spent) {
                let _ = abort();
                return Err(format!("only {steps_since} bytes in {spent:.1?}"));
            }
            (since, before) = (Instant::now(), steps);
        }
    }
}
