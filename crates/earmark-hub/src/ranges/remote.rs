//! Range requests to a file on the Hub.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::blocking::{RequestBuilder, Response};
use reqwest::header;
use reqwest::{StatusCode, Url};

use crate::api::urls::RepoUrl;
use crate::commit::Etag;
use crate::error::ErrorKind;
use crate::http::address::{header_text, redacted};
use crate::http::client::{Http, off_runtime};
use crate::http::rate::RateMeter;
use crate::http::redirect::{BadRedirect, check_redirect, same_origin_redirect};
use crate::http::retry::{Failure, Retries, Retry};
use crate::repo::{FileName, Repo};

/// A file on the Hub, pinned to a commit and an ETag.
pub(crate) struct RemoteSource {
    http: Arc<Http>,
    endpoint: Url,
    /// At a commit.
    repo: Repo,
    url: Url,
    pub(crate) etag: Etag,
    pub(crate) len: u64,
    /// Where the Hub redirected the last request. Such addresses are signed and expire after minutes to hours; asking for a
    /// new one each time would double the requests.
    storage: Mutex<Option<StorageAddress>>,
}

#[derive(Clone)]
struct StorageAddress {
    url: Url,
    /// The storage's own ETag, which differs from the Hub's.
    etag: Option<String>,
}

impl RemoteSource {
    /// `repo` is at a commit.
    pub(crate) fn new(
        http: Arc<Http>,
        endpoint: Url,
        repo: Repo,
        file: FileName<'_>,
        etag: Etag,
        len: u64,
    ) -> RemoteSource {
        let url = RepoUrl::file(&endpoint, &repo, file).url;
        RemoteSource { http, endpoint, repo, url, etag, len, storage: Mutex::default() }
    }

    fn target(&self) -> RepoUrl<'_> {
        RepoUrl { url: self.url.clone(), endpoint: &self.endpoint, repo: &self.repo }
    }

    pub(crate) fn reader(&self) -> RangeReader {
        RangeReader::new(&self.http)
    }

    /// Fills `into` from `offset` on, which must not lead beyond the end.
    pub(crate) fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ErrorKind> {
        let (mut reader, end) = (self.reader(), offset + into.len() as u64);
        let mut done = 0;
        while done < into.len() {
            done += reader.read(self, offset + done as u64, end, &mut into[done..])?;
        }
        Ok(())
    }

    /// An answer whose next byte is the one at `at`.
    ///
    /// It compares ETags instead of sending `If-Range`: a storage that ignores that header would send the bytes of another file.
    fn request(&self, at: u64, end: u64) -> Result<Response, Failure> {
        let target = self.target();
        let range = |request: RequestBuilder| {
            let request = request.header(header::RANGE, format!("bytes={at}-{}", end - 1));
            request.send().map_err(|e| target.unreachable(e))
        };
        let anonymous = self.http.anonymous()?;
        let known = self.storage.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(StorageAddress { url, etag }) = known {
            let response = range(anonymous.get(url))?;
            // These mean that the signature has expired. The Hub gives a new one.
            if !matches!(response.status().as_u16(), 400 | 401 | 403 | 404 | 410) {
                return self.check_range(response, etag.as_deref(), at);
            }
        }
        let mut url = self.url.clone();
        for _ in 0..5 {
            let response = range(self.http.no_redirect.get(url.clone()))?;
            if let Some(next) = same_origin_redirect(&url, &response) {
                url = next;
                continue;
            }
            let (status, headers) = (response.status(), response.headers());
            if !status.is_success() && !status.is_redirection() && status != StatusCode::RANGE_NOT_SATISFIABLE
            {
                return Err(self.http.refusal(&target, &response));
            }
            let etag = header_text(headers, "x-linked-etag").or_else(|| header_text(headers, "etag"));
            if etag.and_then(Etag::new).is_some_and(|etag| etag != self.etag) {
                return Err(ErrorKind::Changed.into());
            }
            if !status.is_redirection() {
                return self.check_range(response, None, at);
            }
            let location = header_text(headers, "location").and_then(|location| url.join(location).ok());
            let location = location.ok_or_else(|| target.malformed("`Location`"))?;
            check_redirect(self.url.scheme(), &location)?;
            let response = range(anonymous.get(location.clone()))?;
            if response.status().is_success() {
                let etag = header_text(response.headers(), "etag").map(str::to_owned);
                *self.storage.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(StorageAddress { url: location, etag });
            }
            return self.check_range(response, None, at);
        }
        Err(BadRedirect::TooMany.into())
    }

    /// The answer, if it is the right part of the right file.
    fn check_range(&self, mut response: Response, etag: Option<&str>, at: u64) -> Result<Response, Failure> {
        let target = self.target();
        let (status, headers) = (response.status(), response.headers());
        if etag.is_some_and(|known| header_text(headers, "etag").is_some_and(|etag| etag != known)) {
            return Err(ErrorKind::Changed.into());
        }
        if header_text(headers, "content-encoding").is_some_and(|encoding| encoding != "identity") {
            return Err(target.malformed("`Content-Encoding`").into());
        }
        match status {
            StatusCode::PARTIAL_CONTENT => {
                let (start, total) = header_text(headers, "content-range")
                    .and_then(content_range)
                    .ok_or_else(|| target.malformed("`Content-Range`"))?;
                if total.is_some_and(|total| total != self.len) {
                    return Err(ErrorKind::Changed.into());
                }
                if start != at {
                    return Err(target.malformed("`Content-Range`").into());
                }
                Ok(response)
            }
            StatusCode::OK => {
                // The server does not support ranges.
                if response.content_length().is_some_and(|length| length != self.len) {
                    return Err(ErrorKind::Changed.into());
                }
                self.skip(&mut response, at)?;
                Ok(response)
            }
            StatusCode::RANGE_NOT_SATISFIABLE => Err(ErrorKind::Changed.into()),
            status if status.is_success() => Err(target.malformed("status").into()),
            // With the Hub's address, as the storage's is signed.
            status => Err(Failure {
                kind: ErrorKind::Status { status: status.as_u16(), url: redacted(&self.url) },
                retry: Retry::of_status(status, response.headers()),
            }),
        }
    }

    /// Reads past the first `bytes`.
    fn skip(&self, response: &mut Response, bytes: u64) -> Result<(), Failure> {
        let mut meter = RateMeter::new(self.http.timeouts.min_rate);
        let (mut past, mut buffer) = (0, vec![0; 1 << 16]);
        while past < bytes {
            let most = buffer.len().min(usize::try_from(bytes - past).unwrap_or(usize::MAX));
            let source = match meter.read(response, &mut buffer[..most]) {
                Ok(0) => io::ErrorKind::UnexpectedEof.into(),
                Ok(n) => {
                    past += n as u64;
                    continue;
                }
                Err(error) => error,
            };
            return Err(Failure::of_body(response.url(), past, Some(self.len), source));
        }
        Ok(())
    }
}

/// Reads a range in order: its connection, and the retries that are left.
pub(crate) struct RangeReader {
    response: Option<Response>,
    retries: Retries,
    meter: RateMeter,
    since_failure: u64,
}

impl RangeReader {
    /// After so many bytes without a failure, all retries are available again: a long read may fail every hour, but a server
    /// that cuts every answer short must not be asked for ever.
    const RESTORE_RETRIES_AFTER: u64 = 1 << 20;

    fn new(http: &Http) -> RangeReader {
        RangeReader {
            response: None,
            retries: Retries::new(&http.timeouts),
            meter: RateMeter::new(http.timeouts.min_rate),
            since_failure: 0,
        }
    }

    /// Reads at least one byte of those from `at` to `end`; 0 only if there are none or `into` is empty.
    pub(crate) fn read(
        &mut self,
        from: &RemoteSource,
        at: u64,
        end: u64,
        into: &mut [u8],
    ) -> Result<usize, ErrorKind> {
        let room = into.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(0);
        }
        loop {
            match self.try_read(from, at, end, &mut into[..room]) {
                Ok(n) => {
                    self.since_failure += n as u64;
                    return Ok(n);
                }
                Err(failure) => {
                    self.response = None;
                    if std::mem::take(&mut self.since_failure) >= RangeReader::RESTORE_RETRIES_AFTER {
                        self.retries = Retries::new(&from.http.timeouts);
                    }
                    self.retries.wait_after(failure)?;
                }
            }
        }
    }

    fn try_read(
        &mut self,
        from: &RemoteSource,
        at: u64,
        end: u64,
        into: &mut [u8],
    ) -> Result<usize, Failure> {
        let response = match &mut self.response {
            Some(response) => response,
            empty => {
                self.meter = RateMeter::new(from.http.timeouts.min_rate);
                empty.insert(off_runtime(|| from.request(at, end))?)
            }
        };
        let source = match self.meter.read(response, into) {
            Ok(0) => io::ErrorKind::UnexpectedEof.into(),
            Ok(n) => return Ok(n),
            Err(error) => error,
        };
        Err(Failure::of_body(response.url(), at, Some(from.len), source))
    }
}

/// First byte and length of `bytes 5-9/10`; no length of `bytes 5-9/*`.
fn content_range(header: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = header.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-')?.0.parse().ok()?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((start, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_and_nothing_else_is() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 0-0/*"), Some((0, None)));
        for bad in ["", "bytes", "bytes */10", "items 5-9/10", "bytes 5/10", "bytes -9/10", "bytes 5-9/ten"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
