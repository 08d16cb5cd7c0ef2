//! A transfer of hf-xet under the minimum rate.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use xet::XetError;

use crate::http::timeouts::Timeouts;
use crate::progress::ProgressGuard;
use crate::xet::session::Stop;

/// How often progress is told, at most.
const TICK: Duration = Duration::from_millis(200);

/// How far a transfer has come.
pub(crate) struct Moved {
    /// Bytes of the files.
    pub(crate) done: u64,
    /// Anything that grows while the transfer lives.
    pub(crate) steps: u64,
    /// Whether every byte was sent, and only the answer is missing.
    pub(crate) all_sent: bool,
}

/// Runs `transfer` on a thread of its own and looks at it now and then, until it ends or comes below the minimum rate. Progress is told
/// up to `total` bytes.
///
/// Then it is aborted and not waited for: what hangs may hang in hf-xet itself.
pub(crate) fn watch<T: Send + 'static>(
    timeouts: &Timeouts,
    (progress, total): (&ProgressGuard<'_>, u64),
    transfer: impl FnOnce() -> Result<T, XetError> + Send + 'static,
    look: impl Fn() -> Moved,
    abort: impl FnOnce() -> Result<(), XetError>,
) -> Result<T, Stop> {
    let mut told = 0;
    let mut look = || {
        let moved = look();
        let done = moved.done.min(total);
        if done > told {
            progress.advanced(done - told);
            told = done;
        }
        moved
    };
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
                return Ok(done?);
            }
            Err(RecvTimeoutError::Disconnected) => return Err(Stop::give_up("hf-xet panicked")),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let (Moved { steps, all_sent, .. }, spent) = (look(), since.elapsed());
        let steps_since = steps.saturating_sub(before);
        // The storage may read all of a large file before it answers.
        if all_sent && steps_since == 0 && spent < timeouts.read.saturating_mul(10) {
            continue;
        }
        if spent >= timeouts.min_rate.window {
            if timeouts.min_rate.is_missed(steps_since, spent) {
                let _ = abort();
                return Err(Stop::GiveUp(format!("only {steps_since} bytes in {spent:.1?}")));
            }
            (since, before) = (Instant::now(), steps);
        }
    }
}
