//! What the page shows of the model, its examples, and the clips of a dataset.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::app::App;
use crate::error::Refusal;
use crate::routes::running::counted;

/// `GET /api/model`.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    name: String,
    labels: Vec<String>,
    /// Whether a request may bring labels of its own.
    takes_labels: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    /// Hertz.
    sampling_rate: u32,
    facts: Vec<(String, String)>,
    examples: Vec<String>,
    /// Whether there is a dataset to listen to.
    clips: bool,
    /// Longest body.
    max_bytes: usize,
}

pub(crate) async fn model(State(app): State<Arc<App>>) -> Json<Facts> {
    let (model, options) = (&app.model, &app.options);
    Json(Facts {
        name: options.name.clone(),
        labels: model.label_names().to_vec(),
        takes_labels: model.default_candidacy().is_some(),
        template: model.default_candidacy().map(|default| default.template.clone()),
        sampling_rate: model.sampling_rate().hz(),
        facts: options.facts.clone(),
        examples: options.examples.iter().map(|example| example.name.clone()).collect(),
        clips: options.clips.is_some(),
        max_bytes: options.limits.body,
    })
}

/// `GET /api/examples/N`.
pub(crate) async fn example(
    State(app): State<Arc<App>>,
    Path(number): Path<usize>,
) -> Result<Response, Refusal> {
    let missing = || Refusal::new(StatusCode::NOT_FOUND, "there is no such example");
    let example = app.options.examples.get(number).ok_or_else(missing)?;
    Ok(sound(example.bytes.clone()))
}

#[derive(Debug, Serialize)]
pub(crate) struct Clip {
    id: usize,
    name: String,
    label: String,
}

/// `GET /api/clips`: all clips of the dataset.
pub(crate) async fn clips(State(app): State<Arc<App>>) -> Json<Vec<Clip>> {
    let clips = app.options.clips.as_ref().map(|clips| clips.list()).unwrap_or_default();
    let clips = clips.into_iter().enumerate().map(|(id, (name, label))| Clip { id, name, label });
    Json(clips.collect())
}

/// `GET /api/clips/N`: the bytes of its file.
pub(crate) async fn clip(
    State(app): State<Arc<App>>,
    Path(number): Path<usize>,
) -> Result<Response, Refusal> {
    let missing = || Refusal::new(StatusCode::NOT_FOUND, "there is no such clip");
    let clips = Arc::clone(app.options.clips.as_ref().ok_or_else(missing)?);
    let read =
        tokio::task::spawn_blocking(move || clips.read(number)).await.map_err(|_| Refusal::internal())?;
    match read {
        Ok(bytes) => Ok(sound(counted(&app, bytes)?)),
        Err(error) => {
            tracing::warn!(number, %error, "cannot read a clip");
            Err(missing())
        }
    }
}

/// Bytes that only a player looks at.
fn sound(bytes: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
}
