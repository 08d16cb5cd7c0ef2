//! How the server ends: first it waits for the requests that run, then it answers them that it ends.

use tokio::sync::watch::{Receiver, Sender};

/// How far the end is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Serving,
    /// No connection is accepted, and what would go on for ever ends.
    Stopping,
    /// Requests that still run are answered with 503.
    OutOfTime,
}

/// The stages of the end, and the requests that run.
#[derive(Debug, Default)]
pub(crate) struct Lifetime {
    stage: Sender<Stage>,
    running: Sender<()>,
}

/// A request that runs, until this is dropped.
#[derive(Debug)]
pub(crate) struct Running(#[expect(dead_code, reason = "counted by its sender")] Receiver<()>);

impl Lifetime {
    /// Counts a request, its answer's body included.
    pub(crate) fn enter(&self) -> Running {
        Running(self.running.subscribe())
    }

    /// How many requests run.
    pub(crate) fn running(&self) -> usize {
        self.running.receiver_count()
    }

    /// Waits until no request runs.
    pub(crate) async fn idle(&self) {
        self.running.closed().await;
    }

    pub(crate) fn stop(&self) {
        self.stage.send_replace(Stage::Stopping);
    }

    pub(crate) fn end_requests(&self) {
        self.stage.send_replace(Stage::OutOfTime);
    }

    /// Waits until the server is asked to end.
    pub(crate) async fn stopping(&self) {
        self.reached(Stage::Stopping).await;
    }

    /// Waits until requests have no time left.
    pub(crate) async fn out_of_time(&self) {
        self.reached(Stage::OutOfTime).await;
    }

    async fn reached(&self, stage: Stage) {
        // The sender lives as long as `self`, so there is no error.
        let _ = self.stage.subscribe().wait_for(|now| *now >= stage).await;
    }
}
