//! HTTP: one HEAD to learn what a file is, one GET to have it, as Python's `huggingface_hub` 2.4.0 does
//! without xet.
//!
//! Not hf-hub 1.0.0, on purpose. Its downloads look only at the status of the HEAD, so that the error page of
//! a GET becomes the cached file; they use `ETag` and `X-Repo-Commit` as paths unseen, so that a hostile
//! mirror writes wherever it likes; they have no timeout, and cannot be told to leave xet, which has stalled,
//! alone.

use std::fmt;
use std::io::{self, Read, Seek, Write};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{StatusCode, Url, redirect};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::cache::{Commit, Etag, Incomplete, hex, io_error};
use crate::error::{ErrorKind, Missing};
use crate::hub::Progress;
use crate::repo::{FileName, Repo};

/// Largest JSON answer that is read, unless another limit is said: what the API says of a revision names each of its files.
pub(crate) const MAX_JSON: u64 = 64 << 20;

/// Largest list of headers over HTTP/2; over HTTP/1 the client stops at 100 headers and some 400 KiB.
const MAX_HEADERS: u32 = 256 << 10;

/// An upload that takes longer than this, in bytes a second, is given up on, where its progress cannot be seen.
pub(crate) const SLOWEST: u64 = 16 << 10;

/// Longest wait a server's `Retry-After` may impose.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A secret: shown to the endpoint, and never in `Debug`, an error or a log.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    pub(crate) fn new(token: String) -> Token {
        Token(token)
    }

    #[cfg(test)]
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// Something of a repository to ask for, and where.
pub(crate) struct Target<'a> {
    pub(crate) url: Url,
    pub(crate) endpoint: &'a Url,
    pub(crate) repo: &'a Repo,
}

impl<'a> Target<'a> {
    /// A file.
    pub(crate) fn new(endpoint: &'a Url, repo: &'a Repo, file: FileName<'_>) -> Target<'a> {
        let mut url = repo_url(endpoint, repo);
        if let Ok(mut path) = url.path_segments_mut() {
            // One segment, its slashes encoded: that is how the Hub tells a revision from a file.
            path.push("resolve").push(repo.revision.as_str()).extend(file.as_str().split('/'));
        }
        Target { url, endpoint, repo }
    }

    /// What the API says of the revision: `/api/models/owner/name/WHAT/REVISION`.
    pub(crate) fn api(endpoint: &'a Url, repo: &'a Repo, what: &str) -> Target<'a> {
        let mut url = endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("api").push(repo.kind.api_name()).extend(repo.id.as_str().split('/'));
            path.push(what).push(repo.revision.as_str());
        }
        Target { url, endpoint, repo }
    }

    pub(crate) fn malformed(&self, what: &'static str) -> Failure {
        Failure::last(ErrorKind::Malformed { what, url: shown(&self.url) })
    }

    pub(crate) fn unreachable(&self, error: reqwest::Error) -> Failure {
        Failure::of_request(error, |source| ErrorKind::Unreachable {
            endpoint: self.endpoint.to_string(),
            source,
        })
    }
}

/// The page that lists the revision's files, for a person.
pub(crate) fn files_page(endpoint: &Url, repo: &Repo) -> String {
    format!("{}/tree/{}", repo_url(endpoint, repo), repo.revision)
}

/// The page of the repository.
pub(crate) fn repo_url(endpoint: &Url, repo: &Repo) -> Url {
    let mut url = endpoint.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(repo.kind.url_prefix()).extend(repo.id.as_str().split('/'));
    }
    url
}

/// What the Hub says a file is.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) commit: Commit,
    pub(crate) etag: Etag,
    pub(crate) size: Option<u64>,
}

/// The Hub's answer about a file.
pub(crate) enum Answer {
    Exists(Remote),
    /// There is no such file; the commit that lacks it, if the Hub named it.
    Missing(Option<Commit>),
}

/// The HTTP client. Its methods must not be called on an async runtime's thread.
pub(crate) struct Transport {
    /// For HEAD: what a large file is stands in the headers of the redirect, not behind it.
    pub(crate) staying: Client,
    /// For GET: drops the token on the way to another host.
    pub(crate) following: Client,
    /// For addresses that are not the Hub's; made when the first is asked for.
    stranger: OnceLock<Client>,
    pub(crate) timeout: Duration,
    pub(crate) rate: Rate,
    pub(crate) token_sent: bool,
    /// To keep it out of what the Hub says in its refusals.
    token: Option<Token>,
    pub(crate) retries: u32,
    retry_delay: Duration,
}

/// How a [`Transport`] waits.
#[derive(Clone)]
pub(crate) struct Patience {
    pub(crate) retries: u32,
    pub(crate) retry_delay: Duration,
    pub(crate) timeout: Duration,
    pub(crate) rate: Rate,
}

/// The least a transfer moves, averaged over a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) bytes_per_second: u64,
    pub(crate) window: Duration,
}

impl Rate {
    /// Whether so many bytes in that time are too few.
    pub(crate) fn is_missed(self, bytes: u64, spent: Duration) -> bool {
        (bytes as f64) < self.bytes_per_second as f64 * spent.as_secs_f64()
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("token_sent", &self.token_sent).finish_non_exhaustive()
    }
}

impl Transport {
    pub(crate) fn new(token: Option<&Token>, patience: &Patience) -> Result<Transport, ErrorKind> {
        let Patience { retries, retry_delay, timeout, rate } = patience.clone();
        let mut headers = plain_headers();
        if let Some(Token(token)) = token {
            let bearer = format!("Bearer {token}");
            let mut value = HeaderValue::try_from(bearer).map_err(|_| ErrorKind::Token)?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        off_runtime(|| {
            Ok(Transport {
                staying: client(headers.clone(), redirect::Policy::none(), timeout)?,
                following: client(headers, redirects(), timeout)?,
                stranger: OnceLock::new(),
                timeout,
                rate,
                token_sent: token.is_some(),
                token: token.cloned(),
                retries,
                retry_delay,
            })
        })
    }

    /// The client that has no token to show.
    pub(crate) fn stranger(&self) -> Result<&Client, ErrorKind> {
        match self.stranger.get() {
            Some(client) => Ok(client),
            None => {
                let client = client(plain_headers(), redirects(), self.timeout)?;
                Ok(self.stranger.get_or_init(|| client))
            }
        }
    }

    /// The start of what the other side said, on one line and without the token.
    pub(crate) fn scrub(&self, said: &str) -> String {
        let said = match &self.token {
            Some(Token(token)) if !token.is_empty() => said.replace(token.as_str(), "(token)"),
            _ => said.to_owned(),
        };
        said.chars().map(|c| if c.is_control() || is_line_end(c) { ' ' } else { c }).take(200).collect()
    }

    /// Whether the token is part of `text`, which somebody would have us send elsewhere.
    pub(crate) fn is_token_in(&self, text: &str) -> bool {
        self.token.as_ref().is_some_and(|Token(token)| !token.is_empty() && text.contains(token.as_str()))
    }

    /// The start of an answer's body, for what it says; none of one that cannot be read.
    pub(crate) fn start_of(&self, mut response: Response) -> Vec<u8> {
        let (mut start, mut filled, mut pace) = (vec![0; 64 << 10], 0, Pace::new(self.rate));
        while filled < start.len() {
            match pace.read(&mut response, &mut start[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(_) => return Vec::new(),
            }
        }
        start.truncate(filled);
        start
    }

    /// All of an answer's body, if it is no longer than `limit` bytes.
    pub(crate) fn body(&self, mut response: Response, limit: u64) -> Result<Vec<u8>, Failure> {
        let too_large = |response: &Response| {
            let what = format!("the answer for {}", shown(response.url()));
            Failure::last(ErrorKind::TooLarge { what, limit })
        };
        let expected = response.content_length();
        if expected.is_some_and(|length| length > limit) {
            return Err(too_large(&response));
        }
        let (mut body, mut buffer, mut pace) = (Vec::new(), vec![0; 1 << 14], Pace::new(self.rate));
        loop {
            match pace.read(&mut response, &mut buffer) {
                Ok(0) => return Ok(body),
                Ok(n) if body.len() as u64 + n as u64 > limit => return Err(too_large(&response)),
                Ok(n) => body.extend_from_slice(&buffer[..n]),
                Err(source) => {
                    return Err(Failure::of_cut(response.url(), body.len() as u64, expected, source));
                }
            }
        }
    }

    /// One JSON answer of the API, and where its next page is.
    pub(crate) fn json<T: DeserializeOwned>(
        &self,
        target: &Target<'_>,
        limit: u64,
    ) -> Result<(T, Option<Url>), ErrorKind> {
        let mut tries = Tries::new(self, self.retries);
        loop {
            match self.try_json(target, limit) {
                Ok(answer) => return Ok(answer),
                Err(failure) => tries.pause_or_give_up(failure)?,
            }
        }
    }

    fn try_json<T: DeserializeOwned>(
        &self,
        target: &Target<'_>,
        limit: u64,
    ) -> Result<(T, Option<Url>), Failure> {
        let response = self.following.get(target.url.clone()).send().map_err(|e| target.unreachable(e))?;
        if !response.status().is_success() {
            return Err(self.refusal(target, &response));
        }
        let next = text(response.headers(), "link").and_then(next_link).map(|link| target.url.join(link));
        let next = match next {
            None => None,
            // The token goes along, so only where it belongs.
            Some(Ok(url)) if url.origin() == target.endpoint.origin() => Some(url),
            Some(_) => return Err(target.malformed("`Link`")),
        };
        let body = self.body(response, limit)?;
        let json = serde_json::from_slice(&body).map_err(|_| target.malformed("JSON"))?;
        Ok((json, next))
    }

    /// Asks for an address that need not be the Hub's, without the token.
    pub(crate) fn get_anywhere(&self, url: &Url, range: Option<&str>) -> Result<Response, ErrorKind> {
        let stranger = self.stranger()?;
        let mut tries = Tries::new(self, self.retries);
        loop {
            let request = stranger.get(url.clone());
            let request = match range {
                Some(range) => request.header(header::RANGE, range),
                None => request,
            };
            let failure = match request.send() {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => {
                    let status = response.status().as_u16();
                    let location = text(response.headers(), "location").and_then(|to| url.join(to).ok());
                    if let Some(to) = location {
                        // The client hands out what it does not follow by itself.
                        check_redirect(url.scheme(), &to).map_err(|bad| Failure::from(bad).kind)?;
                    }
                    Failure { kind: ErrorKind::AddressStatus { status }, again: Again::of_status(&response) }
                }
                Err(error) => Failure::of_request(error, |source| {
                    let host = url.host_str().unwrap_or_default().to_owned();
                    ErrorKind::AddressUnreachable { host, source }
                }),
            };
            tries.pause_or_give_up(failure)?;
        }
    }

    /// Asks what the file is, once, or until there is an answer if `patient`.
    pub(crate) fn ask(&self, target: &Target<'_>, patient: bool) -> Result<Answer, ErrorKind> {
        let mut tries = Tries::new(self, if patient { self.retries } else { 0 });
        loop {
            match self.try_ask(target) {
                Ok(answer) => return Ok(answer),
                Err(failure) => tries.pause_or_give_up(failure)?,
            }
        }
    }

    fn try_ask(&self, target: &Target<'_>) -> Result<Answer, Failure> {
        let mut url = target.url.clone();
        for _ in 0..5 {
            let response = self.staying.head(url.clone()).send().map_err(|e| target.unreachable(e))?;
            if let Some(next) = next_on_same_host(&url, &response) {
                // A renamed repository, or another spelling of its name: the headers are behind it.
                url = next;
                continue;
            }
            let headers = response.headers();
            let commit = text(headers, "x-repo-commit").and_then(Commit::new);
            let status = response.status();
            if !status.is_success() && !status.is_redirection() {
                return match self.refusal(target, &response) {
                    Failure { kind: ErrorKind::NotFound { what: Missing::File, .. }, .. } => {
                        Ok(Answer::Missing(commit))
                    }
                    failure => Err(failure),
                };
            }
            let etag = text(headers, "x-linked-etag").or_else(|| text(headers, "etag"));
            let size = text(headers, "x-linked-size")
                // The length of a redirect is not the length of the file.
                .or_else(|| text(headers, "content-length").filter(|_| status.is_success()));
            return Ok(Answer::Exists(Remote {
                commit: commit.ok_or_else(|| target.malformed("`X-Repo-Commit`"))?,
                etag: etag.and_then(Etag::new).ok_or_else(|| target.malformed("`ETag`"))?,
                size: size.and_then(|size| size.parse().ok()),
            }));
        }
        Err(BadRedirect::Endless.into())
    }

    /// Downloads the file into `into`, and returns once its length and, where known, its checksum are right.
    pub(crate) fn download(
        &self,
        target: &Target<'_>,
        file: FileName<'_>,
        remote: &Remote,
        into: &mut Incomplete,
        progress: Option<&dyn Progress>,
    ) -> Result<(), ErrorKind> {
        let progress = Finish(progress);
        let mut tries = Tries::new(self, self.retries);
        let mut body = Body { into, hasher: Sha256::new(), received: 0, rate: self.rate };
        body.take_up(remote.size)?;
        progress.started(file.as_str(), remote.size);
        if body.received > 0 {
            progress.advanced(body.received);
        }
        if body.received > 0 && remote.size == Some(body.received) {
            // Killed between the last byte and the rename; there is no range left to ask for.
            match body.verify(body.received, remote.etag.sha256()) {
                Ok(()) => return Ok(()),
                Err(_) => body.start_over()?,
            }
        }
        loop {
            match self.try_download(target, file, remote, &mut body, &progress) {
                Ok(()) => return Ok(()),
                Err(failure) => tries.pause_or_give_up(failure)?,
            }
            // What came before a cut is kept if a checksum will tell whether the halves fit.
            if remote.etag.sha256().is_none() || tries.mismatched {
                body.start_over()?;
                progress.started(file.as_str(), remote.size);
            }
        }
    }

    fn try_download(
        &self,
        target: &Target<'_>,
        file: FileName<'_>,
        remote: &Remote,
        body: &mut Body<'_>,
        progress: &Finish<'_>,
    ) -> Result<(), Failure> {
        let mut request: RequestBuilder = self.following.get(target.url.clone());
        if body.received > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", body.received));
        }
        let mut response = request.send().map_err(|e| target.unreachable(e))?;
        let headers = response.headers();
        match response.status() {
            StatusCode::PARTIAL_CONTENT if resumes_at(headers, body.received) => {}
            StatusCode::OK if body.received == 0 => {}
            StatusCode::OK => {
                // The server does not do ranges.
                body.start_over().map_err(Failure::last)?;
                progress.started(file.as_str(), remote.size);
            }
            status if status.is_success() => return Err(target.malformed("status")),
            _ => return Err(self.refusal(target, &response)),
        }
        if text(headers, "content-encoding").is_some_and(|encoding| encoding != "identity") {
            return Err(target.malformed("`Content-Encoding`"));
        }
        let announced = text(headers, "content-length")
            .and_then(|length| length.parse::<u64>().ok())
            .map(|length| length.saturating_add(body.received));
        // A body of no known length could be cut, or endless, without anyone noticing.
        let expected = remote.size.or(announced).ok_or_else(|| target.malformed("`Content-Length`"))?;
        if let Some(received) = announced.filter(|&length| length != expected) {
            return Err(Failure::mismatch(ErrorKind::Length { received, expected }));
        }
        body.receive(&mut response, expected, progress)?;
        body.verify(expected, remote.etag.sha256())
    }

    /// What a status other than success means.
    pub(crate) fn refusal(&self, target: &Target<'_>, response: &Response) -> Failure {
        let status = response.status().as_u16();
        let repo_page = || repo_url(target.endpoint, target.repo).to_string();
        let files_page = || files_page(target.endpoint, target.repo);
        let not_found = |what, page| Failure::last(ErrorKind::NotFound { what, page });
        match (status, text(response.headers(), "x-error-code")) {
            // The code first: to a stranger the Hub says 401 for a repository that does not exist.
            (_, Some("RepoNotFound")) => not_found(Missing::Repo, repo_page()),
            (_, Some("RevisionNotFound")) => not_found(Missing::Revision, repo_page()),
            (_, Some("EntryNotFound")) => not_found(Missing::File, files_page()),
            (404, _) => not_found(Missing::Unknown, files_page()),
            (401 | 403, _) => Failure::last(ErrorKind::AccessDenied {
                status,
                page: repo_page(),
                token_sent: self.token_sent,
            }),
            _ => {
                let kind = ErrorKind::Status { status, url: shown(&target.url) };
                Failure { kind, again: Again::of_status(response) }
            }
        }
    }
}

/// Headers that go to everybody.
pub(crate) fn plain_headers() -> HeaderMap {
    // Lengths are compared, so nothing may be compressed on the way.
    HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))])
}

pub(crate) const USER_AGENT: &str = concat!("earmark/", env!("CARGO_PKG_VERSION"));

fn client(headers: HeaderMap, redirects: redirect::Policy, timeout: Duration) -> Result<Client, ErrorKind> {
    Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(headers)
        .connect_timeout(timeout.min(Duration::from_secs(10)))
        .timeout(timeout) // Per read, not for the whole body.
        .http2_max_header_list_size(MAX_HEADERS)
        .redirect(redirects)
        .referer(false) // The address before a redirect may be signed.
        .build()
        .map_err(|e| ErrorKind::Client(e.into()))
}

/// Follows ten redirects, and none from https to plain http, where anybody on the way could change what comes. Python's
/// `huggingface_hub` 2.4.0 follows those, too.
fn redirects() -> redirect::Policy {
    redirect::Policy::custom(|attempt| {
        let first = attempt.previous().first().map_or("", Url::scheme);
        if attempt.previous().len() > 10 {
            return attempt.error(BadRedirect::Endless);
        }
        match check_redirect(first, attempt.url()) {
            Ok(()) => attempt.follow(),
            Err(bad) => attempt.error(bad),
        }
    })
}

/// Whether a request that began with the scheme `first` may go on to `next`.
pub(crate) fn check_redirect(first: &str, next: &Url) -> Result<(), BadRedirect> {
    match next.scheme() {
        "https" => Ok(()),
        "http" if first == "http" => Ok(()),
        _ => Err(BadRedirect::Insecure(origin(next))),
    }
}

/// A redirect that is not followed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum BadRedirect {
    #[error("more than ten redirects")]
    Endless,
    #[error("a redirect to {0}")]
    Insecure(String),
}

impl From<BadRedirect> for Failure {
    fn from(bad: BadRedirect) -> Failure {
        Failure::last(match bad {
            BadRedirect::Endless => ErrorKind::Redirects,
            BadRedirect::Insecure(to) => ErrorKind::InsecureRedirect { to },
        })
    }
}

/// Scheme, host and port of an address, as errors show them.
pub(crate) fn origin(url: &Url) -> String {
    match url.host_str() {
        Some(host) => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}://{}{port}", url.scheme(), host.chars().take(255).collect::<String>())
        }
        None => format!("{}:", url.scheme()),
    }
}

/// An address as errors show it: without what may be a password or a signature, and no longer than a line or two.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let (_, _) = (url.set_username(""), url.set_password(None));
    let query = if url.query().is_some() { "?…" } else { "" };
    url.set_query(None);
    url.set_fragment(None);
    let text = url.to_string();
    if text.len() > 300 { format!("{}…", text.chars().take(300).collect::<String>()) } else { text + query }
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// Runs on a thread of its own: in a debug build, a blocking client panics on an async runtime's thread, and
/// a caller should not have to know.
pub(crate) fn off_runtime<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// One attempt's failure.
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) again: Again,
}

impl Failure {
    pub(crate) fn last(kind: ErrorKind) -> Failure {
        Failure { kind, again: Again::Never }
    }

    pub(crate) fn mismatch(kind: ErrorKind) -> Failure {
        Failure { kind, again: Again::Mismatch }
    }

    /// Of a request that had no answer, or was redirected to where we do not go.
    pub(crate) fn of_request(
        error: reqwest::Error,
        kind: impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> ErrorKind,
    ) -> Failure {
        // Without its URL: after a redirect that one may be signed.
        let error = error.without_url();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            if let Some(bad) = inner.downcast_ref::<BadRedirect>() {
                return bad.clone().into();
            }
            cause = inner.source();
        }
        Failure { kind: kind(error.into()), again: Again::Later }
    }

    /// Of a body that broke off, or came too slowly.
    pub(crate) fn of_cut(from: &Url, received: u64, expected: Option<u64>, source: io::Error) -> Failure {
        let server = origin(from);
        let kind = match source.get_ref().and_then(|inner| inner.downcast_ref::<TooSlow>()) {
            Some(&TooSlow { bytes, spent }) => {
                ErrorKind::TooSlow { server, bytes, seconds: spent.as_secs_f64() }
            }
            None => ErrorKind::Interrupted { server, received, expected, source },
        };
        Failure { kind, again: Again::Later }
    }
}

/// Whether another attempt may do better.
pub(crate) enum Again {
    Never,
    Later,
    /// After the wait the server asks for.
    After(Duration),
    /// The bytes were wrong: perhaps a bad day, but hardly twice.
    Mismatch,
}

impl Again {
    pub(crate) fn of_status(response: &Response) -> Again {
        Again::of(response.status(), response.headers())
    }

    pub(crate) fn of(status: StatusCode, headers: &HeaderMap) -> Again {
        let after = text(headers, "retry-after").and_then(|s| s.parse().ok());
        match (status.as_u16(), after) {
            (408 | 429 | 500 | 502 | 503 | 504, Some(seconds)) => Again::After(Duration::from_secs(seconds)),
            (408 | 429 | 500 | 502 | 503 | 504, None) => Again::Later,
            _ => Again::Never,
        }
    }
}

/// How many attempts are left.
pub(crate) struct Tries {
    left: u32,
    delay: Duration,
    mismatched: bool,
}

impl Tries {
    pub(crate) fn new(transport: &Transport, left: u32) -> Tries {
        Tries { left, delay: transport.retry_delay, mismatched: false }
    }

    pub(crate) fn pause_or_give_up(&mut self, failure: Failure) -> Result<(), ErrorKind> {
        let wait = match failure.again {
            Again::Later => self.delay,
            Again::After(wait) => wait,
            Again::Mismatch if !self.mismatched => {
                self.mismatched = true;
                self.delay
            }
            Again::Mismatch | Again::Never => return Err(failure.kind),
        };
        if self.left == 0 {
            return Err(failure.kind);
        }
        tracing::debug!(error = %failure.kind, ?wait, left = self.left, "trying again");
        std::thread::sleep(wait.min(MAX_WAIT));
        self.left -= 1;
        self.delay = self.delay.saturating_mul(2);
        Ok(())
    }
}

/// The bytes received so far.
struct Body<'a> {
    into: &'a mut Incomplete,
    hasher: Sha256,
    received: u64,
    rate: Rate,
}

impl Body<'_> {
    fn receive(&mut self, from: &mut Response, expected: u64, progress: &Finish<'_>) -> Result<(), Failure> {
        let mut buffer = vec![0; 1 << 16];
        let mut pace = Pace::new(self.rate);
        loop {
            let n = match pace.read(from, &mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => n,
                Err(source) => {
                    return Err(Failure::of_cut(from.url(), self.received, Some(expected), source));
                }
            };
            self.received += n as u64;
            if self.received > expected {
                return Err(Failure::mismatch(ErrorKind::Length { received: self.received, expected }));
            }
            self.hasher.update(&buffer[..n]);
            let path = &self.into.path;
            self.into.file.write_all(&buffer[..n]).map_err(|e| Failure::last(io_error(path, e)))?;
            progress.advanced(n as u64);
        }
    }

    /// Goes on from what an interrupted download left: its bytes are hashed again, as they may be anybody's.
    fn take_up(&mut self, size: Option<u64>) -> Result<(), ErrorKind> {
        let path = &self.into.path;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let n = self.into.file.read(&mut buffer).map_err(|e| io_error(path, e))?;
            if n == 0 {
                break;
            }
            self.hasher.update(&buffer[..n]);
            self.received += n as u64;
        }
        if size.is_some_and(|size| self.received > size) {
            self.start_over()?;
        }
        Ok(())
    }

    fn verify(&self, expected: u64, sha256: Option<&str>) -> Result<(), Failure> {
        let received = self.received;
        if received != expected {
            return Err(Failure::mismatch(ErrorKind::Length { received, expected }));
        }
        let Some(expected) = sha256 else { return Ok(()) };
        let received = hex(&self.hasher.clone().finalize());
        if received != expected {
            let expected = expected.to_owned();
            return Err(Failure::mismatch(ErrorKind::Checksum { received, expected }));
        }
        Ok(())
    }

    fn start_over(&mut self) -> Result<(), ErrorKind> {
        self.hasher = Sha256::new();
        self.received = 0;
        let file = &mut self.into.file;
        file.set_len(0).and_then(|()| file.rewind()).map_err(|e| io_error(&self.into.path, e))
    }
}

/// Tells a slow connection from one that is kept open for nothing: each read is timed by the client, but a server that
/// sends a byte just before that time is up would never end.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: Rate,
    spent: Duration,
    bytes: u64,
}

impl Pace {
    pub(crate) fn new(rate: Rate) -> Pace {
        Pace { rate, spent: Duration::ZERO, bytes: 0 }
    }

    /// Reads, and counts only the time spent reading: whoever wants the bytes may take long over them.
    ///
    /// An error of the kind `TimedOut` that holds a [`TooSlow`] says that the rate was missed.
    pub(crate) fn read(&mut self, from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
        let before = Instant::now();
        let read = from.read(into)?;
        self.spent += before.elapsed();
        self.bytes += read as u64;
        if read > 0 && self.spent >= self.rate.window {
            let Pace { rate, spent, bytes } = *self;
            if rate.is_missed(bytes, spent) {
                return Err(io::Error::new(io::ErrorKind::TimedOut, TooSlow { bytes, spent }));
            }
            *self = Pace::new(rate);
        }
        Ok(read)
    }
}

/// What [`Pace`] found.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("only {bytes} bytes in {spent:.1?}")]
pub(crate) struct TooSlow {
    pub(crate) bytes: u64,
    pub(crate) spent: Duration,
}

/// Progress that cannot forget to finish.
pub(crate) struct Finish<'a>(pub(crate) Option<&'a dyn Progress>);

impl Finish<'_> {
    pub(crate) fn started(&self, file: &str, total: Option<u64>) {
        if let Some(progress) = self.0 {
            progress.started(file, total);
        }
    }

    pub(crate) fn advanced(&self, bytes: u64) {
        if let Some(progress) = self.0 {
            progress.advanced(bytes);
        }
    }
}

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        if let Some(progress) = self.0 {
            progress.finished();
        }
    }
}

/// Where a redirect leads, if it stays with the scheme, host and port the token is meant for.
pub(crate) fn next_on_same_host(url: &Url, response: &Response) -> Option<Url> {
    let location = text(response.headers(), "location").filter(|_| response.status().is_redirection())?;
    url.join(location).ok().filter(|next| next.origin() == url.origin())
}

/// The address of `<address>; rel="next"`, perhaps one of several links.
fn next_link(header: &str) -> Option<&str> {
    let link = header.split(',').map(str::trim).find(|link| link.contains("rel=\"next\""))?;
    link.strip_prefix('<')?.split_once('>').map(|(address, _)| address)
}

/// Whether the body goes on after `received` bytes: `Content-Range: bytes 5-9/10` after five.
fn resumes_at(headers: &HeaderMap, received: u64) -> bool {
    let range = text(headers, "content-range").and_then(|range| range.strip_prefix("bytes "));
    let start = range.and_then(|range| range.split_once('-')).and_then(|(start, _)| start.parse().ok());
    received > 0 && start == Some(received)
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_redirect_leads_from_https_to_plain_http_or_off_the_web() {
        let goes = |first: &str, next: &str| check_redirect(first, &Url::parse(next).unwrap()).is_ok();
        assert!(goes("https", "https://cdn.example/x") && goes("http", "https://cdn.example/x"));
        assert!(
            goes("http", "http://127.0.0.1:9/x"),
            "whoever speaks plain http to begin with has chosen it"
        );
        for next in
            ["http://cdn.example/x", "http://hub.example/x", "file:///etc/passwd", "ftp://cdn.example/x"]
        {
            assert!(!goes("https", next), "{next}");
        }
        assert!(!goes("http", "file:///etc/passwd"));
    }

    #[test]
    fn addresses_are_shown_without_secrets_and_short() {
        let show = |url: &str| shown(&Url::parse(url).unwrap());
        assert_eq!(show("https://me:secret@host:8/a?signature=s3cr3t#x"), "https://host:8/a?…");
        assert!(show(&format!("https://host/{}", "é".repeat(5000))).len() < 400);
        assert_eq!(origin(&Url::parse("https://me:secret@host:8/a?b").unwrap()), "https://host:8");
        assert_eq!(origin(&Url::parse("http://[::1]:9/").unwrap()), "http://[::1]:9");
        assert_eq!(origin(&Url::parse("file:///etc/passwd").unwrap()), "file:");
    }
}
