//! What the page shows of the model, its examples, and the clips of a dataset.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::Refusal;
use crate::routes::extract::Path;
use crate::routes::running::counted;
use crate::routes::schemas::{Missing, Refusals, SoundFile};

/// The model that is served, and what else its page shows.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Facts {
    /// A Hub id or the name of a folder.
    name: String,
    /// Those that a request without `labels` is answered with.
    labels: Vec<String>,
    /// Whether a request may bring labels of its own.
    takes_labels: bool,
    /// What the text tower reads for each label, with `{}` where the label goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    template: Option<String>,
    /// Of the sounds that the model takes, in hertz; others are resampled.
    sampling_rate: u32,
    /// Names and values, for people.
    #[schema(value_type = Vec<Vec<String>>)]
    facts: Vec<(String, String)>,
    /// Names of the examples.
    examples: Vec<String>,
    /// Whether there is a dataset to listen to.
    clips: bool,
    /// Longest body of a request, in bytes.
    max_bytes: usize,
}

/// The model: its name, its labels, its sampling rate.
#[utoipa::path(get, path = "/api/model", responses((status = 200, description = "The model", body = Facts), Refusals))]
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

/// The sound file of an example.
#[utoipa::path(
    get,
    path = "/api/examples/{number}",
    params(("number" = usize, Path, description = "Its place in `examples` of `/api/model`, from 0")),
    responses((status = 200, description = "The sound file", body = SoundFile, content_type = "application/octet-stream"), Missing, Refusals),
)]
pub(crate) async fn example(
    State(app): State<Arc<App>>,
    Path(number): Path<usize>,
) -> Result<Response, Refusal> {
    let missing = || Refusal::new(StatusCode::NOT_FOUND, "there is no such example");
    let example = app.options.examples.get(number).ok_or_else(missing)?;
    Ok(sound(example.bytes.clone()))
}

/// A clip of the dataset.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Clip {
    /// By which its sound is asked for.
    id: usize,
    name: String,
    label: String,
}

/// All clips of the dataset; none where none is served.
#[utoipa::path(get, path = "/api/clips", responses((status = 200, description = "The clips", body = Vec<Clip>), Refusals))]
pub(crate) async fn clips(State(app): State<Arc<App>>) -> Json<Vec<Clip>> {
    let clips = app.options.clips.as_ref().map(|clips| clips.list()).unwrap_or_default();
    let clips = clips.into_iter().enumerate().map(|(id, (name, label))| Clip { id, name, label });
    Json(clips.collect())
}

/// The sound file of a clip.
#[utoipa::path(
    get,
    path = "/api/clips/{number}",
    params(("number" = usize, Path, description = "Its `id` in `/api/clips`")),
    responses((status = 200, description = "The sound file", body = SoundFile, content_type = "application/octet-stream"), Missing, Refusals),
)]
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
