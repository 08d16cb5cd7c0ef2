//! Calls of the API that need a token.

use reqwest::Url;
use reqwest::blocking::RequestBuilder;
use reqwest::header;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use crate::api::json::MAX_JSON;
use crate::api::urls::repo_page;
use crate::error::ErrorKind;
use crate::http::address::{header_text, redacted};
use crate::http::client::Http;
use crate::http::retry::{Failure, Retries, Retry};
use crate::hub::Hub;
use crate::repo::Repo;

/// A call of the API.
pub(crate) struct ApiCall<'a> {
    pub(crate) url: Url,
    endpoint: &'a Url,
    /// `None` for calls about the account.
    repo: Option<&'a Repo>,
}

impl<'a> ApiCall<'a> {
    /// A call at this path below the endpoint.
    pub(crate) fn new(endpoint: &'a Url, repo: Option<&'a Repo>, path: &[&str]) -> ApiCall<'a> {
        let mut url = endpoint.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        ApiCall { url, endpoint, repo }
    }

    /// A call at an address of the repository.
    pub(crate) fn at(url: Url, endpoint: &'a Url, repo: &'a Repo) -> ApiCall<'a> {
        ApiCall { url, endpoint, repo: Some(repo) }
    }

    /// The answer lacks `what`, or has it in a form that cannot be used.
    pub(crate) fn malformed(&self, what: &'static str) -> ErrorKind {
        ErrorKind::Malformed { what, url: redacted(&self.url) }
    }

    /// The page that shows what the call was about.
    pub(crate) fn page(&self) -> String {
        self.repo.map_or_else(|| self.endpoint.to_string(), |repo| repo_page(self.endpoint, repo).to_string())
    }
}

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
    /// Sends the call, with retries, and reads its JSON answer.
    pub(crate) fn send<T: DeserializeOwned>(
        &self,
        call: &ApiCall<'_>,
        request: impl Fn(Url) -> RequestBuilder,
    ) -> Result<T, ErrorKind> {
        Retries::new(&self.timeouts).run(|| self.try_send(call, request(call.url.clone())))
    }

    /// As [`send`](Http::send), for a call that creates something. That it exists already (409) is no error.
    pub(crate) fn create(
        &self,
        call: &ApiCall<'_>,
        request: impl Fn(Url) -> RequestBuilder,
    ) -> Result<(), ErrorKind> {
        match self.send::<IgnoredAny>(call, request) {
            Err(ErrorKind::PushRefused { status: 409, .. }) => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Sends the call once.
    pub(crate) fn try_send<T: DeserializeOwned>(
        &self,
        call: &ApiCall<'_>,
        request: RequestBuilder,
    ) -> Result<T, Failure> {
        let response = request.send().map_err(|error| {
            Failure::of_request(error, |source| ErrorKind::Unreachable {
                endpoint: call.endpoint.to_string(),
                source,
            })
        })?;
        let status = response.status();
        if !status.is_success() {
            let retry = Retry::of_status(status, response.headers());
            let message = header_text(response.headers(), "x-error-message").map(str::to_owned);
            let kind = match status.as_u16() {
                401 if call.repo.is_none() => ErrorKind::BadToken,
                status @ (401 | 403) => ErrorKind::NoWriteAccess { status, page: call.page() },
                412 => ErrorKind::Conflict,
                status @ (429 | 500..) => ErrorKind::Status { status, url: redacted(&call.url) },
                status => {
                    let json: Option<Refusal> = serde_json::from_slice(&self.read_start(response)).ok();
                    let message = message.or_else(|| Some(json?.error));
                    let message = self.one_line(&message.unwrap_or_else(|| "it does not say why".to_owned()));
                    ErrorKind::PushRefused { status, page: call.page(), message }
                }
            };
            return Err(Failure { kind, retry });
        }
        let body = self.read_body(response, MAX_JSON)?;
        let body = if body.is_empty() { b"null" } else { &*body };
        serde_json::from_slice(body).map_err(|_| call.malformed("JSON").into())
    }
}

/// What the Hub says of a call that it refuses.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// With this JSON as the body.
pub(crate) fn json_body(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request.header(header::CONTENT_TYPE, "application/json").body(body.to_string())
}
