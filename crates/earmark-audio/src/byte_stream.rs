use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use symphonia::core::io::MediaSource;

use crate::error::ErrorKind;

/// The bytes of one sound: of a file, of memory or of a pipe.
///
/// Clones share the bytes and the position. Symphonia keeps what it is given when a probe fails, so a second try, or
/// a look at the edit list, needs a handle of its own.
#[derive(Clone)]
pub(crate) struct ByteStream {
    reader: Arc<Mutex<dyn ReadSeek>>,
    len: u64,
    seekable: bool,
}

trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

impl ByteStream {
    pub(crate) fn new(mut reader: impl Read + Seek + Send + 'static) -> io::Result<ByteStream> {
        let len = reader.seek(SeekFrom::End(0))?;
        reader.rewind()?;
        Ok(ByteStream { reader: Arc::new(Mutex::new(reader)), len, seekable: true })
    }

    /// The bytes of a pipe, whose end is not known: `reader` need only seek forward, and back within its first bytes.
    pub(crate) fn new_forward(reader: impl Read + Seek + Send + 'static) -> ByteStream {
        ByteStream { reader: Arc::new(Mutex::new(reader)), len: u64::MAX, seekable: false }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Another handle, at the first byte; with `seekable` false it tells symphonia that it cannot seek.
    pub(crate) fn rewound(&self, seekable: bool) -> io::Result<ByteStream> {
        self.reader().rewind()?;
        Ok(ByteStream { seekable, ..self.clone() })
    }

    /// Reads the first bytes and goes back before them. Returns how many there were.
    pub(crate) fn peek(&mut self, start: &mut [u8]) -> Result<usize, ErrorKind> {
        let read = read_up_to(self, start).and_then(|read| self.rewind().map(|()| read));
        read.map_err(ErrorKind::Read)
    }

    /// Whether the end is known and every position can be sought.
    pub(crate) fn is_file(&self) -> bool {
        self.seekable
    }

    /// The next `N` bytes of the header of a `what`.
    pub(crate) fn header<const N: usize>(&mut self, what: &str) -> Result<[u8; N], ErrorKind> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => ErrorKind::malformed(format!("its {what} header is truncated")),
            _ => ErrorKind::Read(e),
        })?;
        Ok(bytes)
    }

    /// The first bytes at a place, as many as there are, up to `N`; the position is left behind them.
    pub(crate) fn bytes_at<const N: usize>(&mut self, at: u64) -> Result<([u8; N], usize), ErrorKind> {
        let mut bytes = [0; N];
        self.seek(SeekFrom::Start(at)).map_err(ErrorKind::Read)?;
        let read = read_up_to(self, &mut bytes).map_err(ErrorKind::Read)?;
        Ok((bytes, read))
    }

    fn reader(&self) -> MutexGuard<'_, dyn ReadSeek + 'static> {
        // A poisoned lock is taken all the same: whatever a reader returns after a panic is only bytes.
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fills `buffer` as far as the bytes go.
pub(crate) fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

impl Read for ByteStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader().read(buffer)
    }
}

impl Seek for ByteStream {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.reader().seek(to)
    }
}

impl MediaSource for ByteStream {
    fn is_seekable(&self) -> bool {
        self.seekable
    }

    fn byte_len(&self) -> Option<u64> {
        self.seekable.then_some(self.len)
    }
}
