//! Files that clients of Gradio's protocol send before they ask: kept in memory, under names that cannot be guessed, for a while.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::token::token;

/// How long a file is kept that nobody asks about.
const KEPT: Duration = Duration::from_secs(600);

/// A file and its name, as the client gave it.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub(crate) name: String,
    pub(crate) bytes: Bytes,
}

/// All files, the oldest first.
#[derive(Debug)]
pub(crate) struct Uploads {
    /// Of all files, in bytes.
    limit: usize,
    files: Mutex<VecDeque<(String, Instant, Upload)>>,
}

/// The files that are kept are as many bytes as may be.
#[derive(Debug)]
pub(crate) struct NoRoom;

impl Uploads {
    pub(crate) fn new(limit: usize) -> Uploads {
        Uploads { limit, files: Mutex::default() }
    }

    /// Keeps a file; gives what it is asked for by. A file whose time is over makes room for it.
    pub(crate) fn keep(&self, upload: Upload) -> Result<String, NoRoom> {
        self.sweep();
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let held: usize = files.iter().map(|(_, _, upload)| upload.bytes.len()).sum();
        if held + upload.bytes.len() > self.limit {
            return Err(NoRoom);
        }
        let token = token();
        files.push_back((token.clone(), Instant::now(), upload));
        Ok(token)
    }

    pub(crate) fn get(&self, token: &str) -> Option<Upload> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.iter().find(|(name, _, _)| name == token).map(|(_, _, upload)| upload.clone())
    }

    /// Removes a file that was asked about.
    pub(crate) fn remove(&self, token: &str) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).retain(|(name, _, _)| name != token);
    }

    /// Removes files whose time is over.
    pub(crate) fn sweep(&self) {
        self.files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(_, since, _)| since.elapsed() < KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_its_token_alone_and_room_is_bounded() {
        let uploads = Uploads::new(10);
        let file =
            |bytes: &'static [u8]| Upload { name: "a.wav".to_owned(), bytes: Bytes::from_static(bytes) };
        let token = uploads.keep(file(b"123456")).unwrap();
        assert_eq!(uploads.get(&token).unwrap().bytes, "123456");
        assert!(uploads.get("a.wav").is_none() && uploads.get("").is_none());
        assert!(uploads.keep(file(b"12345")).is_err());
        uploads.remove(&token);
        assert!(uploads.get(&token).is_none());
        uploads.keep(file(b"12345")).unwrap();
    }
}
