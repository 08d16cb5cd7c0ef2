//! What every request is answered from.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::calls::Calls;
use crate::inference::batcher::Batcher;
use crate::inference::model::Model;
use crate::inference::queue::Queue;
use crate::lifetime::Lifetime;
use crate::memory::Memory;
use crate::metrics::{Metrics, Now};
use crate::options::Options;
use crate::uploads::Uploads;

/// What every request is answered from.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) model: Arc<Model>,
    pub(crate) batcher: Batcher,
    pub(crate) queue: Arc<Queue>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) uploads: Uploads,
    pub(crate) calls: Arc<Calls>,
    /// One for each microphone that may be open.
    pub(crate) live: Arc<Semaphore>,
    /// One for each client of Gradio's that listens for signs of life.
    pub(crate) heartbeats: Arc<Semaphore>,
    /// Of the bodies of requests that run or wait.
    pub(crate) memory: Arc<Memory>,
    pub(crate) lifetime: Lifetime,
    /// One for each connection.
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) options: Options,
}

impl App {
    /// What is held at this moment.
    pub(crate) fn now(&self) -> Now {
        let limits = &self.options.limits;
        let used = |limit: usize, free: &Semaphore| limit - free.available_permits();
        Now {
            waiting: self.queue.waiting(),
            connections: used(limits.connections, &self.connections),
            requests: self.lifetime.running(),
            calls: self.calls.count(),
            uploads: self.uploads.count(),
            microphones: used(limits.live, &self.live),
            heartbeats: used(limits.heartbeats(), &self.heartbeats),
            body_bytes: self.memory.used(),
        }
    }
}
