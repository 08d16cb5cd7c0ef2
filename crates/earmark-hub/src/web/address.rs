//! Requests to any address, without the token.

use reqwest::blocking::Response;
use reqwest::{Url, header};

use crate::error::ErrorKind;
use crate::http::address::{self, header_text};
use crate::http::client::Http;
use crate::http::redirect::check_redirect;
use crate::http::retry::{Failure, Retries, Retry};

impl Http {
    /// Requests an address that need not be the Hub's, without the token.
    pub(crate) fn get_anonymously(&self, url: &Url, range: Option<&str>) -> Result<Response, ErrorKind> {
        Retries::new(&self.timeouts).run(|| self.try_get_anonymously(url, range))
    }

    /// As [`get_anonymously`](Http::get_anonymously), once.
    pub(crate) fn try_get_anonymously(&self, url: &Url, range: Option<&str>) -> Result<Response, Failure> {
        let mut request = self.anonymous()?.get(url.clone());
        if let Some(range) = range {
            request = request.header(header::RANGE, range);
        }
        let response = request.send().map_err(|error| {
            Failure::of_request(error, |source| {
                let host = url.host_str().unwrap_or_default().to_owned();
                ErrorKind::AddressUnreachable { host, source }
            })
        })?;
        let (status, headers) = (response.status(), response.headers());
        if status.is_success() {
            return Ok(response);
        }
        if let Some(to) = header_text(headers, "location").and_then(|to| url.join(to).ok()) {
            // The client returns a redirect to what is no web address as an answer.
            check_redirect(url.scheme(), &to)?;
        }
        let retry = Retry::of_status(status, headers);
        Err(Failure { kind: ErrorKind::AddressStatus { status: status.as_u16() }, retry })
    }
}

pub(crate) fn web_address(url: &str) -> Result<Url, ErrorKind> {
    let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or(ErrorKind::Name { what: "web address", why: "it must look like https://host/file" })
}

/// The address as errors show it: without what may be a password or a signature, and also what is no address.
pub fn redacted(url: &str) -> String {
    let text = || {
        let start = url.split(['?', '#']).next().unwrap_or_default();
        start.rsplit_once('@').map_or(start, |(_, host)| host).chars().take(80).collect()
    };
    Url::parse(url).map_or_else(|_| text(), |url| address::redacted(&url))
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        assert_eq!(redacted("https://me:secret@host/a.wav?signature=abc"), "https://host/a.wav?…");
        assert_eq!(redacted("http://host/a.wav"), "http://host/a.wav");
        assert_eq!(redacted("https://me:secret@ho st/a.wav?signature=abc"), "ho st/a.wav");
    }
}
