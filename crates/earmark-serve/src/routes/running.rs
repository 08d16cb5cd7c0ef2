//! The requests that run, from their head to the last byte of their answer, so that the end of the server waits for them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};

use crate::app::App;
use crate::error::Refusal;
use crate::memory::Full;

/// Counts a request for as long as it runs.
pub(crate) async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let running = app.lifetime.enter();
    next.run(request).await.map(|body| Body::new(Held { body, _until_sent: running }))
}

/// Bytes as a body that is counted in the common memory until it is sent.
pub(crate) fn counted(app: &App, bytes: Vec<u8>) -> Result<Body, Refusal> {
    let full = |Full| Refusal::busy("too many sounds at the same time: try again later", RETRY);
    let room = app.memory.room(bytes.len()).map_err(full)?;
    Ok(Body::new(Held { body: Body::from(bytes), _until_sent: room }))
}

/// When a client may try again that there was no room for.
const RETRY: Duration = Duration::from_secs(5);

/// A body, and what is dropped with it: once it is sent, or its client has left.
struct Held<T> {
    body: Body,
    _until_sent: T,
}

impl<T: Unpin> HttpBody for Held<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
