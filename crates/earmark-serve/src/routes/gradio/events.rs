//! Calls and the streams of their answers.
//!
//! A call is answered by a task of its own, whose messages wait until a stream collects them. Closing the stream cancels it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{Sender, channel};

use crate::app::App;
use crate::calls::{Call, Message, TooMany};
use crate::error::Refusal;
use crate::routes::ask::{Stage, ask};
use crate::routes::gradio::config::NAME;
use crate::routes::gradio::predict::{label, question};

/// Messages of a call that wait; a position in the line that nobody reads is left out.
const MESSAGES: usize = 8;
/// Between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Starts a call; gives its event id.
fn start(app: &Arc<App>, session: Option<String>, data: &[Value]) -> Result<String, Refusal> {
    let too_many =
        |TooMany| Refusal::busy("too many calls are waiting to be collected", Duration::from_secs(5));
    app.calls.check_room().map_err(too_many)?;
    let (question, token) = question(app, data)?;
    let (sender, messages) = channel(MESSAGES);
    let upload = Used { app: Arc::clone(app), token };
    let task = tokio::spawn({
        let app = Arc::clone(app);
        async move {
            let began = Instant::now();
            let answer = ask(&app, question, |stage| tell(&sender, stage)).await;
            drop(upload);
            let output = answer.map(|answer| label(&answer)).map_err(|refusal| refusal.message().to_owned());
            let _ = sender.send(Message::Done { output, seconds: began.elapsed().as_secs_f64() }).await;
        }
    });
    let call = Call::new(session, task.abort_handle(), messages);
    app.calls.keep(call).map_err(too_many)
}

/// An upload that is removed once its call is answered or cancelled.
struct Used {
    app: Arc<App>,
    token: String,
}

impl Drop for Used {
    fn drop(&mut self) {
        self.app.uploads.remove(&self.token);
    }
}

fn tell(sender: &Sender<Message>, stage: Stage) {
    // Where the channel is full nobody reads, and misses a position in the line.
    let _ = sender.try_send(match stage {
        Stage::Waiting { before } => Message::Waiting(before),
        Stage::Begins => Message::Starts,
        Stage::GoesOn => return,
    });
}

#[derive(Debug, Deserialize)]
pub(crate) struct Join {
    data: Vec<Value>,
    #[serde(default)]
    fn_index: Option<u32>,
    session_hash: String,
}

/// `POST /gradio_api/queue/join`.
pub(crate) async fn join(
    State(app): State<Arc<App>>,
    Json(join): Json<Join>,
) -> Result<Json<Value>, Refusal> {
    if join.fn_index.is_some_and(|index| index != 0) {
        return Err(Refusal::bad_request("there is one function, of the number 0"));
    }
    let event = start(&app, Some(join.session_hash), &join.data)?;
    Ok(Json(json!({ "event_id": event })))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Session {
    session_hash: String,
}

type EventStream = Sse<std::pin::Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>>;

/// `GET /gradio_api/queue/data`: the messages of all calls of a session, and an end when the last is answered.
pub(crate) async fn data(State(app): State<Arc<App>>, Query(session): Query<Session>) -> EventStream {
    struct Reading {
        app: Arc<App>,
        session: String,
        calls: Vec<(String, Call)>,
        closed: bool,
    }
    let calls = app.calls.take_session(&session.session_hash);
    let reading = Reading { app, session: session.session_hash, calls, closed: false };
    let next = async |mut reading: Reading| {
        if reading.closed {
            return None;
        }
        // Calls that were made since.
        reading.calls.extend(reading.app.calls.take_session(&reading.session));
        let Some((event, call)) = reading.calls.first_mut() else {
            reading.closed = true;
            let end = json!({ "msg": "close_stream", "event_id": null });
            return Some((Ok(Event::default().data(end.to_string())), reading));
        };
        let message = call.message().await;
        let (json, done) = queue_message(event, message);
        if done {
            reading.calls.remove(0);
        }
        Some((Ok(Event::default().data(json.to_string())), reading))
    };
    Sse::new(Box::pin(stream::unfold(reading, next)))
}

/// A message of the queue, and whether it is the last one of its call. Without a message the call was cancelled.
fn queue_message(event: &str, message: Option<Message>) -> (Value, bool) {
    match message {
        Some(Message::Waiting(before)) => {
            let message = json!({
                "msg": "estimation", "event_id": event, "rank": before, "queue_size": before + 1, "rank_eta": null,
            });
            (message, false)
        }
        Some(Message::Starts) => (json!({ "msg": "process_starts", "event_id": event, "eta": null }), false),
        Some(Message::Done { output: Ok(output), seconds }) => {
            let output = json!({ "data": [output], "is_generating": false, "duration": seconds });
            (
                json!({ "msg": "process_completed", "event_id": event, "output": output, "success": true }),
                true,
            )
        }
        Some(Message::Done { output: Err(error), .. }) => (failed(event, &error), true),
        None => (failed(event, "the call was cancelled"), true),
    }
}

fn failed(event: &str, error: &str) -> Value {
    json!({
        "msg": "process_completed", "event_id": event, "output": { "error": error }, "success": false,
        "title": "Error",
    })
}

#[derive(Debug, Deserialize)]
pub(crate) struct Positional {
    data: Vec<Value>,
}

/// `POST /gradio_api/call/predict`, with the inputs in order.
pub(crate) async fn call(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Json(inputs): Json<Positional>,
) -> Result<Json<Value>, Refusal> {
    check_name(&name)?;
    let event = start(&app, None, &inputs.data)?;
    Ok(Json(json!({ "event_id": event })))
}

/// `POST /gradio_api/call/v2/predict`, with the inputs by their names.
pub(crate) async fn call_by_name(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Json(mut inputs): Json<HashMap<String, Value>>,
) -> Result<Json<Value>, Refusal> {
    check_name(&name)?;
    let data = ["sound", "labels"].map(|name| inputs.remove(name).unwrap_or_default());
    let event = start(&app, None, &data)?;
    Ok(Json(json!({ "event_id": event })))
}

/// `GET /gradio_api/call/predict/EVENT`: one message, `complete` or `error`.
pub(crate) async fn result(
    State(app): State<Arc<App>>,
    Path((name, event)): Path<(String, String)>,
) -> Result<EventStream, Refusal> {
    check_name(&name)?;
    let missing =
        || Refusal::new(StatusCode::NOT_FOUND, "there is no such call, or its answer was collected");
    let call = app.calls.take(&event).ok_or_else(missing)?;
    let next = async |call: Option<Call>| {
        let mut call = call?;
        loop {
            let event = match call.message().await {
                Some(Message::Waiting(_) | Message::Starts) => continue,
                Some(Message::Done { output: Ok(output), .. }) => {
                    Event::default().event("complete").data(json!([output]).to_string())
                }
                Some(Message::Done { output: Err(error), .. }) => {
                    Event::default().event("error").data(json!(error).to_string())
                }
                None => Event::default().event("error").data("null"),
            };
            return Some((Ok(event), None));
        }
    };
    Ok(Sse::new(Box::pin(stream::unfold(Some(call), next))))
}

fn check_name(name: &str) -> Result<(), Refusal> {
    match name == NAME {
        true => Ok(()),
        false => Err(Refusal::new(StatusCode::NOT_FOUND, format_args!("the only function is `{NAME}`"))),
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Cancel {
    event_id: String,
}

/// `POST /gradio_api/cancel`.
pub(crate) async fn cancel(State(app): State<Arc<App>>, Json(cancel): Json<Cancel>) -> Json<Value> {
    // One whose stream is open is cancelled by closing that.
    drop(app.calls.take(&cancel.event_id));
    Json(json!({ "success": true }))
}

/// `GET /gradio_api/heartbeat/SESSION`: a sign of life now and then, for as long as the client listens.
pub(crate) async fn heartbeat(State(app): State<Arc<App>>) -> Result<EventStream, Refusal> {
    let permit = Arc::clone(&app.heartbeats)
        .try_acquire_owned()
        .map_err(|_| Refusal::busy("too many clients listen for signs of life", HEARTBEAT))?;
    let next = async |(first, app, permit): (bool, Arc<App>, OwnedSemaphorePermit)| {
        if !first {
            tokio::select! {
                () = tokio::time::sleep(HEARTBEAT) => {}
                () = app.lifetime.stopping() => return None,
            }
        }
        Some((Ok(Event::default().data("ALIVE")), (false, app, permit)))
    };
    Ok(Sse::new(Box::pin(stream::unfold((true, app, permit), next))))
}
