//! The answer of `POST /api/classify` as an event stream, for a page that shows how far its request is.
//!
//! | event | data |
//! |---|---|
//! | `waiting` | `{"before": N}`: so many requests are before this one |
//! | `running` | `{"seconds": S}`: so much of the sound is classified, where windows are asked for |
//! | `done` | what the address answers otherwise |
//! | `error` | `{"error": "…"}` |

use std::convert::Infallible;
use std::sync::Arc;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::future::FutureExt as _;
use futures_util::stream::{Stream, StreamExt as _, poll_fn};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc::unbounded_channel;

use crate::app::App;
use crate::error::Refusal;
use crate::inference::classify::Question;
use crate::routes::ask::{Stage, ask};

/// Answers `question`. Dropping the stream, as when the client closes its connection, cancels it.
pub(crate) fn stream(
    app: Arc<App>,
    question: Question,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (sender, mut events) = unbounded_channel();
    let progress = question.progress.clone();
    let work = async move {
        // The receiver lives as long as this is polled.
        let tell = |stage| {
            _ = sender.send(match stage {
                Stage::Waiting { before } => event("waiting", &json!({ "before": before })),
                Stage::Begins | Stage::GoesOn => event("running", &json!({ "seconds": progress.seconds() })),
            });
        };
        _ = sender.send(match ask(&app, question, tell).await {
            Ok(answer) => event("done", &answer),
            Err(refusal) => failed(&refusal),
        });
    };
    let mut work = Box::pin(work.fuse());
    let events = poll_fn(move |context| {
        // What it tells is in the channel, which ends with it.
        _ = work.poll_unpin(context);
        events.poll_recv(context)
    });
    Sse::new(events.map(Ok)).keep_alive(KeepAlive::default())
}

fn event(name: &str, data: &impl Serialize) -> Event {
    Event::default().event(name).json_data(data).unwrap_or_else(|_| failed(&Refusal::internal()))
}

fn failed(refusal: &Refusal) -> Event {
    Event::default().event("error").data(json!({ "error": refusal.message() }).to_string())
}
