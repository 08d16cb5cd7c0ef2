//! `/gradio_api/call/predict` and `/gradio_api/run/predict`: calls without a session, as a shell makes them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use futures_util::stream::unfold;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::app::App;
use crate::calls::{Message, Reader};
use crate::error::Refusal;
use crate::routes::extract::{Json, Path};
use crate::routes::gradio::call;
use crate::routes::gradio::config::{LABELS, NAME, SOUND};
use crate::routes::gradio::events::{EventStream, HEARTBEAT, failure};

#[derive(Debug, Deserialize)]
pub(crate) struct Positional {
    data: Vec<Value>,
}

/// `POST /gradio_api/call/predict`, with the inputs in order.
pub(crate) async fn call(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Json(inputs): Json<Positional>,
) -> Result<axum::Json<Value>, Refusal> {
    check_name(&name)?;
    let event = call::start(&app, None, inputs.data)?;
    Ok(axum::Json(json!({ "event_id": event })))
}

/// `POST /gradio_api/call/v2/predict`, with the inputs by their names.
pub(crate) async fn call_by_name(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Json(mut inputs): Json<HashMap<String, Value>>,
) -> Result<axum::Json<Value>, Refusal> {
    check_name(&name)?;
    let data = [SOUND, LABELS].map(|name| inputs.remove(name).unwrap_or_default());
    if let Some(unknown) = inputs.keys().next() {
        return Err(Refusal::bad_request(format_args!(
            "`{unknown}` is no input of `{NAME}`: they are `{SOUND}` and, for a zero-shot model, `{LABELS}`"
        )));
    }
    let event = call::start(&app, None, data.into())?;
    Ok(axum::Json(json!({ "event_id": event })))
}

/// `POST /gradio_api/run/predict`: the answer itself, without the queue's messages.
pub(crate) async fn run(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Json(inputs): Json<Positional>,
) -> Result<axum::Json<Value>, Refusal> {
    check_name(&name)?;
    Ok(axum::Json(call::run(&app, &inputs.data).await?))
}

/// `GET /gradio_api/call/predict/EVENT`: one event, `complete` or `error`, after a `heartbeat` now and then.
pub(crate) async fn result(
    State(app): State<Arc<App>>,
    Path((name, event)): Path<(String, String)>,
) -> Result<EventStream, Refusal> {
    check_name(&name)?;
    let missing =
        || Refusal::new(StatusCode::NOT_FOUND, "there is no such call, or its answer was collected");
    let reader = app.calls.read(&event).ok_or_else(missing)?;
    let next = async |reader: Option<Reader>| {
        let mut reader = reader?;
        let (kind, data) = loop {
            match timeout(HEARTBEAT, reader.message()).await {
                Ok(Some((_, Message::Waiting { .. } | Message::Starts))) => {}
                Ok(Some((_, Message::Done { output: Ok(label), .. }))) => break ("complete", json!([label])),
                Ok(Some((_, Message::Done { output: Err(error), .. }))) => break ("error", failure(&error)),
                Ok(Some((_, Message::Cancelled))) => break ("complete", Value::Null),
                Ok(None) => return None,
                Err(_) => break ("heartbeat", Value::Null),
            }
        };
        let reader = Some(reader).filter(|_| kind == "heartbeat");
        Some((Ok(Event::default().event(kind).data(data.to_string())), reader))
    };
    Ok(Sse::new(Box::pin(unfold(Some(reader), next))))
}

fn check_name(name: &str) -> Result<(), Refusal> {
    match name == NAME {
        true => Ok(()),
        false => Err(Refusal::new(StatusCode::NOT_FOUND, format_args!("the only function is `{NAME}`"))),
    }
}
