//! Panics of symphonia, turned into errors. It is fuzzed by its authors and by browsers that ship it, and is still a hundred
//! thousand lines that parse untrusted files, so every call into it is guarded.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::ErrorKind;

/// Runs a decoder or demuxer, and turns its panic into an error.
pub(crate) fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, ErrorKind> {
    // Whatever the panic left half-done is dropped with the reader: its owner gets an error and stops.
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let message = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
        let message = message.or_else(|| payload.downcast_ref::<String>().cloned());
        ErrorKind::Panicked { message: message.unwrap_or_else(|| "no reason given".into()) }
    })
}
