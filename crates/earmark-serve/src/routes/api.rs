//! `POST /api/classify`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest as _, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use earmark_labels::TopK;
use earmark_pipeline::Windows;
use serde::Deserialize;

use crate::app::App;
use crate::error::Refusal;
use crate::inference::classification::Answer;
use crate::inference::classify::{Progress, Question};
use crate::inference::model::{Candidacy, Model};
use crate::memory::Room;
use crate::routes::ask::ask;
use crate::routes::events;
use crate::routes::extract::{Multipart, Query, broken};
use crate::routes::schemas::{Refusals, SoundFile, SoundForm, Unclassified};

/// Most candidate labels of a request: the text tower reads each.
const MOST_LABELS: usize = 200;

/// What stands behind the `?`.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Options {
    /// How many labels: a number, or `all`. Without it 5, and every one of a model that takes `labels`.
    #[param(pattern = "^([1-9][0-9]*|all)$", nullable = false)]
    top_k: Option<String>,
    /// Length of a window in seconds; the answer is then a list of windows.
    #[param(exclusive_minimum = 0, maximum = 3600, nullable = false)]
    window: Option<f64>,
    /// From one window to the next, in seconds; the window's length unless given.
    #[param(exclusive_minimum = 0, maximum = 3600, nullable = false)]
    hop: Option<f64>,
    /// Only the part from here, in seconds, to `end`.
    #[param(minimum = 0, maximum = 1000000, nullable = false)]
    start: Option<f64>,
    /// Where the part ends, in seconds.
    #[param(exclusive_minimum = 0, maximum = 1000000, nullable = false)]
    end: Option<f64>,
    /// Candidate labels, comma-separated, for a model that takes them.
    #[param(nullable = false)]
    labels: Option<String>,
    /// What the text tower reads for each label, with `{}` where the label goes.
    #[param(nullable = false)]
    template: Option<String>,
}

/// The labels of a sound: one object, or a list of them with `window`.
///
/// With `Accept: text/event-stream` it is the last event of a stream: `waiting` says how many requests are before it, `running`
/// how far it is, `done` is the answer, and `error` why there is none.
#[utoipa::path(
    post,
    path = "/api/classify",
    params(Options),
    request_body(content(
        (SoundForm = "multipart/form-data"),
        (SoundFile = "application/octet-stream"),
        (SoundFile = "audio/*"),
    )),
    responses(
        (status = 200, description = "The labels", content(
            (Answer = "application/json"),
            (String = "text/event-stream"),
        )),
        Unclassified,
        Refusals,
    ),
)]
pub(crate) async fn classify(
    State(app): State<Arc<App>>,
    Query(options): Query<Options>,
    Extension(room): Extension<Arc<Room>>,
    request: Request,
) -> Result<Response, Refusal> {
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let in_events = accepts == Some("text/event-stream");
    let upload = Upload::read(request, room).await?;
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
    pub(crate) room: Arc<Room>,
}

/// Most fields of a form that are looked at.
pub(crate) const MOST_FIELDS: usize = 64;
/// Longest name of a file, in bytes, as file systems have it.
const LONGEST_NAME: usize = 255;

impl Upload {
    /// The field `file` of a form, or the body itself.
    pub(crate) async fn read(request: Request, room: Arc<Room>) -> Result<Upload, Refusal> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        let is_form = match kind.as_deref() {
            Some("multipart/form-data") => true,
            Some(kind) if kind.starts_with("multipart/") || kind == "application/json" => {
                let why =
                    format!("`{kind}` is no sound: send a form with `file`, or the bytes of a sound file");
                return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
            }
            _ => false,
        };
        let (name, sound) = match is_form {
            true => Upload::form(request).await?,
            false => {
                let body = Bytes::from_request(request, &()).await;
                ("upload".to_owned(), body.map_err(|error| Refusal::bad_request(error.body_text()))?)
            }
        };
        match sound.is_empty() {
            true => Err(Refusal::bad_request("the body is empty: send the bytes of a sound file")),
            false => Ok(Upload { name, sound, room }),
        }
    }

    async fn form(request: Request) -> Result<(String, Bytes), Refusal> {
        let mut form = Multipart::from_request(request, &()).await?;
        for _ in 0..MOST_FIELDS {
            let Some(field) = form.next_field().await? else { break };
            if field.name() == Some("file") {
                let name = check_name(field.file_name().unwrap_or("upload"))?.to_owned();
                return Ok((name, field.bytes().await.map_err(|error| broken(&error))?));
            }
        }
        Err(Refusal::bad_request("the form has no field `file`"))
    }
}

/// The name of a file, unless it is too long for one.
pub(crate) fn check_name(name: &str) -> Result<&str, Refusal> {
    match name.len() <= LONGEST_NAME {
        true => Ok(name),
        false => {
            Err(Refusal::bad_request(format_args!("a file's name is at most {LONGEST_NAME} bytes long")))
        }
    }
}

impl Options {
    fn question(&self, Upload { name, sound, room }: Upload, model: &Model) -> Result<Question, Refusal> {
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
            room,
            labels: candidacy(model, self.labels.as_deref(), self.template.as_deref())?,
            progress: Progress::default(),
        })
    }
}

fn top_k(text: &str) -> Result<TopK, Refusal> {
    let is_number =
        text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0') && !text.is_empty();
    match text {
        "all" => Ok(TopK::All),
        // More than can be counted is all of them.
        _ if is_number => Ok(TopK::N(text.parse().unwrap_or(usize::MAX))),
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
