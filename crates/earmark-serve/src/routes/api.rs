//! `POST /api/classify`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest as _, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use earmark_labels::TopK;
use earmark_pipeline::Windows;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::app::App;
use crate::error::Refusal;
use crate::inference::classify::{Progress, Question};
use crate::inference::model::{Candidacy, Model};
use crate::routes::ask::ask;
use crate::routes::events;

/// Most candidate labels of a request: the text tower reads each.
const MOST_LABELS: usize = 200;

/// What stands behind the `?`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// How many labels: a number, or `all`.
    top_k: Option<String>,
    /// Length of a window in seconds; the answer is then a list.
    window: Option<f64>,
    /// From one window to the next, in seconds; the window's length unless given.
    hop: Option<f64>,
    /// Only the part from here …
    start: Option<f64>,
    /// … to here, in seconds.
    end: Option<f64>,
    /// Candidate labels, comma-separated, for a model that takes them.
    labels: Option<String>,
    /// What its text tower reads for each, with `{}` where the label goes.
    template: Option<String>,
}

/// Answers with one object, or with a list of them where windows are asked for; as an event stream where that is accepted.
pub(crate) async fn classify(
    State(app): State<Arc<App>>,
    Query(options): Query<Options>,
    request: Request,
) -> Result<Response, Refusal> {
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let in_events = accepts == Some("text/event-stream");
    let upload = Upload::read(request, &app).await?;
    let question = options.question(upload, &app.model)?;
    match in_events {
        true => Ok(events::stream(app, question).into_response()),
        false => Ok(Json(ask(&app, question, |_| ()).await?).into_response()),
    }
}

/// A sound that was sent.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) name: String,
    pub(crate) sound: Bytes,
    /// Room for it.
    pub(crate) memory: OwnedSemaphorePermit,
}

/// How long a body may take to arrive, and how long it may wait for room.
const ARRIVAL: Duration = Duration::from_secs(120);
const ROOM: Duration = Duration::from_secs(30);

impl Upload {
    /// The field `file` of a form, or the body itself.
    pub(crate) async fn read(request: Request, app: &Arc<App>) -> Result<Upload, Refusal> {
        let headers = request.headers().clone();
        let memory = Upload::room(&headers, app).await?;
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_form = kind.is_some_and(|kind| kind.starts_with("multipart/form-data"));
        let read = async {
            match is_form {
                true => Upload::form(request).await,
                false => {
                    let body = Bytes::from_request(request, app).await;
                    Ok(("upload".to_owned(), body.map_err(|error| too_long(&error))?))
                }
            }
        };
        let late = |_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time");
        let (name, sound) = tokio::time::timeout(ARRIVAL, read).await.map_err(late)??;
        match sound.is_empty() {
            true => Err(Refusal::bad_request("the body is empty: send the bytes of a sound file")),
            false => Ok(Upload { name, sound, memory }),
        }
    }

    /// Waits until there is room for as many bytes as the client announces, or for the most that are taken.
    async fn room(headers: &HeaderMap, app: &Arc<App>) -> Result<OwnedSemaphorePermit, Refusal> {
        let most = app.options.limits.body;
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: usize| length > most) {
            return Err(too_large());
        }
        room(app, length.unwrap_or(most)).await
    }

    async fn form(request: Request) -> Result<(String, Bytes), Refusal> {
        let broken = |error: MultipartError| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            status => Refusal::new(status, error.body_text()),
        };
        let form = Multipart::from_request(request, &()).await;
        let mut form = form.map_err(|error| Refusal::bad_request(error.body_text()))?;
        while let Some(field) = form.next_field().await.map_err(broken)? {
            if field.name() == Some("file") {
                let name = field.file_name().unwrap_or("upload").to_owned();
                return Ok((name, field.bytes().await.map_err(broken)?));
            }
        }
        Err(Refusal::bad_request("the form has no field `file`"))
    }
}

/// Waits until there is room for so many bytes.
pub(crate) async fn room(app: &App, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
    let most = app.options.limits.uploads.div_ceil(1024);
    let kib = u32::try_from(bytes.div_ceil(1024).min(most)).unwrap_or(u32::MAX);
    let permit = tokio::time::timeout(ROOM, Arc::clone(&app.memory).acquire_many_owned(kib)).await;
    permit.ok().and_then(Result::ok).ok_or_else(|| {
        Refusal::busy("too many uploads at the same time: try again later", Duration::from_secs(10))
    })
}

fn too_large() -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the file is too large")
}

fn too_long(error: &BytesRejection) -> Refusal {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        status => Refusal::new(status, error.body_text()),
    }
}

impl Options {
    fn question(&self, Upload { name, sound, memory }: Upload, model: &Model) -> Result<Question, Refusal> {
        let top_k = self.top_k.as_deref().map(top_k).transpose()?;
        let windows = match (self.window, self.hop) {
            (None, None) => None,
            (None, Some(_)) => return Err(Refusal::bad_request("`hop` needs `window`")),
            (Some(length), hop) => Some(Windows {
                length: seconds("window", length)?,
                hop: seconds("hop", hop.unwrap_or(length))?,
            }),
        };
        let span = match (self.start, self.end) {
            (None, None) => None,
            (Some(start), Some(end)) if start >= 0.0 && end > start && end <= 1e6 => Some((start, end)),
            _ => {
                return Err(Refusal::bad_request(
                    "`start` and `end` are seconds, and `start` is the smaller",
                ));
            }
        };
        if windows.is_some() && span.is_some() {
            return Err(Refusal::bad_request(
                "`window` takes the whole sound, and `start` and `end` a part of it",
            ));
        }
        Ok(Question {
            name,
            sound,
            top_k,
            windows,
            span,
            memory: Some(memory),
            labels: candidacy(model, self.labels.as_deref(), self.template.as_deref())?,
            progress: Progress::default(),
        })
    }
}

fn top_k(text: &str) -> Result<TopK, Refusal> {
    match (text, text.parse()) {
        ("all", _) => Ok(TopK::All),
        (_, Ok(n)) if n > 0 => Ok(TopK::N(n)),
        _ => Err(Refusal::bad_request("`top_k` is a number above 0, or `all`")),
    }
}

pub(crate) fn seconds(name: &str, seconds: f64) -> Result<Duration, Refusal> {
    match seconds > 0.0 && seconds <= 3600.0 {
        true => Ok(Duration::from_secs_f64(seconds)),
        false => Err(Refusal::bad_request(format_args!("`{name}` is above 0 and at most 3600, in seconds"))),
    }
}

/// The labels and the template of a request; nothing where the model has labels of its own.
pub(crate) fn candidacy(
    model: &Model,
    labels: Option<&str>,
    template: Option<&str>,
) -> Result<Option<Candidacy>, Refusal> {
    let Some(default) = model.default_candidacy() else {
        return match labels.is_some() || template.is_some() {
            true => Err(Refusal::bad_request(
                "this model has labels of its own: leave `labels` and `template` out",
            )),
            false => Ok(None),
        };
    };
    let labels = labels.map_or_else(|| Ok(default.labels.clone()), labels_of)?;
    let template = template.unwrap_or(&default.template).to_owned();
    Ok(Some(Candidacy { labels, template }))
}

/// Labels in one text, comma-separated.
pub(crate) fn labels_of(text: &str) -> Result<Vec<String>, Refusal> {
    let labels: Vec<String> = text.split(',').map(|label| label.trim().to_owned()).collect();
    match labels.len() > MOST_LABELS {
        true => Err(Refusal::bad_request(format_args!(
            "{} labels: at most {MOST_LABELS} are taken",
            labels.len()
        ))),
        false => Ok(labels),
    }
}
