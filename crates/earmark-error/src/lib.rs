#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod plain;

use std::error::Error;

pub use plain::reason;

/// An operation that may fail, such as opening a file. Implement it on the value that describes the operation.
pub trait Attempt {
    /// The crate's `ErrorKind`: why the operation failed.
    type Kind;
    /// The crate's `Error`: the operation and the kind together.
    type Error;

    /// The error of this operation, with `kind` as its cause.
    fn failed(self, kind: Self::Kind) -> Self::Error;
}

/// Adds the attempted operation to an error, as `anyhow::Context` adds a message.
pub trait Context<T, E> {
    /// Turns an error into that of `attempt`, with the error as its kind.
    ///
    /// # Errors
    /// The error of `attempt` when `self` is an error.
    fn context<A: Attempt>(self, attempt: A) -> Result<T, A::Error>
    where
        E: Into<A::Kind>;

    /// Like [`context`](Self::context), but `attempt` is called only when `self` is an error.
    ///
    /// # Errors
    /// As [`context`](Self::context).
    fn with_context<A: Attempt>(self, attempt: impl FnOnce() -> A) -> Result<T, A::Error>
    where
        E: Into<A::Kind>;
}

impl<T, E> Context<T, E> for Result<T, E> {
    fn context<A: Attempt>(self, attempt: A) -> Result<T, A::Error>
    where
        E: Into<A::Kind>,
    {
        self.with_context(|| attempt)
    }

    fn with_context<A: Attempt>(self, attempt: impl FnOnce() -> A) -> Result<T, A::Error>
    where
        E: Into<A::Kind>,
    {
        self.map_err(|error| attempt().failed(error.into()))
    }
}

/// The messages of an error and of its sources, outermost first. A message that the one before it ends with is left out, as
/// that of a transparent error is; an error of the operating system at the end of a message reads as [`reason`] writes it.
pub fn causes(error: &dyn Error) -> Vec<String> {
    let mut causes = vec![plain::plain(error.to_string())];
    let mut source = error.source();
    while let Some(error) = source {
        let text = plain::plain(error.to_string());
        if !causes.last().is_some_and(|before| before.ends_with(&text)) {
            causes.push(text);
        }
        source = error.source();
    }
    causes
}

/// [`causes`] on one line, joined by `: `.
pub fn chain(error: &dyn Error) -> String {
    causes(error).join(": ")
}
