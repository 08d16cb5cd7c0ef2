//! Files that clients of Gradio's protocol send before they ask: kept in memory, under names that cannot be guessed, for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::memory::{Full, Memory, Room};
use crate::token::token;

/// How long a file is kept that nobody asks about.
const KEPT: Duration = Duration::from_secs(600);
/// What a file takes beside its bytes and its name, so that very small ones are bounded too.
const OVERHEAD: usize = 512;

/// A file and its name, as the client gave it.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub(crate) name: String,
    pub(crate) bytes: Bytes,
    /// Counts it for as long as anybody holds it.
    pub(crate) room: Arc<Room>,
}

/// All files.
#[derive(Debug)]
pub(crate) struct Uploads {
    memory: Arc<Memory>,
    files: Mutex<HashMap<String, (Instant, Upload)>>,
}

impl Uploads {
    /// At most `limit` bytes are kept.
    pub(crate) fn new(limit: usize) -> Uploads {
        Uploads { memory: Memory::new(limit), files: Mutex::default() }
    }

    /// Keeps a file; gives what it is asked for by. Files whose time is over make room for it.
    pub(crate) fn keep(&self, name: String, bytes: Bytes) -> Result<String, Full> {
        let size = bytes.len() + name.len() + OVERHEAD;
        let room = self.memory.room(size).or_else(|Full| {
            self.sweep();
            self.memory.room(size)
        })?;
        let token = token();
        let upload = Upload { name, bytes, room: Arc::new(room) };
        self.lock().insert(token.clone(), (Instant::now(), upload));
        Ok(token)
    }

    pub(crate) fn get(&self, token: &str) -> Option<Upload> {
        self.lock().get(token).map(|(_, upload)| upload.clone())
    }

    /// Removes a file that was asked about.
    pub(crate) fn remove(&self, token: &str) {
        self.lock().remove(token);
    }

    /// How many files are kept.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Removes files whose time is over.
    pub(crate) fn sweep(&self) {
        self.lock().retain(|_, (since, _)| since.elapsed() < KEPT);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Instant, Upload)>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_its_token_alone_and_room_is_bounded() {
        let uploads = Uploads::new(2 * OVERHEAD);
        let keep = |bytes: &'static [u8]| uploads.keep("a.wav".to_owned(), Bytes::from_static(bytes));
        let token = keep(b"123456").unwrap();
        assert_eq!(uploads.get(&token).unwrap().bytes, "123456");
        assert!(uploads.get("a.wav").is_none() && uploads.get("").is_none());
        assert!(keep(b"12345").is_err());
        // It counts until the last who holds it is done.
        let asked = uploads.get(&token).unwrap();
        uploads.remove(&token);
        assert!(uploads.get(&token).is_none() && keep(b"12345").is_err());
        drop(asked);
        keep(b"12345").unwrap();
    }
}
