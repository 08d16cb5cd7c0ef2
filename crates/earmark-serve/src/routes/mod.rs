//! The addresses of the server.

mod running; // Every request is counted while it runs,
mod body; // and its body read.
mod extract; // What a request holds,
mod schemas; // and what the document says of bodies that are no JSON.
pub(crate) mod page; // For people,
pub(crate) mod facts; // and what their page asks for;
pub(crate) mod live;
pub(crate) mod decode;
pub(crate) mod ask; // how a request is answered, in one piece
pub(crate) mod events; // or while it is told how far it is;
pub(crate) mod api; // for programs,
pub(crate) mod gradio; // for programs that know a Gradio page,
pub(crate) mod health; // for those who watch over it,
pub(crate) mod openapi; // and the document about all that is for programs.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

use crate::app::App;
use crate::error::Refusal;
use crate::security;

pub(crate) fn router(app: Arc<App>) -> Router {
    let body = app.options.limits.body;
    Router::new()
        .merge(page::router())
        .route("/api/model", get(facts::model))
        .route("/api/examples/{number}", get(facts::example))
        .route("/api/clips", get(facts::clips))
        .route("/api/clips/{number}", get(facts::clip))
        .route("/api/live", get(live::live))
        .route("/api/classify", post(api::classify))
        .route("/api/decode", post(decode::decode))
        .merge(gradio::router())
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::document))
        .route_layer(from_fn_with_state(Arc::clone(&app), body::receive))
        .fallback(async || extract::nothing_here())
        .method_not_allowed_fallback(async || {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not take this method")
        })
        .layer(DefaultBodyLimit::max(body))
        .layer(from_fn(extract::check_encoding))
        .layer(from_fn_with_state(Arc::clone(&app), security::check_access))
        .layer(from_fn_with_state(Arc::clone(&app), security::check_origin))
        .layer(from_fn(security::add_headers))
        .layer(from_fn_with_state(Arc::clone(&app), health::count))
        .layer(from_fn_with_state(Arc::clone(&app), running::count))
        .with_state(app)
}
