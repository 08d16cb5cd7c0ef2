//! Tar archives, compressed by gzip or not. Only plain files are read, and no path may lead outside.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use flate2::read::GzDecoder;
use tar::EntryType;

use crate::error::ErrorKind;
use crate::read::layout::Limits;

/// A file inside an archive.
pub(crate) struct Member<'a> {
    /// Its path, without a leading `./`; it leads nowhere outside.
    pub(crate) path: String,
    /// Its bytes.
    pub(crate) size: u64,
    content: &'a mut dyn Read,
}

impl Member<'_> {
    /// All of it, if that is no more than `limit`.
    pub(crate) fn read(self, limit: u64) -> Result<Vec<u8>, ErrorKind> {
        self.within(limit)?;
        let mut bytes = Vec::with_capacity(self.size as usize);
        self.content.take(self.size).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != self.size {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(bytes)
    }

    fn write(self, file: &mut File, limit: u64) -> Result<(), ErrorKind> {
        self.within(limit)?;
        if io::copy(self.content, file)? != self.size {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(())
    }

    fn within(&self, limit: u64) -> Result<(), ErrorKind> {
        match self.size > limit {
            true => Err(ErrorKind::TooLarge { what: format!("entry `{}`", self.path), limit }),
            false => Ok(()),
        }
    }
}

/// Visits the files of an archive in order, until `visit` has enough. What is compressed by gzip is found out by its first bytes.
///
/// # Errors
/// An archive that is cut short or damaged, an entry that leads outside or is a link or a device, or more than `total` bytes of
/// content.
pub(crate) fn walk(
    reader: impl Read,
    total: u64,
    mut visit: impl FnMut(Member<'_>) -> Result<ControlFlow<()>, ErrorKind>,
) -> Result<(), ErrorKind> {
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let start = reader.fill_buf()?;
    if start.is_empty() {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    let compressed = start.starts_with(&[0x1f, 0x8b]);
    let plain: &mut dyn Read = &mut reader;
    let content: Box<dyn Read> = if compressed { Box::new(GzDecoder::new(plain)) } else { Box::new(plain) };
    let mut tar = tar::Archive::new(content);
    let mut sum = 0u64;
    // Raw: names from the headers alone. The extensions for long ones are read into memory whole, however long they claim to be,
    // and no dataset here has names that need them.
    for entry in tar.entries()?.raw(true) {
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        sum = sum.saturating_add(entry.size());
        if sum > total {
            return Err(ErrorKind::TooLarge { what: "the content of the archive".into(), limit: total });
        }
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Directory => {}
            EntryType::GNULongName | EntryType::GNULongLink => continue,
            EntryType::XHeader | EntryType::XGlobalHeader => continue,
            _ => return Err(ErrorKind::NotAFile { entry: path }),
        }
        if path.starts_with('/') || path.split(['/', '\\']).any(|part| part == "..") {
            return Err(ErrorKind::Escape { entry: path });
        }
        if entry.header().entry_type().is_dir() {
            continue;
        }
        let path = path.strip_prefix("./").map(str::to_owned).unwrap_or(path);
        let size = entry.size();
        if visit(Member { path, size, content: &mut entry })?.is_break() {
            return Ok(());
        }
    }
    // tar stops at its own end mark; the checksum of the compressed stream comes after it.
    io::copy(&mut tar.into_inner().take(1 << 20), &mut io::sink())?;
    Ok(())
}

/// Unpacks the files that `keep` gives a path below `folder`: plain parts, with `/`. No other file reaches the disk. Returns how
/// many there were.
///
/// # Errors
/// As [`walk`]; a file larger than its limit; two entries of one path.
pub(crate) fn unpack(
    reader: impl Read,
    folder: &Path,
    limits: Limits,
    mut keep: impl FnMut(&str) -> Option<String>,
) -> Result<usize, ErrorKind> {
    let (mut made, mut files) = (BTreeSet::new(), 0);
    walk(reader, limits.total, |member| {
        let Some(path) = keep(&member.path) else { return Ok(ControlFlow::Continue(())) };
        // Holds even if `keep` gives a path that the archive made up.
        if path
            .split('/')
            .any(|part| part.is_empty() || part == "." || part == ".." || part.contains(['\\', ':']))
        {
            return Err(ErrorKind::Escape { entry: member.path });
        }
        member.within(limits.file)?;
        if let Some((parent, _)) = path.rsplit_once('/')
            && made.insert(parent.to_owned())
        {
            fs::create_dir_all(folder.join(parent))?;
        }
        let mut target = match File::create_new(folder.join(&path)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(ErrorKind::Repeated { entry: member.path });
            }
            created => created?,
        };
        member.write(&mut target, limits.file)?;
        files += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(files)
}

/// The files that `keep` makes something of, as they come. They are read on a thread of their own, which is never more than one
/// ahead and ends when the receiver is dropped.
pub(crate) fn stream<T: Send + 'static>(
    reader: impl Read + Send + 'static,
    total: u64,
    mut keep: impl FnMut(Member<'_>) -> Result<Option<T>, ErrorKind> + Send + 'static,
) -> Receiver<Result<T, ErrorKind>> {
    let (sender, receiver) = sync_channel(0);
    std::thread::spawn(move || {
        let walked = walk(reader, total, |member| {
            let Some(kept) = keep(member)? else { return Ok(ControlFlow::Continue(())) };
            match sender.send(Ok(kept)) {
                Ok(()) => Ok(ControlFlow::Continue(())),
                Err(_) => Ok(ControlFlow::Break(())),
            }
        });
        if let Err(kind) = walked {
            // Fails where the receiver is gone, which no longer wants it.
            let _ = sender.send(Err(kind));
        }
    });
    receiver
}

/// Reports how many bytes have been read.
pub(crate) struct Progress<R, F> {
    pub(crate) inner: R,
    pub(crate) read: u64,
    pub(crate) report: F,
}

impl<R: Read, F: FnMut(u64)> Read for Progress<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        (self.report)(self.read);
        Ok(read)
    }
}
