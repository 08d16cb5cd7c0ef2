//! What a server is told: its limits, and what it knows of its model.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::access::Access;

/// A sound that is one click away.
#[derive(Debug, Clone)]
pub struct Example {
    /// What it is called.
    pub name: String,
    /// The bytes of its file.
    pub bytes: Bytes,
}

/// The clips of a dataset, to check its labels by ear.
pub trait Clips: Debug + Send + Sync {
    /// The name and the label of each.
    fn list(&self) -> Vec<(String, String)>;

    /// The bytes of a clip's file, by its place in the list.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    fn read(&self, index: usize) -> io::Result<Vec<u8>>;
}

/// How a server behaves.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What the model is called, such as its Hub id.
    pub name: String,
    /// What else people want to know of it: a name and a value each.
    pub facts: Vec<(String, String)>,
    /// Sounds to try.
    pub examples: Vec<Example>,
    /// A dataset to listen to.
    pub clips: Option<Arc<dyn Clips>>,
    /// What a client may ask for.
    pub limits: Limits,
    /// Who may ask.
    pub access: Access,
    /// Names of this server beside `localhost` and addresses in digits, such as `demo.example.org`; `*` for any.
    pub hosts: Vec<String>,
}

/// What one client, and all of them together, may ask for.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest request body, in bytes.
    pub body: usize,
    /// All bodies that are held at the same time, in bytes: uploads that wait to be asked about, and apart from them requests that run
    /// or wait. At least `body`.
    pub uploads: usize,
    /// Longest sound, decoded; longer ones are refused.
    pub duration: Duration,
    /// Longest clip, part of a sound, or window that is classified at once: the samples of one are in memory together, and the time
    /// that attention takes grows with their square.
    pub clip: Duration,
    /// Requests that are decoded and classified at the same time.
    pub running: usize,
    /// Requests that wait for their turn; the next one is answered with 503.
    pub waiting: usize,
    /// Longest time a request may take, its wait included.
    pub timeout: Duration,
    /// Microphones that are open at the same time.
    pub live: usize,
    /// Open connections; the next one is answered with 503. A quarter of them may do nothing but listen for signs of life.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body: 64 << 20,
            uploads: 512 << 20,
            duration: Duration::from_secs(3600),
            clip: Duration::from_secs(300),
            running: std::thread::available_parallelism().map_or(2, usize::from).max(2),
            waiting: 128,
            timeout: Duration::from_secs(300),
            live: 16,
            // Many systems allow a process 1024 open files unless told otherwise.
            connections: 512,
        }
    }
}

impl Limits {
    /// Connections that do nothing but listen for signs of life.
    pub(crate) fn heartbeats(&self) -> usize {
        (self.connections / 4).max(1)
    }
}
