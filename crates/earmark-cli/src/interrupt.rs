//! Ctrl-C and SIGTERM: the first asks for an end, the second ends the process at once.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::{code_of_signal, ended_by, interrupted};
use crate::output::{messages, progress};

/// The flag that is set from now on when the person or the system asks for an end, and then reports `notice`.
///
/// With `patience`, the process ends after so long even where nobody looked at the flag: for work whose results are on the
/// disk at any time.
pub(crate) fn asked(notice: &'static str, patience: Option<Duration>) -> Result<Arc<AtomicBool>> {
    match patience {
        None => watch(notice, None::<(Duration, fn())>),
        Some(patience) => asked_then(notice, patience, || ()),
    }
}

/// As [`asked`] with `patience`; `last` runs before the process ends where nobody looked at the flag.
pub(crate) fn asked_then(
    notice: &'static str,
    patience: Duration,
    last: impl FnOnce() + Send + 'static,
) -> Result<Arc<AtomicBool>> {
    watch(notice, Some((patience, last)))
}

fn watch(
    notice: &'static str,
    patience: Option<(Duration, impl FnOnce() + Send + 'static)>,
) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order, so that only the second signal finds the flag set.
        flag::register_conditional_shutdown(signal, code_of_signal(signal).into(), Arc::clone(&stop))
            .and_then(|_| flag::register_usize(signal, ended_by(), signal as usize))
            .and_then(|_| flag::register(signal, Arc::clone(&stop)))
            .context("cannot listen for Ctrl-C")?;
    }
    std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
            }
            messages::note(notice);
            if let Some((patience, last)) = patience {
                std::thread::sleep(patience);
                last();
                progress::end();
                process::exit(interrupted().into());
            }
        }
    });
    Ok(stop)
}
