//! `GET /openapi.json`: the addresses for programs, made of the types that they read and answer with.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};

use crate::access::Access;
use crate::app::App;
use crate::routes::schemas::Refusals;
use crate::routes::{api, decode, facts, health};

/// What a client says who it is by.
const SCHEME: &str = "access";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "earmark serve",
        description = "Classifies sounds. Every refusal is `{\"error\": \"a sentence\"}`.\n\nBeside these addresses there are the page \
                       at `/`, a WebSocket at `/api/live`, and Gradio's protocol at `/config` and `/gradio_api/`.",
    ),
    paths(
        api::classify,
        decode::decode,
        facts::model,
        facts::example,
        facts::clips,
        facts::clip,
        health::healthz,
        health::readyz,
        health::metrics,
        document,
    )
)]
struct Document;

/// This document.
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, description = "The document", body = serde_json::Value), Refusals))]
pub(crate) async fn document(State(app): State<Arc<App>>) -> Json<utoipa::openapi::OpenApi> {
    let mut document = Document::openapi();
    let scheme = match app.options.access {
        Access::Open => return Json(document),
        Access::Token(_) => HttpAuthScheme::Bearer,
        Access::Password { .. } => HttpAuthScheme::Basic,
    };
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(SCHEME, SecurityScheme::Http(Http::new(scheme)));
    document.security = Some(vec![SecurityRequirement::new(SCHEME, Vec::<String>::new())]);
    Json(document)
}
