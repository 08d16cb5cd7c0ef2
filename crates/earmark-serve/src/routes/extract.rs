//! What a request holds. axum's own extractors refuse it with plain text; these do with JSON, as the server does everywhere.

use std::error::Error;

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use crate::error::Refusal;
use crate::routes::body::too_large;

/// What stands behind the `?`.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query<T>, Refusal> {
        // axum would put U+FFFD there.
        if percent_decode_str(parts.uri.query().unwrap_or_default()).decode_utf8().is_err() {
            return Err(Refusal::bad_request("the query is not UTF-8"));
        }
        let query = axum::extract::Query::try_from_uri(&parts.uri).map_err(|error| {
            Refusal::bad_request(format_args!("cannot read the query: {}", cause(&error)))
        })?;
        Ok(Query(query.0))
    }
}

/// The parts of an address that are not fixed. One that cannot be read is the address of nothing.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Path<T>, Refusal> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|path| Path(path.0)).map_err(|_| nothing_here())
    }
}

/// There is nothing at an address.
pub(crate) fn nothing_here() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "there is nothing at this address")
}

/// A body that is JSON.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Json<T>, Refusal> {
        let json = axum::Json::from_request(request, state).await;
        json.map(|json| Json(json.0)).map_err(|error| match error.status() {
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                Refusal::new(error.status(), "the body is JSON, with `Content-Type: application/json`")
            }
            status => Refusal::new(status, format_args!("cannot read the JSON: {}", cause(&error))),
        })
    }
}

/// A body that is a form with files.
pub(crate) struct Multipart(axum::extract::Multipart);

impl<S: Send + Sync> FromRequest<S> for Multipart {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Multipart, Refusal> {
        let form = axum::extract::Multipart::from_request(request, state).await;
        form.map(Multipart).map_err(|_| {
            Refusal::bad_request("the body is a form, with `Content-Type: multipart/form-data; boundary=…`")
        })
    }
}

impl Multipart {
    pub(crate) async fn next_field(&mut self) -> Result<Option<Field<'_>>, Refusal> {
        self.0.next_field().await.map_err(|error| broken(&error))
    }
}

/// A form, or a field of one, that cannot be read.
pub(crate) fn broken(error: &MultipartError) -> Refusal {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        status => Refusal::new(status, format_args!("cannot read the form: {}", cause(error))),
    }
}

/// The innermost reason of an error of axum's, whose outer ones say which of its types was concerned.
fn cause(error: &(dyn Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Refuses bodies that are compressed, which would be taken for a damaged sound.
pub(crate) async fn check_encoding(request: Request, next: Next) -> Response {
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if request.headers().get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return next.run(request).await;
    }
    let why = "the body is compressed: send it without `Content-Encoding`";
    let refusal = Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why).into_response();
    ([(header::ACCEPT_ENCODING, "identity")], refusal).into_response()
}
