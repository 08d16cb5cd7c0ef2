//! Files that are read where they lie: any part of them, without fetching the whole.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::blocking::{RequestBuilder, Response};
use reqwest::header;
use reqwest::{StatusCode, Url};
use sha2::{Digest, Sha256};

use crate::cache::{Etag, RepoCache, hex, io_error};
use crate::error::{Error, ErrorKind, Missing, Subject};
use crate::hub::Hub;
use crate::repo::{FileName, Repo};
use crate::transport::{
    Again, Answer, BadRedirect, Failure, Pace, Target, Transport, Tries, check_redirect, files_page,
    next_on_same_host, off_runtime, shown, text,
};

/// A file of a repository that is read where it lies: in the cache if it is there, else on the Hub by range requests,
/// which cache nothing.
///
/// It is pinned to the commit and the ETag it had when it was opened. Clones share what they know of it.
#[derive(Clone)]
pub struct HubFile {
    subject: Subject,
    len: u64,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Cached(PathBuf, Arc<File>),
    Remote(Arc<Remote>),
}

/// A file on the Hub, and whom to ask for it.
struct Remote {
    transport: Arc<Transport>,
    endpoint: Url,
    /// At a commit.
    repo: Repo,
    url: Url,
    etag: Etag,
    len: u64,
    /// Where the Hub sent us for the bytes. Such addresses are signed and last minutes to hours; asking for one each time
    /// would double the requests.
    storage: Mutex<Option<Storage>>,
}

#[derive(Clone)]
struct Storage {
    url: Url,
    /// What the storage calls the bytes, which is not what the Hub calls them.
    etag: Option<String>,
}

impl Hub {
    /// Opens a file for reading parts of it.
    ///
    /// # Errors
    /// As [`Hub::fetch`]; offline, a file that is not in the cache is an error.
    pub fn open_file(&self, repo: &Repo, file: &str) -> Result<HubFile, Error> {
        let name = FileName::new(file)?;
        let subject = Subject::File(repo.clone(), file.to_owned());
        self.try_open(repo, name, &subject).map_err(|kind| Error::new(subject, kind))
    }

    fn try_open(&self, repo: &Repo, file: FileName<'_>, subject: &Subject) -> Result<HubFile, ErrorKind> {
        let cache = RepoCache::new(&self.cache_dir, repo);
        let local = |path: PathBuf| {
            let open = || {
                let file = File::open(&path)?;
                Ok((file.metadata()?.len(), file))
            };
            let (len, file) = open().map_err(|e| io_error(&path, e))?;
            Ok(HubFile { subject: subject.clone(), len, source: Source::Cached(path, Arc::new(file)) })
        };
        let cached = cache.commit_of(&repo.revision).and_then(|commit| cache.find(&commit, file));
        let settled = repo.revision.is_commit() && cached.is_some();
        let Some(transport) = self.transport.as_ref().filter(|_| !settled) else {
            let offline = || ErrorKind::Offline { cache_dir: self.cache_dir.clone() };
            return local(cached.ok_or_else(offline)?.path);
        };
        let target = Target::new(&self.endpoint, repo, file);
        match off_runtime(|| transport.ask(&target, cached.is_none())) {
            Ok(Answer::Exists(remote)) => {
                let len = remote.size.ok_or_else(|| target.malformed("`Content-Length`").kind)?;
                let fits = |path: &PathBuf| fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() == len);
                let places = [cache.pointer(&remote.commit, file), cache.blob(&remote.etag)];
                if let Some(path) = places.into_iter().find(fits) {
                    return local(path);
                }
                let repo = repo.at(remote.commit.as_revision());
                let remote = Remote {
                    transport: Arc::clone(transport),
                    endpoint: self.endpoint.clone(),
                    url: Target::new(&self.endpoint, &repo, file).url,
                    repo,
                    etag: remote.etag,
                    len,
                    storage: Mutex::default(),
                };
                let source = Source::Remote(Arc::new(remote));
                Ok(HubFile { subject: subject.clone(), len, source })
            }
            Ok(Answer::Missing(_)) => {
                Err(ErrorKind::NotFound { what: Missing::File, page: files_page(&self.endpoint, repo) })
            }
            Err(kind) => match cached.filter(|_| kind.spares_the_cache()) {
                Some(cached) => local(cached.path),
                None => Err(kind),
            },
        }
    }
}

impl HubFile {
    /// How many bytes it has.
    #[allow(clippy::len_without_is_empty, reason = "a length, not a collection")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The file in the cache, if that is where the bytes come from.
    pub fn cached(&self) -> Option<&Path> {
        match &self.source {
            Source::Cached(path, _) => Some(path),
            Source::Remote(_) => None,
        }
    }

    /// Fills `into` with the bytes from `offset` on, by one request unless the network fails.
    ///
    /// # Errors
    /// Bytes beyond the end; no answer, no access or a cut connection after every repeat; a file that changed.
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), Error> {
        let mut read = || {
            if offset.checked_add(into.len() as u64).is_none_or(|end| end > self.len) {
                return Err(ErrorKind::PastTheEnd { offset, wanted: into.len(), len: self.len });
            }
            match &self.source {
                _ if into.is_empty() => Ok(()),
                Source::Cached(path, file) => {
                    read_exact_at(file, path, offset, into).map_err(|e| io_error(path, e))
                }
                Source::Remote(remote) => off_runtime(|| remote.read_at(offset, into)),
            }
        };
        read().map_err(|kind| Error::new(self.subject.clone(), kind))
    }

    /// The bytes from `from` on, as they come, by one request that is taken up where it broke off.
    ///
    /// Read from the first byte to the end, a large (LFS) file's SHA-256 is checked: bytes that were not the promised ones
    /// make the last read an error.
    ///
    /// # Errors
    /// As [`read_at`](HubFile::read_at); the reader's own errors hold an [`Error`] of the same kinds.
    pub fn stream(&self, from: u64) -> Result<HubRead, Error> {
        let error = |kind| Error::new(self.subject.clone(), kind);
        if from > self.len {
            return Err(error(ErrorKind::PastTheEnd { offset: from, wanted: 0, len: self.len }));
        }
        let reading = match &self.source {
            Source::Cached(path, _) => {
                let open = || {
                    let mut file = File::open(path)?;
                    file.seek(SeekFrom::Start(from))?;
                    Ok(file)
                };
                Reading::Cached(open().map_err(|e| error(io_error(path, e)))?)
            }
            Source::Remote(remote) => Reading::Remote {
                remote: Arc::clone(remote),
                cursor: Box::new(Cursor::new(&remote.transport)),
                hasher: (from == 0 && remote.etag.sha256().is_some()).then(Sha256::new),
            },
        };
        Ok(HubRead { subject: self.subject.clone(), at: from, reading })
    }
}

impl fmt::Debug for HubFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the remote: its address may be signed.
        f.debug_struct("HubFile")
            .field("subject", &self.subject)
            .field("len", &self.len)
            .field("cached", &self.cached())
            .finish()
    }
}

/// A file's bytes in order; made by [`HubFile::stream`].
pub struct HubRead {
    subject: Subject,
    at: u64,
    reading: Reading,
}

enum Reading {
    Cached(File),
    Remote { remote: Arc<Remote>, cursor: Box<Cursor>, hasher: Option<Sha256> },
}

impl fmt::Debug for HubRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubRead")
            .field("subject", &self.subject)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl Read for HubRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let HubRead { subject, at, reading } = self;
        match reading {
            Reading::Cached(file) => file.read(buffer),
            Reading::Remote { remote, cursor, hasher } => {
                let kind = match cursor.read(remote, *at, remote.len, buffer) {
                    Ok(0) if !buffer.is_empty() => match hasher.take().map(|it| hex(&it.finalize())) {
                        Some(received) if Some(&*received) != remote.etag.sha256() => {
                            let expected = remote.etag.sha256().unwrap_or_default().to_owned();
                            ErrorKind::Checksum { received, expected }
                        }
                        _ => return Ok(0),
                    },
                    Ok(n) => {
                        *at += n as u64;
                        if let Some(hasher) = hasher {
                            hasher.update(&buffer[..n]);
                        }
                        return Ok(n);
                    }
                    Err(kind) => kind,
                };
                Err(io::Error::other(Error::new(subject.clone(), kind)))
            }
        }
    }
}

/// Where a reading stands: its connection, and how much trouble it may still have.
struct Cursor {
    response: Option<Response>,
    tries: Tries,
    pace: Pace,
    /// Bytes since the last trouble.
    well: u64,
}

impl Cursor {
    /// After so many bytes without trouble, earlier trouble is forgotten: a long reading may have some every hour, but a
    /// server that cuts every answer short must not be asked for ever.
    const FORGIVEN_AFTER: u64 = 1 << 20;

    fn new(transport: &Transport) -> Cursor {
        let tries = Tries::new(transport, transport.retries);
        Cursor { response: None, tries, pace: Pace::new(transport.rate), well: 0 }
    }

    /// At least one byte of those from `at` to `end`; none only when there are none or no room.
    fn read(&mut self, from: &Remote, at: u64, end: u64, into: &mut [u8]) -> Result<usize, ErrorKind> {
        let room = into.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(0);
        }
        loop {
            match self.try_read(from, at, end, &mut into[..room]) {
                Ok(n) => {
                    self.well += n as u64;
                    return Ok(n);
                }
                Err(failure) => {
                    self.response = None;
                    if std::mem::take(&mut self.well) >= Cursor::FORGIVEN_AFTER {
                        self.tries = Tries::new(&from.transport, from.transport.retries);
                    }
                    self.tries.pause_or_give_up(failure)?;
                }
            }
        }
    }

    fn try_read(&mut self, from: &Remote, at: u64, end: u64, into: &mut [u8]) -> Result<usize, Failure> {
        let response = match &mut self.response {
            Some(response) => response,
            empty => {
                self.pace = Pace::new(from.transport.rate);
                empty.insert(off_runtime(|| from.ask(at, end))?)
            }
        };
        match self.pace.read(response, into) {
            Ok(0) => {
                Err(Failure::of_cut(response.url(), at, Some(from.len), io::ErrorKind::UnexpectedEof.into()))
            }
            Ok(n) => Ok(n),
            Err(error) => Err(Failure::of_cut(response.url(), at, Some(from.len), error)),
        }
    }
}

impl Remote {
    fn target(&self) -> Target<'_> {
        Target { url: self.url.clone(), endpoint: &self.endpoint, repo: &self.repo }
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ErrorKind> {
        let (mut cursor, end) = (Cursor::new(&self.transport), offset + into.len() as u64);
        let mut done = 0;
        while done < into.len() {
            done += cursor.read(self, offset + done as u64, end, &mut into[done..])?;
        }
        Ok(())
    }

    /// An answer whose next byte is the one at `at`.
    ///
    /// That it is still the same file is told by comparing ETags rather than by `If-Range`: a storage that does not know
    /// that header would send what it has.
    fn ask(&self, at: u64, end: u64) -> Result<Response, Failure> {
        let target = self.target();
        let range = |request: RequestBuilder| {
            let request = request.header(header::RANGE, format!("bytes={at}-{}", end - 1));
            request.send().map_err(|e| target.unreachable(e))
        };
        let stranger = self.transport.stranger().map_err(Failure::last)?;
        let known = self.storage.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(Storage { url, etag }) = known {
            let response = range(stranger.get(url))?;
            // The signature may have run out: then the Hub gives another.
            if !matches!(response.status().as_u16(), 400 | 401 | 403 | 404 | 410) {
                return self.positioned(response, etag.as_deref(), at);
            }
        }
        let mut url = self.url.clone();
        for _ in 0..5 {
            let response = range(self.transport.staying.get(url.clone()))?;
            if let Some(next) = next_on_same_host(&url, &response) {
                url = next;
                continue;
            }
            let (status, headers) = (response.status(), response.headers());
            if !status.is_success() && !status.is_redirection() && status != StatusCode::RANGE_NOT_SATISFIABLE
            {
                return Err(self.transport.refusal(&target, &response));
            }
            let etag = text(headers, "x-linked-etag").or_else(|| text(headers, "etag")).and_then(Etag::new);
            if etag.is_some_and(|etag| etag != self.etag) {
                return Err(Failure::last(ErrorKind::Changed));
            }
            if !status.is_redirection() {
                return self.positioned(response, None, at);
            }
            let location = text(headers, "location").and_then(|location| url.join(location).ok());
            let location = location.ok_or_else(|| target.malformed("`Location`"))?;
            check_redirect(self.url.scheme(), &location)?;
            let response = range(stranger.get(location.clone()))?;
            if response.status().is_success() {
                let etag = text(response.headers(), "etag").map(str::to_owned);
                *self.storage.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(Storage { url: location, etag });
            }
            return self.positioned(response, None, at);
        }
        Err(BadRedirect::Endless.into())
    }

    /// The answer, once it is the right part of the right file.
    fn positioned(&self, mut response: Response, etag: Option<&str>, at: u64) -> Result<Response, Failure> {
        let (target, changed) = (self.target(), || Failure::last(ErrorKind::Changed));
        let (status, headers) = (response.status(), response.headers());
        if etag.is_some_and(|known| text(headers, "etag").is_some_and(|etag| etag != known)) {
            return Err(changed());
        }
        if text(headers, "content-encoding").is_some_and(|encoding| encoding != "identity") {
            return Err(target.malformed("`Content-Encoding`"));
        }
        match status {
            StatusCode::PARTIAL_CONTENT => {
                let (start, total) = text(headers, "content-range")
                    .and_then(content_range)
                    .ok_or_else(|| target.malformed("`Content-Range`"))?;
                if total.is_some_and(|total| total != self.len) {
                    return Err(changed());
                }
                if start != at {
                    return Err(target.malformed("`Content-Range`"));
                }
                Ok(response)
            }
            StatusCode::OK => {
                // The server does not do ranges, so what comes before is read past.
                if response.content_length().is_some_and(|length| length != self.len) {
                    return Err(changed());
                }
                let mut pace = Pace::new(self.transport.rate);
                let (mut past, mut buffer) = (0, vec![0; 1 << 16]);
                while past < at {
                    let most = buffer.len().min(usize::try_from(at - past).unwrap_or(usize::MAX));
                    let source = match pace.read(&mut response, &mut buffer[..most]) {
                        Ok(0) => io::ErrorKind::UnexpectedEof.into(),
                        Ok(n) => {
                            past += n as u64;
                            continue;
                        }
                        Err(error) => error,
                    };
                    return Err(Failure::of_cut(response.url(), past, Some(self.len), source));
                }
                Ok(response)
            }
            StatusCode::RANGE_NOT_SATISFIABLE => Err(changed()),
            status if status.is_success() => Err(target.malformed("status")),
            // Said with the Hub's address: the storage's is signed.
            status => {
                let kind = ErrorKind::Status { status: status.as_u16(), url: shown(&self.url) };
                Err(Failure { kind, again: Again::of_status(&response) })
            }
        }
    }
}

/// First byte and length of `bytes 5-9/10`; of `bytes 5-9/*`, no length.
fn content_range(header: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = header.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-')?.0.parse().ok()?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((start, total))
}

#[cfg(unix)]
fn read_exact_at(file: &File, _: &Path, offset: u64, into: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, offset)
}

/// A handle of its own, as a position is shared by all who use one.
#[cfg(not(unix))]
fn read_exact_at(_: &File, path: &Path, offset: u64, into: &mut [u8]) -> io::Result<()> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_file_can_be_shared_between_threads() {
        fn shared<T: Send + Sync + 'static>() {}
        fn moved<T: Send + 'static>() {}
        shared::<HubFile>();
        moved::<HubRead>();
    }

    #[test]
    fn content_ranges_are_read_and_nothing_else_is() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 0-0/*"), Some((0, None)));
        for bad in ["", "bytes", "bytes */10", "items 5-9/10", "bytes 5/10", "bytes -9/10", "bytes 5-9/ten"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
