//! Panics of the Parquet reader as errors.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::error::ErrorKind;

thread_local! {
    /// Whether a panic of this thread becomes an error.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `read`, whose panics become errors without a message of the panic hook: a file may be hostile, and the reader's own checks
/// have holes.
pub(super) fn guarded<T>(read: impl FnOnce() -> Result<T, ErrorKind>) -> Result<T, ErrorKind> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                usual(panic);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let read = catch_unwind(AssertUnwindSafe(read));
    GUARDED.set(outer);
    read.unwrap_or_else(|_| Err(ErrorKind::Broken("the Parquet reader crashed on it".to_owned())))
}
