//! Failures of one request, and which of them are worth another one.

use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};

use crate::error::ErrorKind;
use crate::http::address::{header_text, origin};
use crate::http::rate::TooSlow;
use crate::http::redirect::BadRedirect;
use crate::http::timeouts::Timeouts;

/// Longest wait that a server's `Retry-After` can ask for.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The failure of one request.
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) retry: Retry,
}

/// Whether another request may succeed.
#[derive(Clone, Copy)]
pub(crate) enum Retry {
    Never,
    /// After the usual delay.
    Later,
    /// After the delay that the server asks for.
    After(Duration),
    /// One more time: wrong bytes may be an accident, but hardly twice.
    Once,
}

impl From<ErrorKind> for Failure {
    fn from(kind: ErrorKind) -> Failure {
        Failure { kind, retry: Retry::Never }
    }
}

impl From<BadRedirect> for Failure {
    fn from(bad: BadRedirect) -> Failure {
        match bad {
            BadRedirect::TooMany => ErrorKind::TooManyRedirects,
            BadRedirect::Insecure(to) => ErrorKind::InsecureRedirect { to },
        }
        .into()
    }
}

impl Failure {
    /// Wrong bytes.
    pub(crate) fn mismatch(kind: ErrorKind) -> Failure {
        Failure { kind, retry: Retry::Once }
    }

    /// A request without an answer, or with a redirect that is not followed.
    pub(crate) fn of_request(
        error: reqwest::Error,
        kind: impl FnOnce(Box<dyn Error + Send + Sync>) -> ErrorKind,
    ) -> Failure {
        // Without its URL, which may be signed after a redirect.
        let error = error.without_url();
        let mut cause = error.source();
        while let Some(inner) = cause {
            if let Some(bad) = inner.downcast_ref::<BadRedirect>() {
                return bad.clone().into();
            }
            cause = inner.source();
        }
        Failure { kind: kind(error.into()), retry: Retry::Later }
    }

    /// A request to the Hub without an answer.
    pub(crate) fn unreachable(endpoint: &Url, error: reqwest::Error) -> Failure {
        Failure::of_request(error, |source| ErrorKind::Unreachable { endpoint: endpoint.to_string(), source })
    }

    /// A body that ended early or came too slowly.
    pub(crate) fn of_body(from: &Url, received: u64, expected: Option<u64>, source: io::Error) -> Failure {
        let server = origin(from);
        let kind = match source.get_ref().and_then(|inner| inner.downcast_ref::<TooSlow>()) {
            Some(&TooSlow { bytes, spent }) => {
                ErrorKind::TooSlow { server, bytes, seconds: spent.as_secs_f64() }
            }
            None => ErrorKind::Interrupted { server, received, expected, source },
        };
        Failure { kind, retry: Retry::Later }
    }
}

impl Retry {
    /// By the status of an answer.
    pub(crate) fn of_status(status: StatusCode, headers: &HeaderMap) -> Retry {
        let after = header_text(headers, "retry-after").and_then(|s| s.parse().ok());
        match (status.as_u16(), after) {
            (408 | 429 | 500 | 502 | 503 | 504, Some(seconds)) => Retry::After(Duration::from_secs(seconds)),
            (408 | 429 | 500 | 502 | 503 | 504, None) => Retry::Later,
            _ => Retry::Never,
        }
    }
}

/// The retries that are left.
pub(crate) struct Retries {
    left: u32,
    delay: Duration,
    /// [`Retry::Once`] was used.
    mismatched: bool,
}

impl Retries {
    pub(crate) fn new(timeouts: &Timeouts) -> Retries {
        Retries { left: timeouts.retries, delay: timeouts.retry_delay, mismatched: false }
    }

    pub(crate) fn none() -> Retries {
        Retries { left: 0, delay: Duration::ZERO, mismatched: false }
    }

    /// Repeats `request` until it succeeds or is not worth repeating.
    pub(crate) fn run<T>(mut self, mut request: impl FnMut() -> Result<T, Failure>) -> Result<T, ErrorKind> {
        loop {
            match request() {
                Ok(answer) => return Ok(answer),
                Err(failure) => self.wait_after(failure)?,
            }
        }
    }

    /// Waits before the next request, or fails if there is to be none.
    pub(crate) fn wait_after(&mut self, failure: Failure) -> Result<(), ErrorKind> {
        let wait = match failure.retry {
            Retry::Later => self.delay,
            Retry::After(wait) => wait,
            Retry::Once if !self.mismatched => {
                self.mismatched = true;
                self.delay
            }
            Retry::Once | Retry::Never => return Err(failure.kind),
        };
        if self.left == 0 {
            return Err(failure.kind);
        }
        tracing::debug!(error = %failure.kind, ?wait, left = self.left, "trying again");
        std::thread::sleep(wait.min(MAX_WAIT));
        self.left -= 1;
        self.delay = self.delay.saturating_mul(2);
        Ok(())
    }

    pub(crate) fn had_mismatch(&self) -> bool {
        self.mismatched
    }
}
