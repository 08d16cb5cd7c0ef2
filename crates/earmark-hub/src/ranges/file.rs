use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use earmark_error::{Attempt as _, Context as _};
use sha2::{Digest as _, Sha256};

use crate::commit::hex;
use crate::error::{CachePath, Error, ErrorKind, Subject};
use crate::http::client::off_runtime;
use crate::ranges::remote::{RangeReader, RemoteSource};

/// A file of a repository that is read in parts: from the cache if it is there, else by range requests, which cache nothing.
///
/// It is pinned to the commit and the ETag that it had when it was opened. Clones share the connection details.
#[derive(Clone)]
pub struct HubFile {
    pub(crate) subject: Subject,
    pub(crate) len: u64,
    pub(crate) source: Source,
}

#[derive(Clone)]
pub(crate) enum Source {
    Cached(PathBuf, Arc<File>),
    Remote(Arc<RemoteSource>),
}

impl HubFile {
    /// Its length in bytes.
    #[allow(clippy::len_without_is_empty, reason = "a length, not a collection")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The file in the cache, if the bytes come from there.
    pub fn cached(&self) -> Option<&Path> {
        match &self.source {
            Source::Cached(path, _) => Some(path),
            Source::Remote(_) => None,
        }
    }

    /// Fills `into` with the bytes from `offset` on, by one request unless the network fails.
    ///
    /// # Errors
    /// A range beyond the end; no answer, no access or a cut connection after all retries; a file that changed.
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), Error> {
        self.try_read_at(offset, into).with_context(|| self.subject.clone())
    }

    fn try_read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ErrorKind> {
        if offset.checked_add(into.len() as u64).is_none_or(|end| end > self.len) {
            return Err(ErrorKind::OutOfRange { offset, wanted: into.len(), len: self.len });
        }
        match &self.source {
            _ if into.is_empty() => Ok(()),
            Source::Cached(path, file) => read_exact_at(file, path, offset, into).context(CachePath(path)),
            Source::Remote(remote) => off_runtime(|| remote.read_at(offset, into)),
        }
    }

    /// Reads the bytes from `from` on in order, by one request that is repeated from where it was cut.
    ///
    /// If a large (LFS) file is read from the first byte to the end, its SHA-256 is checked, and the last read fails if it is
    /// wrong.
    ///
    /// # Errors
    /// As [`read_at`](HubFile::read_at); the reader's own errors hold an [`Error`] of the same kinds.
    pub fn stream(&self, from: u64) -> Result<HubRead, Error> {
        let reading = self.try_stream(from).with_context(|| self.subject.clone())?;
        Ok(HubRead { subject: self.subject.clone(), at: from, reading })
    }

    fn try_stream(&self, from: u64) -> Result<Reading, ErrorKind> {
        if from > self.len {
            return Err(ErrorKind::OutOfRange { offset: from, wanted: 0, len: self.len });
        }
        Ok(match &self.source {
            Source::Cached(path, _) => {
                let mut file = File::open(path).context(CachePath(path))?;
                file.seek(SeekFrom::Start(from)).context(CachePath(path))?;
                Reading::Cached(file)
            }
            Source::Remote(remote) => Reading::Remote {
                remote: Arc::clone(remote),
                reader: Box::new(remote.reader()),
                hasher: (from == 0 && remote.etag.sha256().is_some()).then(Sha256::new),
            },
        })
    }
}

impl fmt::Debug for HubFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the remote source, whose address may be signed.
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
    Remote { remote: Arc<RemoteSource>, reader: Box<RangeReader>, hasher: Option<Sha256> },
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
            Reading::Remote { remote, reader, hasher } => {
                let kind = match reader.read(remote, *at, remote.len, buffer) {
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
                Err(io::Error::other(subject.clone().failed(kind)))
            }
        }
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, _: &Path, offset: u64, into: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, offset)
}

/// Opens the file again, as all users of a handle share its position.
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
}
