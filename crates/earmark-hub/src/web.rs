//! Files at any web address.

use std::fs;
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::sync::Arc;

use earmark_error::{Attempt as _, Context as _};
use reqwest::blocking::Response;
use reqwest::header;
use reqwest::{StatusCode, Url};
use sha2::{Digest as _, Sha256};

use crate::commit::hex;
use crate::error::{CachePath, Error, ErrorKind, Subject};
use crate::http::address::{header_text, redacted};
use crate::http::client::{Http, off_runtime};
use crate::http::rate::RateMeter;
use crate::http::redirect::check_redirect;
use crate::http::retry::{Failure, Retries, Retry};
use crate::hub::Hub;
use crate::progress::ProgressGuard;

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

    /// Downloads the file at an `http` or `https` address to `target`, atomically.
    ///
    /// # Errors
    /// As [`open_url`](Hub::open_url); a body that is cut, or has another SHA-256 than `sha256`.
    pub fn fetch_url(&self, url: &str, sha256: Option<&str>, target: &Path) -> Result<(), Error> {
        let body = self.open_url(url)?;
        self.save(body, sha256, target).with_context(|| Subject::Address(redacted_text(url)))
    }

    fn save(&self, mut body: Body, sha256: Option<&str>, target: &Path) -> Result<(), ErrorKind> {
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).context(CachePath(target))?;
            // Left by downloads that were killed. If this fails, so does creating the file.
            let _ = earmark_fs::sweep(folder);
        }
        let mut file = earmark_fs::AtomicFile::create(target).context(CachePath(target))?;
        let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
        let progress = ProgressGuard(self.progress.as_deref());
        progress.started(&target.file_name().unwrap_or_default().to_string_lossy(), body.expected);
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) => return Err(body_error(error, target)),
            };
            if body.expected.is_none() && body.received > MAX_UNKNOWN {
                let what = "the download, whose length the server did not announce,".to_owned();
                return Err(ErrorKind::TooLarge { what, limit: MAX_UNKNOWN });
            }
            hasher.update(&buffer[..read]);
            file.write_all(&buffer[..read]).context(CachePath(target))?;
            progress.advanced(read as u64);
        }
        let received = hex(&hasher.finalize());
        if let Some(expected) = sha256.filter(|expected| *expected != received) {
            return Err(ErrorKind::Checksum { received, expected: expected.to_owned() });
        }
        file.commit().context(CachePath(target))
    }
}

/// The reason inside an error of a [`Body`].
fn body_error(error: io::Error, target: &Path) -> ErrorKind {
    error.downcast::<ErrorKind>().unwrap_or_else(|error| CachePath(target).failed(error))
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
        let anonymous = self.anonymous()?;
        Retries::new(&self.timeouts).run(|| {
            let mut request = anonymous.get(url.clone());
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

fn web_address(url: &str) -> Result<Url, ErrorKind> {
    let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or(ErrorKind::Name { what: "web address", why: "it must look like https://host/file" })
}

/// The address as errors show it.
fn redacted_text(url: &str) -> String {
    Url::parse(url).map_or_else(|_| url.chars().take(80).collect(), |url| redacted(&url))
}

#[cfg(test)]
mod tests {
    use super::redacted_text;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        assert_eq!(redacted_text("https://me:secret@host/a.wav?signature=abc"), "https://host/a.wav?…");
        assert_eq!(redacted_text("http://host/a.wav"), "http://host/a.wav");
    }
}
