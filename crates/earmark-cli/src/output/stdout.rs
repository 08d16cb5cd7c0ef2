//! The one writer for stdout, which may end or fill up at any time.
#![allow(clippy::disallowed_methods, reason = "this is it")]

use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Where results go. Its errors say whose they are.
pub(crate) fn stdout() -> Stdout {
    Stdout
}

pub(crate) struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write(bytes).map_err(|error| failed(&error))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush().map_err(|error| failed(&error))
    }
}

impl Stdout {
    pub(crate) fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }
}

/// Whether nobody reads stdout any more, as behind `earmark … | head -1`: then nothing is left to do, and that is no failure.
/// A pipe that broke elsewhere, a connection's, is.
pub(crate) fn reader_left() -> bool {
    READER_LEFT.load(Ordering::Relaxed)
}

static READER_LEFT: AtomicBool = AtomicBool::new(false);

/// Names stdout in an error of writing to it.
pub(crate) fn failed(error: &io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        READER_LEFT.store(true, Ordering::Relaxed);
    }
    io::Error::new(error.kind(), format!("cannot write to standard output: {error}"))
}
