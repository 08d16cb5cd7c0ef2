//! What goes wrong, and the HTTP status that says so.

use std::fmt;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// A server that cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
#[non_exhaustive]
pub struct Error {
    /// What was tried.
    pub doing: String,
    /// Why it failed.
    #[source]
    pub cause: std::io::Error,
}

/// Why a request is not answered with a result: a status and a sentence, as JSON `{"error": "…"}`.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    message: String,
    retry_after: Option<Duration>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl fmt::Display) -> Refusal {
        Refusal { status, message: message.to_string(), retry_after: None }
    }

    /// The request itself is wrong.
    pub(crate) fn bad_request(message: impl fmt::Display) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, message)
    }

    /// The request is fine, and what it holds cannot be classified.
    pub(crate) fn unusable(message: impl fmt::Display) -> Refusal {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// Another time.
    pub(crate) fn busy(message: impl fmt::Display, retry_after: Duration) -> Refusal {
        Refusal { retry_after: Some(retry_after), ..Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message) }
    }

    /// For a client that has left.
    pub(crate) fn unread() -> Refusal {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "nobody waits for the answer")
    }

    /// A fault of ours.
    pub(crate) fn internal() -> Refusal {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed to answer; its log may say why")
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

/// Why a request is not answered with a result.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct ErrorBody {
    /// What is wrong, and what to do.
    error: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorBody { error: self.message })).into_response();
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}
