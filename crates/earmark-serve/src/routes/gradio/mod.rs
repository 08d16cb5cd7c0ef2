//! Gradio's protocol as version 6 serves it, so that programs written for a Gradio page work unchanged:
//! `gradio_client.Client(url).predict(handle_file("clip.wav"), api_name="/predict")`.

mod config; // What the page consists of,
mod files; // files on their way in,
mod events; // questions and the streams of their answers,
mod predict; // and what a question is.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::app::App;
use crate::routes::body::JSON;

pub(crate) fn router() -> Router<Arc<App>> {
    let small = DefaultBodyLimit::max(JSON);
    Router::new()
        .route("/config", get(config::config))
        .route("/gradio_api/info", get(config::info))
        .route("/gradio_api/upload", post(files::upload))
        .route("/gradio_api/{file}", get(files::file))
        .route("/gradio_api/{file}/{*rest}", get(files::file_below))
        .route("/gradio_api/queue/join", post(events::join).layer(small))
        .route("/gradio_api/queue/data", get(events::data))
        .route("/gradio_api/cancel", post(events::cancel).layer(small))
        .route("/gradio_api/heartbeat/{session}", get(events::heartbeat))
        .route("/gradio_api/call/{name}", post(events::call).layer(small))
        .route("/gradio_api/call/v2/{name}", post(events::call_by_name).layer(small))
        .route("/gradio_api/call/{name}/{event}", get(events::result))
}
