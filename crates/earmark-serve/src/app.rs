//! What every request is answered from.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::calls::Calls;
use crate::inference::batcher::Batcher;
use crate::inference::model::Model;
use crate::inference::queue::Queue;
use crate::metrics::Metrics;
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
    pub(crate) calls: Calls,
    /// One for each microphone that may be open.
    pub(crate) live: Arc<Semaphore>,
    /// One for each KiB of a body that may be held.
    pub(crate) memory: Arc<Semaphore>,
    pub(crate) options: Options,
}
