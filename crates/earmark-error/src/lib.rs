#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

use std::error::Error;

/// What is tried. When it fails, it says so in the error of its crate.
pub trait Attempt {
    /// The reasons that the crate knows.
    type Kind;
    /// The crate's error: the attempt and the reason.
    type Error;

    /// This attempt failed, because of `kind`.
    fn failed(self, kind: Self::Kind) -> Self::Error;
}

/// Says what was tried when a result is an error.
pub trait Context<T, E> {
    /// The error of `attempt`, for the reason that the result holds.
    ///
    /// # Errors
    /// When the result is one.
    fn context<A: Attempt>(self, attempt: A) -> Result<T, A::Error>
    where
        E: Into<A::Kind>;

    /// As [`context`](Self::context), for an attempt that takes work to describe.
    ///
    /// # Errors
    /// When the result is one.
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

/// An error and its causes, each said once: a transparent error says what its source says.
pub fn causes(error: &dyn Error) -> Vec<String> {
    let mut causes = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !causes.last().is_some_and(|before| before.ends_with(&text)) {
            causes.push(text);
        }
        source = error.source();
    }
    causes
}

/// [`causes`] in one line, `a: b: c`.
pub fn chain(error: &dyn Error) -> String {
    causes(error).join(": ")
}
