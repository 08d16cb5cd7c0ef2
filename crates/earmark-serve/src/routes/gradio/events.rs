//! `/gradio_api/queue`: calls of a session, and the stream of their messages.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, Sse};
use futures_util::stream::{Stream, unfold};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::app::App;
use crate::calls::{Message, Reader};
use crate::error::Refusal;
use crate::routes::extract::{Json, Query};
use crate::routes::gradio::call::{output, start};

/// Between two signs of life.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);
/// Longest name that a client may give its session, in bytes; those of Gradio's have 36 at most.
const LONGEST_SESSION: usize = 128;

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
) -> Result<axum::Json<Value>, Refusal> {
    if join.fn_index.is_some_and(|index| index != 0) {
        return Err(Refusal::bad_request("there is one function, and its `fn_index` is 0"));
    }
    if join.session_hash.len() > LONGEST_SESSION {
        return Err(Refusal::bad_request(format_args!(
            "`session_hash` is longer than {LONGEST_SESSION} bytes"
        )));
    }
    let event = start(&app, Some(join.session_hash), join.data)?;
    Ok(axum::Json(json!({ "event_id": event })))
}

#[derive(Debug, Deserialize)]
pub(crate) struct SessionName {
    session_hash: String,
}

pub(crate) type EventStream = Sse<Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>>;

/// `GET /gradio_api/queue/data`: the messages of all calls of a session, and an end when the last is answered.
pub(crate) async fn data(State(app): State<Arc<App>>, Query(name): Query<SessionName>) -> EventStream {
    let Some(reader) = app.calls.read(&name.session_hash) else {
        let unknown = json!({
            "msg": "unexpected_error", "event_id": null, "message": "404: Not Found", "session_not_found": true,
            "success": false,
        });
        return Sse::new(Box::pin(unfold(Some(unknown), async |json| Some((event(&json?), None)))));
    };
    let next = async |state: Option<(Arc<App>, Reader)>| {
        let (app, mut reader) = state?;
        let json = match timeout(HEARTBEAT, reader.message()).await {
            Ok(Some((event, message))) => queue_message(&app, &event, message),
            Ok(None) => return Some((event(&json!({ "msg": "close_stream", "event_id": null })), None)),
            Err(_) => json!({ "msg": "heartbeat", "event_id": null }),
        };
        Some((event(&json), Some((app, reader))))
    };
    Sse::new(Box::pin(unfold(Some((app, reader)), next)))
}

fn event(json: &Value) -> Result<Event, Infallible> {
    Ok(Event::default().data(json.to_string()))
}

fn queue_message(app: &App, event: &str, message: Message) -> Value {
    let average = app.calls.average();
    match message {
        Message::Waiting { before, waiting } => {
            let eta = average.map(|each| each + each * before as f64 / app.options.limits.running as f64);
            json!({ "msg": "estimation", "event_id": event, "rank": before, "queue_size": waiting, "rank_eta": eta })
        }
        Message::Starts => json!({ "msg": "process_starts", "event_id": event, "eta": average }),
        Message::Done { output: Ok(label), seconds } => {
            let output = output(&label, seconds, average);
            completed(event, &output, true, Some(seconds), average)
        }
        Message::Done { output: Err(error), .. } => completed(event, &failure(&error), false, None, None),
        Message::Cancelled => completed(event, &json!({}), true, None, None),
    }
}

/// The output of a call that has none, as Gradio describes it; its clients show the sentence where it is visible.
pub(crate) fn failure(error: &str) -> Value {
    json!({ "error": error, "visible": true })
}

fn completed(
    event: &str,
    output: &Value,
    success: bool,
    seconds: Option<f64>,
    average: Option<f64>,
) -> Value {
    json!({
        "msg": "process_completed", "event_id": event, "output": output, "success": success,
        "title": if success { None } else { Some("Error") },
        "used_cache": null, "cache_duration": seconds, "avg_time": average,
    })
}

#[derive(Debug, Deserialize)]
pub(crate) struct Cancel {
    event_id: String,
}

/// `POST /gradio_api/cancel`, and `/gradio_api/reset`, which a client sends beside it.
pub(crate) async fn cancel(State(app): State<Arc<App>>, Json(cancel): Json<Cancel>) -> axum::Json<Value> {
    app.calls.cancel(&cancel.event_id);
    axum::Json(json!({ "success": true }))
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
    Ok(Sse::new(Box::pin(unfold((true, app, permit), next))))
}
