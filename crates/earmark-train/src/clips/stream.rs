//! Clips that are prepared one after another while others are being used, a few of them in memory at a time.

use std::ops::Range;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::{self, JoinHandle};

use earmark_data::{AudioDataset, Clip};
use earmark_error::Context as _;
use rayon::prelude::*;

use crate::background::POLL;
use crate::clips::cache::Cache;
use crate::clips::prepare::Preparation;
use crate::clips::prepared::PreparedClip;
use crate::clips::why;
use crate::error::{BadClip, Doing, Error, ErrorKind};

/// Clips in order, each prepared or with the reason why it cannot be.
pub(crate) type Chunk = Vec<(usize, Result<PreparedClip, ErrorKind>)>;

/// Prepares clips on a thread of its own, a chunk ahead of who takes them: at most three chunks are in memory.
#[derive(Debug)]
pub(crate) struct ClipStream {
    chunks: Receiver<Chunk>,
    cancelled: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ClipStream {
    /// Of the clips of `rows`. What is new goes into `cache` where that has free room: which of its files later clips need is
    /// not known before they are read, so none is removed.
    pub(crate) fn start(
        clips: Arc<Vec<Clip>>,
        rows: Range<usize>,
        preparation: Preparation,
        cache: Option<Cache>,
    ) -> ClipStream {
        let (sender, chunks) = sync_channel(1);
        let cancelled = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&cancelled);
        // Enough that no thread waits for another's clip for long.
        let size = 2 * rayon::current_num_threads();
        let thread = thread::spawn(move || {
            let settings = preparation.settings();
            for first in rows.clone().step_by(size) {
                let chunk = (first..(first + size).min(rows.end)).into_par_iter().map(|row| {
                    if stopped.load(Ordering::Relaxed) {
                        return (row, Err(ErrorKind::Interrupted));
                    }
                    (row, PreparedClip::open(&clips[row], &preparation, cache.as_ref(), &settings))
                });
                let chunk = chunk.collect();
                if stopped.load(Ordering::Relaxed) || sender.send(chunk).is_err() {
                    return;
                }
            }
        });
        ClipStream { chunks, cancelled, thread: Some(thread) }
    }

    /// The next clips; `None` after the last.
    ///
    /// # Errors
    /// [`ErrorKind::Interrupted`] as soon as `stop` is set.
    pub(crate) fn next(&mut self, stop: &AtomicBool) -> Result<Option<Chunk>, ErrorKind> {
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(ErrorKind::Interrupted);
            }
            match self.chunks.recv_timeout(POLL) {
                Ok(chunk) => return Ok(Some(chunk)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return match self.thread.take().map(JoinHandle::join) {
                        Some(Err(cause)) => panic::resume_unwind(cause),
                        _ => Ok(None),
                    };
                }
            }
        }
    }
}

impl Drop for ClipStream {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

/// Decodes every clip as an evaluation or a training would, with a few in memory at a time, and gives those that can be used,
/// in the dataset's order, and those that cannot. `progress` gets the number of clips done.
///
/// # Errors
/// [`ErrorKind::Interrupted`] as soon as `stop` is set.
pub fn usable_clips(
    dataset: &AudioDataset,
    preparation: Preparation,
    cache: Option<Cache>,
    progress: &mut dyn FnMut(usize),
    stop: &AtomicBool,
) -> Result<(Vec<Clip>, Vec<BadClip>), Error> {
    let clips = Arc::new(dataset.clips.clone());
    let mut stream = ClipStream::start(Arc::clone(&clips), 0..clips.len(), preparation, cache);
    let (mut usable, mut bad) = (Vec::new(), Vec::new());
    let doing = || Doing(format!("cannot use the clips in `{}`", dataset.root.display()));
    while let Some(chunk) = stream.next(stop).with_context(doing)? {
        for (row, prepared) in chunk {
            match prepared {
                Ok(_) => usable.push(clips[row].clone()),
                Err(kind) => bad.push(BadClip { path: clips[row].location(), why: why(&kind) }),
            }
        }
        progress(usable.len() + bad.len());
    }
    Ok((usable, bad))
}
