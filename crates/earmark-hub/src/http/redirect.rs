//! Which redirects are followed.

use reqwest::Url;
use reqwest::blocking::Response;
use reqwest::redirect::Policy;

use crate::http::address::{header_text, origin};

/// Follows up to ten redirects, and none from https to plain http, where others could change the answer. Python's
/// `huggingface_hub` 2.4.0 follows those, too.
pub(crate) fn policy() -> Policy {
    Policy::custom(|attempt| {
        let first = attempt.previous().first().map_or("", Url::scheme);
        if attempt.previous().len() > 10 {
            return attempt.error(BadRedirect::TooMany);
        }
        match check_redirect(first, attempt.url()) {
            Ok(()) => attempt.follow(),
            Err(bad) => attempt.error(bad),
        }
    })
}

/// Whether a request that began with the scheme `first` may be redirected to `next`.
pub(crate) fn check_redirect(first: &str, next: &Url) -> Result<(), BadRedirect> {
    match next.scheme() {
        "https" => Ok(()),
        "http" if first == "http" => Ok(()),
        _ => Err(BadRedirect::Insecure(origin(next))),
    }
}

/// The target of a redirect that keeps scheme, host and port, so that the token may be sent there.
pub(crate) fn same_origin_redirect(url: &Url, response: &Response) -> Option<Url> {
    let location =
        header_text(response.headers(), "location").filter(|_| response.status().is_redirection())?;
    url.join(location).ok().filter(|next| next.origin() == url.origin())
}

/// A redirect that is not followed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum BadRedirect {
    #[error("more than ten redirects")]
    TooMany,
    #[error("a redirect to {0}")]
    Insecure(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_redirect_leads_from_https_to_plain_http_or_off_the_web() {
        let allowed = |first: &str, next: &str| check_redirect(first, &Url::parse(next).unwrap()).is_ok();
        assert!(allowed("https", "https://cdn.example/x") && allowed("http", "https://cdn.example/x"));
        assert!(
            allowed("http", "http://127.0.0.1:9/x"),
            "whoever speaks plain http to begin with has chosen it"
        );
        for next in
            ["http://cdn.example/x", "http://hub.example/x", "file:///etc/passwd", "ftp://cdn.example/x"]
        {
            assert!(!allowed("https", next), "{next}");
        }
        assert!(!allowed("http", "file:///etc/passwd"));
    }
}
