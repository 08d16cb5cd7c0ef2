//! Forward passes that several requests share.
//!
//! One thread asks the model. What arrives while it computes goes into the next forward pass together, so a busy server computes
//! in batches and an idle one answers at once. A clip's scores do not depend on the others of its batch: that is the pipeline's
//! promise.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Instant;

use earmark_features::Features;
use earmark_pipeline::Error;
use tokio::sync::oneshot;

use crate::inference::model::{Model, Target};
use crate::metrics::Metrics;

/// Most clips of one forward pass.
const MOST_CLIPS: usize = 16;
/// Parts of requests that wait for the model; more make their requests wait before they decode on.
const MOST_WAITING: usize = 64;

/// The scores of each clip.
pub(crate) type Scored = Vec<Result<Vec<f32>, Error>>;

/// The model's thread.
#[derive(Debug, Clone)]
pub(crate) struct Batcher {
    parts: SyncSender<Part>,
}

/// Clips of one request.
#[derive(Debug)]
struct Part {
    clips: Vec<Features>,
    target: Target,
    reply: Sender<Scored>,
    /// Closed when the client has left.
    client: Arc<Client>,
}

/// Whether anybody waits for the answer.
#[derive(Debug)]
pub(crate) struct Client(oneshot::Sender<()>);

impl Client {
    /// A client that has left when the receiver is dropped.
    pub(crate) fn new() -> (Arc<Client>, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        (Arc::new(Client(sender)), receiver)
    }

    pub(crate) fn has_left(&self) -> bool {
        self.0.is_closed()
    }
}

/// Nobody answers: the client has left, or the model's thread has ended.
#[derive(Debug)]
pub(crate) struct NoAnswer;

impl Batcher {
    /// Starts the model's thread; it ends when the last `Batcher` is dropped.
    pub(crate) fn start(model: Arc<Model>, metrics: Arc<Metrics>) -> std::io::Result<Batcher> {
        let (parts, receiver) = sync_channel(MOST_WAITING);
        std::thread::Builder::new()
            .name("model".to_owned())
            .spawn(move || run(&model, &metrics, &receiver))?;
        Ok(Batcher { parts })
    }

    /// Scores clips; waits for them. Must not be called on a thread of the async runtime.
    pub(crate) fn scores(
        &self,
        clips: Vec<Features>,
        target: &Target,
        client: &Arc<Client>,
    ) -> Result<Scored, NoAnswer> {
        let (reply, scored) = channel();
        let part = Part { clips, target: target.clone(), reply, client: Arc::clone(client) };
        self.parts.send(part).map_err(|_| NoAnswer)?;
        scored.recv().map_err(|_| NoAnswer)
    }
}

fn run(model: &Model, metrics: &Metrics, parts: &Receiver<Part>) {
    while let Ok(first) = parts.recv() {
        let mut batch = vec![first];
        let mut clips = batch[0].clips.len();
        while clips < MOST_CLIPS
            && let Ok(next) = parts.try_recv()
        {
            clips += next.clips.len();
            batch.push(next);
        }
        // A client that left costs nothing more: its reply is dropped.
        batch.retain(|part| !part.client.has_left());
        for batch in alike(batch) {
            answer(model, metrics, batch);
        }
    }
}

/// Parts that are scored against the same labels, together.
fn alike(parts: Vec<Part>) -> Vec<Vec<Part>> {
    let mut batches: Vec<Vec<Part>> = Vec::new();
    for part in parts {
        match batches.iter_mut().find(|batch| batch[0].target.is(&part.target)) {
            Some(batch) => batch.push(part),
            None => batches.push(vec![part]),
        }
    }
    batches
}

fn answer(model: &Model, metrics: &Metrics, mut batch: Vec<Part>) {
    let counts: Vec<usize> = batch.iter().map(|part| part.clips.len()).collect();
    let clips: Vec<Features> = batch.iter_mut().flat_map(|part| std::mem::take(&mut part.clips)).collect();
    let target = batch[0].target.clone();
    let began = Instant::now();
    // A panic is a fault of ours; it must not take the server with it. The replies are dropped.
    let scored = catch_unwind(AssertUnwindSafe(|| model.scores(&clips, &target)));
    metrics.forward(clips.len(), began.elapsed());
    let Ok(mut scored) = scored.map(Vec::into_iter) else { return };
    for (part, count) in batch.into_iter().zip(counts) {
        // Its client may have left meanwhile.
        let _ = part.reply.send(scored.by_ref().take(count).collect());
    }
}
