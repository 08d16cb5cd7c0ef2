//! Bodies of requests: each is read to its end before its handler runs, within bounds of size, of time and of memory.
//!
//! So no handler waits for a client, and a form is parsed at once: parsed as it arrives, its headers would be searched again with
//! each piece.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;

use crate::app::App;
use crate::error::Refusal;
use crate::memory::{Full, Room};

/// How long a body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(120);
/// When a client may try again that there was no room for.
const RETRY: Duration = Duration::from_secs(10);
/// Longest body that is JSON, in bytes: as values it takes many times as much.
pub(crate) const JSON: usize = 64 << 10;

/// Reads the body, and passes on how much of the common memory it takes as `Arc<Room>`.
pub(crate) async fn receive(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let announced = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let read = async {
        match announced {
            Some(bytes) if bytes > app.options.limits.body => Err(too_large()),
            Some(_) | None => read(&app, body).await,
        }
    };
    let late = |_| Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"));
    match tokio::time::timeout(ARRIVAL, read).await.unwrap_or_else(late) {
        Ok((bytes, room)) => {
            parts.extensions.insert(Arc::new(room));
            next.run(Request::from_parts(parts, Body::from(bytes))).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn read(app: &App, body: Body) -> Result<(Vec<u8>, Room), Refusal> {
    let full = |Full| Refusal::busy("too many uploads at the same time: try again later", RETRY);
    let mut room = app.memory.room(0).map_err(full)?;
    let (mut bytes, mut stream) = (Vec::new(), body.into_data_stream());
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|_| Refusal::bad_request("the body ends early or is no valid HTTP"))?;
        if bytes.len() + piece.len() > app.options.limits.body {
            return Err(too_large());
        }
        room.grow(piece.len()).map_err(full)?;
        bytes.extend_from_slice(&piece);
    }
    bytes.shrink_to_fit();
    Ok((bytes, room))
}

pub(crate) fn too_large() -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the file is too large")
}
