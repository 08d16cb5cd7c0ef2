//! A request waits for its turn, and is answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::App;
use crate::error::Refusal;
use crate::inference::batcher::Client;
use crate::inference::classification::Answer;
use crate::inference::classify::{Question, answer};
use crate::inference::queue::{Full, TELL};

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It waits for its turn.
    Waiting {
        /// How many are before it.
        before: usize,
    },
    Begins,
    /// It still runs.
    GoesOn,
}

/// Waits for the turn and answers. Dropping the future, as when the client closes its connection, cancels the request.
pub(crate) async fn ask(
    app: &Arc<App>,
    question: Question,
    told: impl FnMut(Stage),
) -> Result<Answer, Refusal> {
    let began = Instant::now();
    let work = {
        let app = Arc::clone(app);
        move |client: &Arc<Client>| answer(&app.model, &app.batcher, &app.options.limits, &question, client)
    };
    let answered = in_turn(app, told, work).await;
    if let Ok(answer) = &answered {
        app.metrics.classified(began.elapsed(), answer.duration());
    }
    answered
}

/// Waits for the turn and does `work`, which may block. Dropping the future cancels it.
pub(crate) async fn in_turn<T: Send + 'static>(
    app: &Arc<App>,
    mut told: impl FnMut(Stage),
    work: impl FnOnce(&Arc<Client>) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let limits = &app.options.limits;
    let place = app.queue.join().map_err(|Full { waiting }| {
        let why = format_args!("{waiting} requests are waiting already: try again later").to_string();
        Refusal::busy(why, Duration::from_secs(5))
    })?;
    let (client, _connected) = Client::new();
    let work = async {
        let permit = place.turn(|before| told(Stage::Waiting { before })).await;
        told(Stage::Begins);
        let mut work = tokio::task::spawn_blocking(move || {
            let _running = permit;
            work(&client)
        });
        loop {
            tokio::select! {
                biased;
                done = &mut work => break done.unwrap_or_else(|_| Err(Refusal::internal())),
                () = tokio::time::sleep(TELL) => told(Stage::GoesOn),
            }
        }
    };
    let retry = Duration::from_secs(5);
    tokio::select! {
        done = tokio::time::timeout(limits.timeout, work) => done.unwrap_or_else(|_| {
            let why = format_args!("not done within {:?}: try a shorter sound", limits.timeout);
            Err(Refusal::busy(why, retry))
        }),
        () = app.lifetime.out_of_time() => Err(Refusal::busy("the server is being stopped", retry)),
    }
}
