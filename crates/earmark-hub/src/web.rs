//! Files from anywhere on the web: sounds that people name by their address.

use std::fs;
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::sync::Arc;

use reqwest::blocking::Response;
use reqwest::{StatusCode, Url};
use sha2::{Digest as _, Sha256};

use crate::cache::{hex, io_error};
use crate::error::{Error, ErrorKind, Subject};
use crate::hub::Hub;
use crate::transport::{Failure, Finish, Pace, Transport, off_runtime, shown, text};

/// Longest download whose server does not promise a length; one that does is held to its promise.
const MAX_UNPROMISED: u64 = 64 << 30;

/// What is behind an address, as it comes; made by [`Hub::open_url`].
///
/// A body that ends before the length its server promised is an error of the kind [`io::ErrorKind::UnexpectedEof`], one that
/// comes more slowly than [`HubBuilder::least_rate`](crate::HubBuilder::least_rate) of [`io::ErrorKind::TimedOut`]. It may be
/// endless: whoever keeps it bounds it.
#[derive(Debug)]
pub struct Body {
    response: Response,
    pace: Pace,
    received: u64,
    expected: Option<u64>,
}

impl Body {
    /// How many bytes the server promised, if it did.
    pub fn len_hint(&self) -> Option<u64> {
        self.expected
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let broken = |body: &Body, error| {
            Failure::of_cut(body.response.url(), body.received, body.expected, error).kind
        };
        match self.pace.read(&mut self.response, buffer) {
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
    /// Asks for an `http` or `https` address, and hands the answer out as it comes. Nothing is cached, and no token is sent:
    /// the address may lead anywhere.
    ///
    /// # Errors
    /// [`ErrorKind::Offline`] when offline; an address that is none, no answer, or a status other than success.
    pub fn open_url(&self, url: &str) -> Result<Body, Error> {
        self.try_open_url(url).map_err(|kind| Error::new(Subject::Address(shown_text(url)), kind))
    }

    fn try_open_url(&self, url: &str) -> Result<Body, ErrorKind> {
        let Some(transport) = &self.transport else { return Err(ErrorKind::OfflineAddress) };
        let url = web_address(url)?;
        let response = off_runtime(|| transport.get_anywhere(&url, None))?;
        let pace = Pace::new(transport.rate);
        Ok(Body { expected: response.content_length(), response, pace, received: 0 })
    }
}

/// A file at a web address that is read where it lies, by range requests.
#[derive(Debug, Clone)]
pub struct WebFile {
    transport: Arc<Transport>,
    url: Url,
    len: u64,
    /// What its server called it when it was opened: a file that changes meanwhile is an error.
    etag: Option<String>,
}

impl Hub {
    /// Opens the file at an `http` or `https` address for reading parts of it. Nothing is cached, and no token is sent.
    ///
    /// # Errors
    /// As [`open_url`](Hub::open_url); a server that does not give files in parts.
    pub fn open_url_file(&self, url: &str) -> Result<WebFile, Error> {
        let open = || {
            let transport = self.transport.as_ref().ok_or(ErrorKind::OfflineAddress)?;
            let url = web_address(url)?;
            off_runtime(|| {
                let response = transport.get_anywhere(&url, Some("bytes=0-0"))?;
                let range = text(response.headers(), "content-range").map(str::to_owned);
                let len = range.and_then(|range| range.rsplit_once('/')?.1.parse().ok());
                let len = len
                    .filter(|_| response.status() == StatusCode::PARTIAL_CONTENT)
                    .ok_or(ErrorKind::NoRanges)?;
                let etag = text(response.headers(), "etag").map(str::to_owned);
                Ok(WebFile { transport: Arc::clone(transport), url: url.clone(), len, etag })
            })
        };
        open().map_err(|kind| Error::new(Subject::Address(shown_text(url)), kind))
    }

    /// Downloads what is at an `http` or `https` address into `target`, which appears whole or not at all.
    ///
    /// # Errors
    /// As [`open_url`](Hub::open_url); a body that is cut, or has another SHA-256 than the one promised.
    pub fn fetch_url(&self, url: &str, sha256: Option<&str>, target: &Path) -> Result<(), Error> {
        let subject = || Subject::Address(shown_text(url));
        let mut body = self.open_url(url)?;
        let mut fetch = || {
            let io = |error| io_error(target, error);
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder).map_err(io)?;
            }
            // What a killed download left beside it. Whoever cannot sweep cannot download either, and says so below.
            let _ = earmark_fs::sweep(target.parent().unwrap_or(target));
            let mut file = earmark_fs::AtomicFile::create(target).map_err(io)?;
            let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
            let file_name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let progress = Finish(self.progress.as_deref());
            progress.started(&file_name, body.expected);
            loop {
                let read = match body.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(read) => read,
                    Err(error) => return Err(cause(error, target)),
                };
                if body.expected.is_none() && body.received > MAX_UNPROMISED {
                    let what = "what comes from there, of no promised length,".to_owned();
                    return Err(ErrorKind::TooLarge { what, limit: MAX_UNPROMISED });
                }
                hasher.update(&buffer[..read]);
                file.write_all(&buffer[..read]).map_err(io)?;
                progress.advanced(read as u64);
            }
            let received = hex(&hasher.finalize());
            if let Some(expected) = sha256.filter(|expected| *expected != received) {
                return Err(ErrorKind::Checksum { received, expected: expected.to_owned() });
            }
            file.commit().map_err(io)
        };
        fetch().map_err(|kind| Error::new(subject(), kind))
    }
}

/// What a [`Body`]'s error holds.
fn cause(error: io::Error, target: &Path) -> ErrorKind {
    error.downcast::<ErrorKind>().unwrap_or_else(|error| io_error(target, error))
}

impl WebFile {
    /// How many bytes it has.
    #[allow(clippy::len_without_is_empty, reason = "a length, not a collection")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Fills `into` with the bytes from `offset` on.
    ///
    /// # Errors
    /// Bytes beyond the end; no answer or a cut connection after every repeat; a file that changed.
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), Error> {
        let end = offset.saturating_add(into.len() as u64);
        let mut read = || {
            if end > self.len {
                return Err(ErrorKind::PastTheEnd { offset, wanted: into.len(), len: self.len });
            }
            if into.is_empty() {
                return Ok(());
            }
            off_runtime(|| {
                let range = format!("bytes={offset}-{}", end - 1);
                let mut last = None;
                // A body that is cut is asked for once more.
                for _ in 0..2 {
                    let mut response = self.transport.get_anywhere(&self.url, Some(&range))?;
                    if response.status() != StatusCode::PARTIAL_CONTENT {
                        return Err(ErrorKind::NoRanges);
                    }
                    if self.etag.as_deref() != text(response.headers(), "etag") {
                        return Err(ErrorKind::Changed);
                    }
                    match fill(&mut response, into, Pace::new(self.transport.rate)) {
                        Ok(()) => return Ok(()),
                        Err(error) => {
                            last = Some(Failure::of_cut(response.url(), offset, Some(self.len), error).kind);
                        }
                    }
                }
                Err(last.unwrap_or(ErrorKind::NoRanges))
            })
        };
        read().map_err(|kind| Error::new(Subject::Address(shown(&self.url)), kind))
    }
}

/// As `read_exact`, at a pace.
fn fill(from: &mut Response, mut into: &mut [u8], mut pace: Pace) -> io::Result<()> {
    while !into.is_empty() {
        match pace.read(from, into)? {
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
fn shown_text(url: &str) -> String {
    Url::parse(url).map_or_else(|_| url.chars().take(80).collect(), |url| shown(&url))
}

#[cfg(test)]
mod tests {
    use super::shown_text;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        assert_eq!(shown_text("https://me:secret@host/a.wav?signature=abc"), "https://host/a.wav?…");
        assert_eq!(shown_text("http://host/a.wav"), "http://host/a.wav");
    }
}
