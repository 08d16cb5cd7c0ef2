//! How a command ends, and the exit code that says so.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// The exit code of a command that was interrupted.
pub(crate) const INTERRUPTED: u8 = 130;
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
            Done::Interrupted => ExitCode::from(INTERRUPTED),
        }
    }
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
