use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::blocking::Client;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;

use crate::error::ErrorKind;
use crate::http::redirect;
use crate::http::timeouts::Timeouts;
use crate::token::Token;

/// Largest list of headers over HTTP/2. Over HTTP/1 the client stops at 100 headers and some 400 KiB.
const MAX_HEADERS: u32 = 256 << 10;

pub(crate) const USER_AGENT: &str = concat!("earmark/", env!("CARGO_PKG_VERSION"));

/// The HTTP clients. They block, and must not be used on an async runtime's thread: see [`off_runtime`].
pub(crate) struct Http {
    /// Sends the token and follows no redirect. The headers of a redirect describe a large file, those behind it do not.
    pub(crate) no_redirect: Client,
    /// Sends the token and follows redirects, to other hosts without the token.
    pub(crate) redirecting: Client,
    /// Has no token and follows redirects; made on first use.
    anonymous: OnceLock<Client>,
    pub(crate) timeouts: Timeouts,
    pub(crate) token: Option<Token>,
}

impl Http {
    pub(crate) fn new(token: Option<Token>, timeouts: Timeouts) -> Result<Http, ErrorKind> {
        let mut headers = default_headers();
        if let Some(token) = &token {
            headers.insert(header::AUTHORIZATION, token.header()?);
        }
        off_runtime(|| {
            Ok(Http {
                no_redirect: client(headers.clone(), Policy::none(), &timeouts)?,
                redirecting: client(headers, redirect::policy(), &timeouts)?,
                anonymous: OnceLock::new(),
                timeouts,
                token,
            })
        })
    }

    /// The client without a token, for addresses that are not the Hub's.
    pub(crate) fn anonymous(&self) -> Result<&Client, ErrorKind> {
        match self.anonymous.get() {
            Some(client) => Ok(client),
            None => {
                let client = client(default_headers(), redirect::policy(), &self.timeouts)?;
                Ok(self.anonymous.get_or_init(|| client))
            }
        }
    }

    pub(crate) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    pub(crate) fn is_token_in(&self, text: &str) -> bool {
        self.token.as_ref().is_some_and(|token| token.is_in(text))
    }

    /// The start of a server's message, on one line and without the token.
    pub(crate) fn one_line(&self, message: &str) -> String {
        let message = match &self.token {
            Some(token) => token.redact(message),
            None => message.to_owned(),
        };
        let ends_line = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        message.chars().map(|c| if ends_line(c) { ' ' } else { c }).take(200).collect()
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("has_token", &self.has_token()).finish_non_exhaustive()
    }
}

/// Headers of every request.
fn default_headers() -> HeaderMap {
    // Lengths are compared, so nothing may be compressed.
    HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))])
}

fn client(headers: HeaderMap, redirects: Policy, timeouts: &Timeouts) -> Result<Client, ErrorKind> {
    Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(headers)
        .connect_timeout(timeouts.connect())
        .timeout(timeouts.read)
        .http2_max_header_list_size(MAX_HEADERS)
        .redirect(redirects)
        .referer(false) // The address before a redirect may be signed.
        .build()
        .map_err(|e| ErrorKind::Client(e.into()))
}

/// For a client that does not block, and has no token and follows no redirect.
pub(crate) fn async_client(timeouts: &Timeouts) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(default_headers())
        .connect_timeout(timeouts.connect())
        .http2_max_header_list_size(MAX_HEADERS)
        .redirect(Policy::none())
}

/// The longest that an answer to `bytes` sent may take: `timeout`, and the time to send them at 16 KiB per second.
pub(crate) fn upload_timeout(timeout: Duration, bytes: u64) -> Duration {
    timeout + Duration::from_secs(bytes / (16 << 10))
}

/// Runs on a thread of its own: in a debug build, a blocking client panics on an async runtime's thread, and callers should
/// not have to know.
pub(crate) fn off_runtime<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
