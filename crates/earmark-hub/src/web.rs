//! Files from anywhere on the web: sounds that people name by their address.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::blocking::Response;
use reqwest::{StatusCode, Url};
use sha2::{Digest as _, Sha256};

use crate::cache::{hex, io_error};
use crate::error::{Error, ErrorKind, Subject};
use crate::hub::Hub;
use crate::transport::{Finish, Transport, off_runtime, text};

/// What is behind an address, as it comes; made by [`Hub::open_url`].
///
/// A body that ends before the length its server promised is an error of the kind [`io::ErrorKind::UnexpectedEof`].
#[derive(Debug)]
pub struct Body {
    response: Response,
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
        let cut = |received, expected: Option<u64>| {
            let of = expected.map(|bytes| format!(" of {bytes}")).unwrap_or_default();
            let what = format!("the connection was cut after {received}{of} bytes: try again");
            io::Error::new(io::ErrorKind::UnexpectedEof, what)
        };
        match self.response.read(buffer) {
            Ok(read) => {
                self.received += read as u64;
                let short =
                    read == 0 && !buffer.is_empty() && self.expected.is_some_and(|all| self.received < all);
                if short { Err(cut(self.received, self.expected)) } else { Ok(read) }
            }
            Err(_) => Err(cut(self.received, self.expected)),
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
        self.try_open_url(url).map_err(|kind| Error::new(Subject::Address(shown(url)), kind))
    }

    fn try_open_url(&self, url: &str) -> Result<Body, ErrorKind> {
        let Some(transport) = &self.transport else { return Err(ErrorKind::OfflineAddress) };
        let url = web_address(url)?;
        let response = off_runtime(|| transport.get_anywhere(&url, None))?;
        Ok(Body { expected: response.content_length(), response, received: 0 })
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
        open().map_err(|kind| Error::new(Subject::Address(shown(url)), kind))
    }

    /// Downloads what is at an `http` or `https` address into `target`, which appears whole or not at all.
    ///
    /// # Errors
    /// As [`open_url`](Hub::open_url); a body that is cut, or has another SHA-256 than the one promised.
    pub fn fetch_url(&self, url: &str, sha256: Option<&str>, target: &Path) -> Result<(), Error> {
        let subject = || Subject::Address(shown(url));
        let mut body = self.open_url(url)?;
        let mut fetch = || {
            let io = |error| io_error(target, error);
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder).map_err(io)?;
            }
            let mut name = target.as_os_str().to_owned();
            name.push(format!(".{}.incomplete", std::process::id()));
            let landing = Landing(name.into());
            let mut file = File::create(&landing.0).map_err(io)?;
            let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
            let file_name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let progress = Finish(self.progress.as_deref());
            progress.started(&file_name, body.expected);
            loop {
                let read = match body.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(read) => read,
                    Err(source) => {
                        let (received, expected) =
                            (body.received, body.expected.unwrap_or(body.received + 1));
                        return Err(ErrorKind::Interrupted { received, expected, source });
                    }
                };
                hasher.update(&buffer[..read]);
                file.write_all(&buffer[..read]).map_err(io)?;
                progress.advanced(read as u64);
            }
            let received = hex(&hasher.finalize());
            if let Some(expected) = sha256.filter(|expected| *expected != received) {
                return Err(ErrorKind::Checksum { received, expected: expected.to_owned() });
            }
            file.sync_all().map_err(io)?;
            fs::rename(&landing.0, target).map_err(io)
        };
        fetch().map_err(|kind| Error::new(subject(), kind))
    }
}

/// A download on its way; removed unless it was renamed.
struct Landing(PathBuf);

impl Drop for Landing {
    fn drop(&mut self) {
        // After the rename it is gone already.
        let _ = fs::remove_file(&self.0);
    }
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
                    match response.read_exact(into) {
                        Ok(()) => return Ok(()),
                        Err(source) => {
                            last =
                                Some(ErrorKind::Interrupted { received: offset, expected: self.len, source });
                        }
                    }
                }
                Err(last.unwrap_or(ErrorKind::NoRanges))
            })
        };
        read().map_err(|kind| Error::new(Subject::Address(shown(self.url.as_str())), kind))
    }
}

fn web_address(url: &str) -> Result<Url, ErrorKind> {
    let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or(ErrorKind::Name { what: "web address", why: "it must look like https://host/file" })
}

/// The address as errors show it: without what may be a password or a signature.
fn shown(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            let (_, _) = (url.set_username(""), url.set_password(None));
            if url.query().is_some() {
                url.set_query(Some("…"));
            }
            url.to_string().replace("?%E2%80%A6", "?…")
        }
        Err(_) => url.chars().take(80).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        assert_eq!(shown("https://me:secret@host/a.wav?signature=abc"), "https://host/a.wav?…");
        assert_eq!(shown("http://host/a.wav"), "http://host/a.wav");
    }
}
