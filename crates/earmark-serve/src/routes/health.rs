//! Whether the server lives and how it does.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ErrorBody;
use crate::routes::schemas::Refusals;

/// A server that answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    status: &'static str,
}

/// A server that classifies.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// `ok`.
    status: &'static str,
    /// Requests that wait for their turn.
    waiting: usize,
}

/// Whether the process answers. Asks for no token.
#[utoipa::path(
    get,
    path = "/healthz",
    responses((status = 200, description = "The process answers", body = Health), (status = 403, description = "The request names a host that is not this server", body = ErrorBody)),
    security(()),
)]
pub(crate) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether the model is open, as it is before the socket is, and how many requests wait for it.
#[utoipa::path(get, path = "/readyz", responses((status = 200, description = "The server classifies", body = Readiness), Refusals))]
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Json<Readiness> {
    Json(Readiness { status: "ok", waiting: app.queue.waiting() })
}

/// Requests, queue, batches and speed, for Prometheus.
#[utoipa::path(get, path = "/metrics", responses(
    (status = 200, description = "Metrics as OpenMetrics text", body = String, content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    Refusals,
))]
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.metrics.text(&app.now()))
}

/// Counts every answer.
pub(crate) async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    app.metrics.answered(response.status().as_u16());
    response
}
