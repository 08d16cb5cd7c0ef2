use std::io;
use std::sync::Arc;

use earmark_error::Context as _;
use reqwest::blocking::Response;
use reqwest::{StatusCode, Url};

use crate::error::{Error, ErrorKind, Subject};
use crate::http::address::{header_text, redacted};
use crate::http::client::{Http, off_runtime};
use crate::http::rate::RateMeter;
use crate::http::retry::Failure;

/// A file at a web address that is read in parts, by range requests.
#[derive(Debug, Clone)]
pub struct WebFile {
    pub(crate) http: Arc<Http>,
    pub(crate) url: Url,
    pub(crate) len: u64,
    /// Its ETag when it was opened: reading a file that changed is an error.
    pub(crate) etag: Option<String>,
}

impl WebFile {
    /// Its length in bytes.
    #[allow(clippy::len_without_is_empty, reason = "a length, not a collection")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Fills `into` with the bytes from `offset` on.
    ///
    /// # Errors
    /// A range beyond the end; no answer or a cut connection after all retries; a file that changed.
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), Error> {
        self.try_read_at(offset, into).with_context(|| Subject::Address(redacted(&self.url)))
    }

    fn try_read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ErrorKind> {
        let end = offset.saturating_add(into.len() as u64);
        if end > self.len {
            return Err(ErrorKind::OutOfRange { offset, wanted: into.len(), len: self.len });
        }
        if into.is_empty() {
            return Ok(());
        }
        off_runtime(|| {
            let range = format!("bytes={offset}-{}", end - 1);
            let mut cut = None;
            // A body that is cut is requested once more.
            for _ in 0..2 {
                let mut response = self.http.get_anonymously(&self.url, Some(&range))?;
                if response.status() != StatusCode::PARTIAL_CONTENT {
                    return Err(ErrorKind::NoRanges);
                }
                if self.etag.as_deref() != header_text(response.headers(), "etag") {
                    return Err(ErrorKind::Changed);
                }
                match read_exact(&mut response, into, RateMeter::new(self.http.timeouts.min_rate)) {
                    Ok(()) => return Ok(()),
                    Err(error) => {
                        cut = Some(Failure::of_body(response.url(), offset, Some(self.len), error).kind);
                    }
                }
            }
            Err(cut.unwrap_or(ErrorKind::NoRanges))
        })
    }
}

/// As [`Read::read_exact`], with a minimum rate.
fn read_exact(from: &mut Response, mut into: &mut [u8], mut meter: RateMeter) -> io::Result<()> {
    while !into.is_empty() {
        match meter.read(from, into)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => into = &mut into[read..],
        }
    }
    Ok(())
}
