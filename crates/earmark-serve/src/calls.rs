//! Calls of Gradio's protocol, each from its start until its answer is read.
//!
//! A client reads the messages of all calls of its session from one stream; a call without a session is a session of its own.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::token::token;

/// Most calls whose answers are not read yet.
const MOST_CALLS: usize = 1024;
/// How long answers wait for a stream.
const KEPT: Duration = Duration::from_secs(300);
/// How long a stream waits for one more call after the last answer. A client that calls again at once takes the stream for open
/// until it has read of its end, so that a stream that ended meanwhile would never be read.
const LINGER: Duration = Duration::from_millis(100);

/// All sessions that have calls, and how long calls take.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    sessions: Mutex<HashMap<String, Session>>,
    times: Mutex<(f64, u32)>,
}

/// The calls of a client.
#[derive(Debug, Default)]
struct Session {
    /// Each until its last message is read.
    calls: HashMap<String, Call>,
    /// Messages that no stream has read, with the calls they are of.
    unread: VecDeque<(String, Message)>,
    /// Notified of each message, and of the end. Also says which of two sessions with the same name this is.
    changed: Arc<Notify>,
    /// Streams that are open, and the number of the next one.
    streams: usize,
    next_stream: u64,
    /// When the last call was started.
    since: Option<Instant>,
}

/// A call whose last message is not read yet; dropping it cancels it.
#[derive(Debug)]
struct Call {
    /// Nothing once its last message waits to be read.
    task: Option<AbortHandle>,
    /// The stream that is to read of it, or read of it last.
    stream: Option<u64>,
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// How far a call is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    /// So many are before it, and so many wait together with it.
    Waiting {
        before: usize,
        waiting: usize,
    },
    Starts,
    /// The output or why there is none, and how long it took.
    Done {
        output: Result<Value, String>,
        seconds: f64,
    },
    Cancelled,
}

impl Message {
    fn is_last(&self) -> bool {
        matches!(self, Message::Done { .. } | Message::Cancelled)
    }
}

/// As many calls wait as may be.
#[derive(Debug)]
pub(crate) struct TooMany;

impl Calls {
    /// Starts a call with a `first` message; gives its event id. `spawn` is told the names of the session and of the event.
    pub(crate) fn start(
        &self,
        session: Option<String>,
        first: Message,
        spawn: impl FnOnce(String, String) -> AbortHandle,
    ) -> Result<String, TooMany> {
        // The task's own messages wait for this lock, so they come after the first.
        let mut sessions = self.lock();
        if count(&sessions) >= MOST_CALLS {
            return Err(TooMany);
        }
        let event = token();
        let name = session.unwrap_or_else(|| event.clone());
        let task = spawn(name.clone(), event.clone());
        let session = sessions.entry(name).or_default();
        session.since = Some(Instant::now());
        session.calls.insert(event.clone(), Call { task: Some(task), stream: None });
        session.push(event.clone(), first);
        Ok(event)
    }

    /// Keeps a message for the stream of its session; drops it where its call has ended.
    pub(crate) fn tell(&self, session: &str, event: &str, message: Message) {
        if let Some(session) = self.lock().get_mut(session)
            && let Some(call) = session.calls.get_mut(event).filter(|call| call.task.is_some())
        {
            if message.is_last() {
                call.task = None;
            }
            session.push(event.to_owned(), message);
        }
    }

    /// Ends a call. Its stream is told.
    pub(crate) fn cancel(&self, event: &str) {
        for session in self.lock().values_mut() {
            if let Some(task) = session.calls.get_mut(event).and_then(|call| call.task.take()) {
                task.abort();
                session.push(event.to_owned(), Message::Cancelled);
            }
        }
    }

    /// A stream of the messages of a session; `None` where it has no calls.
    pub(crate) fn read(self: &Arc<Calls>, name: &str) -> Option<Reader> {
        let mut sessions = self.lock();
        let session = sessions.get_mut(name)?;
        session.streams += 1;
        session.next_stream += 1;
        let (number, changed) = (session.next_stream, Arc::clone(&session.changed));
        for call in session.calls.values_mut() {
            call.stream = Some(number);
        }
        Some(Reader { calls: Arc::clone(self), session: name.to_owned(), number, changed })
    }

    /// Counts a call that was answered.
    pub(crate) fn took(&self, seconds: f64) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        *times = (times.0 + seconds, times.1.saturating_add(1));
    }

    /// How long a call takes, in seconds: the mean of those that were answered.
    pub(crate) fn average(&self) -> Option<f64> {
        let (seconds, calls) = *self.times.lock().unwrap_or_else(PoisonError::into_inner);
        (calls > 0).then(|| seconds / f64::from(calls))
    }

    /// How many calls there are whose last message is not read yet.
    pub(crate) fn count(&self) -> usize {
        count(&self.lock())
    }

    /// Drops sessions that nobody reads.
    pub(crate) fn sweep(&self) {
        let is_new = |session: &Session| session.since.is_some_and(|since| since.elapsed() < KEPT);
        self.lock().retain(|_, session| session.streams > 0 || is_new(session));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(sessions: &HashMap<String, Session>) -> usize {
    sessions.values().map(|session| session.calls.len()).sum()
}

impl Session {
    fn push(&mut self, event: String, message: Message) {
        // Of positions that nobody read, the newest counts.
        if matches!(message, Message::Waiting { .. }) {
            self.unread.retain(|(of, unread)| *of != event || !matches!(unread, Message::Waiting { .. }));
        }
        self.unread.push_back((event, message));
        self.changed.notify_waiters();
    }
}

/// Reads the messages of a session. Dropping it cancels the calls that were there when it began or that it has read of, for its
/// client has left; others may be of a client that came back before that was noticed.
#[derive(Debug)]
pub(crate) struct Reader {
    calls: Arc<Calls>,
    session: String,
    /// Among the streams of the session.
    number: u64,
    changed: Arc<Notify>,
}

impl Reader {
    /// The next message and the event id of its call; `None` when every call of the session has ended.
    pub(crate) async fn message(&mut self) -> Option<(String, Message)> {
        loop {
            let changed = self.changed.notified();
            match self.next() {
                Next::Message(message) => return Some(message),
                Next::Later => changed.await,
                Next::None => {
                    if timeout(LINGER, changed).await.is_err() && self.end() {
                        return None;
                    }
                }
                Next::End => return None,
            }
        }
    }

    fn next(&self) -> Next {
        let mut sessions = self.calls.lock();
        let Some(session) = self.session(&mut sessions) else { return Next::End };
        let Some((event, message)) = session.unread.pop_front() else {
            return if session.calls.is_empty() { Next::None } else { Next::Later };
        };
        if message.is_last() {
            session.calls.remove(&event);
        } else if let Some(call) = session.calls.get_mut(&event) {
            call.stream = Some(self.number);
        }
        Next::Message((event, message))
    }

    /// Ends the session if no call has come.
    fn end(&self) -> bool {
        let mut sessions = self.calls.lock();
        let ends = self.session(&mut sessions).is_none_or(|session| session.calls.is_empty());
        if ends {
            self.remove(&mut sessions);
        }
        ends
    }

    /// The session, unless it has ended: then there may be a new one of its name.
    fn session<'a>(&self, sessions: &'a mut HashMap<String, Session>) -> Option<&'a mut Session> {
        sessions.get_mut(&self.session).filter(|session| Arc::ptr_eq(&session.changed, &self.changed))
    }

    fn remove(&self, sessions: &mut HashMap<String, Session>) {
        if self.session(sessions).is_some() {
            sessions.remove(&self.session);
            self.changed.notify_waiters();
        }
    }
}

/// What a stream has to tell.
enum Next {
    Message((String, Message)),
    /// Nothing, as long as the calls of the session run.
    Later,
    /// Nothing more, unless one more call comes.
    None,
    /// Nothing: the session has ended.
    End,
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut sessions = self.calls.lock();
        let Some(session) = self.session(&mut sessions) else { return };
        session.streams -= 1;
        session.calls.retain(|_, call| call.stream != Some(self.number));
        session.unread.retain(|(event, _)| session.calls.contains_key(event));
        if session.calls.is_empty() {
            self.remove(&mut sessions);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(calls: &Calls, session: &str) -> String {
        let task = |_, _| tokio::spawn(std::future::pending::<()>()).abort_handle();
        calls.start(Some(session.to_owned()), Message::Starts, task).unwrap()
    }

    fn done() -> Message {
        Message::Done { output: Err("broken".to_owned()), seconds: 1.0 }
    }

    #[tokio::test]
    async fn a_stream_tells_of_all_calls_of_a_session_as_it_happens() {
        let calls = Arc::new(Calls::default());
        assert!(calls.read("a").is_none());
        let (first, second, other) = (start(&calls, "a"), start(&calls, "a"), start(&calls, "b"));
        let mut reader = calls.read("a").unwrap();
        assert_eq!(reader.message().await, Some((first.clone(), Message::Starts)));
        assert_eq!(reader.message().await, Some((second.clone(), Message::Starts)));
        calls.tell("a", &second, done());
        calls.tell("b", &other, done());
        assert_eq!(reader.message().await, Some((second.clone(), done())));
        // Nothing comes after the last message of a call.
        calls.tell("a", &second, done());
        calls.cancel(&first);
        calls.tell("a", &first, done());
        assert_eq!(reader.message().await, Some((first, Message::Cancelled)));
        // A call that is made while the stream is open is read from it too.
        let third = start(&calls, "a");
        assert_eq!(reader.message().await, Some((third.clone(), Message::Starts)));
        calls.tell("a", &third, done());
        assert_eq!(reader.message().await, Some((third, done())));
        // So is one that is made at once after the last answer.
        let (next, fourth) = tokio::join!(reader.message(), async { start(&calls, "a") });
        assert_eq!(next, Some((fourth.clone(), Message::Starts)));
        calls.tell("a", &fourth, done());
        assert_eq!(reader.message().await, Some((fourth, done())));
        assert_eq!((reader.message().await, calls.count()), (None, 1));
        // A new session of that name has nothing to do with the stream that has ended.
        start(&calls, "a");
        drop(reader);
        assert_eq!(calls.count(), 2);
    }

    #[tokio::test]
    async fn a_client_that_leaves_cancels_its_calls_and_positions_do_not_pile_up() {
        let calls = Arc::new(Calls::default());
        let task = tokio::spawn(std::future::pending::<()>());
        let handle = task.abort_handle();
        let event = calls.start(Some("a".to_owned()), Message::Starts, |_, _| handle).unwrap();
        for before in (0..100).rev() {
            calls.tell("a", &event, Message::Waiting { before, waiting: 100 });
        }
        let mut reader = calls.read("a").unwrap();
        assert_eq!(reader.message().await, Some((event.clone(), Message::Starts)));
        assert_eq!(reader.message().await, Some((event, Message::Waiting { before: 0, waiting: 100 })));
        // A call that began after this stream may be of a client that came back.
        let next = start(&calls, "a");
        drop(reader);
        assert!(task.await.unwrap_err().is_cancelled());
        let mut reader = calls.read("a").unwrap();
        assert_eq!(reader.message().await, Some((next, Message::Starts)));
        drop(reader);
        assert!(calls.read("a").is_none());
        for _ in 0..MOST_CALLS {
            start(&calls, "b");
        }
        let none = |_, _| unreachable!("no call is started");
        assert!(calls.start(None, Message::Starts, none).is_err());
    }
}
