//! `/gradio_api/upload`, and `/gradio_api/file=…`, which gives back what was uploaded and nothing else.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::error::Refusal;
use crate::memory::Full;
use crate::routes::api::{MOST_FIELDS, check_name};
use crate::routes::extract::{Multipart, Path, broken};

/// Most files of one upload.
const MOST_FILES: usize = 16;

/// `POST /gradio_api/upload`: a form with one field `files` for each file; gives the path of each, `TOKEN/NAME`.
pub(crate) async fn upload(
    State(app): State<Arc<App>>,
    mut form: Multipart,
) -> Result<Json<Vec<String>>, Refusal> {
    let mut paths = Vec::new();
    for _ in 0..MOST_FIELDS {
        let Some(field) = form.next_field().await? else { break };
        if field.name() != Some("files") {
            continue;
        }
        if paths.len() == MOST_FILES {
            return Err(Refusal::bad_request(format_args!("at most {MOST_FILES} files are taken at a time")));
        }
        let name = check_name(last_part(field.file_name().unwrap_or("upload")))?.to_owned();
        let bytes = field.bytes().await.map_err(|error| broken(&error))?;
        let token = app.uploads.keep(name.clone(), bytes).map_err(|Full| {
            Refusal::busy(
                "too many files are waiting to be asked about: try again later",
                Duration::from_secs(30),
            )
        })?;
        paths.push(format!("{token}/{name}"));
    }
    match paths.is_empty() {
        true => Err(Refusal::bad_request("the form has no field `files`")),
        false => Ok(Json(paths)),
    }
}

/// The token in a path that [`upload`] gave; whatever else stands there is not looked at, and no file system is asked.
pub(crate) fn token_of(path: &str) -> &str {
    path.split('/').next().unwrap_or_default()
}

/// The name without folders, of whichever system.
fn last_part(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or_default()
}

/// `GET /gradio_api/file=TOKEN`.
pub(crate) async fn file(State(app): State<Arc<App>>, Path(file): Path<String>) -> Result<Response, Refusal> {
    let missing = || Refusal::new(StatusCode::NOT_FOUND, "there is no such file");
    let path = file.strip_prefix("file=").ok_or_else(missing)?;
    let upload = app.uploads.get(token_of(path)).ok_or_else(missing)?;
    // Never shown as a page of this server, whatever its bytes are.
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream"), (header::CONTENT_DISPOSITION, "attachment")];
    Ok((headers, upload.bytes).into_response())
}

/// `GET /gradio_api/file=TOKEN/NAME`.
pub(crate) async fn file_below(
    state: State<Arc<App>>,
    Path((file_and_token, _name)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    file(state, Path(file_and_token)).await
}
