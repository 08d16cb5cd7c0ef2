//! How far an evaluation is, and how it ends when it is interrupted.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::output::messages;

/// How long a batch is waited for after Ctrl-C, or whoever loads a model meanwhile: what is done is on the disk.
pub(super) const PATIENCE: Duration = Duration::from_millis(800);

/// How far an evaluation is.
#[derive(Debug)]
pub(super) struct Position {
    done: AtomicUsize,
    total: AtomicUsize,
    /// Whether it can be resumed.
    saved: AtomicBool,
    /// What is said of an interruption that loses what was done.
    advice: &'static str,
    ended: Mutex<bool>,
}

impl Position {
    pub(super) fn new(advice: &'static str) -> Position {
        Position {
            done: AtomicUsize::new(0),
            total: AtomicUsize::new(0),
            saved: AtomicBool::new(false),
            advice,
            ended: Mutex::new(false),
        }
    }

    /// The forward passes begin: `done` of `total` clips were scored before.
    pub(super) fn begin(&self, done: usize, total: usize) {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    pub(super) fn set(&self, done: usize) {
        self.done.store(done, Ordering::Relaxed);
    }

    /// What is done is in a folder.
    pub(super) fn is_saved(&self) {
        self.saved.store(true, Ordering::Relaxed);
    }

    /// Reports an interruption, once.
    pub(super) fn interrupted(&self) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *ended, true) {
            return;
        }
        let advice = match self.saved.load(Ordering::Relaxed) {
            true => "run the same command again to resume",
            false => self.advice,
        };
        match self.total.load(Ordering::Relaxed) {
            0 => messages::note(format_args!("interrupted before the first clip; {advice}")),
            total => {
                let done = self.done.load(Ordering::Relaxed);
                messages::note(format_args!("interrupted after {done} of {total} clips; {advice}"));
            }
        }
    }
}
