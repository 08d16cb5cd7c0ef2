//! Positioned reads: from a file, or from something like one at the other end of a network.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

/// Bytes of a known length that can be read at any offset. This crate implements it for files and memory; implement it for
/// remote files over a client of your own.
pub trait ReadAt: Send + Sync + fmt::Debug {
    /// The length in bytes.
    fn size(&self) -> u64;

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// When they cannot be read; [`io::ErrorKind::UnexpectedEof`] past the end.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Whether each read is a request, so that few large reads are better than many small ones.
    fn is_remote(&self) -> bool {
        true
    }
}

/// A file on this machine.
#[derive(Debug)]
pub struct LocalFile {
    file: File,
    size: u64,
}

impl LocalFile {
    /// Wraps an open file.
    ///
    /// # Errors
    /// When its length cannot be read.
    pub fn new(file: File) -> io::Result<LocalFile> {
        Ok(LocalFile { size: file.metadata()?.len(), file })
    }
}

impl ReadAt for LocalFile {
    fn size(&self) -> u64 {
        self.size
    }

    #[cfg(unix)]
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, offset)
    }

    #[cfg(windows)]
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => {
                    buffer = &mut buffer[read..];
                    offset += read as u64;
                }
            }
        }
        Ok(())
    }

    fn is_remote(&self) -> bool {
        false
    }
}

/// Bytes in memory.
impl ReadAt for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).ok();
        let bytes = start.and_then(|start| self.get(start..start.checked_add(buffer.len())?));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn is_remote(&self) -> bool {
        false
    }
}

/// Reads from the beginning to the end, in blocks that grow from 64 KiB to 8 MiB: the first clip of an archive is read without the
/// rest, and all of it without a thousand requests.
#[derive(Debug)]
pub struct Sequential {
    source: Arc<dyn ReadAt>,
    /// Where the next block begins.
    offset: u64,
    block: Vec<u8>,
    used: usize,
    next_block: usize,
}

const FIRST_BLOCK: usize = 64 << 10;
const LAST_BLOCK: usize = 8 << 20;

impl Sequential {
    /// Starts reading at `offset`.
    pub fn new(source: Arc<dyn ReadAt>, offset: u64) -> Sequential {
        Sequential { source, offset, block: Vec::new(), used: 0, next_block: FIRST_BLOCK }
    }
}

impl Read for Sequential {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used == self.block.len() {
            let left = self.source.size().saturating_sub(self.offset);
            let size = left.min(self.next_block as u64) as usize;
            self.block.resize(size, 0);
            self.used = 0;
            // A block that failed is not there: the next read asks for it again.
            if let Err(error) = self.source.read_exact_at(&mut self.block, self.offset) {
                self.block.clear();
                return Err(error);
            }
            self.offset += size as u64;
            self.next_block = (self.next_block * 2).min(LAST_BLOCK);
        }
        let read = buffer.len().min(self.block.len() - self.used);
        buffer[..read].copy_from_slice(&self.block[self.used..self.used + read]);
        self.used += read;
        Ok(read)
    }
}

/// A Parquet file's bytes as its reader asks for them: a page's header, its body, the next header. Of a remote file each answer
/// brings a little of what follows, and the last few answers are kept.
#[derive(Debug, Clone)]
pub(crate) struct Chunks {
    source: Arc<dyn ReadAt>,
    kept: Arc<Mutex<VecDeque<(u64, bytes::Bytes)>>>,
}

/// How much more is fetched than was asked for.
const AHEAD: u64 = 64 << 10;
/// Answers that are kept: one a column that is read.
const KEPT: usize = 12;

impl Chunks {
    pub(crate) fn new(source: Arc<dyn ReadAt>) -> Chunks {
        Chunks { source, kept: Arc::default() }
    }

    pub(crate) fn size(&self) -> u64 {
        self.source.size()
    }

    fn get(&self, start: u64, length: usize) -> io::Result<bytes::Bytes> {
        let end = start.checked_add(length as u64).filter(|&end| end <= self.source.size());
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let read = |start: u64, end: u64| -> io::Result<bytes::Bytes> {
            let mut bytes = vec![0; (end - start) as usize];
            self.source.read_exact_at(&mut bytes, start)?;
            Ok(bytes.into())
        };
        if !self.source.is_remote() {
            return read(start, end);
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = |(at, bytes): &(u64, bytes::Bytes)| *at <= start && end <= at + bytes.len() as u64;
        if let Some((at, bytes)) = kept.iter().find(|held| holds(held)) {
            let from = (start - at) as usize;
            return Ok(bytes.slice(from..from + length));
        }
        // The end of the file is its index, of which the last eight bytes are asked for first.
        let from = if end == self.source.size() { start.min(end.saturating_sub(AHEAD)) } else { start };
        let until = end.saturating_add(AHEAD).min(self.source.size());
        let bytes = read(from, until)?;
        let answer = bytes.slice((start - from) as usize..(end - from) as usize);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((from, bytes));
        Ok(answer)
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.source.size()
    }
}

impl ChunkReader for Chunks {
    type T = ChunkRead;

    fn get_read(&self, start: u64) -> Result<ChunkRead, ParquetError> {
        Ok(ChunkRead { chunks: self.clone(), at: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<bytes::Bytes, ParquetError> {
        Ok(self.get(start, length)?)
    }
}

/// Reads on from a place; for headers, which are short.
#[derive(Debug)]
pub(crate) struct ChunkRead {
    chunks: Chunks,
    at: u64,
}

impl Read for ChunkRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.chunks.source.size().saturating_sub(self.at);
        let read = (buffer.len() as u64).min(left) as usize;
        buffer[..read].copy_from_slice(&self.chunks.get(self.at, read)?);
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_is_read_whole_whatever_the_pieces() {
        let bytes: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
        for piece in [1000, 70_000, 1 << 20] {
            let (mut reader, mut read) = (Sequential::new(Arc::new(bytes.clone()), 5), Vec::new());
            let mut buffer = vec![0; piece];
            loop {
                match reader.read(&mut buffer).unwrap() {
                    0 => break,
                    n => read.extend_from_slice(&buffer[..n]),
                }
            }
            assert_eq!(read, bytes[5..]);
        }
    }
}
