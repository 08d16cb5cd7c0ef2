use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use earmark_error::{Attempt as _, Context as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::api::tree::RemoteFile;
use crate::commit::hex;
use crate::error::{ErrorKind, PushedFile};

/// A file to push, with the hashes by which the Hub knows it.
pub(crate) struct LocalFile {
    /// In the repository.
    pub(crate) path: String,
    /// On this machine.
    pub(crate) file: PathBuf,
    pub(crate) size: u64,
    pub(crate) sha256: String,
    git_oid: String,
    /// Its first bytes, by which the Hub tells text from binary files.
    pub(crate) sample: Vec<u8>,
    /// When it was hashed: the bytes that are sent later must be the same.
    modified: Option<SystemTime>,
}

impl LocalFile {
    /// Hashes the file.
    pub(crate) fn read(path: &str, file: &Path) -> Result<LocalFile, ErrorKind> {
        let reading = || PushedFile(file);
        let mut open = earmark_fs::open(file).with_context(reading)?;
        let metadata = open.metadata().with_context(reading)?;
        let size = metadata.len();
        let mut sha256 = Sha256::new();
        let mut sha1 = <Sha1 as sha1::Digest>::new();
        sha1::Digest::update(&mut sha1, format!("blob {size}\0"));
        let (mut sample, mut read, mut buffer) = (Vec::new(), 0, vec![0; 1 << 16]);
        loop {
            let n = open.read(&mut buffer).with_context(reading)?;
            if n == 0 {
                break;
            }
            let bytes = &buffer[..n];
            sha256.update(bytes);
            sha1::Digest::update(&mut sha1, bytes);
            let room = 512 - sample.len();
            sample.extend_from_slice(&bytes[..n.min(room)]);
            read += n as u64;
        }
        if read != size {
            return Err(reading().failed(io::Error::other("it changed while it was read")));
        }
        Ok(LocalFile {
            path: path.to_owned(),
            file: file.to_owned(),
            size,
            sha256: hex(&sha256.finalize()),
            git_oid: hex(&sha1::Digest::finalize(sha1)),
            sample,
            modified: metadata.modified().ok(),
        })
    }

    /// Fails if the file was written since it was hashed. The Hub does not compute the SHA-256 of a large file itself.
    pub(crate) fn check_unchanged(&self) -> Result<(), ErrorKind> {
        let reading = || PushedFile(&self.file);
        let now = std::fs::metadata(&self.file).with_context(reading)?;
        if (now.len(), now.modified().ok()) == (self.size, self.modified) {
            return Ok(());
        }
        let changed = "it changed while it was sent; nothing was committed, push again";
        Err(reading().failed(io::Error::other(changed)))
    }

    /// Whether the Hub holds these bytes.
    pub(crate) fn is_same_as(&self, remote: &RemoteFile) -> bool {
        self.size == remote.size
            && match &remote.sha256 {
                Some(sha256) => *sha256 == self.sha256,
                None => remote.git_oid.as_deref() == Some(&*self.git_oid),
            }
    }
}
