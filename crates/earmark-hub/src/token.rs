use std::fmt;

use reqwest::header::HeaderValue;

use crate::error::ErrorKind;

/// An access token. It is sent to the endpoint, and appears in no `Debug` output, error or log.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    pub(crate) fn new(token: String) -> Token {
        Token(token)
    }

    /// The value of an `Authorization` header.
    pub(crate) fn header(&self) -> Result<HeaderValue, ErrorKind> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0)).map_err(|_| ErrorKind::Token)?;
        value.set_sensitive(true);
        Ok(value)
    }

    pub(crate) fn is_in(&self, text: &str) -> bool {
        !self.0.is_empty() && text.contains(&self.0)
    }

    /// `text` without the token.
    pub(crate) fn redact(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, "(token)") }
    }

    /// The token itself, for hf-hub, which makes the header.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}
