//! The bytes of one file: a GET request into a partial file, resumed after a cut, compared with what is known of the file.

use std::io::{Read as _, Seek as _, Write as _};

use earmark_error::Context as _;
use reqwest::StatusCode;
use reqwest::blocking::Response;
use reqwest::header::HeaderMap;
use sha2::{Digest as _, Sha256};

use crate::commit::hex;
use crate::error::{CachePath, ErrorKind};
use crate::http::address::{header_text, redacted};
use crate::http::rate::{MinRate, RateMeter};
use crate::http::retry::{Failure, Retries};
use crate::http::timeouts::Timeouts;
use crate::partial::Partial;
use crate::progress::{Progress, ProgressGuard};

/// What is known of a file before it comes.
pub(crate) struct Wanted<'a> {
    pub(crate) name: &'a str,
    pub(crate) size: Option<u64>,
    pub(crate) sha256: Option<&'a str>,
    /// Most bytes of a body whose length nobody announces; 0 refuses one, for it could be cut without notice.
    pub(crate) unannounced: u64,
}

/// Downloads the file into `into`. Returns once its length and, where known, its checksum are right.
///
/// `request` gets the value of a `Range` header, or none, and returns an answer of success.
pub(crate) fn download(
    wanted: &Wanted<'_>,
    timeouts: &Timeouts,
    into: &mut Partial,
    progress: Option<&dyn Progress>,
    request: impl Fn(Option<&str>) -> Result<Response, Failure>,
) -> Result<(), ErrorKind> {
    let progress = ProgressGuard(progress);
    let mut retries = Retries::new(timeouts);
    let mut transfer = Transfer::of(into, timeouts)?;
    if wanted.size.is_some_and(|size| transfer.received > size) {
        transfer.restart()?;
    }
    progress.started(wanted.name, wanted.size);
    if transfer.received > 0 {
        progress.advanced(transfer.received);
    }
    if transfer.received > 0 && wanted.size == Some(transfer.received) {
        // The process died between the last byte and the rename. There is no range left to ask for.
        match transfer.verify(Some(transfer.received), wanted.sha256) {
            Ok(()) => return Ok(()),
            Err(_) => transfer.restart()?,
        }
    }
    loop {
        match try_download(wanted, &mut transfer, &progress, &request) {
            Ok(()) => return Ok(()),
            Err(failure) => retries.wait_after(failure)?,
        }
        // The bytes before a cut are kept only if a checksum will tell whether the two halves fit.
        if wanted.sha256.is_none() || retries.had_mismatch() {
            transfer.restart()?;
            progress.started(wanted.name, wanted.size);
        }
    }
}

fn try_download(
    wanted: &Wanted<'_>,
    transfer: &mut Transfer<'_>,
    progress: &ProgressGuard<'_>,
    request: impl Fn(Option<&str>) -> Result<Response, Failure>,
) -> Result<(), Failure> {
    let range = (transfer.received > 0).then(|| format!("bytes={}-", transfer.received));
    let mut response = request(range.as_deref())?;
    let headers = response.headers();
    let malformed = |what| Failure::from(ErrorKind::Malformed { what, url: redacted(response.url()) });
    match response.status() {
        StatusCode::PARTIAL_CONTENT if resumes_at(headers, transfer.received) => {}
        StatusCode::OK if transfer.received == 0 => {}
        StatusCode::OK => {
            // The server does not support ranges.
            transfer.restart()?;
            progress.started(wanted.name, wanted.size);
        }
        _ => return Err(malformed("status")),
    }
    if header_text(headers, "content-encoding").is_some_and(|encoding| encoding != "identity") {
        return Err(malformed("`Content-Encoding`"));
    }
    let announced = header_text(headers, "content-length")
        .and_then(|length| length.parse::<u64>().ok())
        .map(|length| length.saturating_add(transfer.received));
    let expected = wanted.size.or(announced);
    if expected.is_none() && wanted.unannounced == 0 {
        return Err(malformed("`Content-Length`"));
    }
    if let (Some(received), Some(expected)) = (announced, expected)
        && received != expected
    {
        return Err(Failure::mismatch(ErrorKind::Length { received, expected }));
    }
    transfer.receive(&mut response, expected, wanted.unannounced, progress)?;
    transfer.verify(expected, wanted.sha256)
}

/// The bytes received so far.
pub(crate) struct Transfer<'a> {
    into: &'a mut Partial,
    hasher: Sha256,
    received: u64,
    min_rate: MinRate,
}

impl<'a> Transfer<'a> {
    /// The bytes that the file has, as an interrupted download left them. They are hashed: anybody may have changed them.
    pub(crate) fn of(into: &'a mut Partial, timeouts: &Timeouts) -> Result<Transfer<'a>, ErrorKind> {
        let (mut hasher, mut received, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
        into.file.rewind().context(CachePath(&into.path))?;
        loop {
            let n = into.file.read(&mut buffer).context(CachePath(&into.path))?;
            if n == 0 {
                return Ok(Transfer { into, hasher, received, min_rate: timeouts.min_rate });
            }
            hasher.update(&buffer[..n]);
            received += n as u64;
        }
    }

    fn receive(
        &mut self,
        from: &mut Response,
        expected: Option<u64>,
        unannounced: u64,
        progress: &ProgressGuard<'_>,
    ) -> Result<(), Failure> {
        let limit = expected.unwrap_or(unannounced);
        let mut buffer = vec![0; 1 << 16];
        let mut meter = RateMeter::new(self.min_rate);
        loop {
            let n = match meter.read(from, &mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => n,
                Err(source) => {
                    return Err(Failure::of_body(from.url(), self.received, expected, source));
                }
            };
            self.received += n as u64;
            if self.received > limit {
                let too_large = || {
                    let what = "the download, whose length the server did not announce,".to_owned();
                    ErrorKind::TooLarge { what, limit }.into()
                };
                let length = |expected| ErrorKind::Length { received: self.received, expected };
                return Err(expected.map_or_else(too_large, |expected| Failure::mismatch(length(expected))));
            }
            self.hasher.update(&buffer[..n]);
            self.into.file.write_all(&buffer[..n]).context(CachePath(&self.into.path))?;
            progress.advanced(n as u64);
        }
    }

    pub(crate) fn verify(&self, expected: Option<u64>, sha256: Option<&str>) -> Result<(), Failure> {
        let received = self.received;
        if let Some(expected) = expected.filter(|expected| *expected != received) {
            return Err(Failure::mismatch(ErrorKind::Length { received, expected }));
        }
        let Some(expected) = sha256 else { return Ok(()) };
        let received = hex(&self.hasher.clone().finalize());
        if received != expected {
            let expected = expected.to_owned();
            return Err(Failure::mismatch(ErrorKind::Checksum { received, expected }));
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), ErrorKind> {
        self.hasher = Sha256::new();
        self.received = 0;
        let file = &mut self.into.file;
        file.set_len(0).and_then(|()| file.rewind()).context(CachePath(&self.into.path))
    }
}

/// Whether the body continues after `received` bytes: `Content-Range: bytes 5-9/10` after five.
fn resumes_at(headers: &HeaderMap, received: u64) -> bool {
    let range = header_text(headers, "content-range").and_then(|range| range.strip_prefix("bytes "));
    let start = range.and_then(|range| range.split_once('-')).and_then(|(start, _)| start.parse().ok());
    received > 0 && start == Some(received)
}
