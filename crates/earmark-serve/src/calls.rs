//! Calls of Gradio's protocol, each from its start until its answer is collected.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::mpsc::Receiver;
use tokio::task::AbortHandle;

use crate::token::token;

/// Most calls whose answers were not collected yet.
const MOST_CALLS: usize = 1024;
/// How long an answer waits to be collected.
const KEPT: Duration = Duration::from_secs(300);

/// The calls whose answers wait for a stream.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<HashMap<String, Call>>);

/// A call that was started; dropping it cancels it.
#[derive(Debug)]
pub(crate) struct Call {
    /// Of the client that collects all its answers in one stream.
    session: Option<String>,
    since: Instant,
    task: AbortHandle,
    messages: Receiver<Message>,
}

/// How far a call is.
#[derive(Debug)]
pub(crate) enum Message {
    /// So many are before it.
    Waiting(usize),
    Starts,
    /// The output or why there is none, and how long it took.
    Done {
        output: Result<Value, String>,
        seconds: f64,
    },
}

/// As many calls wait as may be.
#[derive(Debug)]
pub(crate) struct TooMany;

impl Call {
    pub(crate) fn new(session: Option<String>, task: AbortHandle, messages: Receiver<Message>) -> Call {
        Call { session, since: Instant::now(), task, messages }
    }

    /// The next message; `None` after the last.
    pub(crate) async fn message(&mut self) -> Option<Message> {
        self.messages.recv().await
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Calls {
    /// Whether one more may be kept.
    pub(crate) fn check_room(&self) -> Result<(), TooMany> {
        match self.count() < MOST_CALLS {
            true => Ok(()),
            false => Err(TooMany),
        }
    }

    /// Keeps a call; gives its event id.
    pub(crate) fn keep(&self, call: Call) -> Result<String, TooMany> {
        let mut calls = self.lock();
        if calls.len() >= MOST_CALLS {
            return Err(TooMany);
        }
        let event = token();
        calls.insert(event.clone(), call);
        Ok(event)
    }

    /// How many are kept.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn take(&self, event: &str) -> Option<Call> {
        self.lock().remove(event)
    }

    /// All calls of a session, with their event ids.
    pub(crate) fn take_session(&self, session: &str) -> Vec<(String, Call)> {
        let of_session = |_: &String, call: &mut Call| call.session.as_deref() == Some(session);
        let mut calls: Vec<(String, Call)> = self.lock().extract_if(of_session).collect();
        calls.sort_by_key(|(_, call)| call.since);
        calls
    }

    /// Cancels calls whose answers nobody collected.
    pub(crate) fn sweep(&self) {
        self.lock().retain(|_, call| call.since.elapsed() < KEPT);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
