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

use crate::inference::model::Target;
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
    /// Starts the model's thread, which asks `score`; it ends when the last `Batcher` is dropped.
    pub(crate) fn start(
        score: impl Fn(&[Features], &Target) -> Scored + Send + 'static,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Batcher> {
        let (parts, receiver) = sync_channel(MOST_WAITING);
        std::thread::Builder::new()
            .name("model".to_owned())
            .spawn(move || run(&score, &metrics, &receiver))?;
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

fn run(score: &impl Fn(&[Features], &Target) -> Scored, metrics: &Metrics, parts: &Receiver<Part>) {
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
            answer(score, metrics, batch);
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

fn answer(score: &impl Fn(&[Features], &Target) -> Scored, metrics: &Metrics, mut batch: Vec<Part>) {
    let counts: Vec<usize> = batch.iter().map(|part| part.clips.len()).collect();
    let clips: Vec<Features> = batch.iter_mut().flat_map(|part| std::mem::take(&mut part.clips)).collect();
    let target = batch[0].target.clone();
    let began = Instant::now();
    // A panic is a fault of ours; it must not take the server with it. The replies are dropped.
    let scored = catch_unwind(AssertUnwindSafe(|| score(&clips, &target)));
    metrics.forward(clips.len(), began.elapsed());
    let Ok(mut scored) = scored.map(Vec::into_iter) else { return };
    for (part, count) in batch.into_iter().zip(counts) {
        // Its client may have left meanwhile.
        let _ = part.reply.send(scored.by_ref().take(count).collect());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread;

    use super::*;

    fn clips(values: &[f32]) -> Vec<Features> {
        let clip =
            |&value| Features { data: vec![value], shape: vec![1], is_longer: None, attention_mask: None };
        values.iter().map(clip).collect()
    }

    fn scores(batcher: &Batcher, values: &[f32]) -> Result<Vec<f32>, NoAnswer> {
        let (client, _connected) = Client::new();
        let scored = batcher.scores(clips(values), &Target::Own, &client)?;
        Ok(scored.into_iter().map(|row| row.unwrap()[0]).collect())
    }

    /// Each clip's score is its value.
    fn echo(clips: &[Features]) -> Scored {
        clips.iter().map(|clip| Ok(clip.data.clone())).collect()
    }

    #[test]
    fn a_panic_answers_nobody_and_the_next_is_answered() {
        let score = |clips: &[Features], _: &Target| match clips[0].data[0] < 0.0 {
            true => panic!("on purpose"),
            false => echo(clips),
        };
        let batcher = Batcher::start(score, Metrics::new()).unwrap();
        for _ in 0..3 {
            assert!(scores(&batcher, &[-1.0]).is_err());
            assert_eq!(scores(&batcher, &[1.0, 2.0]).unwrap(), [1.0, 2.0]);
        }
    }

    #[test]
    fn passes_are_bounded_and_nothing_is_computed_for_those_who_left() {
        let (begun, go) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(())));
        let held = go.lock().unwrap();
        let score = {
            let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
            move |clips: &[Features], _: &Target| {
                begun.lock().unwrap().push(clips.iter().map(|clip| clip.data[0]).collect::<Vec<_>>());
                drop(go.lock());
                echo(clips)
            }
        };
        let batcher = Batcher::start(score, Metrics::new()).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| scores(&batcher, &[0.0]));
            while begun.lock().unwrap().is_empty() {
                thread::yield_now();
            }
            // The first pass lasts until the line is complete: one who leaves, and sixty clips.
            let (client, connected) = Client::new();
            let (reply, gone) = channel();
            let part = |values: &[f32], reply, client| Part {
                clips: clips(values),
                target: Target::Own,
                reply,
                client,
            };
            batcher.parts.send(part(&[-1.0], reply, client)).unwrap();
            drop(connected);
            let (client, _connected) = Client::new();
            let replies: Vec<_> = (0..20)
                .map(|number| {
                    let (reply, scored) = channel();
                    batcher.parts.send(part(&[number as f32; 3], reply, Arc::clone(&client))).unwrap();
                    scored
                })
                .collect();
            drop(held);
            for (number, scored) in replies.iter().enumerate() {
                let scored = scored.recv().unwrap();
                assert!(scored.iter().all(|row| row.as_ref().unwrap()[0] == number as f32));
            }
            assert!(gone.recv().is_err());
        });
        let begun = begun.lock().unwrap();
        assert!(begun.iter().flatten().all(|&value| value >= 0.0), "{begun:?}");
        assert!(begun.iter().all(|pass| pass.len() < MOST_CLIPS + 3) && begun.len() < 10, "{begun:?}");
    }
}
