//! Gradio's protocol as version 6 serves it, so that programs written for a Gradio page work unchanged:
//! `gradio_client.Client(url).predict(handle_file("clip.wav"), api_name="/predict")`.

mod config; // What the page consists of,
mod files; // files on their way in,
mod predict; // what a question is,
mod call; // how it is answered,
mod events; // the stream of a session's answers,
mod simple; // and answers without a session.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, get, post};

use crate::app::App;
use crate::routes::body::JSON;

type Route = MethodRouter<Arc<App>>;

pub(crate) fn router() -> Router<Arc<App>> {
    let small = DefaultBodyLimit::max(JSON);
    let routes: [(&str, Route); 12] = [
        ("/config", get(config::config)),
        ("/gradio_api/info", get(config::info)),
        ("/gradio_api/upload", post(files::upload)),
        ("/gradio_api/queue/join", post(events::join).layer(small)),
        ("/gradio_api/queue/data", get(events::data)),
        ("/gradio_api/cancel", post(events::cancel).layer(small)),
        ("/gradio_api/reset", post(events::cancel).layer(small)),
        ("/gradio_api/heartbeat/{session}", get(events::heartbeat)),
        ("/gradio_api/call/{name}", post(simple::call).layer(small)),
        ("/gradio_api/call/v2/{name}", post(simple::call_by_name).layer(small)),
        ("/gradio_api/run/{name}", post(simple::run).layer(small)),
        ("/gradio_api/api/{name}", post(simple::run).layer(small)),
    ];
    // Gradio takes them with and without a slash at the end.
    let both = |router: Router<Arc<App>>, (path, route): (&str, Route)| {
        router.route(path, route.clone()).route(&format!("{path}/"), route)
    };
    routes
        .into_iter()
        .fold(Router::new(), both)
        .route("/gradio_api/call/{name}/{event}", get(simple::result))
        .route("/gradio_api/call/v2/{name}/{event}", get(simple::result))
        .route("/gradio_api/{file}", get(files::file))
        .route("/gradio_api/{file}/{*rest}", get(files::file_below))
}
