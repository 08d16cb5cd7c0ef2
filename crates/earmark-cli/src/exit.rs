//! How a command ends, and the exit code that says so.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::SIGINT;

/// The exit code of a command that was ended by a signal, as shells have it.
const SIGNALLED: u8 = 128;
const WRONG_USAGE: u8 = 2;
const SOME_FAILED: u8 = 3;

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    Well,
    /// Some inputs failed, and each was named.
    InPart,
    /// Interrupted, and all that was done is saved.
    Interrupted,
}

impl Done {
    pub(crate) fn code(self) -> ExitCode {
        match self {
            Done::Well => ExitCode::SUCCESS,
            Done::InPart => ExitCode::from(SOME_FAILED),
            Done::Interrupted => ExitCode::from(interrupted()),
        }
    }
}

/// The signal that asked for an end: SIGINT, unless [`ended_by`] has another.
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(|| Arc::new(AtomicUsize::new(SIGINT as usize)));

/// Where the number of the signal that asks for an end is to be kept.
pub(crate) fn ended_by() -> Arc<AtomicUsize> {
    Arc::clone(&SIGNAL)
}

/// The exit code of a command that is ended by a signal: 130 for SIGINT, which is Ctrl-C, 143 for SIGTERM.
pub(crate) fn code_of_signal(signal: i32) -> u8 {
    SIGNALLED.saturating_add(u8::try_from(signal).unwrap_or(0))
}

/// The exit code of a command that was interrupted.
pub(crate) fn interrupted() -> u8 {
    code_of_signal(SIGNAL.load(Ordering::Relaxed) as i32)
}

/// The exit code of an error.
pub(crate) fn code_of(error: &anyhow::Error) -> ExitCode {
    if error.is::<Usage>() { wrong_usage() } else { ExitCode::FAILURE }
}

/// The exit code of a command that was given wrongly.
pub(crate) fn wrong_usage() -> ExitCode {
    ExitCode::from(WRONG_USAGE)
}

/// A command that was given wrongly, as only its run shows.
pub(crate) fn usage(text: impl fmt::Display) -> anyhow::Error {
    Usage(anyhow::Error::msg(text.to_string())).into()
}

/// An error that means [`Usage`]; its exit code is 2.
#[derive(Debug)]
pub(crate) struct Usage(anyhow::Error);

impl Usage {
    /// Says of an error that the command was given wrongly.
    pub(crate) fn of(error: impl Into<anyhow::Error>) -> anyhow::Error {
        Usage(error.into()).into()
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Usage {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
