//! Calls of the API that write, and need a token.

use reqwest::StatusCode;
use reqwest::blocking::{RequestBuilder, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::api::json::MAX_JSON;
use crate::api::urls::RepoUrl;
use crate::error::ErrorKind;
use crate::http::address::{header_text, redacted};
use crate::http::client::Http;
use crate::http::retry::{Failure, Retries, Retry};
use crate::hub::Hub;

impl Hub {
    /// The clients, if there is a token to push with.
    pub(crate) fn authenticated(&self) -> Result<&Http, ErrorKind> {
        match &self.http {
            None => Err(ErrorKind::OfflinePush),
            Some(http) if !http.has_token() => Err(ErrorKind::NoToken),
            Some(http) => Ok(http),
        }
    }
}

impl Http {
    /// Posts to the target, with retries, and reads the JSON answer.
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        target: &RepoUrl<'_>,
        body: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<T, ErrorKind> {
        Retries::new(&self.timeouts).run(|| self.try_post(target, &body))
    }

    /// As [`post`](Http::post), once.
    pub(crate) fn try_post<T: DeserializeOwned>(
        &self,
        target: &RepoUrl<'_>,
        body: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<T, Failure> {
        let request = body(self.no_redirect.post(target.url.clone()));
        let refuse = |response| self.push_refusal(target, response);
        self.try_json(target.endpoint, request, MAX_JSON, refuse).map(|(json, _)| json)
    }

    fn push_refusal(&self, target: &RepoUrl<'_>, response: Response) -> Failure {
        let (status, retry) = (response.status(), Retry::of_status(response.status(), response.headers()));
        let message = header_text(response.headers(), "x-error-message").map(str::to_owned);
        let message = message.or_else(|| {
            let refusal: Refusal = serde_json::from_slice(&self.read_start(response)).ok()?;
            Some(refusal.error)
        });
        Failure { kind: self.push_refused(target, status, message.as_deref()), retry }
    }

    /// What an answer without success means for a call that writes, by its status and what the Hub says.
    pub(crate) fn push_refused(
        &self,
        target: &RepoUrl<'_>,
        status: StatusCode,
        message: Option<&str>,
    ) -> ErrorKind {
        let page = target.page();
        let silent = match status.is_redirection() {
            true => "it has another name now, push to that one",
            false => "it does not say why",
        };
        match status.as_u16() {
            status @ (401 | 403) => ErrorKind::NoWriteAccess { status, page },
            412 => ErrorKind::Conflict,
            status @ (429 | 500..) => ErrorKind::Status { status, url: redacted(&target.url) },
            status => {
                let message = self.one_line(message.unwrap_or(silent));
                ErrorKind::PushRefused { status, page, message }
            }
        }
    }
}

/// What the Hub says of a call that it refuses.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}
