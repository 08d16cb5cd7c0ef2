//! Calls of the API that answer with JSON.

use reqwest::Url;
use reqwest::blocking::{RequestBuilder, Response};
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::api::urls::RepoUrl;
use crate::commit::Commit;
use crate::error::ErrorKind;
use crate::http::address::{header_text, redacted};
use crate::http::client::Http;
use crate::http::retry::{Failure, Retries};

/// Largest JSON answer of most calls: what the API says of a revision names each of its files.
pub(crate) const MAX_JSON: u64 = 64 << 20;

impl Http {
    /// One JSON answer, and the address of the next page.
    pub(crate) fn json<T: DeserializeOwned>(
        &self,
        target: &RepoUrl<'_>,
        limit: u64,
    ) -> Result<(T, Option<Url>), ErrorKind> {
        Retries::new(&self.timeouts).run(|| {
            let request = self.redirecting.get(target.url.clone());
            let refuse = |response| self.refusal(target, &response);
            let (json, headers) = self.try_json(target.endpoint, request, limit, refuse)?;
            let link = header_text(&headers, "link").and_then(next_link);
            match link.map(|link| target.url.join(link)) {
                None => Ok((json, None)),
                // The token is sent along.
                Some(Ok(url)) if url.origin() == target.endpoint.origin() => Ok((json, Some(url))),
                Some(_) => Err(target.malformed("`Link`").into()),
            }
        })
    }

    /// Sends a request once and reads its JSON answer. `refuse` says what an answer without success means.
    pub(crate) fn try_json<T: DeserializeOwned>(
        &self,
        endpoint: &Url,
        request: RequestBuilder,
        limit: u64,
        refuse: impl FnOnce(Response) -> Failure,
    ) -> Result<(T, HeaderMap), Failure> {
        let response = request.send().map_err(|error| Failure::unreachable(endpoint, error))?;
        if !response.status().is_success() {
            return Err(refuse(response));
        }
        let (headers, url) = (response.headers().clone(), redacted(response.url()));
        let body = self.read_body(response, limit)?;
        let json = serde_json::from_slice(&body).map_err(|_| ErrorKind::Malformed { what: "JSON", url })?;
        Ok((json, headers))
    }

    /// The commit that the target's revision stands for; `target` is the API's call `revision`.
    pub(crate) fn head_commit(&self, target: &RepoUrl<'_>) -> Result<Commit, ErrorKind> {
        #[derive(Deserialize)]
        struct RevisionInfo {
            sha: String,
        }
        let (info, _) = self.json::<RevisionInfo>(target, MAX_JSON)?;
        Commit::new(&info.sha).ok_or_else(|| target.malformed("`sha`"))
    }
}

/// The address in `<address>; rel="next"`, perhaps one of several links.
fn next_link(header: &str) -> Option<&str> {
    let link = header.split(',').map(str::trim).find(|link| link.contains("rel=\"next\""))?;
    link.strip_prefix('<')?.split_once('>').map(|(address, _)| address)
}
