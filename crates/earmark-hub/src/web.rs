//! Files at any web address.

use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use earmark_error::Context as _;
use earmark_fs::LockedFile;
use reqwest::blocking::Response;
use reqwest::header;
use reqwest::{StatusCode, Url};

use crate::download::transfer::{Wanted, download};
use crate::error::{Error, ErrorKind, Subject};
use crate::http::address::{header_text, redacted};
use crate::http::client::{Http, off_runtime};
use crate::http::rate::RateMeter;
use crate::http::redirect::check_redirect;
use crate::http::retry::{Failure, Retries, Retry};
use crate::hub::Hub;
use crate::partial::{self, Partial, create_parent};

/// Longest download of unknown length. One whose server announced a length must have it.
const MAX_UNKNOWN: u64 = 64 << 30;

/// The body of an answer, read as it arrives; made by [`Hub::open_url`].
///
/// A body that ends before its announced length is an error of the kind [`io::ErrorKind::UnexpectedEof`], one that comes more
/// slowly than [`HubBuilder::min_rate`](crate::HubBuilder::min_rate) of [`io::ErrorKind::TimedOut`]. It may be endless: the
/// caller has to bound it.
#[derive(Debug)]
pub struct Body {
    response: Response,
    meter: RateMeter,
    received: u64,
    expected: Option<u64>,
}

impl Body {
    /// The announced length, if there is one.
    pub fn len_hint(&self) -> Option<u64> {
        self.expected
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let broken = |body: &Body, error| {
            Failure::of_body(body.response.url(), body.received, body.expected, error).kind
        };
        match self.meter.read(&mut self.response, buffer) {
            Ok(0) if !buffer.is_empty() && self.expected.is_some_and(|all| self.received < all) => {
                let kind = broken(self, io::ErrorKind::UnexpectedEof.into());
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, kind))
            }
            Ok(read) => {
                self.received += read as u64;
                Ok(read)
            }
            Err(error) => {
                let kind = broken(self, error);
                let slow = matches!(kind, ErrorKind::TooSlow { .. });
                Err(io::Error::new(
                    if slow { io::ErrorKind::TimedOut } else { io::ErrorKind::UnexpectedEof },
                    kind,
                ))
            }
        }
    }
}

impl Hub {
    /// Requests an `http` or `https` address. It caches nothing and sends no token, as the address may lead anywhere.
    ///
    /// # Errors
    /// [`ErrorKind::Offline`] when offline; an invalid address, no answer, or a status other than success.
    pub fn open_url(&self, url: &str) -> Result<Body, Error> {
        self.try_open_url(url).with_context(|| Subject::Address(redacted_text(url)))
    }

    fn try_open_url(&self, url: &str) -> Result<Body, ErrorKind> {
        let Some(http) = &self.http else { return Err(ErrorKind::OfflineAddress) };
        let url = web_address(url)?;
        let response = off_runtime(|| http.get_anonymously(&url, None))?;
        let meter = RateMeter::new(http.timeouts.min_rate);
        Ok(Body { expected: response.content_length(), response, meter, received: 0 })
    }
}

/// A file at a web address that is read in parts, by range requests.
#[derive(Debug, Clone)]
pub struct WebFile {
    http: Arc<Http>,
    url: Url,
    len: u64,
    /// Its ETag when it was opened: reading a file that changed is an error.
    etag: Option<String>,
}

impl Hub {
    /// Opens the file at an `http` or `https` address to read parts of it. It caches nothing and sends no token.
    ///
    /// # Errors
    /// As [`open_url`](Hub::open_url); a server without range requests.
    pub fn open_url_file(&self, url: &str) -> Result<WebFile, Error> {
        self.try_open_url_file(url).with_context(|| Subject::Address(redacted_text(url)))
    }

    fn try_open_url_file(&self, url: &str) -> Result<WebFile, ErrorKind> {
        let http = self.http.as_ref().ok_or(ErrorKind::OfflineAddress)?;
        let url = web_address(url)?;
        let response = off_runtime(|| http.get_anonymously(&url, Some("bytes=0-0")))?;
        let range = header_text(response.headers(), "content-range");
        let len = range.and_then(|range| range.rsplit_once('/')?.1.parse().ok());
        let len =
            len.filter(|_| response.status() == StatusCode::PARTIAL_CONTENT).ok_or(ErrorKind::NoRanges)?;
        let etag = header_text(response.headers(), "etag").map(str::to_owned);
        Ok(WebFile { http: Arc::clone(http), url, len, etag })
    }

    /// Downloads the file at an `http` or `https` address to `target`, atomically. A download that was interrupted is resumed if
    /// `sha256` will tell whether its halves fit.
    ///
    /// # Errors
    /// As [`open_url`](Hub::open_url); a body that is cut, or has another SHA-256 than `sha256`.
    pub fn fetch_url(&self, url: &str, sha256: Option<&str>, target: &Path) -> Result<(), Error> {
        self.try_fetch_url(url, sha256, target).with_context(|| Subject::Address(redacted_text(url)))
    }

    fn try_fetch_url(&self, url: &str, sha256: Option<&str>, target: &Path) -> Result<(), ErrorKind> {
        let http = self.http.as_ref().ok_or(ErrorKind::OfflineAddress)?;
        let url = web_address(url)?;
        let path = partial::resumable(target);
        // Two that download to one place: the second has a file of its own. Without locks a checksum tells, if there is one.
        let lock = create_parent(&path).and_then(|()| File::options().create(true).append(true).open(&path));
        let lock = lock.map_err(TryLockError::Error).and_then(LockedFile::try_lock);
        let path = if matches!(lock, Err(TryLockError::WouldBlock)) { partial::unique(target) } else { path };
        let mut partial = Partial::open(path, target.to_owned(), sha256.is_some())?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let wanted = Wanted { name: &name, size: None, sha256, unannounced: MAX_UNKNOWN };
        let request = |range: Option<&str>| http.try_get_anonymously(&url, range);
        let progress = self.progress.as_deref();
        let done = off_runtime(|| download(&wanted, &http.timeouts, &mut partial, progress, request));
        if done.as_ref().is_err_and(ErrorKind::keeps_partial) {
            partial.keep();
        }
        done?;
        partial.publish()
    }
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

impl Http {
    /// Requests an address that need not be the Hub's, without the token.
    fn get_anonymously(&self, url: &Url, range: Option<&str>) -> Result<Response, ErrorKind> {
        Retries::new(&self.timeouts).run(|| self.try_get_anonymously(url, range))
    }

    fn try_get_anonymously(&self, url: &Url, range: Option<&str>) -> Result<Response, Failure> {
        let mut request = self.anonymous()?.get(url.clone());
        if let Some(range) = range {
            request = request.header(header::RANGE, range);
        }
        let response = request.send().map_err(|error| {
            Failure::of_request(error, |source| {
                let host = url.host_str().unwrap_or_default().to_owned();
                ErrorKind::AddressUnreachable { host, source }
            })
        })?;
        let (status, headers) = (response.status(), response.headers());
        if status.is_success() {
            return Ok(response);
        }
        if let Some(to) = header_text(headers, "location").and_then(|to| url.join(to).ok()) {
            // The client returns a redirect to what is no web address as an answer.
            check_redirect(url.scheme(), &to)?;
        }
        let retry = Retry::of_status(status, headers);
        Err(Failure { kind: ErrorKind::AddressStatus { status: status.as_u16() }, retry })
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

fn web_address(url: &str) -> Result<Url, ErrorKind> {
    let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or(ErrorKind::Name { what: "web address", why: "it must look like https://host/file" })
}

/// The address as errors show it: what is none, too, without what may be a password or a signature.
fn redacted_text(url: &str) -> String {
    let text = || {
        let start = url.split(['?', '#']).next().unwrap_or_default();
        start.rsplit_once('@').map_or(start, |(_, host)| host).chars().take(80).collect()
    };
    Url::parse(url).map_or_else(|_| text(), |url| redacted(&url))
}

#[cfg(test)]
mod tests {
    use super::redacted_text;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        assert_eq!(redacted_text("https://me:secret@host/a.wav?signature=abc"), "https://host/a.wav?…");
        assert_eq!(redacted_text("http://host/a.wav"), "http://host/a.wav");
        assert_eq!(redacted_text("https://me:secret@ho st/a.wav?signature=abc"), "ho st/a.wav");
    }
}
