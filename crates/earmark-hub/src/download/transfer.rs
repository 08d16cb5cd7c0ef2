//! The bytes of one file: a GET request into a partial blob, resumed after a cut, compared with the file's metadata.
//!
//! Not by hf-hub 1.0.0. Its downloads check only the status of the HEAD request, so the error page of a GET becomes the cached
//! file; they use `ETag` and `X-Repo-Commit` as paths unchecked, so a hostile mirror writes anywhere; they have no timeout,
//! and cannot be kept from xet, which has stalled.

use std::io::{Read as _, Seek as _, Write as _};

use earmark_error::Context as _;
use reqwest::StatusCode;
use reqwest::blocking::Response;
use reqwest::header::{self, HeaderMap};
use sha2::{Digest as _, Sha256};

use crate::api::metadata::FileMetadata;
use crate::api::urls::RepoUrl;
use crate::cache::publish::PartialBlob;
use crate::commit::hex;
use crate::error::{CachePath, ErrorKind};
use crate::http::address::header_text;
use crate::http::client::Http;
use crate::http::rate::{MinRate, RateMeter};
use crate::http::retry::{Failure, Retries};
use crate::progress::{Progress, ProgressGuard};
use crate::repo::FileName;

impl Http {
    /// Downloads the file into `into`. Returns once its length and, where known, its checksum are right.
    pub(crate) fn download(
        &self,
        target: &RepoUrl<'_>,
        file: FileName<'_>,
        metadata: &FileMetadata,
        into: &mut PartialBlob,
        progress: Option<&dyn Progress>,
    ) -> Result<(), ErrorKind> {
        let progress = ProgressGuard(progress);
        let mut retries = Retries::new(&self.timeouts);
        let mut transfer =
            Transfer { into, hasher: Sha256::new(), received: 0, min_rate: self.timeouts.min_rate };
        transfer.resume(metadata.size)?;
        progress.started(file.as_str(), metadata.size);
        if transfer.received > 0 {
            progress.advanced(transfer.received);
        }
        if transfer.received > 0 && metadata.size == Some(transfer.received) {
            // The process died between the last byte and the rename. There is no range left to ask for.
            match transfer.verify(transfer.received, metadata.etag.sha256()) {
                Ok(()) => return Ok(()),
                Err(_) => transfer.restart()?,
            }
        }
        loop {
            match self.try_download(target, file, metadata, &mut transfer, &progress) {
                Ok(()) => return Ok(()),
                Err(failure) => retries.wait_after(failure)?,
            }
            // The bytes before a cut are kept only if a checksum will tell whether the two halves fit.
            if metadata.etag.sha256().is_none() || retries.had_mismatch() {
                transfer.restart()?;
                progress.started(file.as_str(), metadata.size);
            }
        }
    }

    fn try_download(
        &self,
        target: &RepoUrl<'_>,
        file: FileName<'_>,
        metadata: &FileMetadata,
        transfer: &mut Transfer<'_>,
        progress: &ProgressGuard<'_>,
    ) -> Result<(), Failure> {
        let mut request = self.redirecting.get(target.url.clone());
        if transfer.received > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", transfer.received));
        }
        let mut response = request.send().map_err(|e| target.unreachable(e))?;
        let headers = response.headers();
        match response.status() {
            StatusCode::PARTIAL_CONTENT if resumes_at(headers, transfer.received) => {}
            StatusCode::OK if transfer.received == 0 => {}
            StatusCode::OK => {
                // The server does not support ranges.
                transfer.restart()?;
                progress.started(file.as_str(), metadata.size);
            }
            status if status.is_success() => return Err(target.malformed("status").into()),
            _ => return Err(self.refusal(target, &response)),
        }
        if header_text(headers, "content-encoding").is_some_and(|encoding| encoding != "identity") {
            return Err(target.malformed("`Content-Encoding`").into());
        }
        let announced = header_text(headers, "content-length")
            .and_then(|length| length.parse::<u64>().ok())
            .map(|length| length.saturating_add(transfer.received));
        // A body of unknown length could be cut, or endless, without notice.
        let expected = metadata.size.or(announced).ok_or_else(|| target.malformed("`Content-Length`"))?;
        if let Some(received) = announced.filter(|&length| length != expected) {
            return Err(Failure::mismatch(ErrorKind::Length { received, expected }));
        }
        transfer.receive(&mut response, expected, progress)?;
        transfer.verify(expected, metadata.etag.sha256())
    }
}

/// The bytes received so far.
struct Transfer<'a> {
    into: &'a mut PartialBlob,
    hasher: Sha256,
    received: u64,
    min_rate: MinRate,
}

impl Transfer<'_> {
    fn receive(
        &mut self,
        from: &mut Response,
        expected: u64,
        progress: &ProgressGuard<'_>,
    ) -> Result<(), Failure> {
        let mut buffer = vec![0; 1 << 16];
        let mut meter = RateMeter::new(self.min_rate);
        loop {
            let n = match meter.read(from, &mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => n,
                Err(source) => {
                    return Err(Failure::of_body(from.url(), self.received, Some(expected), source));
                }
            };
            self.received += n as u64;
            if self.received > expected {
                return Err(Failure::mismatch(ErrorKind::Length { received: self.received, expected }));
            }
            self.hasher.update(&buffer[..n]);
            self.into.file.write_all(&buffer[..n]).context(CachePath(&self.into.path))?;
            progress.advanced(n as u64);
        }
    }

    /// Continues after the bytes that an interrupted download left. They are hashed again: anybody may have changed them.
    fn resume(&mut self, size: Option<u64>) -> Result<(), ErrorKind> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let n = self.into.file.read(&mut buffer).context(CachePath(&self.into.path))?;
            if n == 0 {
                break;
            }
            self.hasher.update(&buffer[..n]);
            self.received += n as u64;
        }
        if size.is_some_and(|size| self.received > size) {
            self.restart()?;
        }
        Ok(())
    }

    fn verify(&self, expected: u64, sha256: Option<&str>) -> Result<(), Failure> {
        let received = self.received;
        if received != expected {
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
